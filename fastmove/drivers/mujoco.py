"""The driver `mujoco`: simulated hardware that passes commands to `simulation`, cycle by cycle."""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.drivers.displacement import displacement, displacements, farthest
from fastmove.drivers.driver import Command, PhysicsDriver, Reading
from fastmove.drivers.simulation import Simulation, the_held
from fastmove.problem.transfer import TransferProblem

BRAKE = 0.25  # time in which a stop brings the arm to rest [s]
STILL = 0.2  # time for which the arm is held at rest after a stop [s]
RECORD = 0.01  # time between recorded poses of the item [s]
GRIP_TRAVEL = 0.003  # distance of a finger from the item's face beyond which it holds nothing [m]
OPENING_FORCE = 5.0  # force with which each finger opens [N]


def connect(problem: TransferProblem, address: str = "", along: Array | None = None) -> MujocoDriver:
    """Builds the driver `mujoco` for `registries.drivers`.

    Args:
        problem: transfer to simulate.
        address: not used.
        along: (N, n) configurations along the motion, see `MujocoDriver` [rad].
    """
    return MujocoDriver(problem, along=along)


class MujocoDriver(PhysicsDriver):
    """The driver of simulated hardware: every `send` advances the simulation by one control cycle.

    Args:
        problem: transfer to simulate.
        cycle: control cycle [s], a whole number of simulation steps.
        step: simulation step [s].
        along: (N, n) configurations along the motion, from which the servo's gains follow [rad]; default the start, and the goal
            where it is a configuration.

    Raises:
        InputError: the problem does not hold exactly one item, or not by pinching.
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
        """Closes the hand and lets the item settle with the arm at rest; slip is measured from the item's pose then."""
        self.cycles, self._clock = 0, 0.0
        self.recorded.clear()
        start = np.array(self.problem.start.q)
        self.settling = self.simulation.settle(start)
        self.reference, self.cycles, self.least_touching = self.simulation.item_pose(), 0, self.settling.touching
        self._poses: list[Array] = [self.reference]

    def payload(self, mass: float, com: Array, inertia: Array) -> None:
        """Does nothing, because the feed-forward torque of every command includes the payload."""

    def read(self) -> Reading:
        """Returns the simulated configuration and velocity, and whether the fingers are at the item."""
        simulation = self.simulation
        return Reading(self.cycles, simulation.joints(), np.array(simulation.data.qvel[: simulation.n]), self._gripping())

    def send(self, command: Command) -> Command:
        """Advances the simulation by one control cycle under a command."""
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
        """Brakes every joint evenly from its present velocity to rest, with the grip unchanged."""
        q, v = self.simulation.joints(), np.array(self.simulation.data.qvel[: self.simulation.n])
        for k in range(round(BRAKE / self.simulation.step_size)):
            t = k * self.simulation.step_size
            bias = np.array(self.simulation.data.qfrc_bias[: self.simulation.n])
            self.simulation.command(q + v * (t - t * t / (2 * BRAKE)), v * (1 - t / BRAKE), bias)
            self.simulation.advance()
        self._hold(q + v * BRAKE / 2, STILL)

    def release(self, seconds: float = 0.6) -> None:
        """Opens the fingers with the arm at rest, and waits for the item to come to rest.

        Args:
            seconds: time to wait [s].
        """
        q = self.simulation.joints()
        self.simulation.grip(-OPENING_FORCE)
        self._hold(q, seconds)

    def slip(self) -> tuple[float, float]:
        """Returns the item's present displacement [m] and rotation [rad] in the hand since it settled."""
        return displacement(self.reference, self.simulation.item_pose())

    def worst_slip(self) -> tuple[float, float, float]:
        """Returns the item's largest displacement [m], rotation [rad] and displacement of its farthest point [m] in the hand."""
        poses = np.array(self._poses)
        slip, turn = displacements(self.reference, poses)
        reach = farthest(self.reference, poses, self.problem.holds[0].hull_points)
        return float(slip.max()), float(turn.max()), float(reach.max())

    def item_in_world(self) -> pin.SE3:
        """Returns the pose of the item's frame in the world."""
        body = self.simulation.data.body("item")
        w, x, y, z = body.xquat
        world_T_grasp = pin.XYZQUATToSE3(np.array([*body.xpos, x, y, z, w]))
        return world_T_grasp * self.problem.holds[0].grasp_T_item

    def _record(self) -> None:
        """Records the item's pose every `RECORD` seconds."""
        if self._clock >= len(self.recorded) * RECORD:
            self.recorded.append((self._clock, self.item_in_world()))
        self._clock += self.simulation.step_size

    def _gripping(self) -> bool:
        """Returns whether both fingers are near the item's faces."""
        fingers = self.simulation.data.qpos[self.simulation.n : self.simulation.n + 2]
        return bool(np.all(np.abs(fingers) < GRIP_TRAVEL))

    def _hold(self, q: Array, seconds: float) -> None:
        """Keeps the arm at q (n,) [rad] for some seconds with the torque that it needs there."""
        still = np.zeros_like(q)
        for _ in range(round(seconds / self.simulation.step_size)):
            bias = np.array(self.simulation.data.qfrc_bias[: self.simulation.n]) - self._item_pull()
            self.simulation.command(q, still, bias)
            self.simulation.advance()
            if self.cycles:
                self._record()

    def _item_pull(self) -> Array:
        """Returns the torque (n,) that contacts put on the arm through the item and the pads [Nm]."""
        return np.array(self.simulation.data.qfrc_constraint[: self.simulation.n])
