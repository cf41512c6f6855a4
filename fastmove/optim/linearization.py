"""The motion that a convex subproblem is built around, with everything the subproblem needs of it."""

from __future__ import annotations

from dataclasses import dataclass

from fastmove.arrays import Array
from fastmove.collision.query_types import NearPairs
from fastmove.dynamics.efforts import Linearised
from fastmove.optim.transcription import MotionValues, Transcription

STATIC_FROM = 0.6  # Utilisation at rest from which a sample gets rows for the arm at rest, too.
ACTIVE_ROW_FRACTION = 0.3  # Value of `active_row_fraction` where rows are left out.
IDLE = 0.6  # Utilisation up to which rows of torque and torque rate are left out where `active_row_fraction` is below 1.
RATE_STEP = 1e-4  # Step in time of the central differences of torque rate [s].


def active_row_fraction(transcription: Transcription) -> float:
    """Share of the largest step's effect that must suffice to make a row bind for the row to be kept; 1 = keep all that can bind.

    Rows of efforts and clearances are dense, and few of those that the largest step (every control point at its worst corner of
    the trust region) could make bind ever do.  The merit sees every limit all the same.  Nothing that can bind is left out where
    something is held, the start moves or obstacles move.
    """
    return ACTIVE_ROW_FRACTION if transcription.rescales and not transcription.problem.holds else 1.0


@dataclass(frozen=True)
class Linearization:
    """The motion that a subproblem is built around, with its values and derivatives.

    Attributes:
        free: (n_free, n) free control points [rad].
        duration: Duration at which tangents touch the rows' T^p [s]; `flow`, `lin` and `rate_lin` are of the motion run in it.
        origin: The motion's own duration [s].
        flow: Values at the samples.
        lin: Efforts and their derivatives at the effort samples.
        rate_lin: The same `RATE_STEP` after and before every rate sample; None without torque rate limits.
        contacts: Nearby pairs of bodies, with gradients.
        paddings: (C,) padding of each of these pairs [m].
        members: Indices of the members of the item set that `lin` and `rate_lin` are for; None = all.
    """

    free: Array
    duration: float
    origin: float
    flow: MotionValues
    lin: Linearised
    rate_lin: tuple[Linearised, Linearised] | None
    contacts: NearPairs
    paddings: Array
    members: Array | None = None
