"""How much is used of what limits held items: contacts and what the items tolerate; for planner, path search and checks."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.contact.law import ContactModel
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.problem.tolerance import Care
from fastmove.problem.transfer import TransferProblem


class Carry:
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
        numbers = np.array(problem.parts, dtype=int)
        self.cares = [self._care(held.care, numbers[:, k]) for k, held in enumerate(problem.holds)]

    @staticmethod
    def _care(care: Care, bodies: Array) -> Care | None:
        """For every member, whose body in this hold has the number in `bodies`."""
        return Care(care.tolerance, care.up, care.masses[bodies]) if care.active else None

    def wrench(self, efforts: Array, hold: int) -> Array:
        """(N, members, 6) of one hold."""
        return efforts[:, :, self.n + 6 * hold : self.n + 6 * hold + 6]

    def hold_use(self, efforts: Array) -> Array:
        """(N,) largest use of the contacts."""
        use = np.zeros(len(efforts))
        for k, contact in enumerate(self.contacts):
            use = np.maximum(use, contact.utilisation(self.wrench(efforts, k), self.forces[k]).max(axis=1) / UTILISATION_MAX)
        return use

    def care_use(self, efforts: Array, at_rest: bool) -> Array:
        """(N,) largest use of what the items tolerate, of efforts in motion or of their gravity part."""
        use = np.zeros(len(efforts))
        for k, care in enumerate(self.cares):
            if care is not None:
                use = np.maximum(use, care.use(self.wrench(efforts, k), at_rest).max(axis=1))
        return use

    def rest_use(self, gravity: Array) -> Array:
        """(N,) largest use of all of them at rest."""
        return np.maximum(self.hold_use(gravity), self.care_use(gravity, at_rest=True))
