"""Results of an attempt before its certificate: a partial solve after a few steps, a candidate once it has converged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.optim.merit import Iterate
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.sqp import SqpRun
from fastmove.optim.transcription import Transcription

SAME_TIME = 0.01  # Relative difference in duration up to which two candidates may be the same motion.
SAME_PLACE = 0.3  # Difference of every joint below which two candidates may be the same motion [rad].
PLACES = 40  # Number of samples at which two candidates are compared.


@dataclass(frozen=True)
class PartialSolve:
    """A solve that was interrupted and can be continued.

    Attributes:
        number: Number of the attempt.
        sqp_run: SQP run of the attempt.
        merit: Merit when it was interrupted [s].
    """

    number: int
    sqp_run: SqpRun
    merit: float

    @property
    def duration(self) -> float:
        """Duration of the motion so far [s]."""
        return self.sqp_run.point.duration

    @property
    def clear(self) -> bool:
        """Whether all bodies keep their clearance by now, though perhaps not the padding beyond it."""
        return self.sqp_run.point.clearance_violation <= self.sqp_run.optimiser.padding


@dataclass(frozen=True)
class Candidate:
    """A motion that nearly satisfies its constraints at the samples and is not certified yet.

    Attributes:
        number: Number of the attempt that it comes from.
        point: The motion with its merit.
        transcription: Transcription of the motion.
        samples: Samples at which its constraints were asked for.
    """

    number: int
    point: Iterate
    transcription: Transcription
    samples: ConstraintGrid

    @property
    def duration(self) -> float:
        """Duration of the motion [s]."""
        return self.point.duration

    def same(self, other: Candidate) -> bool:
        """Returns whether two candidates are the same motion, apart from what polishing would change."""
        if abs(self.duration - other.duration) > SAME_TIME * other.duration:
            return False
        s = np.linspace(0, 1, PLACES)
        own, others = (
            candidate.transcription.basis.design_matrix(s)
            @ candidate.transcription.points(candidate.point.free, candidate.duration)
            for candidate in (self, other)
        )
        return float(np.abs(own - others).max()) < SAME_PLACE
