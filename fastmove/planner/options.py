"""Options of the planner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fastmove.errors import InputError


@dataclass(frozen=True)
class Options:
    """Attributes:
    seed: of the path search; same problem, options and seed give the same bytes.
    path_seeds: path searches beside the straight line, until one is proven optimal; None = `PATHS`, or `PATHS_HELD` for a hold.
    deadline: after this time [s] no new search is started, for this goal or another, but for the first; gives determinism up.
    explain: also price the limits, and plan for what is believed alone to price the set around it.
    progress: called with a few words whenever a new stage begins.
    """

    seed: int = 0
    path_seeds: int | None = None
    deadline: float | None = None
    explain: bool = False
    progress: Callable[[str], None] | None = field(default=None, compare=False, repr=False)

    def __getstate__(self) -> dict[str, object]:
        """Without a function that other processes could not call."""
        return self.__dict__ | {"progress": None}

    def __post_init__(self) -> None:
        if self.seed < 0 or (self.path_seeds or 0) < 0:
            raise InputError(
                "options", f"have seed {self.seed} and path_seeds {self.path_seeds}; whole numbers from 0 are needed"
            )
        if self.deadline is not None and not self.deadline > 0:
            raise InputError("options.deadline", f"is {self.deadline} s; it must be positive")
