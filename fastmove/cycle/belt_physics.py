"""Physics of a pick cycle at a belt, which runs as it really does.

The arm follows while the fingers close or open; items stand on the belt, are pulled off it and are put down on it by friction.
An item that was let go there is simulated on, while the hand leaves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.cycle.belt_motion import Belt
from fastmove.cycle.empty_hand import PLACED, standing_at, to_pick
from fastmove.cycle.pick_cycle import PickCycle
from fastmove.cycle.simulated_run import CLOSING_STEP, SETTLE, SIMULATED, UNMOVED, Reference, SimulatedRun
from fastmove.errors import InputError
from fastmove.execution.slip_test import references
from fastmove.geometry.pose_trajectory import PoseTrajectory
from fastmove.problem.scene import Obstacle
from fastmove.problem.transfer import TransferProblem

ITEM_STEP = 0.02  # Time between the poses of an item that a belt takes along [s].


class SimulatedBeltRun(SimulatedRun):
    """One run of a cycle at a belt.

    Args:
        cycle: The cycle as it was flown.
        truth: What is really there.
        item_off: Transform by which the item stands elsewhere than believed.
        belt: How the belt runs.
        begins: Time of the cycle at which each phase begins [s].
    """

    def __init__(self, cycle: PickCycle, truth: TransferProblem, item_off: pin.SE3, belt: Belt, begins: dict[str, float]) -> None:
        super().__init__(cycle, truth, item_off)
        self.belt, self.begins = belt, begins
        self.nominal = cycle.problem
        # the simulated surfaces have the speed by which the transfer was planned last
        known, nominal = (float(np.linalg.norm(o.surface_velocity)) for o in (_belt_of(truth), _belt_of(cycle.problem)))
        self._per_known = nominal / known

    def _run_belt(self, time: float) -> None:
        """Lets the belt run as fast as it does at a time of the cycle [s]."""
        self.simulation.surface_share = self.belt.share(time) * self._per_known

    def _empty(self, name: str) -> None:
        """See `SimulatedRun`; the belt runs meanwhile."""
        self._run_belt(self.begins[name])
        super()._empty(name)

    def _as_it_is(self, way: TransferProblem) -> TransferProblem:
        """Returns the problem of an empty hand's way with an item to pick where the belt really takes it.

        One that was placed on the belt is left out: it is simulated (`_leave`).
        """
        name, moving = to_pick(self.problem), {o.name for o in way.scene.obstacles if o.motion is not None}
        scene = way.scene.changed(remove=[o for o in moving if o.endswith(PLACED)])
        if name not in moving:
            return super()._as_it_is(way.with_(scene=scene))
        return way.with_(scene=scene.changed(add=[self._item_on_its_way(name)]))

    def _item_on_its_way(self, name: str) -> Obstacle:
        """The item to pick as an obstacle that the belt takes along, on the clock of the way to it."""
        start, approach = self.nominal.start, self.cycle.approach
        assert approach is not None
        times = np.arange(0.0, approach.duration + ITEM_STEP, ITEM_STEP)
        gone = [np.array(start.velocity) * self.belt.progress(self.begins["approach"] + float(t)) for t in times]
        item = standing_at(self.problem, self.item_off * start.poses[0].placement, name)
        return replace(item, motion=PoseTrajectory(times, tuple(pin.SE3(np.eye(3), shift) for shift in gone)))

    def _stand(self, q: Array) -> None:
        """Puts the item where the belt has taken it, moving with it; see `_Run` for one that stands."""
        start = self.nominal.start
        if not start.moves_on:
            super()._stand(q)
            return
        gone = np.array(start.velocity) * self.belt.progress(self.begins["close"])
        held, fingers = self.problem.holds[0], self.cycle.fingers
        assert fingers is not None
        world_T_item = self.item_off * start.poses[0].shifted(gone).placement
        self.simulation.stand_item(world_T_item * held.grasp_T_item.inverse(), (fingers.opening - held.width) / 2)

    def _meanwhile(self, phase: str, q: Array) -> Iterator[Reference]:
        """Yields what the arm does in every step while the fingers close or open; it follows what moves on."""
        motion = self.cycle.closing if phase == "close" else self.cycle.opening
        self._run_belt(self.begins[phase])
        if motion is None or motion.trajectory is None:
            yield from super()._meanwhile(phase, q)
            return
        assert self.cycle.approach is not None
        plan = references(self.cycle.approach.problem, motion.trajectory, 0, CLOSING_STEP)
        for k in range(len(plan.q)):
            self._run_belt(self.begins[phase] + k * CLOSING_STEP)
            yield plan.q[k], plan.v[k], plan.torque[k]
        last, k = plan.q[-1], 0
        while True:  # straight on
            k += 1
            yield last + plan.v[-1] * k * CLOSING_STEP, plan.v[-1], plan.torque[-1]

    def _lasts(self, phase: str) -> int:
        """See `SimulatedRun`: as long as the motion that follows what moves on."""
        motion = self.cycle.closing if phase == "close" else self.cycle.opening
        return super()._lasts(phase) if motion is None else round(motion.duration / CLOSING_STEP)

    def _carry(self) -> tuple[Array, Array]:
        """See `SimulatedRun`; the belt's speed is that at the end at which it is touched."""
        touched = self.begins["transfer"] + (self.transfer.duration if self.nominal.goal.moves else 0.0)
        self._run_belt(touched)
        return super()._carry()

    def _release(self) -> tuple[float, float]:
        """Opens the fingers, and leaves; returns how far the item is then from where the belt has taken its goal [m], [rad]."""
        if not self.nominal.goal.moves:
            return super()._release()
        begun, simulation = self.simulation.surface_time, self.simulation
        stays = round(SETTLE / CLOSING_STEP) if self.cycle.back is None else 0
        self._open(self._end("transfer", self.transfer.duration), self._lasts("open") + stays)
        if self.cycle.back is not None:
            self._leave()
        gone = self.belt.progress(self.begins["open"]) + (simulation.surface_time - begun) / self._per_known
        there = [pose.shifted(np.array(self.nominal.goal.velocity) * gone) for pose in self.nominal.goal.poses]
        return min(pose.distance_outside(simulation.item_in_world() * pose.offset) for pose in there)

    def _leave(self) -> None:
        """Streams the way of the hand that has let go of the item, which is on the belt and may be touched."""
        motion, simulation = self.cycle.back, self.simulation
        assert motion is not None and motion.trajectory is not None
        plan = references(motion.problem, motion.trajectory, 0, CLOSING_STEP)
        gone_through, touched = np.empty_like(plan.q), False
        for k in range(len(plan.q)):
            self._run_belt(self.begins["return"] + k * CLOSING_STEP)
            self._step((plan.q[k], plan.v[k], plan.torque[k]), self._apart())
            gone_through[k] = simulation.joints()
            touched = touched or simulation.points_in_touch() > 0
        if touched:
            self.contacts.append(("return", "the hand", self.problem.holds[0].item.name))
        every = round(SIMULATED / CLOSING_STEP)
        through = gone_through[every - 1 :: every]  # where the next of these commands begins
        q = plan.q[::every][: len(through)]
        self._track("return", self._as_it_is(motion.problem), q, through, np.tile(UNMOVED, (len(q), 1)))


def _belt_of(problem: TransferProblem) -> Obstacle:
    """Returns the obstacle of a problem whose surface moves.

    Raises:
        InputError: There is none, or more than one.
    """
    belts = [o for o in problem.scene.obstacles if any(o.surface_velocity)]
    if len(belts) != 1:
        raise InputError("obstacles", f"have {len(belts)} with a surface_velocity; in physics a cycle is run at one belt")
    return belts[0]
