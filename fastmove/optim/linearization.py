"""Everything that a convex subproblem needs of the motion it is built around."""

from __future__ import annotations

from dataclasses import dataclass

from fastmove.arrays import Array
from fastmove.collision.query_types import NearPairs
from fastmove.dynamics.efforts import Linearised
from fastmove.optim.transcription import MotionValues, Transcription

STATIC_FROM = 0.6  # static use from which a sample gets rows at rest, too

# Rows of efforts and clearances are dense, and of those that the largest step could make bind (every control point at its worst
# corner of the trust region) few ever do: of the rows that bound in 401 programs all but 1 % needed less than LIKELY_SHARE of it.
# Torques below IDLE of their limit hardly ever bind after a step.  The merit sees all of them all the same.  Where something is
# held nothing is left out that can bind: cut rows cost such transfers up to a tenth of their duration.
ACTIVE_ROW_FRACTION, IDLE = 0.3, 0.6
RATE_STEP = 1e-4  # of central differences in time [s]


def active_row_fraction(transcription: Transcription) -> float:
    """Share of the largest step from which on rows are left out; 1 = none that can bind."""
    return ACTIVE_ROW_FRACTION if transcription.rescales and not transcription.problem.holds else 1.0


@dataclass(frozen=True)
class Linearization:
    """The motion that the subproblem is built around, with everything evaluated there.

    Attributes:
        duration: where tangents touch the rows' T^p; flow, lin and rate_lin are of the motion run in it.
        origin: the motion's own duration.
    """

    free: Array
    duration: float
    origin: float
    flow: MotionValues
    lin: Linearised
    rate_lin: tuple[Linearised, Linearised] | None  # RATE_STEP after and before every rate sample
    contacts: NearPairs
    paddings: Array
    members: Array | None = None  # of the item set that lin and rate_lin are for; None = all
