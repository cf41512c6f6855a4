"""A contact model of your own: a pinch by soft pads, whose patch grows with the grip.

A soft pad's contact radius grows like a power of its normal force, c = c₁ (F / F₁)^γ with γ of 0 to 1/3 (Xydas & Kao, Int. J.
Robotics Research 18(9), 1999), and with it the torsion that it bears.  `model` is one CasADi expression, for the planner;
`check` is numpy, for the certificate; 1 = the item slips, and FastMove uses 0.9 of it at most.
In a problem file, once registered:  [grasp] contact = "soft_pinch"
"""

import casadi as ca
import numpy as np

import fastmove as fm

LEVER = 0.1  # share of the tilting lever that carries couples before the item has turned
REFERENCE, POWER = 20.0, 1 / 3  # F₁ [N], at which the patch is as large as it is found; γ


def growth(force):
    """c over its value at `REFERENCE`; also of CasADi expressions."""
    return (force / REFERENCE) ** POWER


class SoftPinch(fm.ContactLaw):
    """Two soft pads: tangential force and torsion share friction (an ellipsoid), couples and normal load what presses."""

    name = "soft_pinch"
    simulated = False  # simulated pads are firm: they would judge another contact than this one

    def model(self, touch, friction, guaranteed=1.0, swing=1.0):
        def uses(wrench, force):
            fx, fy, fz, mx, my, mz = ca.vertsplit(wrench)
            grip, c = guaranteed * force, touch.c * growth(guaranteed * force)
            shear = (fx**2 + fz**2 + (my / c) ** 2) / (2 * friction * grip) ** 2
            torsion = (my / (2 * friction * grip * c * swing)) ** 2
            couples = (mx**2 + mz**2) / (grip * (LEVER * touch.a + friction * touch.width)) ** 2
            press = ca.sqrt(couples + 1e-12) + ca.sqrt((fy / (2 * grip)) ** 2 + 1e-12)
            return ca.vertcat(ca.sqrt(shear + press**2), ca.sqrt(torsion + 1e-12))

        return fm.SmoothContact(uses)

    def check(self, held, wrench, grip_force):
        fx, fy, fz, mx, my, mz = wrench.T
        c = np.mean([patch.c for patch in held.patches]) * growth(grip_force)
        a = np.mean([patch.a for patch in held.patches])
        shear = np.sqrt(fx**2 + fz**2 + (my / c) ** 2) / (2 * held.friction * grip_force)
        couples = np.hypot(mx, mz) / (grip_force * (LEVER * a + held.friction * held.width))
        return {"hold": np.hypot(shear, couples + np.abs(fy) / (2 * grip_force))}


fm.registries.contacts.add("soft_pinch", SoftPinch())
