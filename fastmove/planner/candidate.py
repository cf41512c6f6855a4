"""What an attempt has come to: a sketch after a few steps, a draft when it has converged; not certified yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.optim.merit import Iterate
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.sqp import SqpRun
from fastmove.optim.transcription import Transcription

SAME_TIME, SAME_PLACE = 0.01, 0.3  # drafts nearer than this in duration, relative, and everywhere in joints [rad] are the same
PLACES = 40


@dataclass(frozen=True)
class PartialSolve:
    """A solve that has been interrupted.

    Attributes:
        number: of the attempt;  merit: when it was interrupted [s].
    """

    number: int
    descent: SqpRun
    merit: float

    @property
    def duration(self) -> float:
        """[s]"""
        return self.descent.point.duration

    @property
    def clear(self) -> bool:
        """Whether everything keeps its clearance by now, if not the pad beyond it."""
        return self.descent.point.clearance_violation <= self.descent.optimiser.padding


@dataclass(frozen=True)
class Candidate:
    """A motion that satisfies its rows (or nearly), not yet certified.

    Attributes:
        number: of the attempt that it comes from.
    """

    number: int
    point: Iterate
    transcription: Transcription
    samples: ConstraintGrid

    @property
    def duration(self) -> float:
        """[s]"""
        return self.point.duration

    def same(self, other: Candidate) -> bool:
        """Whether both are the same motion but for what polishing would change."""
        if abs(self.duration - other.duration) > SAME_TIME * other.duration:
            return False
        s = np.linspace(0, 1, PLACES)
        one, two = (
            d.transcription.basis.design_matrix(s) @ d.transcription.points(d.point.free, d.duration) for d in (self, other)
        )
        return float(np.abs(one - two).max()) < SAME_PLACE
