"""Damage: what a trial did to the item, by thresholds that can be halved and doubled afterwards.

- **drop**: the vacuum was lost, no point of a pad touched the item at some time, or it moved by a centimetre in the hand; also
  where it slipped in the hand, or a cup's seal was open, before the motion began: it could not be lifted.
- **slip**: it moved in the hand by more than 1 mm or turned by more than 1°.
- **squeeze**: a finger pressed harder than the item bears (the catalogue's `max_pinch_N`): the grip that is truly there, and what
  the planned motion adds on one of two coupled fingers.
- **shock**: the planned force of the hand over the item's mass is above 15 g, the least of the fragility classes of packaging
  ("extremely fragile", 15 to 24 g; MIL-HDBK-304B, 1978), for every item.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastmove.bench.results import Row
from fastmove.bench.rollouts import DROPPED_SLIP

SLIP, TURN = 1.0, 1.0  # Displacement [mm] and rotation [°] in the hand from which an item counts as slipped.
SHOCK = 15 * 9.81  # Specific force that every item bears [m/s²].
CAUSES = ("drop", "slip", "squeeze", "shock")
UNDAMAGED = ""


@dataclass(frozen=True)
class Case:
    """How much an item bears, and what counts.

    Attributes:
        name: What it is called.
        factor: Factor of slip, turn, squeeze and shock from which an item is damaged.
        unsettled: Whether an item that sat in the hand otherwise than planned counts as dropped, instead of not at all.
    """

    name: str = "usual"
    factor: float = 1.0
    unsettled: bool = False


# The usual case first.
CASES = (
    Case(),
    Case("items bear half", 0.5),
    Case("items bear double", 2.0),
    Case("not settled counts as dropped", unsettled=True),
)


def damage(row: Row, trial: Row, way: str, number: int, case: Case = CASES[0]) -> str:
    """What a trial did to the item: one of `CAUSES`, the worst first, or `UNDAMAGED`.

    Args:
        row: Row of the job.
        trial: One of its trials; one that did not settle is a drop (see `Case.unsettled`).
        way: Way to plan.
        number: Number of the speed.
        case: How much the item bears.
    """
    if trial["pick"] != "held":
        return "drop"
    slip, turn, dropped, _ = trial["runs"][way][number]
    _, _, _, shock, side = row["speeds"][way][number]
    if dropped or slip > 1e3 * DROPPED_SLIP:
        return "drop"
    if slip > SLIP * case.factor or turn > TURN * case.factor:
        return "slip"
    if row["hand"] != "suction" and trial["force"] + side > row["bears"] * case.factor:
        return "squeeze"
    return "shock" if shock > SHOCK * case.factor else UNDAMAGED
