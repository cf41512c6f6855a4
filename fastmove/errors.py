"""Everything that can go wrong by name: one class per cause, each carrying its data.

Two channels: a caller's mistake raises one of these; a solver's outcome is a `Status` (see `solution.solution`).
`exit_code` is what the command line returns: 2 the input is wrong, 3 no certified transfer, 4 the driver failed, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns "; did you mean …?" with the known name that is nearest to an unknown one; empty where none is near."""
    spelled = {str(k).lower(): str(k) for k in known}
    near = get_close_matches(name.lower(), spelled, n=1, cutoff=0.7)
    return f"; did you mean {spelled[near[0]]!r}?" if near else ""


def first_line(error: Exception) -> str:
    """Returns the first line of what an error says, or its name where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


class FastMoveError(Exception):
    """Base of every error that FastMove raises on purpose."""

    exit_code = 2


class Interrupted(KeyboardInterrupt):
    """Planning was interrupted (Ctrl-C); what had been found by then is not lost.

    Attributes:
        solution: the fastest certified `Solution` so far, or None.
    """

    exit_code = 130  # what shells give for an interrupted command

    def __init__(self, solution: object = None) -> None:
        self.solution = solution
        super().__init__("interrupted")


class Remark(UserWarning):
    """Something that was read otherwise than it stands there, as a joint that was left out; a warning, not an error."""


class InputError(FastMoveError):
    """The input is wrong: what, where and what is allowed, in one sentence.

    Attributes:
        where: file and key, or the argument's name.
        problem: what is wrong and what is allowed.
    """

    def __init__(self, where: str, problem: str) -> None:
        self.where, self.problem = where, problem
        super().__init__(f"{where}: {problem}" if where else problem)


class UnknownName(InputError):
    """A robot, limit set, link, gripper or key that does not exist; the message lists those that do.

    Args:
        where: file and key, or the argument's name.
        problem: what is wrong and what is allowed.
        name: the name that is unknown.
        known: names of which the nearest is offered, if one is near.
    """

    def __init__(self, where: str, problem: str, name: str = "", known: Iterable[str] = ()) -> None:
        super().__init__(where, f"{problem}{did_you_mean(name, known)}")


class GraspInvalid(InputError):
    """The item is not where the pads could hold it."""


class StateOutsideLimits(InputError):
    """A boundary state violates a limit of the chosen set, or will unavoidably do so."""


class GoalOutOfReach(InputError):
    """No configuration of the robot is anywhere in the goal's regions."""


class StartInCollision(InputError):
    """The start configuration touches something that it may not touch."""


class TrajectoryFileError(InputError):
    """A trajectory file cannot be read as a motion of this problem."""


class MissingPackage(InputError):
    """An optional package is needed; the message contains the pip command."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        self.package = package
        super().__init__("", f"{purpose} needs the package {package}: pip install 'fastmove[{extra}]'")


class DriverFailed(FastMoveError):
    """The driver failed; the arm was stopped with the item held."""

    exit_code = 4


class NoTransferFound(FastMoveError):
    """No certified transfer: the sentence names the limit in the way.

    Attributes:
        solution: the uncertified `Solution` with its status, or None.
    """

    exit_code = 3

    def __init__(self, sentence: str, solution: object = None) -> None:
        self.solution = solution
        super().__init__(sentence)
