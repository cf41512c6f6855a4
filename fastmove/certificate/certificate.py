"""What a certificate is made of: the worst margin of each kind, and how each is known."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from fastmove.arrays import Array


def certificate_lines(certificate: Certificate) -> list[str]:
    """A table of worst margins."""
    lines = [f"  certificate {'ok' if certificate.ok else 'NOT OK'}:  worst margin      of limit     at [s]  where (proof)"]
    for kind, e in certificate.kinds.items():
        if e.margin == float("inf"):
            continue  # nothing to limit
        flag, share = " " if e.ok else "!", f"{e.normalised:.2%}" if e.normalised > -9.995 else "< -999 %"
        lines.append(f"  {flag} {kind:<16} {e.margin:12.4g} {e.unit:<6} {share:>9} {e.time_s:10.3f}  {e.where} ({e.proof})")
    return lines + [f"    assumes that {sentence}" for sentence in certificate.assumes]


def certificate_json(certificate: Certificate) -> dict[str, object]:
    """{ok, per kind {margin, unit, normalised, time_s, where, proof}}."""
    keys = ("margin", "unit", "normalised", "time_s", "where", "proof")
    kinds = {kind: {key: getattr(entry, key) for key in keys} for kind, entry in certificate.kinds.items()}
    return {"ok": certificate.ok, **kinds}


def finite(value: object) -> object:
    """Infinities and NaN as null: standard JSON has neither."""
    if isinstance(value, dict):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


ROUNDING = 1e-9  # joint limits widened by this, relative


@dataclass(frozen=True)
class LimitMargin:
    """Worst margin of one kind: ≥ 0 is safe.

    Attributes:
        margin: in `unit`;  normalised: margin / limit;  time_s: when;  where: joint or pair;  proof: how it is known.
    """

    margin: float
    unit: str
    normalised: float
    time_s: float
    where: str
    proof: str

    @property
    def ok(self) -> bool:
        return bool(self.margin >= 0.0 and self.normalised >= 0.0)  # NaN is never safe


@dataclass(frozen=True, repr=False)
class Certificate:
    """Attributes:
    kinds: worst margin of each kind that was checked.
    profile: over `profile["time"]` (N,): use of each limit, 1 = at the limit ("velocity" (N, n) …, "hold" (N,)),
        "wrench" (N, 6 per hold) of the member that is worst there [N, Nm], "torque_Nm" (N, n);
        "clearance_time", "clearance", "clearance_pair" (K,): margins at the sweep's own times [m], and between what.
    assumes: what was taken for granted and not checked, a sentence each.
    """

    kinds: dict[str, LimitMargin]
    profile: dict[str, Array] = field(repr=False, default_factory=dict)
    assumes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        if not self.kinds:
            return "Certificate(of nothing)"
        kind, entry = self.worst()
        return (
            f"Certificate({'ok' if self.ok else 'NOT OK'} in {len(self.kinds)} kinds; least margin: {kind} {entry.margin:.3g} "
            f"{entry.unit} of {entry.where} at {entry.time_s:.3f} s)"
        )

    @property
    def ok(self) -> bool:
        return bool(self.kinds) and all(entry.ok for entry in self.kinds.values())

    def worst(self) -> tuple[str, LimitMargin]:
        """The kind with the least normalised margin."""
        name = min(self.kinds, key=lambda k: self.kinds[k].normalised)
        return name, self.kinds[name]


def worst_use(utilisation: Array, time: Array, where: str, proof: str, scale: float = 1.0) -> LimitMargin:
    """Worst entry of a utilisation (N,), 1 = its limit `scale`; unknown is not safe."""
    utilisation = np.where(np.isnan(utilisation), np.inf, utilisation)
    worst = int(np.argmax(utilisation))
    normalised = 1 + ROUNDING - float(utilisation[worst])
    return LimitMargin(scale * normalised, "1", normalised, float(time[worst]), where, proof)


def worst_row(value: Array, limit: Array, time: Array, names: tuple[str, ...], unit: str, proof: str) -> LimitMargin:
    use = np.where(np.isnan(value), np.inf, value) / limit
    row, joint = np.unravel_index(int(np.argmax(use)), use.shape)
    margin = limit[joint] * (1 + ROUNDING) - value[row, joint]
    normalised = 1 + ROUNDING - use[row, joint]
    return LimitMargin(float(margin), unit, float(normalised), float(time[row]), names[joint], proof)
