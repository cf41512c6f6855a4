"""What the preview's plots show, as numbers: the use of each limit, S, V and R of the hold, distances, all on one time axis."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.hold import UTILISATION_LIMIT, lightened_share, sliding_share
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.robot.limit_kinds import kinds_in, names_in
from fastmove.solution.binding import CLEARANCE_FROM
from fastmove.solution.solution import Solution

INTERVALS = 300  # Number of equal intervals of the time axis.
CLEARANCE_SHOWN = 0.05  # Largest distance that is drawn [m].
SQUEEZE_FROM = 0.5  # Use of squeeze from which it has a plot: nearly every item limits it, and few motions come near.
# Colours that stay apart for colour-blind people, on white (Okabe & Ito 2008, two darkened), for joints in turn.
JOINT_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b0578f", "#8a7500", "#3a9bd1", "#4a4a4a")
CONTACT_COLOURS = {"S": "#c0262b", "V": "#0072b2", "R": "#8a7500"}
OTHER_COLOUR = "#0072b2"


def joint_colours(solution: Solution) -> list[dict[str, str]]:
    """Name and colour of every joint."""
    names = solution.problem.robot.joint_names
    return [{"name": name, "colour": JOINT_COLOURS[k % len(JOINT_COLOURS)]} for k, name in enumerate(names)]


def time_axis(duration: float) -> Array:
    """The times (K,) at which everything is drawn [s]."""
    return np.linspace(0.0, duration, INTERVALS + 1)


def plots(solution: Solution) -> list[dict[str, object]]:
    """The plots from top to bottom, each with its curves at the times of `time_axis`.

    A curve of uses holds the largest use near each time, so that no peak is left out; one of distances the least.  A plot has
    title, unit, `limit` (where its dashed line is), `mark` (what stands there), `most` (the top of its axis) and `below` (whether
    less is worse); a curve has name, colour, values, and `scale`, the limit itself, where the use is a share of one.
    """
    assert solution.certificate is not None
    problem, profile = solution.problem, solution.certificate.profile
    time, joints = profile["time"], joint_colours(solution)
    drawn: list[dict[str, object]] = []
    for kind in kinds_in("joint", "effort"):
        if kind.name in profile and np.any(profile[kind.name] > 0):
            limit = getattr(problem.limit_set, kind.field) if kind.field else np.zeros(len(joints))
            curves = [
                {**joint, "values": _largest(time, profile[kind.name][:, k]), "scale": float(limit[k])}
                for k, joint in enumerate(joints)
            ]
            drawn.append(_uses(f"{_words(kind.name)}", kind.unit, curves))
    if problem.holds and "hold" in profile:
        drawn.append(_uses("hold: friction S, lighter pad V, one side R", "", _contact(solution)))
    others = [*(one.name for one in problem.limit_kinds if one.group == "path"), *names_in("tolerance")]
    for name in others:
        if name in profile and (name != "squeeze" or profile[name].max() >= SQUEEZE_FROM):
            curve = {"name": _words(name), "colour": OTHER_COLOUR, "values": _largest(time, profile[name]), "scale": 0.0}
            drawn.append(_uses(_words(name), "", [curve]))
    if len(profile.get("clearance_time", ())):
        least = np.minimum(_least(profile["clearance_time"], profile["clearance"], float(time[-1])), CLEARANCE_SHOWN)
        curve = {"name": "nearest pair", "colour": OTHER_COLOUR, "values": _rounded(least * 1e3), "scale": 0.0}
        most = next(top for top in (5, 10, 20, CLEARANCE_SHOWN * 1e3) if top >= min(1e3 * least.max(), CLEARANCE_SHOWN * 1e3))
        drawn.append(
            {"title": "distance to spare", "unit": "mm", "limit": 0.0, "mark": "0", "most": most, "below": True,
             "binding": CLEARANCE_FROM * 1e3, "curves": [curve]}
        )  # fmt: skip
    return drawn


def _uses(title: str, unit: str, curves: list[dict[str, object]]) -> dict[str, object]:
    """A plot of uses of a limit, 1 = at the limit."""
    return {"title": title, "unit": unit, "limit": 1.0, "mark": "100 %", "most": 1.08, "below": False, "curves": curves}


def _words(name: str) -> str:
    return name.replace("_", " ")


def _contact(solution: Solution) -> list[dict[str, object]]:
    """S of the worst body at each time, and V and R of a pinch, of the body that uses S most."""
    assert solution.certificate is not None
    profile, held = solution.certificate.profile, solution.problem.holds[0]
    time, curves = profile["time"], {"S": profile["hold"]}
    if held.law.name == "pinch":
        grip = np.full(len(time), solution.grip_force[0] * held.guaranteed_grip_ratio)
        wrench = profile["wrench"][:, :6]
        curves["V"] = lightened_share(held, wrench, grip) / UTILISATION_LIMIT
        curves["R"] = sliding_share(held, wrench, grip) / UTILISATION_LIMIT
    elif "pad_share" in profile:
        curves["V"] = profile["pad_share"]
    return [
        {"name": name, "colour": CONTACT_COLOURS[name], "values": _largest(time, curve), "scale": 0.0}
        for name, curve in curves.items()
    ]


def _largest(time: Array, curve: Array) -> list[float]:
    """The largest value (K,) of a curve (N,) within half an interval of each time of the axis."""
    return _rounded(-_least(time, -curve, float(time[-1])))


def _least(time: Array, curve: Array, duration: float) -> Array:
    """The least value (K,) of a curve (N,) within half an interval of each time; where it has none it is interpolated."""
    nearest = np.round(np.clip(time / duration, 0, 1) * INTERVALS).astype(int)
    least = np.full(INTERVALS + 1, np.inf)
    np.minimum.at(least, nearest, curve)
    seen = np.isfinite(least)
    return np.interp(np.arange(INTERVALS + 1), np.flatnonzero(seen), least[seen]) if seen.any() else least


def _rounded(values: Array) -> list[float]:
    return [round(float(v), 3) for v in np.nan_to_num(values, nan=9.0, posinf=9.0)]


def wrench_in_cone(solution: Solution) -> dict[str, list[float]] | None:
    """The contact wrench of the first hold in its cone's own plane, at the times of `time_axis`; None where there is none.

    x: share of friction, tangential force and torsion; y: couples and normal load; both in shares of S = 0.9, so that the quarter
    circle is the limit of the plan and S the distance from the corner.
    """
    holds, certificate = solution.problem.holds, solution.certificate
    if certificate is None or not holds or "wrench" not in certificate.profile:
        return None
    cones = holds[0].contact_model.cones
    if cones is None or not np.any(cones.linear):  # no score S, no plane to draw it in
        return None
    wrench, force = certificate.profile["wrench"][:, :6], solution.grip_force[0] * UTILISATION_MAX
    couples = np.linalg.norm(wrench @ cones.couples.T, axis=1) + np.abs(wrench @ cones.normal)
    axis, time = time_axis(solution.duration), certificate.profile["time"]
    x, y = (np.interp(axis, time, part / force) for part in (np.linalg.norm(wrench @ cones.linear.T, axis=1), couples))
    return {"x": _rounded(x), "y": _rounded(y)}
