"""Plans that ride the limit of the hold, judged in physics, beside those of the model that credits pads with all of their lever.

    python tests/support/riding.py [--plans 200] [--seed 7] [--shard 0/2] [--out riding.jsonl]

One line of JSON for every draw, written whole; a run that was interrupted goes on.  With all shards done it prints the table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from generators import RIDING_TIME, dominance, riding, riding_share

import fastmove as fm
from fastmove.certificate import hold as certified
from fastmove.contact import pinch as contact
from fastmove.execution.slip_test import Judgement, Verdict, judge
from fastmove.problem.grasp import hold
from fastmove.problem.transfer import TransferProblem

CONSTANTS = (0.002, 0.004, 0.008)  # of contacts [s]
DOMINATED = 0.95  # share of torsion and tangential force in a peak that they decide


@contextmanager
def lever_share(share: float) -> Iterator[None]:
    """Plans and certificates with another share of the tilting lever in S and R."""
    before = contact.TILTING, certified.TILTING
    contact.TILTING = certified.TILTING = share
    try:
        yield
    finally:
        contact.TILTING, certified.TILTING = before


def planned(problem: TransferProblem, share: float) -> fm.Solution:
    """The plan with this share of the lever."""
    with lever_share(share):
        held = problem.holds[0]
        return fm.plan(problem.with_(holds=(hold(held.gripper, held.item, held.grasp),)))


def judged(judgement: Judgement) -> dict[str, Any]:
    numbers = {key: float(getattr(judgement, key)) for key in ("slip", "turn", "reach")}
    return {"verdict": judgement.verdict.name, "faults": judgement.settling.faults} | numbers


def row_of(k: int, problem: TransferProblem, share: float) -> dict[str, Any]:
    """What became of one draw."""
    solution, row = planned(problem, share), {"k": k, "name": problem.name}
    if not solution.ok:
        return row | {"kind": "not certified", "detail": solution.detail}
    riding_for = riding_share(solution)
    if riding_for < RIDING_TIME:
        return row | {"kind": "does not ride", "riding": riding_for}
    held, trajectory, grip = problem.holds[0], solution.trajectory, solution.grip_force[0]
    row |= {
        "kind": held.patches[0].kind,
        "riding": riding_for,
        "duration": solution.duration,
        "friction": held.grasp.friction,
        "dominance": dominance(solution),
        "judged": [judged(judge(problem, trajectory, measure=False, time_constant=c)) for c in CONSTANTS],
        "weaker": judged(judge(problem, trajectory, grip_force=0.8 * grip, measure=False, rollouts=1)),
    }
    if held.patches[0].kind != "plane":
        return row  # a = 0: the same plan
    whole = planned(problem, 1.0)
    if whole.ok:
        verdicts = [judged(judge(problem, whole.trajectory, measure=False, time_constant=c)) for c in CONSTANTS]
        row |= {"whole_lever": {"duration": whole.duration, "judged": verdicts}}
    return row


def table(rows: list[dict[str, Any]], wanted: int) -> str:
    """What a person reads."""
    riders = [row for row in rows if "judged" in row][:wanted]
    lines = [f"{len(riders)} plans ride the hold for at least {RIDING_TIME:.0%} of their time, of {len(rows)} drawn"]
    for kind in ("plane", "line", "disc"):
        own = [row for row in riders if row["kind"] == kind]
        for j, constant in enumerate(CONSTANTS):
            verdicts = Counter(row["judged"][j]["verdict"] for row in own)
            turn = np.degrees(max((row["judged"][j]["turn"] for row in own), default=0.0))
            lines.append(f"  {kind:5s} {1e3 * constant:g} ms: {dict(verdicts)}, worst turn {turn:.3f}°")
    whole = [row for row in riders if "whole_lever" in row]
    ratios = np.array(
        [row["duration"] / row["whole_lever"]["duration"] for row in whole]
        + [1.0] * sum(row["kind"] != "plane" for row in riders)
    )
    for j, constant in enumerate(CONSTANTS):
        verdicts = Counter(row["whole_lever"]["judged"][j]["verdict"] for row in whole)
        lines.append(f"  planes with all of the lever, {1e3 * constant:g} ms: {dict(verdicts)}")
    ratios = ratios if len(ratios) else np.ones(1)
    lines.append(f"  duration over theirs: geometric mean {np.exp(np.log(ratios).mean()):.4f}, largest {ratios.max():.4f}")
    shear = [row for row in riders if row["dominance"] >= DOMINATED]
    lost = Counter(row["weaker"]["verdict"] for row in shear)
    lines.append(f"  grip × 0.8 where torsion and tangential force decide: {dict(lost)} of {len(shear)}")
    failed = [row["name"] for row in riders if any(one["verdict"] != Verdict.HELD.name for one in row["judged"])]
    return "\n".join([*lines, f"  not held: {', '.join(failed) or 'none'}"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plans", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--share", type=float, default=contact.TILTING, help="of the tilting lever in S and R")
    parser.add_argument("--shard", default="0/1")
    parser.add_argument("--out", type=Path, default=Path("riding.jsonl"))
    options = parser.parse_args()
    which, shards = (int(x) for x in options.shard.split("/"))
    stem = f"{options.out.stem}-{options.seed}-{options.share:g}"
    path = options.out.with_name(f"{stem}.{which}of{shards}.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    k = rows[-1]["k"] + shards if rows else which
    while sum("judged" in row for row in rows) < -(-options.plans // shards):
        _, problem = next(riding(1, options.seed, k))
        rows.append(row_of(k, problem, options.share))
        with path.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        k += shards
    everything = [json.loads(x) for p in options.out.parent.glob(f"{stem}.*of{shards}.jsonl") for x in p.open()]
    print(table(sorted(everything, key=lambda row: row["k"]), options.plans))
    return 0


if __name__ == "__main__":
    sys.exit(main())
