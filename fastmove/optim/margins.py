"""Distances that the planner keeps from the limits.

A sample whose use of hold or torque at rest exceeds `STATIC_MAX` no longer bounds the duration: no slower motion helps it, so
it is a matter of geometry.  The largest share of a contact that may be used is `contact.wrench_cone.UTILISATION_MAX`.
"""

from __future__ import annotations

INSIDE = 1e-6  # Relative distance kept from every joint limit, so that rounding never costs a certificate.
LIMIT_BACKOFF = 2e-4  # Relative distance kept from torque, torque rate and hold limits for what lies between samples.
STATIC_MAX = 0.98  # Utilisation at rest up to which a sample bounds the duration.
STATIC_TARGET = 0.97  # Largest utilisation at rest that every sample is asked for.
