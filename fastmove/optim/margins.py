"""How far inside every limit the planner works."""

from __future__ import annotations

# The planner works this much inside every joint limit (relative), so that rounding never costs a certificate.
INSIDE = 1e-6
LIMIT_BACKOFF = 2e-4  # relative distance kept from torque, rate and hold between the planner's samples …

# A sample whose hold or torque is used up beyond this at rest no longer bounds the duration; it is a matter of geometry.
STATIC_MAX = 0.98
STATIC_TARGET = 0.97  # what every sample is asked for at rest
