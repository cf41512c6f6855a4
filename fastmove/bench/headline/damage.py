"""Damage: what a trial did to the item, by thresholds that can be halved and doubled afterwards.

- **drop**: the vacuum was lost, no point of a pad touched the item at some time, or it moved by a centimetre in the hand; also
  where it slipped in the hand before the motion began, since it could not be lifted.
- **slip**: it moved in the hand by more than 1 mm or turned by more than 1°.
- **squeeze**: a finger pressed harder than the item bears (the catalogue's `max_pinch_N`).
- **shock**: the hand's force over the item's mass was above 15 g, the least of the fragility classes of packaging ("extremely
  fragile", 15 to 24 g; MIL-HDBK-304B, 1978), for every item.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastmove.bench.rollouts import DROPPED_SLIP

SLIP, TURN = 1.0, 1.0  # Displacement [mm] and rotation [°] in the hand from which an item counts as slipped.
SHOCK = 15 * 9.81  # Specific force that every item bears [m/s²].
CAUSES = ("drop", "slip", "squeeze", "shock")
UNDAMAGED = ""

Row = dict[str, Any]


@dataclass(frozen=True)
class Thresholds:
    """How much an item bears, over what it usually does.

    Attributes:
        name: What it is called.
        factor: Factor of slip, turn, squeeze and shock from which an item is damaged.
    """

    name: str = "usual"
    factor: float = 1.0


# The usual thresholds first.
THRESHOLDS = (Thresholds(), Thresholds("half", 0.5), Thresholds("double", 2.0))


def damage(row: Row, trial: Row, way: str, number: int, thresholds: Thresholds = THRESHOLDS[0]) -> str | None:
    """What a trial did to the item: one of `CAUSES`, the worst first, or `UNDAMAGED`; None where nothing can be said.

    Args:
        row: Row of the job.
        trial: One of its trials.
        way: Way to plan.
        number: Number of the speed.
        thresholds: How much the item bears.
    """
    if trial["pick"] == "unsettled":
        return None
    if trial["pick"] == "slipped":
        return "drop"
    slip, turn, dropped, _ = trial["runs"][way][number]
    factor = thresholds.factor
    if dropped or slip > 1e3 * DROPPED_SLIP:
        return "drop"
    if slip > SLIP * factor or turn > TURN * factor:
        return "slip"
    if row["hand"] != "suction" and trial["force"] > row["bears"] * factor:
        return "squeeze"
    return "shock" if row["speeds"][way][number][3] > SHOCK * factor else UNDAMAGED
