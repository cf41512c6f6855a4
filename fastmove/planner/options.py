"""Options of the planner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fastmove.errors import InputError


@dataclass(frozen=True)
class Options:
    """Options of planning.

    Attributes:
        seed: Seed of the path search.  The same problem, options and seed give the same bytes.
        path_seeds: Number of path searches beside the straight line for each goal; fewer are made where a motion is nearly as
            fast as its lower bound, more where none was certified.  None means `goal_search.PATHS`, or
            `goal_search.PATHS_HELD` with a held item.
        deadline: Time after which no new search is started, for this goal or another, except the first [s].  With a deadline the
            result is not deterministic.
        explain: Whether the limits are priced too, and a plan for the nominal values prices their uncertainty.
        reserve: Share of acceleration, torque, torque rate and grip that a motion leaves unused, so that it can be slowed down in
            flight wherever it is (`execution.stops`); the certificate is against the whole limits.
        progress: Function called with a few words whenever a new stage begins: goal, attempt, and the best duration so far.
    """

    seed: int = 0
    path_seeds: int | None = None
    deadline: float | None = None
    explain: bool = False
    reserve: float = 0.0
    progress: Callable[[str], None] | None = field(default=None, compare=False, repr=False)

    def __getstate__(self) -> dict[str, object]:
        """Returns the state without `progress`, a function that other processes could not call."""
        return self.__dict__ | {"progress": None}

    def __post_init__(self) -> None:
        if self.seed < 0 or (self.path_seeds or 0) < 0:
            raise InputError(
                "options", f"have seed {self.seed} and path_seeds {self.path_seeds}; whole numbers from 0 are needed"
            )
        if not 0 <= self.reserve < 0.9:
            raise InputError("options.reserve", f"is {self.reserve}; allowed: 0 to below 0.9")
        if self.deadline is not None and not self.deadline > 0:
            raise InputError("options.deadline", f"is {self.deadline} s; it must be positive")
