"""What simulated hardware does less well than it should, in numbers: delays, encoders, torques, grip, lost commands."""

from __future__ import annotations

from dataclasses import dataclass, fields

from fastmove.errors import InputError, UnknownName
from fastmove.problem.following import Following

JOINT_ERROR = 0.6e-3  # joint error, 0.44e-3 at most in the ten shipped problems, commanded every millisecond [rad]

# Least and largest value of every number.
ALLOWED = {
    "delay": (0.0, 0.1),
    "encoder": (0.0, 0.1),
    "velocity_noise": (0.0, 1.0),
    "saturation": (0.01, 1.0),
    "grip_rise": (0.0, 1.0),
    "grip_factor": (0.01, 1.0),
    "lost": (0.0, 0.99),
}


@dataclass(frozen=True)
class Imperfections:
    """The imperfections of simulated hardware; the default is perfect.

    The servo works on what its encoders say, not on the truth.  The same numbers and seed give the same bytes.

    Attributes:
        delay: time by which every command acts later, a whole number of simulation steps [s].
        encoder: resolution of joint positions [rad, m]; 0 = exact.
        velocity_noise: standard deviation of joint velocities [rad/s, m/s], anew in every simulation step.
        saturation: share of the robot's effort limits beyond which torque is clipped [1].
        grip_rise: time constant with which the grip force follows its command [s]; opening the hand is not delayed.
        grip_factor: share of a commanded grip force that is there [1].
        lost: share of commands that are lost; the controller goes on by velocity and acceleration of the last one that came [1].
        seed: seed of all random numbers.

    Raises:
        InputError: a number is out of range.
    """

    delay: float = 0.0
    encoder: float = 0.0
    velocity_noise: float = 0.0
    saturation: float = 1.0
    grip_rise: float = 0.0
    grip_factor: float = 1.0
    lost: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (least, most) in ALLOWED.items():
            value = getattr(self, name)
            if not least <= value <= most:  # NaN is refused
                raise InputError(f"imperfections.{name}", f"is {value}; allowed: {least:g} to {most:g}")
        if int(self.seed) != self.seed or self.seed < 0:
            raise InputError("imperfections.seed", f"is {self.seed}; allowed: whole numbers from 0")

    def delay_steps(self, step: float) -> int:
        """Returns the delay in simulation steps.

        Args:
            step: simulation step [s].

        Raises:
            InputError: it is not a whole number of steps.
        """
        steps = round(self.delay / step)
        if abs(self.delay - steps * step) > 1e-6 * step:
            raise InputError(
                "imperfections.delay", f"is {self.delay:g} s; allowed: whole numbers of simulation steps of {step:g} s"
            )
        return steps

    def following(self, delay: float) -> Following | None:
        """Returns how closely the simulated arm follows; None where commands are lost or torques clipped: nobody knows how far.

        Args:
            delay: longest delay of the arm behind its commands [s].
        """
        return Following(JOINT_ERROR, delay) if self.lost == 0 and self.saturation == 1 else None


def imperfections_of(address: str) -> Imperfections:
    """Reads imperfections from a driver's address, as `delay=0.001,lost=0.1`; an empty one is perfect.

    Args:
        address: NAME=NUMBER, separated by commas.

    Raises:
        InputError: a name is unknown, a number cannot be read or is out of range.
    """
    known = {field.name: int if field.name == "seed" else float for field in fields(Imperfections)}
    values: dict[str, float] = {}
    for part in filter(None, address.split(",")):
        name, _, number = part.partition("=")
        if name not in known:
            raise UnknownName("imperfections", f"{name!r} is unknown; allowed: {', '.join(known)}", name, known)
        try:
            values[name] = known[name](number)
        except ValueError as error:
            raise InputError(f"imperfections.{name}", f"is {number!r}; allowed: a number, as in {name}=0.001") from error
    return Imperfections(**values)  # type: ignore[arg-type]
