"""Allowed contacts that fade: their required distance grows with the displacement of the item from that end."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.query_types import Ends, FadingContact, FadingEvaluation, NearPairs
from fastmove.compiled import compiled
from fastmove.dynamics.kinematics import Kinematics, Placements

FADE_WEIGHT_MAX = 30.0  # Largest weight of a contact that fades [1].
FADE_POINTS = 4  # Number of item points that a fading contact is linearised with, besides the one that moved most [1].
PADDING_DISTANCE = 0.1  # Displacement of the item from which the full padding is asked of a contact that was allowed [m].
INNER_SHARE = 0.9  # Displacement over which the planner has an allowed contact fade, of the certificate's [1].


def required_distances(
    kinematics: Kinematics,
    unfaded: Array,
    frames: Placements,
    sample: Array,
    pair: Array,
    ends: Ends,
    gradients: bool,
    time: Array | None = None,
) -> tuple[Array, Array, Array, Array, Array]:
    """Compute the required distance of each contact, faded where the contact is allowed.

    Args:
        kinematics: Kinematics of the arm.
        unfaded: (C,) required distance of each contact if it does not fade [m].
        frames: Joint frames of the configurations.
        sample: (C,) configuration of each contact.
        pair: (C,) its pair.
        ends: The ends of the motion, with the allowed contacts.
        gradients: Whether gradients are asked for; else they are 0.
        time: (N,) times of the configurations [s]; None = surfaces have not moved on since the item was at its end.

    Returns:
        Required distance (C,) [m], its gradient (C, n) [m/rad], weight (C,), padding scale (C,) (see `NearPairs`), and the rate
        (C,) of the required distance while the arm stands still [m/s].
    """
    required, padding_scale = unfaded.copy(), np.ones(len(sample))
    weight = np.ones(len(sample))
    slope, rate = np.zeros((len(sample), kinematics.n)), np.zeros(len(sample))
    for fade in ends.fades:
        allowed = fade.pairs, fade.joint, fade.points, fade.origin, fade.floor, fade.distance
        out, shift = (required, weight, padding_scale), fade.shift(time, len(frames.origin))
        count, (rows, point, unit, rise) = _fade(allowed, unfaded, frames.rotation, frames.origin, sample, pair, shift, out)
        if gradients and count:
            rows, joint = rows[:count], np.full(count, fade.joint)
            along = kinematics.point_gradient(frames, sample[rows], joint, point[:count], unit[:count])
            slope[rows] = along * rise[:count, None]
            rate[rows] = -(unit[:count] @ fade.velocity) * rise[:count]
    return required, slope, weight, padding_scale, rate


@compiled
def _fade(
    fade: tuple[Array, int, Array, Array, Array, Array],
    unfaded: Array,
    rotation: Array,
    origin: Array,
    sample: Array,
    pair: Array,
    shift: Array,
    out: tuple[Array, Array, Array],
) -> tuple[int, tuple[Array, Array, Array, Array]]:
    """Fade the contacts of one allowed contact, where that asks for less than they are asked for already.

    Args:
        fade: Pairs, joint, points, origin, floor and distance of the allowed contact (see `FadingContact`).
        unfaded: (C,) required distance of each contact if it does not fade [m].
        rotation: (N, J, 3, 3) rotations of the joint frames.
        origin: (N, J, 3) their origins [m].
        sample: (C,) configuration of each contact.
        pair: (C,) its pair.
        shift: (N, 3) by how much the places of the item's points have moved on [m].
        out: (C,) required distance, weight and padding scale of each contact, changed in place.

    Returns:
        Number F of the contacts faded, and in the first F entries of arrays over C: their indices, the item points that moved
        most (C, 3) [m], the directions in which they moved (C, 3), and the growth of the required distance with that way.
    """
    among, joint, points, place, floors, distances = fade
    required, weight, padding_scale = out
    rows, rise = np.empty(len(sample), dtype=np.int64), np.empty(len(sample))
    point, unit = np.empty((len(sample), 3)), np.empty((len(sample), 3))
    count, seen, longest, worst = 0, -1, 0.0, np.empty((2, 3))
    for c in range(len(sample)):
        if not among[pair[c]]:
            continue
        if sample[c] != seen:
            seen = sample[c]
            longest = _longest(rotation[seen, joint], origin[seen, joint] - shift[seen], points, place, worst)
            worst[0] += shift[seen]
        full, over = unfaded[c], INNER_SHARE * distances[pair[c]]
        floor = min(floors[pair[c]], full)
        share = min(max((longest - over) / (PADDING_DISTANCE - over), 0.0), 1.0)
        padding_scale[c] = min(padding_scale[c], share)
        wanted = floor + (full - floor) * min(1.0, longest / over)
        if wanted < required[c]:
            required[c] = wanted
            weight[c] = min(over / max(longest, 1e-9), FADE_WEIGHT_MAX)
            rows[count] = c
            rise[count] = (full - floor) / over if longest < over else 0.0
            for k in range(3):
                point[count, k], unit[count, k] = worst[0, k], worst[1, k] / max(longest, 1e-12)
            count += 1
    return count, (rows, point, unit, rise)


@compiled
def _longest(rotation: Array, origin: Array, points: Array, place: Array, worst: Array) -> float:
    """Largest displacement of points (K, 3) of a frame from their places (K, 3) in the world [m].

    The point that moved most, and its displacement, are written into `worst` (2, 3).  Products are added as numpy's einsum does.
    """
    most, x, moved = -1.0, np.empty(3), np.empty(3)
    for k in range(len(points)):
        for i in range(3):
            turned = rotation[i, 0] * points[k, 0] + rotation[i, 2] * points[k, 2] + rotation[i, 1] * points[k, 1]
            x[i] = turned + origin[i]
            moved[i] = x[i] - place[k, i]
        square = moved[0] * moved[0] + moved[1] * moved[1] + moved[2] * moved[2]
        if square > most:
            most = square
            for i in range(3):
                worst[0, i], worst[1, i] = x[i], moved[i]
    return float(np.sqrt(most))


def fading(
    kinematics: Kinematics,
    unfaded: Array,
    frames: Placements,
    near_pairs: NearPairs,
    gradient: Array,
    ends: Ends,
    time: Array | None = None,
) -> FadingEvaluation | None:
    """Collect the contacts that fade among near pairs, as the optimiser's subproblem needs them.

    Args:
        kinematics: Kinematics of the arm.
        unfaded: (C,) required distance of each near pair if it does not fade [m].
        frames: Joint frames of the configurations.
        near_pairs: The near pairs.
        gradient: (C, n) gradients of their distances alone [m/rad].
        ends: The ends of the motion, with the allowed contacts.
        time: See `required_distances`.

    Returns:
        The contacts that fade; None if there is none.
    """
    parts: list[tuple[Array, ...]] = []
    sites: list[tuple[Array, ...]] = []
    count = 0
    for fade in ends.fades:
        touching = np.nonzero(fade.pairs[near_pairs.pair])[0]
        samples, at = np.unique(near_pairs.sample[touching], return_inverse=True)
        rotation, origin = frames.rotation[samples, fade.joint], frames.origin[samples, fade.joint]
        points = fade.points @ rotation.transpose(0, 2, 1) + origin[:, None]
        shift = fade.shift(time, len(frames.origin))[samples]
        moved, length = _displaced(fade, points - shift[:, None])
        worst = np.argmax(length, axis=1)
        longest, pair = length[np.arange(len(samples)), worst][at], near_pairs.pair[touching]
        floor, over = np.minimum(fade.floor[pair], unfaded[touching]), INNER_SHARE * fade.distance[pair]
        steep = (unfaded[touching] - floor) / over
        # Contacts whose required distance is set by another end, or not faded, are left out.
        own = np.abs(near_pairs.required[touching] - floor - steep * longest) < 1e-12
        own = np.nonzero(own & (longest < over))[0]
        own = own[np.argsort(at[own], kind="stable")]
        used, site = np.unique(at[own], return_inverse=True)
        parts.append((touching[own], count + site, floor[own], steep[own]))
        each, chosen = used[:, None], _spread(fade.spread_points, worst[used])
        sites.append(
            (
                samples[used],
                moved[each, chosen],
                _turned(kinematics, frames, fade.joint, samples[used], points[each, chosen]),
                np.tile(-fade.velocity, (len(used), 1)),
            )
        )
        count += len(used)
    if count == 0:
        return None
    row, site, floor, steep = (np.concatenate(part) for part in zip(*parts, strict=True))
    return FadingEvaluation(row, site, gradient[row], floor, steep, *(np.concatenate(part) for part in zip(*sites, strict=True)))


def _displaced(fade: FadingContact, points: Array) -> tuple[Array, Array]:
    """Displacements (S, K, 3) from the end of item points (S, K, 3), and their lengths (S, K) [m]."""
    moved = points - fade.origin
    return moved, np.sqrt(np.add.reduce(moved * moved, axis=2))


def _spread(apart: Array, worst: Array) -> Array:
    """Indices (S, F + 1) of points that lie far apart (F,) and of the one that moved most (S,), the first again if it is one."""
    apart = np.sort(apart)
    chosen = np.sort(np.column_stack([np.tile(apart, (len(worst), 1)), worst]), axis=1)
    chosen[np.isin(worst, apart)] = np.append(apart, apart[0])
    return chosen


def _turned(kinematics: Kinematics, frames: Placements, joint: int, samples: Array, points: Array) -> Array:
    """Jacobians (S, K, 3, n) of points (S, K, 3) that a joint carries at configurations (S,) [m/rad]."""
    count = points.shape[1] * 3
    every, axes = np.repeat(samples, count), np.tile(np.eye(3), (len(samples) * points.shape[1], 1))
    flat = np.repeat(points.reshape(-1, 3), 3, axis=0)
    turned = kinematics.point_gradient(frames, every, np.full(len(every), joint), flat, axes)
    return turned.reshape(*points.shape, kinematics.n)


def far_apart(points: Array, count: int) -> Array:
    """Choose points that lie far apart: each has the largest distance from those before it.

    Args:
        points: (K, 3) points [m].
        count: Largest number of points to choose.

    Returns:
        Indices (min(count, K),) of the chosen points.
    """
    chosen = [int(np.argmax(np.linalg.norm(points - points.mean(axis=0), axis=1)))]
    while len(chosen) < min(count, len(points)):
        distances = np.linalg.norm(points[:, None] - points[chosen][None], axis=2).min(axis=1)
        chosen.append(int(np.argmax(distances)))
    return np.array(chosen)
