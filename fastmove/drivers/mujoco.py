"""The driver `mujoco`: simulated hardware that passes commands to `simulation`, cycle by cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.drivers.arrival import Arrival
from fastmove.drivers.driver import Command, PhysicsDriver, Reading
from fastmove.drivers.simulated.contact_record import MovedRecord, unwanted_contacts
from fastmove.drivers.simulated.displacement import displacement, worst
from fastmove.drivers.simulated.encoders import Encoders
from fastmove.drivers.simulated.imperfections import Imperfections, imperfections_of
from fastmove.drivers.simulated.simulation import Simulation, the_held
from fastmove.errors import InputError
from fastmove.problem.transfer import TransferProblem

BRAKE = 0.25  # time in which a stop brings the arm to rest [s]
STILL = 0.5  # time for which the arm is held at rest after a stop [s]
RECORD = 0.01  # time between recorded poses of the item [s]
GRIP_TRAVEL = 0.003  # distance of a finger from the item's face beyond which it holds nothing [m]
OPENING_FORCE = 5.0  # force with which each finger opens [N]


def connect(problem: TransferProblem, address: str = "", along: Array | None = None) -> MujocoDriver:
    """Builds the driver `mujoco` for `registries.drivers`.

    Args:
        problem: transfer to simulate.
        address: imperfections of the hardware, as `delay=0.001,lost=0.1` (see `Imperfections`); empty = perfect.
        along: (N, n) configurations along the motion, see `MujocoDriver` [rad].
    """
    return MujocoDriver(problem, along=along, imperfections=imperfections_of(address) if address else None)


class MujocoDriver(PhysicsDriver):
    """The driver of simulated hardware: every `send` advances the simulation by one control cycle.

    Args:
        problem: transfer that the motion was planned for.
        cycle: control cycle [s], a whole number of simulation steps.
        step: simulation step [s].
        along: (N, n) configurations along the motion, from which the servo's gains follow [rad]; the last is where the goal's
            allowed contacts are; default the start, and the goal where it is a configuration.
        imperfections: of servo, encoders, grip and the way of commands; default none.
        truth: what is really there, as a heavier item or less friction (see `HeldItem.sample`); default the problem.

    Attributes:
        arrival: the way of commands to the servo; it counts those that were lost.
        saturated: number of simulation steps since `connect` in which a torque was clipped.

    Raises:
        InputError: the problem does not hold exactly one item, or not by a contact that is simulated; the delay is no whole
            number of steps; what is there is another robot.
    """

    def __init__(
        self,
        problem: TransferProblem,
        cycle: float = 1e-3,
        step: float = 1e-3,
        along: Array | None = None,
        imperfections: Imperfections | None = None,
        truth: TransferProblem | None = None,
    ) -> None:
        self.problem, self.cycle, self.substeps = truth or problem, cycle, max(1, round(cycle / step))
        n, joints = problem.robot.n_arm, self.problem.robot.n_arm
        if joints != n:
            raise InputError("truth", f"has {joints} joints, the problem {n}; allowed: the same robot")
        if along is None:
            along = np.stack([problem.start.q, *problem.goal.configurations[:1]])
        self.start, self._end = np.array(problem.start.q), along[-1]
        self.imperfections = imperfections or Imperfections()
        if self.substeps == 1 and cycle <= 1e-3 and truth is None:  # measured only so
            self.following = self.imperfections.following(self.imperfections.delay)
        self._share = self.imperfections.grip_factor * (the_held(truth).realised_grip_ratio if truth is not None else 1.0)
        self.force = the_held(problem).planned_grip
        self.simulation = Simulation(self.problem, self.force * self._share, along, step=step)
        self.simulation.limit_torque(self.imperfections.saturation)
        self.arrival = Arrival(self.imperfections, cycle, step)
        self._encoders = Encoders(self.imperfections)
        self.cycles = self.saturated = 0
        self.recorded: list[tuple[float, pin.SE3]] = []
        self._clock, self._mass = 0.0, 0.0
        self._begin()

    def connect(self) -> None:
        """Closes the hand and lets the item settle with the arm at rest; slip is measured from the item's pose then."""
        self.cycles, self._clock, self.saturated = 0, 0.0, 0
        self.recorded.clear()
        self.settling = self.simulation.settle(self.start)
        self.reference, self.cycles, self.least_touching = self.simulation.item_pose(), 0, self.settling.touching
        self._poses: list[Array] = [self.reference]
        self._begin()

    def _begin(self) -> None:
        """Begins random numbers, records and the grip's lag anew, in the present state."""
        self._encoders.begin()
        self._grip, self._moved = self.force * self._share, MovedRecord()
        self._measured = self._encoders.measured(self.simulation.joints(), self.simulation.velocities())
        self.arrival.begin(self.still(self.start, np.array([self.force])))

    def payload(self, mass: float, com: Array, inertia: Array) -> None:
        """Keeps the mass for `carried`; the feed-forward torque of every command includes the payload."""
        self._mass = mass

    def carried(self) -> float:
        """Returns the mass told by `payload` [kg], at first 0."""
        return self._mass

    def speed_scale(self) -> float:
        """Returns 1: there is no speed slider."""
        return 1.0

    def read(self) -> Reading:
        """Returns configuration and velocity as the encoders say, and whether the fingers are at the item."""
        return Reading(self.cycles, *self._measured, self._gripping())

    def send(self, command: Command) -> Command:
        """Advances the simulation by one control cycle under a command, or the last one extrapolated where it is lost."""
        self.follow(self.arrival.taken(command if self.arrival.arrived(command) else None))
        return command

    def follow(self, command: Command, record: bool = True) -> None:
        """Advances the simulation by one control cycle under a command that has arrived.

        Args:
            command: command of this cycle.
            record: whether the motion has begun and is not over: otherwise time stands still for obstacles and records.
        """
        for k in range(self.substeps):
            now = self.cycles * self.cycle + k * self.simulation.step_size
            acting = self.arrival.acting(command)
            self._press(float(acting.grip_force[0]))
            if record:
                self.simulation.at(now)
            self._step(acting.q, acting.v, acting.effort, now if record else None)
            if not record:
                continue
            self._record()
            self._poses.append(self.simulation.item_pose())
            self.least_touching = min(self.least_touching, self.simulation.points_in_touch())
        self.cycles += record

    def still(self, q: Array, grip_force: Array) -> Command:
        """Returns the command that keeps the arm at rest at a configuration, with the torque that it needs there.

        Args:
            q: (n,) configuration [rad].
            grip_force: (1,) grip force per pad [N].
        """
        nothing = np.zeros_like(q)
        return Command(q, nothing, nothing, self.bias() - self._item_pull(), grip_force)

    def bias(self) -> Array:
        """Returns the torque (n,) that arm and item, as they truly are, need in the present state without acceleration [Nm]."""
        return np.array(self.simulation.data.qfrc_bias[: self.simulation.n])

    def stop(self) -> None:
        """Brakes every joint evenly from its present velocity to rest, with the grip unchanged."""
        q, v = self._measured
        at = self.cycles * self.cycle
        for k in range(round(BRAKE / self.simulation.step_size)):
            t = k * self.simulation.step_size
            feed_forward = self.simulation.torque(-v / BRAKE)
            self._step(q + v * (t - t * t / (2 * BRAKE)), v * (1 - t / BRAKE), feed_forward, at)
        self.hold(q + v * BRAKE / 2, STILL)

    @property
    def end(self) -> Array:
        """The configuration (n,) at which the goal's allowed contacts are [rad]."""
        return self._end

    @property
    def moved(self) -> MovedRecord:
        """The states since `connect`, one for each simulation step, until the hand opens."""
        return self._moved

    def contacts(self) -> list[tuple[float, str, str]]:
        """Returns the unwanted contacts since `connect`, until the hand opens (see `contact_record.unwanted_contacts`)."""
        return unwanted_contacts(self.problem, self._moved, np.stack([self.start, self._end]))

    def release(self, seconds: float = 0.6) -> None:
        """Opens the fingers with the arm at rest, and waits for the item to come to rest.

        Args:
            seconds: time to wait [s].
        """
        q = self.simulation.joints()
        self.open()
        self.hold(q, seconds)

    def open(self) -> None:
        """Begins to open the fingers."""
        self._grip = -OPENING_FORCE
        self.simulation.grip(-OPENING_FORCE)

    def slip(self) -> tuple[float, float]:
        """Returns the item's present displacement [m] and rotation [rad] in the hand since it settled."""
        return displacement(self.reference, self.simulation.item_pose())

    def worst_slip(self) -> tuple[float, float, float]:
        """Returns the item's largest displacement [m], rotation [rad] and displacement of its farthest point [m] in the hand."""
        return worst(self.reference, np.array(self._poses), self.problem.holds[0].hull_points)

    def account(self) -> dict[str, Any]:
        """Returns what is known of the run, for a client elsewhere: item poses in the hand, records and counts."""
        poses, moved, item = np.array(self._poses), self._moved, self.item_in_world()
        counts = {"least_touching": self.least_touching, "saturated": self.saturated, "lost": self.arrival.lost}
        return {"poses": poses, "moved": moved, "recorded": self.recorded, "item": item, **counts}

    def item_in_world(self) -> pin.SE3:
        """Returns the pose of the item's frame in the world."""
        return self.simulation.item_in_world()

    def _record(self) -> None:
        """Records the item's pose every `RECORD` seconds."""
        if self._clock >= len(self.recorded) * RECORD:
            self.recorded.append((self._clock, self.item_in_world()))
        self._clock += self.simulation.step_size

    def _gripping(self) -> bool:
        """Returns whether all fingers are near the item's faces, and no vacuum is lost."""
        fingers = self.simulation.data.qpos[self.simulation.n : self.simulation.item.start]
        return bool(np.all(np.abs(fingers) < GRIP_TRAVEL)) and not self.simulation.lost

    def hold(self, q: Array, seconds: float, record: bool = True) -> None:
        """Keeps the arm at a configuration with the torque that it needs there, and the grip as it is.

        Args:
            q: (n,) configuration [rad].
            seconds: for so long [s].
            record: whether the item's poses are recorded, once the motion has begun.
        """
        still = np.zeros_like(q)
        for _ in range(round(seconds / self.simulation.step_size)):
            self._step(q, still, self.bias() - self._item_pull())
            if self.cycles and record:
                self._record()

    def _press(self, force: float) -> None:
        """Lets the grip force follow its command for one simulation step [N]."""
        rise, force = self.imperfections.grip_rise, force * self._share
        # the exact step of a first-order lag
        self._grip = force if rise == 0 else force + (self._grip - force) * np.exp(-self.simulation.step_size / rise)
        self.simulation.grip(self._grip)

    def _step(self, q: Array, v: Array, effort: Array, at: float | None = None) -> None:
        """Advances the simulation by one step; the servo compares its reference with what the encoders say.

        Args:
            q: (n,) reference [rad].
            v: (n,) velocity of the reference [rad/s].
            effort: (n,) feed-forward torque [Nm].
            at: time of the motion for which the state is kept, for `contacts` [s]; None = it is not.
        """
        simulation = self.simulation
        if not self._encoders.exact:  # the engine's servo sees the truth: what it sees too much is taken off its reference
            q = q - (self._measured[0] - simulation.joints())
            v = v - (self._measured[1] - simulation.velocities())
        simulation.command(q, v, effort)
        simulation.step()
        self.saturated += simulation.saturated()
        joints = simulation.joints()
        self._measured = self._encoders.measured(joints, simulation.velocities())
        if at is not None:
            self._moved.add(simulation.time, at, joints, simulation.item_pose())

    def _item_pull(self) -> Array:
        """Returns the torque (n,) that contacts put on the arm through the item and the pads [Nm]."""
        return np.array(self.simulation.data.qfrc_constraint[: self.simulation.n])
