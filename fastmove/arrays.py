"""Arrays of numbers, and arrays that nobody may change."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def readonly(values: object) -> Array:
    """A read-only float64 copy, so that value objects cannot be changed behind their back."""
    array = np.array(values, dtype=float)
    array.flags.writeable = False
    return array
