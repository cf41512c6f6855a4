"""Contact models as CasADi expressions: cones written as one, and models that are given as nothing else."""

from __future__ import annotations

import casadi as ca

from fastmove.contact.wrench_cone import UTILISATION_MAX, ConeContact


def hold_margins(contact: ConeContact) -> ca.Function:
    """CasADi function (wrench (6,), grip_force) -> margins 0.9 − S and 0.9 − V_i, stacked; all ≥ 0 is safe.

    Differentiable wherever no norm in it vanishes (a 1e-24 under each root keeps derivatives finite there).
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
