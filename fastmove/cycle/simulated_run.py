"""Physics of a whole pick cycle: fingers that close on a standing item, transfer, release, and the hand's way around it.

The item stands on what supports it until the fingers close: they travel at the gripper's speed until the pads touch, then press
harder and harder until the grip is at its force.  Nothing carries the item for them, unlike in the judge's settling
(`drivers.simulated.simulation`): if it is pushed, turned or not met at all while they close, that is what happens.  Slip is
measured from where it is in the hand once the grip is confirmed.

While the hand is empty the item stands apart and is not simulated; that nothing touched it is looked at afterwards, in the states
that the arm went through.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.cycle.empty_hand import to_pick
from fastmove.cycle.pick_cycle import PickCycle
from fastmove.drivers.simulated.contact_record import MovedRecord, unwanted_contacts
from fastmove.drivers.simulated.displacement import displacement, displacements, farthest
from fastmove.dynamics.efforts import Dynamics
from fastmove.execution.slip_test import References, Verdict, references, verdict_of
from fastmove.multibody.assembly import assemble
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.gripper import Gripper
from fastmove.search.ik import pose_at
from fastmove.trajectory.trajectory import Trajectory

if TYPE_CHECKING:
    from fastmove.drivers.simulated.simulation import Simulation

SIMULATED = 1e-3  # Simulation step [s].
CLOSING_STEP = 2.5e-4  # Simulation step while the fingers close [s].
SETTLE = 0.3  # Time after the release in which the item comes to rest, before it is looked at [s].
SHARE = 0.6  # Share of the opening's time beyond which fingers that met nothing have missed [1].
GAIN_SAMPLES = 8  # Number of configurations of each motion from which the servo's gains follow.
UNMOVED = np.array([0.0, 0, 0, 1, 0, 0, 0])  # Pose of an item in the hand where it was grasped [m] and quaternion (w, x, y, z).
PLACED_WITHIN = 0.005  # Largest distance from its goal of an item that counts as placed [m].
PLACED_TURN = np.radians(5.0)  # Largest angle from its goal of an item that counts as placed [rad].

Reference = tuple[Array, Array, Array]  # Configuration, velocity and feed-forward torque (n,) of one step.


class CycleEvent(Enum):
    """How a cycle ended in physics."""

    PLACED = "the item was placed where it was to be"
    NOT_GRIPPED = "the fingers closed and the grip was not confirmed; nothing was lifted"
    DROPPED = "the item slipped in the hand or left it"
    MISPLACED = "the item came to rest elsewhere than it was to be"


@dataclass(frozen=True)
class CycleRun:
    """What became of a cycle in physics.

    Attributes:
        event: How it ended.
        verdict: Verdict on the hold of the transfer; None where nothing was gripped.
        slip: Largest displacement of the item in the hand after the grip was confirmed [m].
        turn: Largest rotation of the item in the hand after that [rad].
        closing: Displacement of the item by the closing fingers [m].
        closing_turn: Rotation of the item by the closing fingers [rad].
        placed: Distance of the released item from its goal [m]; nan where nothing was placed.
        placed_turn: Angle of the released item from its goal [rad].
        tracking: Largest error of a joint in any motion [rad].
        contacts: Unwanted contacts: (phase, one, other).
    """

    event: CycleEvent
    verdict: Verdict | None = None
    slip: float = float("nan")
    turn: float = float("nan")
    closing: float = float("nan")
    closing_turn: float = float("nan")
    placed: float = float("nan")
    placed_turn: float = float("nan")
    tracking: float = 0.0
    contacts: tuple[tuple[str, str, str], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the item was held, placed where it was to be, and nothing was touched that should not be."""
        return self.event is CycleEvent.PLACED and self.verdict is Verdict.HELD and not self.contacts

    def as_json(self) -> dict[str, object]:
        """Returns the run as plain values; the unit of each is in its key."""
        return {
            "event": self.event.name.lower(),
            "verdict": None if self.verdict is None else self.verdict.name,
            "slip_mm": self.slip * 1e3,
            "slip_deg": float(np.degrees(self.turn)),
            "closing_mm": self.closing * 1e3,
            "closing_deg": float(np.degrees(self.closing_turn)),
            "placed_mm": self.placed * 1e3,
            "placed_deg": float(np.degrees(self.placed_turn)),
            "tracking_rad": self.tracking,
            "contacts": [list(contact) for contact in self.contacts],
        }

    def __str__(self) -> str:
        held = "" if self.verdict is None else (
            f"; {self.verdict.name.replace('_', ' ')}: {self.slip * 1e3:.3f} mm, {np.degrees(self.turn):.3f}° in the hand, "
            f"{self.closing * 1e3:.3f} mm, {np.degrees(self.closing_turn):.3f}° by the closing fingers"
        )  # fmt: skip
        placed = f"; at rest {self.placed * 1e3:.2f} mm and {np.degrees(self.placed_turn):.2f}° from its goal"
        touched = "; ".join(f"{one} touched {other} ({phase})" for phase, one, other in self.contacts)
        return f"{self.event.value}{held}{'' if np.isnan(self.placed) else placed}{f'; {touched}' if touched else ''}"


def streamed(problem: TransferProblem, motion: Trajectory) -> References:
    """Returns the references of a motion; one that ends in motion is over exactly when what follows begins.

    Args:
        problem: Problem with what is carried.
        motion: The motion.
    """
    if not np.any(motion.velocity(motion.duration)):
        return references(problem, motion, 0, SIMULATED)
    plan = references(problem, motion, 0, motion.duration / np.ceil(motion.duration / SIMULATED))
    return References(plan.step, plan.time[:-1], plan.q[:-1], plan.v[:-1], plan.torque[:-1])


class SimulatedRun:
    """One run of a cycle in a simulation."""

    def __init__(self, cycle: PickCycle, truth: TransferProblem, item_off: pin.SE3) -> None:
        from fastmove.drivers.simulated.simulation import Simulation

        assert cycle.transfer is not None and cycle.transfer.trajectory is not None
        self.cycle, self.transfer, self.truth, self.item_off = cycle, cycle.transfer, truth, item_off
        self.problem = cycle.transfer.problem
        self.motions = {"approach": cycle.approach, "transfer": cycle.transfer, "return": cycle.back}
        along = [
            motion.trajectory.position(np.linspace(0, motion.duration, GAIN_SAMPLES))
            for motion in self.motions.values()
            if motion is not None and motion.trajectory is not None
        ]
        self.force = float(cycle.transfer.trajectory.phases[0].grip_force[0]) * truth.holds[0].realised_grip_ratio
        self.simulation: Simulation = Simulation(truth, self.force, np.concatenate(along), step=SIMULATED)
        self.tracking = 0.0
        self.contacts: list[tuple[str, str, str]] = []

    def run(self) -> CycleRun:
        """Runs all phases."""
        assert self.transfer.trajectory is not None
        self.simulation.place(self._end("approach", 0.0))
        self._empty("approach")
        picked = self.transfer.trajectory.position(0.0)
        self._stand(picked)
        before = self.simulation.item_pose()
        if not self._close(picked):
            return self._result(CycleEvent.NOT_GRIPPED)
        reference = self.simulation.item_pose()
        closing, closing_turn = displacement(before, reference)
        items, touching = self._carry()
        slip, turn = (float(x.max()) for x in displacements(reference, items))
        reach = float(farthest(reference, items, self.truth.holds[0].hull_points).max())
        lost = int(touching.min()) < len(self.simulation.data.sensordata)
        verdict = verdict_of(slip, turn, self.tracking, reach, self.problem.clearance, lost)
        placed, placed_turn = self._release()
        event = CycleEvent.PLACED if placed <= PLACED_WITHIN and placed_turn <= PLACED_TURN else CycleEvent.MISPLACED
        event = CycleEvent.DROPPED if verdict is Verdict.SLIPPED or not int(touching[-1]) else event
        run = self._result(event)
        return replace(
            run, verdict=verdict, slip=slip, turn=turn, closing=closing, closing_turn=closing_turn, placed=placed,
            placed_turn=placed_turn,
        )  # fmt: skip

    def _result(self, event: CycleEvent) -> CycleRun:
        """Returns the outcome with tracking and what was touched so far."""
        return CycleRun(event, tracking=self.tracking, contacts=tuple(self.contacts))

    def _end(self, name: str, at: float) -> Array:
        """Returns the configuration (n,) of a motion at a time [s]."""
        motion = self.motions[name]
        assert motion is not None and motion.trajectory is not None
        return motion.trajectory.position(at)

    def _empty(self, name: str) -> None:
        """Streams a way of the empty hand; the item is not simulated meanwhile."""
        motion, simulation = self.motions[name], self.simulation
        assert motion is not None
        assert motion.trajectory is not None
        plan = streamed(motion.problem, motion.trajectory)
        simulation.without_item(True)
        simulation.model.opt.timestep = plan.step
        gone_through = np.empty_like(plan.q)
        for k in range(len(plan.q)):
            simulation.command(plan.q[k], plan.v[k], plan.torque[k])
            simulation.park_item()
            simulation.advance()
            gone_through[k] = simulation.joints()
        simulation.without_item(False)
        self._track(name, self._as_it_is(motion.problem), plan.q, gone_through, np.tile(UNMOVED, (len(plan.q), 1)))

    def _as_it_is(self, way: TransferProblem) -> TransferProblem:
        """Returns the problem of an empty hand's way with the item where it really stands."""
        name = to_pick(self.problem)
        there = any(obstacle.name == name for obstacle in way.scene.obstacles)
        return way.with_(scene=way.scene.changed(move={name: self.item_off})) if there else way

    def _track(self, name: str, problem: TransferProblem, q: Array, gone_through: Array, items: Array) -> None:
        """Keeps the largest error of a motion (after a command the arm is where the next one begins), and what was touched."""
        self.tracking = max(self.tracking, float(np.abs(gone_through[:-1] - q[1:]).max()))
        record = MovedRecord()
        for k in range(len(gone_through)):
            record.add(k * SIMULATED, k * SIMULATED, gone_through[k], items[k])
        self.contacts += [(name, one, other) for _, one, other in unwanted_contacts(problem, record, q[[0, -1]])]

    def _stand(self, q: Array) -> None:
        """Puts the item where it stands, with the open hand around it."""
        held = self.problem.holds[0]
        world_T_grasp = self.item_off * pose_at(self.problem, q) * held.grasp_T_item.inverse()
        assert self.cycle.fingers is not None
        opening = self.cycle.fingers.opening
        self.simulation.stand_item(world_T_grasp, (opening - held.width) / 2)

    def _close(self, q: Array) -> bool:
        """Closes the fingers; returns whether the grip is confirmed."""
        simulation, gripper, fingers = self.simulation, self.problem.holds[0].gripper, self.cycle.fingers
        assert isinstance(gripper, Gripper) and fingers is not None
        simulation.model.opt.timestep = CLOSING_STEP
        arm = self._meanwhile("close", q)
        slow = simulation.finger_drag() * gripper.closing_speed / 2  # at this force the fingers travel at their speed
        travel = gripper.travel_time(fingers.opening - self.problem.holds[0].width)
        met, steps, rising = False, 0, max(1, round(gripper.grip_time / CLOSING_STEP))
        for _ in range(min(round((1 + SHARE) * travel / CLOSING_STEP) + 200, self._lasts("close") - rising)):
            self._step(next(arm), slow)
            met, steps = simulation.both_pads_touch(), steps + 1
            if met:
                break
        if not met:
            return False
        for k in range(rising):
            self._step(next(arm), slow + (self.force - slow) * min(1.0, (k + 1) / (0.8 * rising)))
        if self.cycle.closing is not None:
            for reference in islice(arm, self._lasts("close") - steps - rising):
                self._step(reference, self.force)
        return simulation.both_pads_touch()

    def _step(self, reference: Reference, force: float) -> None:
        """Advances by one step under a reference of the arm, and a force of each finger [N]."""
        self.simulation.grip(force)
        self.simulation.command(*reference)
        self.simulation.advance()

    def _meanwhile(self, phase: str, q: Array) -> Iterator[Reference]:
        """Yields what the arm does in every step while the fingers close or open: it rests at q (n,) [rad]."""
        nothing, gravity = np.zeros_like(q), self._at_rest(q)
        while True:
            yield q, nothing, gravity

    def _lasts(self, phase: str) -> int:
        """Returns the largest number of steps that a phase of the fingers lasts."""
        return sys.maxsize

    def _at_rest(self, q: Array) -> Array:
        """Returns the torque (n,) that the arm needs at rest without the item [Nm]."""
        assert self.cycle.approach is not None
        empty = self.cycle.approach.problem
        zero = np.zeros((1, len(q)))
        return Dynamics(empty, assemble(empty)).torques(q[None], zero, zero, 0)[0]

    def _carry(self) -> tuple[Array, Array]:
        """Streams the transfer; returns the item's poses in the hand (N, 7) and how many pad points touch (N,)."""
        from fastmove.drivers.simulated.playing import play

        simulation = self.simulation
        assert self.transfer.trajectory is not None
        plan = streamed(self.problem, self.transfer.trajectory)
        simulation.model.opt.timestep = plan.step
        played = play(simulation, plan.q, plan.v, plan.torque, measure=True)
        self._track("transfer", self.truth, plan.q, played.joints, played.items)
        return played.items, played.touching

    def _release(self) -> tuple[float, float]:
        """Opens the fingers, and leaves; returns how far from its goal the item has come to rest [m], [rad]."""
        q = self._end("transfer", self.transfer.duration)
        self._open(q, round(SETTLE / CLOSING_STEP))
        error = pose_at(self.problem, q).actInv(self.simulation.item_in_world())
        if self.cycle.back is not None:
            self._empty("return")
        return float(np.linalg.norm(error.translation)), float(np.linalg.norm(pin.log3(error.rotation)))

    def _open(self, q: Array, steps: int) -> None:
        """Opens the fingers, for so many steps."""
        self.simulation.model.opt.timestep = CLOSING_STEP
        for reference in islice(self._meanwhile("open", q), steps):
            self._step(reference, self._apart())

    def _apart(self) -> float:
        """Returns the force that opens the fingers [N]; none where they are as wide apart as they shall be."""
        from fastmove.drivers.mujoco import OPENING_FORCE

        fingers, held = self.cycle.fingers, self.problem.holds[0]
        assert fingers is not None
        return 0.0 if self.simulation.finger_gap() >= (fingers.about - held.width) / 2 else -OPENING_FORCE
