"""How much is used of what limits held items: contacts and what the items tolerate; for planner, path search and checks."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.contact.law import ContactModel
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.problem.tolerance import ToleranceModel
from fastmove.problem.transfer import TransferProblem


class LoadUtilisation:
    """Uses, 1 = limit, of efforts (N, members, n_arm + 6 per hold) as `Dynamics` gives them.

    Attributes:
        contacts: per hold what its contact can carry; empty where the hold is switched off.
        cares: per hold what its item tolerates, None where nothing is limited.
        forces: per hold the largest grip force that may be chosen [N].
    """

    def __init__(self, problem: TransferProblem) -> None:
        self.n = problem.robot.n_arm
        self.contacts: list[ContactModel] = [held.contact_model for held in problem.holds] if problem.hold_active else []
        self.forces = [float(held.grasp.grip_force[1]) for held in problem.holds]
        numbers = np.array(problem.member_indices, dtype=int)
        self.tolerances = [self._care(held.tolerance, numbers[:, k]) for k, held in enumerate(problem.holds)]

    @staticmethod
    def _care(care: ToleranceModel, bodies: Array) -> ToleranceModel | None:
        """For every member, whose body in this hold has the number in `bodies`."""
        return ToleranceModel(care.tolerance, care.up, care.masses[bodies]) if care.active else None

    def wrench(self, efforts: Array, hold: int) -> Array:
        """(N, members, 6) of one hold."""
        return efforts[:, :, self.n + 6 * hold : self.n + 6 * hold + 6]

    def hold_utilisation(self, efforts: Array) -> Array:
        """(N,) largest use of the contacts."""
        use = np.zeros(len(efforts))
        for k, contact in enumerate(self.contacts):
            use = np.maximum(use, contact.utilisation(self.wrench(efforts, k), self.forces[k]).max(axis=1) / UTILISATION_MAX)
        return use

    def tolerance_utilisation(self, efforts: Array, at_rest: bool) -> Array:
        """(N,) largest use of what the items tolerate, of efforts in motion or of their gravity part."""
        use = np.zeros(len(efforts))
        for k, care in enumerate(self.tolerances):
            if care is not None:
                use = np.maximum(use, care.utilisation(self.wrench(efforts, k), at_rest).max(axis=1))
        return use

    def utilisation_at_rest(self, gravity: Array) -> Array:
        """(N,) largest use of all of them at rest."""
        return np.maximum(self.hold_utilisation(gravity), self.tolerance_utilisation(gravity, at_rest=True))
