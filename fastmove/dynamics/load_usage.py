"""Utilisation of what limits held items, contacts and tolerances, for planner, path search and end checks."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.contact.law import ContactModel
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.problem.tolerance import ToleranceModel
from fastmove.problem.transfer import TransferProblem


class LoadUtilisation:
    """Utilisations, 1 = limit, of a problem's holds by efforts (N, members, n_arm + 6 per hold) as `Dynamics` computes them.

    Args:
        problem: The problem.

    Attributes:
        n: Number of joints of the arm.
        contacts: Contact model of each hold; empty where the hold is switched off.
        forces: Grip force of each hold that is planned with [N], the largest that may be chosen.
        tolerances: What each hold's item tolerates; None where nothing is limited.
    """

    def __init__(self, problem: TransferProblem) -> None:
        self.n = problem.robot.n_arm
        self.contacts: list[ContactModel] = [held.contact_model for held in problem.holds] if problem.hold_active else []
        self.forces = [held.planned_grip for held in problem.holds]
        numbers = np.array(problem.member_indices, dtype=int)
        cares = [held.tolerance.of(numbers[:, k], problem.hold_active) for k, held in enumerate(problem.holds)]
        self.tolerances: list[ToleranceModel | None] = [care if care.active else None for care in cares]

    def wrench(self, efforts: Array, hold: int) -> Array:
        """Contact wrenches (N, members, 6) of one hold, in its grasp frame [N], [Nm].

        Args:
            efforts: (N, members, n_arm + 6 per hold) efforts.
            hold: Number of the hold.
        """
        return efforts[:, :, self.n + 6 * hold : self.n + 6 * hold + 6]

    def hold_utilisation(self, efforts: Array) -> Array:
        """Largest use (N,) of the contacts: utilisation over `UTILISATION_MAX`, 1 = limit.

        Args:
            efforts: (N, members, n_arm + 6 per hold) efforts.
        """
        use = np.zeros(len(efforts))
        for k, contact in enumerate(self.contacts):
            use = np.maximum(use, contact.utilisation(self.wrench(efforts, k), self.forces[k]).max(axis=1) / UTILISATION_MAX)
        return use

    def tolerance_utilisation(self, efforts: Array, at_rest: bool) -> Array:
        """Largest utilisation (N,) of what the items tolerate, 1 = limit.

        Args:
            efforts: (N, members, n_arm + 6 per hold) efforts in motion, or their gravity part.
            at_rest: Whether they are the gravity part.
        """
        use = np.zeros(len(efforts))
        for k, tolerance in enumerate(self.tolerances):
            if tolerance is not None:
                use = np.maximum(use, tolerance.utilisation(self.wrench(efforts, k), at_rest).max(axis=1))
        return use

    def utilisation_at_rest(self, gravity: Array) -> Array:
        """Largest utilisation (N,) of contacts and tolerances at rest, 1 = limit.

        Args:
            gravity: (N, members, n_arm + 6 per hold) efforts at rest.
        """
        return np.maximum(self.hold_utilisation(gravity), self.tolerance_utilisation(gravity, at_rest=True))
