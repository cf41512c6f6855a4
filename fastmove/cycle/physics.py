"""Physics of a whole pick cycle: fingers that close on a standing item, transfer, release, and the hand's way around it.

The item stands on what supports it until the fingers close: they travel at the gripper's speed until the pads touch, then press
harder and harder until the grip is at its force.  Nothing carries the item for them, unlike in the judge's settling
(`drivers.simulated.simulation`): if it is pushed, turned or not met at all while they close, that is what happens.  Slip is
measured from where it is in the hand once the grip is confirmed.

While the hand is empty the item stands apart and is not simulated; that nothing touched it is looked at afterwards, in the states
that the arm went through.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.cycle.empty_hand import to_pick
from fastmove.cycle.pick_cycle import PickCycle
from fastmove.drivers.simulated.contact_record import MovedRecord, unwanted_contacts
from fastmove.drivers.simulated.displacement import displacement, displacements, farthest
from fastmove.dynamics.efforts import Dynamics
from fastmove.errors import InputError
from fastmove.execution.slip_test import Verdict, references, verdict_of
from fastmove.multibody.assembly import assemble
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.gripper import Gripper
from fastmove.search.ik import pose_at

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


def run_cycle(cycle: PickCycle, truth: TransferProblem | None = None, item_off: pin.SE3 | None = None) -> CycleRun:
    """Runs a certified cycle in a physics simulation.

    Args:
        cycle: Certified cycle.
        truth: What is really there (see `HeldItem.sample`); None = what was planned for.
        item_off: Transform in the world by which the item really stands elsewhere than believed; None = where it is believed.

    Raises:
        InputError: The cycle is not certified.
        MissingPackage: mujoco is not installed.
    """
    if not cycle.ok or cycle.transfer is None or cycle.approach is None or cycle.fingers is None:
        raise InputError("cycle", f"is not certified: {cycle.refusal or 'a motion fails its certificate'}")
    return _Run(cycle, truth or cycle.transfer.problem, item_off or pin.SE3.Identity()).run()


class _Run:
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
        error = self._release()
        placed, placed_turn = float(np.linalg.norm(error.translation)), float(np.linalg.norm(pin.log3(error.rotation)))
        if self.cycle.back is not None:
            self._empty("return")
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
        plan = references(motion.problem, motion.trajectory, 0, SIMULATED)
        simulation.without_contacts(True)
        simulation.model.opt.timestep = SIMULATED
        gone_through = np.empty_like(plan.q)
        for k in range(len(plan.q)):
            simulation.command(plan.q[k], plan.v[k], plan.torque[k])
            simulation.park_item()
            simulation.advance()
            gone_through[k] = simulation.joints()
        simulation.without_contacts(False)
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
        """Closes the fingers with the arm at rest; returns whether the grip is confirmed."""
        simulation, gripper, fingers = self.simulation, self.problem.holds[0].gripper, self.cycle.fingers
        assert isinstance(gripper, Gripper) and fingers is not None
        simulation.model.opt.timestep = CLOSING_STEP
        gravity = self._at_rest(q)
        slow = simulation.finger_drag() * gripper.closing_speed / 2  # at this force the fingers travel at their speed
        travel = gripper.travel_time(fingers.opening - self.problem.holds[0].width)
        met = False
        for _ in range(round((1 + SHARE) * travel / CLOSING_STEP) + 200):
            self._rest(q, gravity, slow)
            met = simulation.both_pads_touch()
            if met:
                break
        if not met:
            return False
        rising = max(1, round(gripper.grip_time / CLOSING_STEP))
        for k in range(rising):
            self._rest(q, gravity, slow + (self.force - slow) * min(1.0, (k + 1) / (0.8 * rising)))
        return simulation.both_pads_touch()

    def _rest(self, q: Array, gravity: Array, force: float) -> None:
        """Advances by one step with the arm at rest under a torque (n,) [Nm], and a force of each finger [N]."""
        self.simulation.grip(force)
        self.simulation.command(q, np.zeros_like(q), gravity)
        self.simulation.advance()

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
        simulation.model.opt.timestep = SIMULATED
        assert self.transfer.trajectory is not None
        plan = references(self.problem, self.transfer.trajectory, 0, SIMULATED)
        played = play(simulation, plan.q, plan.v, plan.torque, measure=True)
        self._track("transfer", self.truth, plan.q, played.joints, played.items)
        return played.items, played.touching

    def _release(self) -> pin.SE3:
        """Opens the fingers; returns where the item comes to rest, relative to its goal."""
        from fastmove.drivers.mujoco import OPENING_FORCE

        simulation, q = self.simulation, self._end("transfer", self.transfer.duration)
        simulation.model.opt.timestep = CLOSING_STEP
        gravity = self._at_rest(q)
        for _ in range(round(SETTLE / CLOSING_STEP)):
            self._rest(q, gravity, -OPENING_FORCE)
        goal = pose_at(self.problem, q)
        return goal.actInv(simulation.item_in_world())
