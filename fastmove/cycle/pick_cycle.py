"""A planned pick cycle: its phases, what is held in each, how long it takes, and the words and numbers for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fastmove.arrays import Array
from fastmove.cycle.empty_hand import Fingers
from fastmove.dynamics.kinematics import Kinematics
from fastmove.multibody.assembly import assemble
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.as_json import solution_json
from fastmove.solution.solution import Solution

HOUR = 3600.0  # [s]
LIFTED = 0.05  # Displacement of the item from an end within which it counts as being lifted or placed [m].
SAMPLES = 400  # Number of samples of the transfer at which that is looked for.


@dataclass(frozen=True)
class CyclePhase:
    """One phase of a cycle.

    Attributes:
        name: `approach`, `close`, `lift`, `transfer`, `place`, `open` or `return`; `widen` where the hand opens further before
            it leaves an item that it placed before.
        begin: Time at which it begins, from the cycle's begin [s].
        duration: Duration [s].
        holds: Name of the item that is held; empty where the hand is empty or is closing or opening.
    """

    name: str
    begin: float
    duration: float
    holds: str

    @property
    def end(self) -> float:
        """Time at which it ends [s]."""
        return self.begin + self.duration


@dataclass(frozen=True)
class PickCycle:
    """A pick cycle, or the reason why there is none.

    Attributes:
        problem: Transfer problem that it is about.
        transfer: Solution of the transfer.
        approach: Way of the empty hand to the item; None where it was not planned.
        back: Way of the empty hand home; None where the next approach begins where the item was placed.
        fingers: Times of the fingers.
        closing_on_the_way: Time by which the fingers begin to close before the arm arrives [s].
        opening_on_the_way: Time for which the fingers still open after the arm left [s].
        refusal: Sentence that says why there is no certified cycle; empty where there is one.
        grasp: Name of the grasp that was chosen; empty where only one was given.
        timings: Planning time by phase [s].
        closing: Motion of the arm while the fingers close about an item on a belt, following it; None where it rests.
        opening: Motion of the arm while they open about an item whose goal moves on, following that; None where it rests.
    """

    problem: TransferProblem
    transfer: Solution | None = None
    approach: Solution | None = None
    back: Solution | None = None
    fingers: Fingers | None = None
    closing_on_the_way: float = 0.0
    opening_on_the_way: float = 0.0
    refusal: str = ""
    grasp: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    closing: Solution | None = None
    opening: Solution | None = None

    @property
    def ok(self) -> bool:
        """Whether every motion of the cycle is certified."""
        others = [motion for motion in (self.back, self.closing, self.opening) if motion is not None]
        motions = [self.transfer, self.approach, *others]
        return not self.refusal and self.fingers is not None and all(m is not None and m.ok for m in motions)

    @property
    def phases(self) -> tuple[CyclePhase, ...]:
        """All phases in order; empty where there is no cycle."""
        if not self.ok or self.transfer is None or self.approach is None or self.fingers is None:
            return ()
        item, fingers = self.problem.holds[0].item.name, self.fingers
        lift, place = _parts(self.transfer)
        closes = fingers.travel - self.closing_on_the_way + fingers.close if self.closing is None else self.closing.duration
        opens = fingers.release + fingers.apart - self.opening_on_the_way if self.opening is None else self.opening.duration
        rows = [
            ("widen", fingers.widen, ""),
            ("approach", self.approach.duration, ""),
            ("close", closes, ""),
            ("lift", lift, item),
            ("transfer", self.transfer.duration - lift - place, item),
            ("place", place, item),
            ("open", opens, ""),
        ]
        if self.back is not None:
            rows.append(("return", self.back.duration, ""))
        phases, begin = [], 0.0
        for name, duration, holds in rows:
            if name == "widen" and duration <= 0:
                continue
            phases.append(CyclePhase(name, begin, duration, holds))
            begin += duration
        return tuple(phases)

    @property
    def duration(self) -> float:
        """Duration of the whole cycle [s]; nan without one."""
        return self.phases[-1].end if self.phases else float("nan")

    @property
    def units_per_hour(self) -> float:
        """Number of items that an hour of such cycles moves; nan without a cycle."""
        return HOUR / self.duration

    def as_json(self) -> dict[str, object]:
        """Returns the cycle as JSON values in SI units, with the solution of every motion."""
        motions = {
            "approach": self.approach, "close": self.closing, "transfer": self.transfer, "open": self.opening, "return": self.back
        }  # fmt: skip
        return {
            "format": 1,
            "problem": self.problem.name,
            "ok": self.ok,
            "refusal": self.refusal or None,
            "grasp": self.grasp or None,
            "cycle_s": self.duration,
            "units_per_hour": self.units_per_hour,
            "phases": [
                {"name": p.name, "begin_s": p.begin, "duration_s": p.duration, "holds": p.holds or None} for p in self.phases
            ],
            "motions": {name: solution_json(motion) for name, motion in motions.items() if motion is not None},
            "timings_s": self.timings,
        }

    def __str__(self) -> str:
        if not self.ok:
            return f"{self.problem.name}: no cycle: {self.refusal}"
        lines = [
            f"{self.problem.name}: a cycle of {self.duration:.3f} s, {self.units_per_hour:.0f} units an hour"
            + (f", by grasp {self.grasp}" if self.grasp else "")
        ]
        for phase in self.phases:
            share = phase.duration / self.duration
            holds = f"holding {phase.holds}" if phase.holds else self._meanwhile(phase.name)
            lines.append(f"  {phase.begin:6.3f} s  {phase.name:<9} {phase.duration:6.3f} s  {share:4.0%}  {holds}")
        moving = self.closing_on_the_way + self.opening_on_the_way
        if moving:
            lines.append(f"  the fingers move for {moving * 1e3:.0f} ms while the arm does, where nothing is touched")
        return "\n".join(lines)

    def _meanwhile(self, name: str) -> str:
        """Returns what the arm does in a phase of this name in which the hand holds nothing."""
        if name in ("approach", "return"):
            return "hand empty"
        follows = {"close": self.closing, "open": self.opening}.get(name)
        return "arm at rest" if follows is None else "arm follows the belt"


def _parts(transfer: Solution) -> tuple[float, float]:
    """Times [s] from the start until the item is `LIFTED` away from where it was picked, and from there to where it is placed."""
    assert transfer.trajectory is not None
    times = np.linspace(0.0, transfer.duration, SAMPLES)
    places = _item_places(transfer.problem, transfer.trajectory.position(times))
    from_start, to_goal = (np.linalg.norm(places - end, axis=1) for end in (places[0], places[-1]))
    lift = times[np.argmax(from_start > LIFTED)] if np.any(from_start > LIFTED) else transfer.duration / 2
    far = np.nonzero(to_goal > LIFTED)[0]
    place = transfer.duration - (times[far[-1]] if len(far) else transfer.duration / 2)
    return (float(lift), float(place)) if lift + place <= transfer.duration else (transfer.duration / 2, transfer.duration / 2)


def _item_places(problem: TransferProblem, q: Array) -> Array:
    """Places (N, 3) of the grasp frame's origin in the world at configurations (N, n) [m]."""
    assembly = assemble(problem)
    frame = assembly.hold_frames[0]
    return Kinematics(assembly.arm).frame(q, frame.joint, frame.joint_T_grasp)[1]
