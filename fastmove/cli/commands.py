"""What each command does and prints."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fastmove import registries
from fastmove.certificate.certificate import certificate_json, certificate_lines, finite
from fastmove.certificate.certify import certify
from fastmove.cli.colour import painted
from fastmove.cli.problem_words import problem_words
from fastmove.cli.progress import Progress
from fastmove.cycle.experience import Experience
from fastmove.cycle.physics import run_cycle
from fastmove.cycle.planning import plan_cycle
from fastmove.cycle.shift import ShiftCycle, plan_shift
from fastmove.cycle.simulated_run import CycleEvent, CycleRun
from fastmove.errors import DriverFailed, InputError, Interrupted, did_you_mean
from fastmove.execution.flight_log import FlightLog, load_log
from fastmove.geometry.poses import pose
from fastmove.io.atomic_write import write_whole
from fastmove.io.grasp_file import read_grasps
from fastmove.io.problem_file import load_problem
from fastmove.io.trajectory_file import check_writable, load_trajectory, planned_for, save_trajectory
from fastmove.planner.context import PlanningContext
from fastmove.planner.grasp_ranking import plan_contacts, rank_grasps, ranking
from fastmove.planner.options import Options
from fastmove.planner.planner import Planner, plan
from fastmove.planner.relaxation import remedy
from fastmove.problem.describe import describe, problem_sha256
from fastmove.problem.goal import TOOL, GoalPose
from fastmove.problem.scene import ITEM
from fastmove.problem.transfer import TransferProblem
from fastmove.reference.improve import reference
from fastmove.resources import known_problems
from fastmove.robot.draft import draft_robot
from fastmove.robot.shipped import known_robots, load_robot
from fastmove.search.ik import ik
from fastmove.search.retarget import retarget
from fastmove.search.time_bound import lower_bound
from fastmove.solution.as_json import FORMAT, solution_json
from fastmove.solution.solution import Solution, Status


def plan_command(options: argparse.Namespace) -> int:
    """Plan one transfer, print and write what came of it.  Exit codes: 0 planned, 3 no certified transfer."""
    _check_page(options.preview, "--preview")
    if options.out:
        check_writable(options.out)
    asked = _problem(options)
    if options.contact not in (None, asked.holds[0].grasp.contact if asked.holds else "pinch"):
        return _plan_contacts(options)
    if options.reference and asked.scene.moving:
        raise InputError("--reference", "solves among obstacles that stand still; here some move")
    stopped = None
    try:
        solution = _planned(asked, _wanted(options))
    except Interrupted as error:
        if not isinstance(error.solution, Solution):
            raise
        stopped, solution = error, error.solution
    problem = solution.problem
    _keep(solution, options)
    checked = None
    if solution.trajectory is not None and options.reference and stopped is None:
        checked = reference(problem, solution.trajectory)
    refusal = "" if solution.ok else solution.detail or solution.status.value
    change = "" if solution.ok else remedy(problem)
    if options.json:
        more: dict[str, object] = {"path": str(options.problem), "refusal": refusal or None, "remedy": change or None}
        print(_json(solution_json(solution) | more | ({} if checked is None else {"reference": checked.as_json()})))
    elif solution.certificate is not None:  # else the sentence below says all
        print(painted(str(solution) if checked is None else f"{solution}\n  {checked}"))
    if stopped is not None:
        kept = f"written to {options.out}" if options.out else "not written, since no --out was given"
        print(f"fastmove: interrupted; the best certified motion so far is {kept}", file=sys.stderr)
        return stopped.exit_code
    if solution.ok:
        return 0
    print(f"fastmove: {options.problem}: {refusal}{f'; {change}' if change else ''}", file=sys.stderr)
    return 3


def _check_page(path: str | None, option: str) -> None:
    """Refuses a page that no browser would open as one, a folder or a package that is not there, before anything is planned."""
    if path is None:
        return
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise InputError(option, f"{path!r} does not end in .html")
    if not Path(path).resolve().parent.is_dir():
        raise InputError(option, f"the folder of {path!r} does not exist")
    import_module("fastmove.viz.preview")  # or it says what to install


def _keep(solution: Solution, options: argparse.Namespace) -> None:
    """Writes trajectory and preview of a certified solution, where they were asked for."""
    if not solution.ok or solution.trajectory is None:
        return
    if options.out:
        save_trajectory(options.out, solution.problem, solution.trajectory)
    if options.preview:
        from fastmove.viz.preview import write_preview

        write_preview(options.preview, solution)


def _plan_contacts(options: argparse.Namespace) -> int:
    """Every way to hold the item that was asked for, the best first."""
    ranked = plan_contacts(_problem(options), options.contact, _wanted(options))
    best = ranked[0].solution
    notes = [
        f"{law.name} is unverified: no simulated {law.holder} has judged this model"
        for law in map(registries.contacts.get, dict.fromkeys(g.id for g in ranked))
        if not law.verified
    ]
    if best is not None:
        _keep(best, options)
    if options.json:
        print(_json({"format": FORMAT, "contacts": [g.as_json() for g in ranked], "notes": notes}))
    else:
        print(painted("\n".join([ranking(ranked), *notes, *([] if best is None else [str(best)])])))
    if best is not None and best.ok:
        return 0
    print(f"fastmove: {options.problem}: {'; '.join(f'{g.id}: {g.reason}' for g in ranked)}", file=sys.stderr)
    return 3


def _problem(options: argparse.Namespace) -> TransferProblem:
    """The problem file, for another robot where one is named."""
    if options.robot:
        problem = retarget(load_problem(options.problem), load_robot(options.robot), options.limits)
    else:
        problem = load_problem(options.problem, options.limits)
    return problem.nominal() if getattr(options, "nominal", False) else problem


def _wanted(options: argparse.Namespace) -> Options:
    """The planner's options of `plan`."""
    return Options(seed=options.seed, deadline=options.deadline, explain=options.explain, reserve=options.reserve)


def _planned(problem: TransferProblem, options: Options) -> Solution:
    """A fresh plan, with a word on what is being done after two seconds."""
    with Progress(f"planning {problem.name}") as progress:
        return Planner(replace(options, progress=progress.say)).plan(problem)


def check_command(options: argparse.Namespace) -> int:
    """Certify a trajectory file.  Exit codes: 0 certified, 1 not."""
    problem = _problem(options)
    every = tuple(kind.name for kind in problem.limit_kinds)
    kinds = tuple(options.kinds.split(",")) if options.kinds else every
    for kind in kinds:
        if kind not in every:
            raise InputError("--kinds", f"{kind!r} is no kind of limit; allowed: {', '.join(every)}{did_you_mean(kind, every)}")
    trajectory = load_trajectory(options.trajectory, problem, options.fit, options.topic, options.message)
    certificate = certify(problem, trajectory, kinds)
    same = planned_for(options.trajectory, problem)
    if options.json:
        said = _head(problem) | {"path": str(options.trajectory), "duration_s": trajectory.duration, "planned_for_this": same}
        print(_json(said | certificate_json(certificate)))
    else:
        print(f"{options.trajectory} for {problem.name}: {trajectory.duration:.4f} s, limits {problem.limits}")
        if same is False:
            print("  note: the file was planned for another problem")
        print(painted("\n".join(certificate_lines(certificate))))
    return 0 if certificate.ok else 1


def run_command(options: argparse.Namespace) -> int:
    """Plan, or read a certified trajectory, and stream it to a driver."""
    _check_page(options.preview, "--preview")
    from fastmove.execution.run_transfer import run_transfer

    problem = _problem(options)
    solution = _solution(problem, options, options.seed)
    if not solution.ok and solution.certificate is not None:
        raise InputError(options.trajectory, f"is not certified: {solution.detail}; only certified motions run")
    outcome = run_transfer(solution, options.driver)
    if options.log and outcome.log is not None:
        outcome.log.save(options.log)
    if options.preview:
        from fastmove.viz.preview import write_preview

        write_preview(
            options.preview,
            solution,
            outcome.item_poses,
            "" if outcome.verdict is None else outcome.verdict.name.replace("_", " "),
        )
    print(_json(_head(problem) | outcome.as_json()) if options.json else painted(str(outcome)))
    if not outcome.report.ok:
        raise DriverFailed(f"{options.driver}: {outcome.report.event.value} ({outcome.report.detail})")
    return 0


def _solution(problem: TransferProblem, options: argparse.Namespace, seed: int = 0) -> Solution:
    """The motion of the file that is named with its certificate, or a fresh plan."""
    if not options.trajectory:
        return _planned(problem, Options(seed)).raise_for_status()
    trajectory = load_trajectory(options.trajectory, problem, topic=options.topic, message=options.message)
    if problem.start.open:
        problem = problem.with_(start=problem.start.settled(trajectory.position(0.0)))
    goals = np.array(problem.goal.configurations)
    if problem.goal.poses:
        goals = trajectory.position(np.array([trajectory.duration]))
    bounds = [lower_bound(problem.start, q, problem.limit_set).duration for q in goals]
    certificate = certify(problem, trajectory)
    forces = tuple(float(f) for f in trajectory.phases[0].grip_force)
    status = Status.CERTIFIED if certificate.ok else Status.NOT_CERTIFIED
    return Solution(problem, status, "", trajectory, certificate, min(bounds), forces)


def preview_command(options: argparse.Namespace) -> int:
    """Write the preview or a film, or serve the preview on the loopback until interrupted."""
    _check_page(options.html, "--html")
    from fastmove.viz.preview import preview_html, serve, write_preview

    solution = _solution(_problem(options), options)
    if options.record:
        from fastmove.viz.film import record

        record(options.record, solution)
        print(options.record)
        if not options.html:
            return 0
    if options.html:
        write_preview(options.html, solution)
        print(options.html)
        return 0
    server = serve(preview_html(solution))
    print(f"http://127.0.0.1:{server.server_address[1]}/ (until interrupted)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
    return 0


def stops_command(options: argparse.Namespace) -> int:
    """Print the held stops of a motion."""
    from fastmove.execution.stops import stop_table

    problem = _problem(options)
    table = stop_table(_solution(problem, options))
    if options.json:
        keys = ("at", "begins", "time", "distance", "where")
        print(_json(_head(problem) | {"stops": [{key: getattr(stop, key) for key in keys} for stop in table.stops]}))
    else:
        print(table)
    return 0


def replay_command(options: argparse.Namespace) -> int:
    """Say what a run sent, read and decided, and draw it."""
    _check_page(options.html, "--html")
    log = load_log(options.log)
    if options.json:
        print(_json(log.as_json()))
    else:
        print(painted(str(log)))
    if options.html:
        from fastmove.viz.flight import flight_html

        problem = load_problem(options.problem) if options.problem else _flown(log)
        write_whole(Path(options.html), flight_html(log, problem).encode())
        print(options.html)
    return 0


def _flown(log: FlightLog) -> TransferProblem:
    """The shipped problem that a log is of."""
    for name in known_problems():
        problem = load_problem(name)
        if problem_sha256(problem) == log.problem_sha256:
            return problem
    raise InputError("problem", f"{log.problem!r} is no shipped problem; name its file: fastmove replay LOG PROBLEM --html FILE")


def rank_command(options: argparse.Namespace) -> int:
    """Rank candidate grasps by the duration that each allows.  Exit codes: 0 at least one holds, 3 none."""
    problem, grasps = _problem(options), read_grasps(options.grasps)
    with Progress(f"ranking {len(grasps)} grasps", ticking=options.jobs == 1) as progress:
        wanted = Options(seed=options.seed, progress=progress.say)
        ranked = rank_grasps(problem, grasps, options.jobs, options.all, options.most, wanted, options.regret)
    print(_json(_head(problem) | {"grasps": [grasp.as_json() for grasp in ranked]}) if options.json else ranking(ranked))
    return 0 if any(np.isfinite(grasp.duration) for grasp in ranked) else 3


def cycle_command(options: argparse.Namespace) -> int:
    """Plan a pick cycle, and run it in physics where asked.  Exit codes: 0 certified (and placed), 3 none, 4 not placed."""
    _check_page(options.preview, "--preview")
    if options.more:
        return _shift(options)
    problem = _problem(options)
    grasps = read_grasps(options.grasps) if options.grasps else ()
    planner = plan if options.experience is None else Experience(options.experience).plan
    with Progress(f"planning a cycle of {problem.name}", ticking=True) as progress:
        wanted = Options(seed=options.seed, progress=progress.say)
        cycle = plan_cycle(problem, options.home, grasps, wanted, planner=planner)
    run = run_cycle(cycle) if options.physics and cycle.ok else None
    if options.preview and cycle.ok:
        from fastmove.viz.shift import cycle_html

        write_whole(Path(options.preview), cycle_html(cycle).encode())
    if options.json:
        print(_json(_head(problem) | cycle.as_json() | ({} if run is None else {"physics": run.as_json()})))
    elif cycle.ok:
        print(painted(str(cycle) if run is None else f"{cycle}\n  in physics: {run}"))
    if not cycle.ok:
        print(f"fastmove: {options.problem}: no cycle: {cycle.refusal}", file=sys.stderr)
        return 3
    return 0 if run is None or run.ok else DriverFailed.exit_code


def _shift(options: argparse.Namespace) -> int:
    """Plan a shift of several picks, each run in physics where asked.  Exit codes: 0 all, 3 some not planned, 4 not placed."""
    if options.grasps:
        raise InputError("--grasps", "are of one item; with several picks each has the grasp of its problem")
    if options.home is None:
        raise InputError("--home", "is missing; a shift begins with the empty hand somewhere")
    picks = [_problem(argparse.Namespace(**(vars(options) | {"problem": name}))) for name in (options.problem, *options.more)]
    runs: dict[int, CycleRun] = {}

    def carried_out(one: ShiftCycle) -> bool:
        run = runs[one.pick] = run_cycle(one.cycle)
        if run.event in (CycleEvent.DROPPED, CycleEvent.MISPLACED):
            raise DriverFailed(f"{picks[one.pick].name}: {run}; the shift ends, since nobody knows where the item is")
        return run.event is not CycleEvent.NOT_GRIPPED

    with Progress(f"planning {len(picks)} picks", ticking=True) as progress:
        report = plan_shift(
            picks,
            options.home,
            Options(seed=options.seed, progress=progress.say),
            experience=None if options.experience is None else Experience(options.experience),
            carried_out=carried_out if options.physics else lambda one: True,
        )
    if options.preview and report.cycles:
        from fastmove.viz.shift import shift_html

        write_whole(Path(options.preview), shift_html(report).encode())
    if options.json:
        print(_json(report.as_json() | {"physics": [run.as_json() for run in runs.values()]}))
    else:
        print(painted("\n".join([str(report), *(f"  in physics: {run}" for run in runs.values())])))
    if report.failed:
        return 3
    return 0 if all(run.ok for run in runs.values()) else DriverFailed.exit_code


def describe_command(options: argparse.Namespace) -> int:
    """Print the problem in words, or in plain numbers as JSON."""
    problem = _problem(options)
    print(_json(describe(problem)) if options.json else problem_words(problem))
    return 0


def ik_command(options: argparse.Namespace) -> int:
    """Print the configurations at a pose, nearest to the start first, and what is in their way.  Exit codes: 0 some, 3 none."""
    problem = _problem(options)
    poses = (*(("start", region) for region in problem.start.poses), *(("goal", region) for region in problem.goal.poses))
    if options.position:
        of = options.of or (ITEM if problem.holds else TOOL)
        poses = (("goal", GoalPose(pose(options.position, options.quaternion), of)),)
    if not poses:
        raise InputError("--position", f"is needed: {problem.name} gives its ends as joints")
    placed = problem
    if problem.start.open:  # whole turns are free to both sides of the middle
        placed = problem.with_(start=problem.start.settled(problem.limit_set.middle))
    rows: list[dict[str, Any]] = []
    checks = PlanningContext.of(placed).checks
    for end, region in poses:
        for q in ik(placed, region, np.array(placed.start.q)):
            refused = checks.refusal(q, q, end)
            rows.append({"end": end, "q": q.tolist(), "free": refused is None, "reason": refused[1] if refused else ""})
    if options.json:
        print(_json(_head(problem) | {"joint_names": list(problem.robot.joint_names), "configurations": rows}))
    else:
        for row in rows:
            print(f"{row['end']:<5} [{', '.join(f'{x:.6f}' for x in row['q'])}]  {row['reason'] or 'free'}")
    if not rows:
        print(f"fastmove: {options.problem}: no configuration of {problem.robot.name} gets there", file=sys.stderr)
    return 0 if rows else 3


def robot_command(options: argparse.Namespace) -> int:
    """Print what a robot description holds and lacks; 1 where it cannot be used as it is."""
    beside = options.out.parent if options.out else None
    draft = draft_robot(options.urdf, options.srdf, options.packages, beside, dict(options.xacro))
    if options.out and not draft.faults:
        write_whole(options.out, draft.text.encode())
    if options.json:
        keys = ("joints", "findings", "faults", "text")
        print(_json({"format": FORMAT, "usable": not draft.faults, **{key: getattr(draft, key) for key in keys}}))
    else:
        print(f"{options.urdf}: {'cannot be used yet' if draft.faults else 'can be used'}")
        print("\n".join([*(f"  ! {fault}" for fault in draft.faults), *(f"    {finding}" for finding in draft.findings)]))
        if draft.faults:
            print("no robot.toml yet: mend what is marked by ! first")
        else:
            print(f"wrote {options.out}" if options.out else f"\n{draft.text}", end="\n" if options.out else "")
    return 1 if draft.faults else 0


def robots_command(options: argparse.Namespace) -> int:
    """Print the robots that ship."""
    rows: list[dict[str, Any]] = []
    for name in known_robots():
        robot = load_robot(name)
        rows.append(
            {
                "name": name,
                "dof": robot.n_arm,
                "grippers": list(robot.grippers),
                "payload_kg": robot.payload,
                "limits": list(robot.limits),
            }
        )
    if options.json:
        print(_json({"format": FORMAT, "robots": rows}))
        return 0
    print(f"{'name':<12} {'DoF':>3}  {'gripper':<12} {'payload':>8}  limit sets (first = default)")
    for row in rows:
        grippers, limits = ", ".join(row["grippers"]), ", ".join(row["limits"])
        print(f"{row['name']:<12} {row['dof']:>3}  {grippers:<12} {row['payload_kg']:>5g} kg  {limits}")
    return 0


def _head(problem: TransferProblem) -> dict[str, object]:
    """What every JSON object about one problem begins with."""
    return {"format": FORMAT, "problem": problem.name, "robot": problem.robot.name}


def _json(value: object) -> str:
    """JSON with infinities and NaN as null, since standard JSON has neither."""
    return json.dumps(finite(value))
