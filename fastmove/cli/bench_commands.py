"""What `fastmove bench` does and prints: run a set, measure flight or the headline, compare runs, merge shards, write reports."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from fastmove import registries
from fastmove.bench import OWN_WORDS
from fastmove.bench.compare import compared
from fastmove.bench.engines import engine_of
from fastmove.bench.figures import figures_of
from fastmove.bench.problem_set import known_sets, open_set
from fastmove.bench.report.report import write_report
from fastmove.bench.results import RESULTS, Results, merged, rows_in, rows_of
from fastmove.bench.rollouts import usual_rollouts
from fastmove.bench.runner import jobs_of, run, write_about
from fastmove.bench.summary import table
from fastmove.cli.progress import Progress
from fastmove.errors import InputError


def bench_command(options: argparse.Namespace) -> int:
    """Do what the first word says: one of `OWN_WORDS`, else run the set of that name or place."""
    word = str(options.set)
    if options.more and word not in OWN_WORDS:
        raise InputError("SET", f"is one; {' '.join(options.more)} is left over")
    if options.out is None:
        options.out = Path("headline" if word == "headline" else "bench")
    own = {"flight": _flight, "headline": _headline, "compare": _compare, "merge": _merge, "report": _report, "sets": _sets}
    return own.get(word, _run)(options)


def _run(options: argparse.Namespace) -> int:
    """Run planners over a set of problems, and print the table or the rows."""
    planners = list(dict.fromkeys(options.planner.split(",")))
    for name in planners:
        registries.planners.get(name)
    problems, engine = open_set(options.set, options.limits, options.robot), engine_of(options.engine, options.jobs)
    unusable: list[str] = []
    numbers = problems.chosen(options.limit, options.shard)
    options.rollouts = usual_rollouts() if options.rollouts is None else options.rollouts
    jobs = jobs_of(problems, numbers, planners, options.variant, options.recheck, options.rollouts, unusable.append)
    results = Results(options.out, options.resume)
    asked = {
        key: getattr(options, key)
        for key in ("planner", "limits", "robot", "variant", "limit", "recheck", "rollouts", "engine", "jobs")
    }
    about = write_about(options.out, problems, {"set": _place(options.set)} | asked)
    left = max(0, len(numbers) * len(planners) - len(results.known))
    with Progress(f"{options.set}", left, ticking=options.jobs == 1) as progress:
        run(jobs, results, engine, lambda row: progress.advance())
    if unusable and not results.known:
        raise InputError(str(options.set), f"has no problem that can be used; {unusable[0]}")
    for sentence in unusable:
        print(f"not usable: {sentence}", file=sys.stderr)
    if options.json:
        for row in rows_of(results.file):
            print(json.dumps(row))
        return 0
    print(f"{options.set}\n{table(figures_of(rows_of(results.file), planners))}")
    speed = about["machine"]["workload_ms"]
    print(f"this machine: {speed:.0f} ms for 10,000 computeRNEADerivatives, to compare planning times with")
    print(write_report(options.out, options.previews))
    return 0


def _place(name: str) -> str:
    """A set as it is found again from any folder: a shipped one by its name, others by their absolute path."""
    return name if name in known_sets() and not Path(name).exists() else str(Path(name).resolve())


def _flight(options: argparse.Namespace) -> int:
    """Measure what happens in flight; what the folder holds is not measured again."""
    from fastmove.bench.flight.run import COUNTS, PAGE, fly

    most = options.limit or max(COUNTS.values())
    counts = {part: min(most, COUNTS.get(part, most)) for part in options.parts.split(",")}
    with Progress(f"flight in {options.out}", ticking=True) as progress:
        text = fly(options.out, counts, lambda row: progress.say(" ".join(map(str, row["key"]))))
    print(f"{text}\n{options.out / PAGE}")
    return 0


def _headline(options: argparse.Namespace) -> int:
    """Damage against units an hour of fingers and a cup; what the folder holds is not run again."""
    from fastmove.bench.headline.page import spoken
    from fastmove.bench.headline.run import COUNT, headline, jobs_in

    count = COUNT if options.rollouts is None else max(1, options.rollouts)
    left = jobs_in(options.limit) - sum(1 for _ in rows_of(options.out / RESULTS))
    with Progress(f"headline in {options.out}", max(0, left), ticking=options.jobs == 1) as progress:
        page = headline(options.out, options.limit, count, options.jobs, options.previews, lambda row: progress.advance())
    print(f"{spoken(options.out)}\n{page}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    """Print what changed from one run to another, and whether it is more than noise."""
    before, after = _folders(options, 2)
    changes = compared(before, after)
    if options.json:
        print(json.dumps({"format": 1, "planners": [change.as_json() for change in changes]}))
    else:
        print("\n".join(map(str, changes)))
    return 0


def _merge(options: argparse.Namespace) -> int:
    """Merge the results of shards into --out, and write their report."""
    folders = _folders(options)
    if options.out in folders:
        raise InputError("--out", f"is {options.out}, one of the folders that are merged; give another one")
    count = merged(folders, options.out)
    print(f"{count} results in {options.out}\n{table(figures_of(rows_in(options.out)))}")
    print(write_report(options.out, options.previews))
    return 0


def _report(options: argparse.Namespace) -> int:
    """Write the report of a folder of results again."""
    (folder,) = _folders(options, 1)
    print(write_report(folder, options.previews))
    return 0


def _sets(options: argparse.Namespace) -> int:
    """List the sets that ship, and their files."""
    for name in known_sets():
        problems = open_set(name)
        print(f"{name:<14} {len(problems):>5} problems  SHA-256 {problems.sha256[:16]}…  {problems.files[0]}")
    return 0


def _folders(options: argparse.Namespace, count: int | None = None) -> list[Path]:
    """The folders after the first word.

    Raises:
        InputError: there are not as many as are needed.
    """
    folders = [Path(name) for name in options.more]
    if not folders or (count is not None and len(folders) != count):
        wanted = {None: "the folders", 1: "one folder", 2: "two folders"}[count]
        raise InputError(f"bench {options.set}", f"needs {wanted} of results, as `--out` of earlier runs; {len(folders)} given")
    return folders
