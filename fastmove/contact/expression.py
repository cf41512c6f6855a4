"""Contact models as CasADi expressions: models given only as an expression, and the cones of any model written as one."""

from __future__ import annotations

from collections.abc import Callable

import casadi as ca
import numpy as np

from fastmove.arrays import Array
from fastmove.contact.law import ContactModel
from fastmove.contact.wrench_cone import UTILISATION_MAX, ConeContact


class SmoothContact:
    """A contact model given as one CasADi expression; convex programs see its tangents.

    Args:
        uses: Function (wrench (6,) [N, Nm], grip force [N]) -> (k,) utilisations, 1 = the contact slips.  It takes and returns
            CasADi expressions and must be smooth, also where the wrench is 0.

    Attributes:
        rows: Number k of utilisations.
        function: The utilisations as a CasADi function.
    """

    cones = None

    def __init__(self, uses: Callable[[ca.SX, ca.SX], ca.SX]) -> None:
        wrench, force = ca.SX.sym("wrench", 6), ca.SX.sym("grip_force")
        use = ca.vec(ca.SX(uses(wrench, force)))
        self.rows = use.numel()
        self.function = ca.Function("uses", [wrench, force], [use])
        self._slopes = ca.Function("slopes", [wrench, force], [ca.densify(ca.jacobian(use, wrench))])

    def utilisation(self, wrench: Array, grip_force: object) -> Array:
        """Largest utilisation (...,) of wrenches (..., 6); see `ContactModel`."""
        return np.asarray(self._uses(wrench, grip_force).max(axis=-1))

    def parts(self, wrench: Array, grip_force: object) -> list[Array]:
        """All k utilisations, each (...,), of wrenches (..., 6); see `ContactModel`."""
        return list(np.moveaxis(self._uses(wrench, grip_force), -1, 0))

    def tangents(self, wrench: Array, grip_force: float) -> tuple[Array, Array]:
        """Utilisations (N, k) at wrenches (N, 6) and their slopes (N, k, 6); see `ContactModel`."""
        slopes = np.array(self._slopes(wrench.T, np.full((1, len(wrench)), grip_force)))
        return self._uses(wrench, grip_force), slopes.reshape(self.rows, len(wrench), 6).transpose(1, 0, 2)

    def _uses(self, wrench: Array, grip_force: object) -> Array:
        """Utilisations (..., k) of wrenches (..., 6) at grip forces that broadcast to (...)."""
        shape = wrench.shape[:-1]
        if wrench.size == 0:  # CasADi would evaluate once.
            return np.zeros((*shape, self.rows))
        force = np.broadcast_to(np.asarray(grip_force, dtype=float), shape).reshape(1, -1)
        columns = np.array(self.function(wrench.reshape(-1, 6).T, force))
        return np.asarray(columns.T.reshape(*shape, self.rows))


def hold_margins(contact: ContactModel) -> ca.Function:
    """CasADi function (wrench (6,) [N, Nm], grip_force [N]) -> stacked margins `UTILISATION_MAX` − use; all ≥ 0 is safe.

    Of a cone model the uses are its score S and its shares V_i, of a `SmoothContact` its utilisations.
    """
    if contact.cones is not None:
        return _cone_margins(contact.cones)
    assert isinstance(contact, SmoothContact)
    wrench, force = ca.SX.sym("wrench", 6), ca.SX.sym("grip_force")
    margins = UTILISATION_MAX - contact.function(wrench, force)
    return ca.Function("hold_margin", [wrench, force], [margins], ["wrench", "grip_force"], ["margin"])


def _cone_margins(contact: ConeContact) -> ca.Function:
    """Margins 0.9 − S and 0.9 − V_i of a cone model as a CasADi function.

    It is differentiable wherever no norm in it vanishes; 1e-24 under each root keeps the derivatives finite there.
    """
    wrench, force = ca.SX.sym("wrench", 6), ca.SX.sym("grip_force")
    soft = lambda rows: ca.sqrt(ca.sumsqr(rows) + 1e-24)  # noqa: E731
    lin = soft(ca.mtimes(ca.DM(contact.linear), wrench))
    couples = soft(ca.mtimes(ca.DM(contact.couples), wrench))
    normal = ca.sqrt(ca.mtimes(ca.DM(contact.normal[None, :]), wrench) ** 2 + 1e-24)
    score = ca.sqrt(lin**2 + (couples + normal) ** 2)
    shares = [soft(ca.mtimes(ca.DM(a), wrench)) + ca.mtimes(ca.DM(b[None, :]), wrench) for a, b in contact.shares]
    margins = UTILISATION_MAX - ca.vertcat(score, *shares) / force
    return ca.Function("hold_margin", [wrench, force], [margins], ["wrench", "grip_force"], ["margin"])
