"""Simulated hardware behind the driver interface: commands go to `simulation`, cycle by cycle."""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.drivers.displacement import displacement, displacements, farthest
from fastmove.drivers.driver import Command, PhysicsDriver, Reading
from fastmove.drivers.simulation import Simulation, the_held
from fastmove.problem.transfer import TransferProblem

BRAKE, STILL, RECORD = 0.25, 0.2, 0.01  # [s]
GRIP_TRAVEL = 0.003  # fingers farther from the item's faces than this hold nothing [m]
OPENING_FORCE = 5.0  # [N]


def connect(problem: TransferProblem, address: str = "", along: Array | None = None) -> MujocoDriver:
    """The driver `mujoco`; it has no address."""
    return MujocoDriver(problem, along=along)


class MujocoDriver(PhysicsDriver):
    """Simulated hardware behind the driver interface: every `send` advances the simulation by one cycle.

    Args:
        cycle: control cycle [s], a whole number of simulation steps.
        along: configurations on the way, for the servo's gains; default: start, and goal where it is a configuration.

    Raises:
        InputError: not one item, pinched, in the hand.
    """

    def __init__(self, problem: TransferProblem, cycle: float = 1e-3, step: float = 1e-3, along: Array | None = None) -> None:
        self.problem, self.cycle, self.substeps = problem, cycle, max(1, round(cycle / step))
        if along is None:
            along = np.stack([problem.start.q, *problem.goal.configurations[:1]])
        self.simulation = Simulation(problem, float(the_held(problem).grasp.grip_force[1]), along, step=step)
        self.cycles = 0
        self.recorded: list[tuple[float, pin.SE3]] = []
        self._clock = 0.0

    def connect(self) -> None:
        """Close the grip and let the item settle, arm still; the pose after that is the reference for slip."""
        self.cycles, self._clock = 0, 0.0
        self.recorded.clear()
        start = np.array(self.problem.start.q)
        self.settling = self.simulation.settle(start)
        self.reference, self.cycles, self.least_touching = self.simulation.item_pose(), 0, self.settling.touching
        self._poses: list[Array] = [self.reference]

    def payload(self, mass: float, com: Array, inertia: Array) -> None:
        """Known already: the feed-forward torque of every command includes it."""

    def read(self) -> Reading:
        simulation = self.simulation
        return Reading(self.cycles, simulation.joints(), np.array(simulation.data.qvel[: simulation.n]), self._gripping())

    def send(self, command: Command) -> Command:
        self.simulation.grip(float(command.grip_force[0]))
        self.simulation.command(command.q, command.v, command.effort)
        for k in range(self.substeps):
            self.simulation.at(self.cycles * self.cycle + k * self.simulation.step_size)
            self.simulation.advance()
            self._record()
            self._poses.append(self.simulation.item_pose())
            self.least_touching = min(self.least_touching, self.simulation.pads_in_touch())
        self.cycles += 1
        return command

    def stop(self) -> None:
        """Brake every joint evenly from its present speed, grip unchanged."""
        q, v = self.simulation.joints(), np.array(self.simulation.data.qvel[: self.simulation.n])
        for k in range(round(BRAKE / self.simulation.step_size)):
            t = k * self.simulation.step_size
            bias = np.array(self.simulation.data.qfrc_bias[: self.simulation.n])
            self.simulation.command(q + v * (t - t * t / (2 * BRAKE)), v * (1 - t / BRAKE), bias)
            self.simulation.advance()
        self._hold(q + v * BRAKE / 2, STILL)

    def release(self, seconds: float = 0.6) -> None:
        """Open the fingers, arm still, and let the item come to rest."""
        q = self.simulation.joints()
        self.simulation.grip(-OPENING_FORCE)
        self._hold(q, seconds)

    def slip(self) -> tuple[float, float]:
        """Displacement [m] and rotation [rad] of the item in the hand since it settled."""
        return displacement(self.reference, self.simulation.item_pose())

    def worst_slip(self) -> tuple[float, float, float]:
        """The largest displacement [m] and rotation [rad] seen while streaming, and that of the item's farthest point [m]."""
        poses = np.array(self._poses)
        slip, turn = displacements(self.reference, poses)
        reach = farthest(self.reference, poses, self.problem.holds[0].hull_points)
        return float(slip.max()), float(turn.max()), float(reach.max())

    def item_in_world(self) -> pin.SE3:
        """Pose of the item's own frame in the world."""
        body = self.simulation.data.body("item")
        w, x, y, z = body.xquat
        world_T_grasp = pin.XYZQUATToSE3(np.array([*body.xpos, x, y, z, w]))
        return world_T_grasp * self.problem.holds[0].grasp_T_item

    def _record(self) -> None:
        """Keep the item's pose every `RECORD` seconds."""
        if self._clock >= len(self.recorded) * RECORD:
            self.recorded.append((self._clock, self.item_in_world()))
        self._clock += self.simulation.step_size

    def _gripping(self) -> bool:
        """Whether both fingers are near where the item's faces are."""
        fingers = self.simulation.data.qpos[self.simulation.n : self.simulation.n + 2]
        return bool(np.all(np.abs(fingers) < GRIP_TRAVEL))

    def _hold(self, q: Array, seconds: float) -> None:
        """Keep the arm at q with the torque that it needs there."""
        still = np.zeros_like(q)
        for _ in range(round(seconds / self.simulation.step_size)):
            bias = np.array(self.simulation.data.qfrc_bias[: self.simulation.n]) - self._item_pull()
            self.simulation.command(q, still, bias)
            self.simulation.advance()
            if self.cycles:
                self._record()

    def _item_pull(self) -> Array:
        """Torque that contacts put on the arm through the item and the pads."""
        return np.array(self.simulation.data.qfrc_constraint[: self.simulation.n])
