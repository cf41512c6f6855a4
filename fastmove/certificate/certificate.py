"""Data types of a certificate: the worst margin of each kind of limit, and how it is known."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field

import numpy as np

from fastmove.arrays import Array
from fastmove.robot.limit_kinds import names_in, shown_unit

EQUALITIES = ("continuity", "start", "goal", "grip_force")  # Kinds that say that something is as given, not how near a limit.
LEAST_DISTANCES = (*names_in("distance"), "release")  # Kinds whose margin is a distance beyond the least that is allowed.


def certificate_lines(certificate: Certificate) -> list[str]:
    """Lines of a printed table of how much of each limit is used, with what is not checked and the assumptions after it.

    Kinds that only say that something is as given are one line while they are kept.
    """
    lines = [f"  certificate {'ok' if certificate.ok else 'NOT OK'}:    of the limit         to spare     at [s]  where (proof)"]
    shown = certificate.shown
    for kind in shown:
        e = certificate.kinds[kind]
        flag, margin = " " if e.ok else "!", _quantity(e.margin, e.unit)
        share = _share(certificate.usage(kind))
        lines.append(f"  {flag} {kind:<16} {share:>9} {margin:>18} {e.time_s:9.3f}  {e.where} ({e.proof})")
    as_given = [kind.replace("_", " ") for kind in EQUALITIES if kind in certificate.kinds and kind not in shown]
    if as_given:
        lines.append(f"    as given: {', '.join(as_given)}")
    for name, sentence in certificate.unchecked.items():
        flag, said = (" ", "accepted") if name in certificate.accepted else ("!", "not accepted")
        lines.append(f"  {flag} not checked ({said}): {sentence}")
    return lines + [f"    assumes that {sentence}" for sentence in certificate.assumes]


def _share(usage: float) -> str:
    """Returns the use of a limit in percent."""
    return f"{usage:.1%}" if usage < 9.995 else "> 999 %"


def _quantity(value: float, unit: str) -> str:
    """Returns a quantity as people read it: lengths in mm, pure numbers without a unit."""
    scale, shown = shown_unit(unit)
    return f"{scale * value:.3g} {shown}"


def certificate_json(certificate: Certificate) -> dict[str, object]:
    """Returns the certificate for JSON: `ok`, assumptions, what is unchecked and accepted, and each kind's margin."""
    keys = ("margin", "unit", "normalised", "time_s", "where", "proof")
    kinds = {
        kind: {key: getattr(entry, key) for key in keys} | {"use": certificate.usage(kind)}
        for kind, entry in certificate.kinds.items()
    }
    holes = {
        "assumes": list(certificate.assumes),
        "unchecked": dict(certificate.unchecked),
        "accepted": list(certificate.accepted),
    }
    return {"ok": certificate.ok, **holes, **kinds}


def finite(value: object) -> object:
    """Returns a copy of nested data in which infinities and NaN are None, since standard JSON has neither."""
    if isinstance(value, dict):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


ROUNDING = 1e-9  # Share by which limits are widened for rounding [1].


@dataclass(frozen=True)
class LimitMargin:
    """Worst margin of one kind of limit; ≥ 0 is safe.

    Attributes:
        margin: Distance to the limit, in `unit`; of hold and pad share, 0.9 − utilisation.
        unit: Unit of the margin (of each kind: `robot.limit_kinds`).
        normalised: Margin as a share of the limit.
        time_s: When it is reached [s].
        where: Joint, pair of bodies or item that has it.
        proof: How it is known: everywhere, on a grid, exactly, or not proven.
    """

    margin: float
    unit: str
    normalised: float
    time_s: float
    where: str
    proof: str

    @property
    def ok(self) -> bool:
        """Whether the limit is kept; never with a margin of NaN."""
        return bool(self.margin >= 0.0 and self.normalised >= 0.0)


@dataclass(frozen=True, repr=False)
class Certificate:
    """Worst margin of every kind of limit that was checked of one motion, with curves over time and assumptions.

    Attributes:
        kinds: Worst margin of each kind that was checked, by its name.
        profile: Curves over time, by name.  Over "time" (N,) [s]: the use of each limit, 1 = limit, (N, n) of "velocity",
            "acceleration", "jerk", "torque" and "torque_rate", (N,) of "hold" (S / 0.9), "pad_share" (V and R, / 0.9) and all
            others; "wrench" (N, 6·holds), the contact wrenches [f; m] of the hand on the item in each hold's grasp frame, of the
            body that uses the hold most [N, Nm]; "torque_Nm" (N, n).  Over "clearance_time" (K,) [s], the times at which the
            continuous collision check looked: the margin "clearance" (K,) [m] of the two that "clearance_pair" (K,) names.
            Over "corridor_time" (M,) [s]: the worst margin "corridor" (M,) [m], infinite outside all corridors.
        assumes: What is assumed and not checked, a sentence each.
        unchecked: What could not be checked for want of knowledge, by name (as a link without a shape), a sentence each.
        accepted: Names of `unchecked` that the problem accepts (`TransferProblem.accepts`).
    """

    kinds: dict[str, LimitMargin]
    profile: dict[str, Array] = field(repr=False, default_factory=dict)
    assumes: tuple[str, ...] = ()
    unchecked: dict[str, str] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()

    def __repr__(self) -> str:
        if not self.kinds:
            return "Certificate(of nothing)"
        kind, entry = self.worst()
        return (
            f"Certificate({'ok' if self.ok else 'NOT OK'} in {len(self.kinds)} kinds; least margin: {kind} {entry.margin:.3g} "
            f"{entry.unit} of {entry.where} at {entry.time_s:.3f} s)"
        )

    def _repr_html_(self) -> str:
        """The table as notebooks show it, with a bar for the use of each limit."""
        rows = []
        for kind in self.shown:
            entry = self.kinds[kind]
            width, colour = 100 * min(max(self.usage(kind), 0.0), 1.0), "#17633f" if entry.ok else "#a3201b"
            bar = f'<div style="width:{width:.0f}px;height:8px;background:{colour}"></div>'
            cells = (
                kind,
                bar,
                _share(self.usage(kind)),
                _quantity(entry.margin, entry.unit),
                f"{entry.time_s:.3f} s",
                entry.where,
                entry.proof,
            )
            rows.append("<tr>" + "".join(f"<td>{cell if cell is bar else html.escape(cell)}</td>" for cell in cells) + "</tr>")
        names = ("limit", "", "of it", "to spare", "at", "where", "proof")
        said = [*(f"not checked: {s}" for s in self.unchecked.values()), *(f"assumes that {s}" for s in self.assumes)]
        return (
            f"<b>certificate {'ok' if self.ok else 'NOT OK'}</b><table><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>"
            f"{''.join(rows)}</table>{'<br>'.join(map(html.escape, said))}"
        )

    @property
    def ok(self) -> bool:
        """Whether at least one kind was checked, all that were are kept, and nothing is unchecked that was not accepted."""
        return bool(self.kinds) and all(entry.ok for entry in self.kinds.values()) and not self.not_seen

    @property
    def not_seen(self) -> list[str]:
        """Names of what is unchecked and was not accepted."""
        return [name for name in self.unchecked if name not in self.accepted]

    @property
    def shown(self) -> list[str]:
        """Names of the kinds that tables show: those that limit anything, and say more than that something is as given."""
        kinds = self.kinds.items()
        return [kind for kind, entry in kinds if entry.margin < math.inf and not (kind in EQUALITIES and entry.ok)]

    def usage(self, kind: str) -> float:
        """Returns how much of a limit of a kind is used at worst, 1 = at the limit.

        Of least distances it is the share of the measured distance that is required, required / (required + margin), which is
        infinite where things overlap; of all others the value over its limit, 1 − the normalised margin.
        """
        share = self.kinds[kind].normalised
        if kind in LEAST_DISTANCES:
            return 1 / (1 + share) if share > -1 else math.inf
        return 1 - share

    def worst(self) -> tuple[str, LimitMargin]:
        """Returns the kind with the least normalised margin: its name and the margin."""
        name = min(self.kinds, key=lambda k: self.kinds[k].normalised)
        return name, self.kinds[name]


def worst_use(uses: Array, time: Array, where: str, proof: str, scale: float = 1.0) -> LimitMargin:
    """Returns the margin of a use where it is largest; NaN counts as infinite.

    Args:
        uses: (N,) uses, 1 = limit.
        time: (N,) their times [s].
        where: What the limit is of.
        proof: How they are known.
        scale: Value at the limit, by which the margin is multiplied (0.9 for contacts).
    """
    uses = np.where(np.isnan(uses), np.inf, uses)
    worst = int(np.argmax(uses))
    normalised = 1 + ROUNDING - float(uses[worst])
    return LimitMargin(scale * normalised, "1", normalised, float(time[worst]), where, proof)


def worst_row(value: Array, limit: Array, time: Array, names: tuple[str, ...], unit: str, proof: str) -> LimitMargin:
    """Returns the worst margin of magnitudes of all joints; NaN counts as infinite.

    Args:
        value: (N, n) magnitudes, in `unit`.
        limit: (n,) their limits, in `unit`.
        time: (N,) times [s].
        names: Names of the n joints.
        unit: Unit of values, limits and margin.
        proof: How the values are known.
    """
    use = np.where(np.isnan(value), np.inf, value) / limit
    row, joint = np.unravel_index(int(np.argmax(use)), use.shape)
    margin = limit[joint] * (1 + ROUNDING) - value[row, joint]
    normalised = 1 + ROUNDING - use[row, joint]
    return LimitMargin(float(margin), unit, float(normalised), float(time[row]), names[joint], proof)
