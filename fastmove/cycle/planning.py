"""Planning of a pick cycle: transfer, ways of the empty hand, and fingers that move while the arm does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fastmove.arrays import Array
from fastmove.cycle.belt import at_belt, plan_belt_cycle
from fastmove.cycle.empty_hand import (
    PLACED,
    Fingers,
    closing_blocked,
    empty_way,
    fingers_free_at,
    fingers_move_freely,
    opening_blocked,
    standing,
    the_pinched,
    to_pick,
)
from fastmove.cycle.pick_cycle import PickCycle
from fastmove.errors import FastMoveError, InputError
from fastmove.planner.grasp_ranking import rank_grasps
from fastmove.planner.options import Options
from fastmove.planner.planner import plan
from fastmove.problem.grasp import GraspCandidate
from fastmove.problem.scene import Obstacle
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.solution import Solution

CONTACT_SPEED = 0.25  # Usual largest speed of the tool where it arrives at an item [m/s]: ISO/TS 15066 calls that reduced.
SHARES = (1.0, 0.5)  # Shares of the fingers' free travel that are tried while the arm moves.


def plan_cycle(
    problem: TransferProblem,
    home: object = None,
    grasps: Sequence[GraspCandidate] = (),
    options: Options | None = None,
    contact_speed: float = CONTACT_SPEED,
    before: Array | None = None,
    others: tuple[Obstacle, ...] = (),
    at_least_open: float = 0.0,
    planner: Callable[[TransferProblem, Options], Solution] = plan,
) -> PickCycle:
    """Plans a pick cycle: approach, close, lift, transfer, place, open and, with a home, return.

    Every motion is certified with what is held in it: nothing on the ways to and from the item, which stands there as an
    obstacle, and the item in between.  The problem's own constraints hold while it is held.  Without a home the cycle is one
    of many: its approach begins where the last item was placed, so that no time goes into a stop in between.

    An item may be picked from a belt (start poses with a velocity) and placed onto one (a goal with a velocity): see
    `cycle.belt`.  Such a cycle begins at a given home or `before`, at a given time, and its grasp is given.

    Args:
        problem: Transfer problem: where the item is, and where it is to be.
        home: Configuration (n,) at which the cycle begins and to which it returns [rad]; None = it repeats, each approach
            beginning where the item was placed.
        grasps: Grasps of the item to choose from by the cycle's time; none = that of the problem.
        options: Options of the planner; None means the defaults.
        contact_speed: Largest speed of the tool where it arrives at the item [m/s]; it is faster with its distance from there.
            Not of an item that moves on, which the tool meets at its own speed.
        before: Configuration (n,) at which the hand has let go of another item, from which the approach begins [rad];
            None = home, or the end of this transfer.
        others: Items that stand in the scene besides, as where others were placed: obstacles of all motions.
        at_least_open: Opening that the hand has at `before` [m]; it reaches for this item no less open.
        planner: Function that plans each motion, as `plan` or `Experience.plan`; given grasps are ranked by the usual one.

    Returns:
        The cycle; one without a certified motion says why.

    Raises:
        InputError: The problem holds no item in a gripper, the gripper's speed is not known, or obstacles move.
    """
    options = options or Options()
    if not 0 < contact_speed <= 3:
        raise InputError("contact_speed", f"is {contact_speed}; allowed: above 0, to 3 m/s")
    the_pinched(problem)
    if home is not None and before is not None:
        raise InputError("before", "and home are both given; the approach begins at one of them")
    around = tuple(o for o in others if not any(o is other for other in problem.scene.obstacles))
    problem = problem.with_(scene=replace(problem.scene, obstacles=(*problem.scene.obstacles, *around)))
    if at_belt(problem):
        return _at_belt(problem, home, grasps, options, contact_speed, before, at_least_open, planner)
    stay = None if home is None else configuration(problem, home)
    ends = _Ends(stay, before, others, contact_speed, at_least_open, planner)
    if not grasps:
        begin = time.perf_counter()
        transfer = planner(problem, options)
        return _around(transfer, ends, options, {"transfer": time.perf_counter() - begin})
    return _best_grasp(problem, grasps, ends, options)


def _at_belt(
    problem: TransferProblem,
    home: object,
    grasps: Sequence[GraspCandidate],
    options: Options,
    contact_speed: float,
    before: Array | None,
    at_least_open: float,
    planner: Callable[[TransferProblem, Options], Solution],
) -> PickCycle:
    """Plans a cycle at a belt; see `plan_cycle`."""
    if grasps:
        raise InputError("grasps", "are ranked for items that stand still; at a belt give one grasp")
    if home is None and before is None:
        raise InputError("home", "is not given; a cycle at a belt begins at a given time, and needs to know where")
    stay = None if home is None else configuration(problem, home)
    begin = stay if before is None else configuration(problem, before)
    assert begin is not None
    return plan_belt_cycle(problem, begin, stay, at_least_open, options, contact_speed, planner)


@dataclass(frozen=True)
class _Ends:
    """Where the hand comes from and goes to, what stands around, and what plans its ways."""

    home: Array | None
    before: Array | None
    others: tuple[Obstacle, ...]
    speed: float
    at_least_open: float
    planner: Callable[[TransferProblem, Options], Solution]


def _best_grasp(problem: TransferProblem, grasps: Sequence[GraspCandidate], ends: _Ends, options: Options) -> PickCycle:
    """Returns the shortest cycle by any of the grasps; of the ranked transfers one that is longer than the best cycle ends it."""
    begin = time.perf_counter()
    ranked = rank_grasps(problem, grasps, options=options)
    spent = {"transfer": time.perf_counter() - begin}
    best: PickCycle | None = None
    for candidate in ranked:
        if candidate.solution is None or not candidate.solution.ok:
            continue
        if best is not None and best.ok and candidate.duration >= best.duration:
            break
        try:
            cycle = replace(_around(candidate.solution, ends, options, spent), grasp=candidate.id)
        except InputError as error:  # the hand does not open wide enough for this one
            cycle = PickCycle(candidate.solution.problem, refusal=str(error), grasp=candidate.id)
        if best is None or (cycle.ok and not (best.ok and best.duration <= cycle.duration)):
            best = cycle
    if best is None:
        reasons = "; ".join(f"{g.id}: {g.reason}" for g in ranked if g.reason) or "none has a certified transfer"
        return PickCycle(problem, refusal=f"no grasp leads to a certified transfer ({reasons})", timings=spent)
    return best


def _around(transfer: Solution, ends: _Ends, options: Options, spent: dict[str, float]) -> PickCycle:
    """Returns the cycle around a planned transfer."""
    problem = transfer.problem
    if not transfer.ok or transfer.trajectory is None:
        return PickCycle(problem, transfer, refusal=transfer.detail or transfer.status.value, timings=spent)
    fingers = Fingers.of(problem, ends.at_least_open)
    picked, placed = (transfer.trajectory.position(t) for t in (0.0, transfer.duration))
    name = problem.holds[0].item.name
    at_pick, at_place = standing(problem, picked, to_pick(problem)), standing(problem, placed, f"{name} {PLACED}")
    begin = ends.home if ends.home is not None else placed if ends.before is None else ends.before
    # what a repeated cycle placed last stands where this one will place its item
    there = (at_pick, *ends.others, *((at_place,) if ends.home is None and ends.before is None else ()))
    cycle = PickCycle(problem, transfer, fingers=fingers, timings=dict(spent))
    if (reason := _fingers_in_the_way(problem, ends, fingers, picked, placed, begin)) is not None:
        return replace(cycle, refusal=reason)
    approach, reason = _way(problem, begin, picked, there, fingers, ends, options, cycle.timings, "approach")
    if approach is None:
        return replace(cycle, refusal=f"no way of the empty hand to {name}: {reason}")
    back: Solution | None = None
    if ends.home is not None:
        back, reason = _way(problem, placed, ends.home, (at_place, *ends.others), fingers, ends, options, cycle.timings, "return")
        if back is None:
            return replace(cycle, approach=approach, refusal=f"no way of the empty hand home from {name}: {reason}")
    cycle = replace(cycle, approach=approach, back=back)
    leaving = back if back is not None else approach if ends.before is None else None
    return replace(
        cycle,
        closing_on_the_way=_on_the_way(approach, fingers, arriving=True),
        opening_on_the_way=0.0 if leaving is None else _on_the_way(leaving, fingers, arriving=False),
    )


def _fingers_in_the_way(
    problem: TransferProblem, ends: _Ends, fingers: Fingers, picked: Array, placed: Array, begin: Array
) -> str | None:
    """Returns what the fingers cannot do where the arm rests, as a sentence; None where all is proven free of everything else.

    The item itself is left out between its width and `Fingers.nearest`: there the fingers come to touch it.
    """
    name, lasting = problem.holds[0].item.name, ends.home is not None or ends.before is None
    bare = empty_way(problem, begin, picked, ends.others, fingers.opening, None)
    opened = fingers.opening if lasting else fingers.about
    blocked = closing_blocked(bare, picked, fingers, name) or opening_blocked(bare, placed, fingers, opened, name)
    if blocked is not None:
        return blocked
    if ends.before is not None and not fingers_free_at(bare, ends.before, ends.at_least_open or fingers.opening, fingers.opening):
        return f"the hand cannot open to {fingers.opening * 1e3:.1f} mm where it is before it reaches for {name}"
    return None


def _way(
    problem: TransferProblem,
    start: Array,
    goal: Array,
    there: tuple[Obstacle, ...],
    fingers: Fingers,
    ends: _Ends,
    options: Options,
    timings: dict[str, float],
    name: str,
) -> tuple[Solution | None, str]:
    """Plans one way of the empty hand; returns its solution, None with the reason where there is none."""
    begin = time.perf_counter()
    try:
        speed = ends.speed if name == "approach" else None
        way = ends.planner(empty_way(problem, start, goal, there, fingers.opening, speed), options)
    except FastMoveError as error:
        return None, str(error)
    timings[name] = time.perf_counter() - begin
    return (way, "") if way.ok else (None, way.detail or way.status.value)


def _on_the_way(way: Solution, fingers: Fingers, arriving: bool) -> float:
    """Longest time for which the fingers may move while the arm arrives or leaves [s]."""
    for share in SHARES:
        during = min(share * fingers.travel, way.duration / 2)
        moved = fingers.nearest + (fingers.opening - fingers.nearest) * (1 - during / fingers.travel if fingers.travel else 0.0)
        first, last = (way.duration - during, way.duration) if arriving else (0.0, during)
        if during > 0 and fingers_move_freely(way, moved, fingers.opening, first, last):
            return float(during)
    return 0.0


def configuration(problem: TransferProblem, home: object) -> Array:
    """Returns a home configuration (n,) [rad], checked.

    Args:
        problem: Transfer problem whose robot it is of.
        home: What is to be one.

    Raises:
        InputError: It is none.
    """
    q = np.asarray(home, dtype=float)
    if q.shape != (problem.robot.n_arm,) or not np.all(np.isfinite(q)):
        raise InputError("home", f"needs {problem.robot.n_arm} finite numbers, one per joint of {problem.robot.name}")
    return q
