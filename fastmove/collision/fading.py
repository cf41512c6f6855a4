"""Allowed contacts that fade: their required distance grows with the displacement of the item from that end."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.query_types import Ends, FadingContact, FadingEvaluation, NearPairs
from fastmove.dynamics.kinematics import Kinematics, Placements

FADE_WEIGHT_MAX = 30.0  # Largest weight of a contact that fades [1].
FADE_POINTS = 4  # Number of item points that a fading contact is linearised with, besides the one that moved most [1].
PADDING_DISTANCE = 0.1  # Displacement of the item from which the full padding is asked of a contact that was allowed [m].
INNER_SHARE = 0.9  # Displacement over which the planner has an allowed contact fade, of the certificate's [1].


def required_distances(
    kinematics: Kinematics, unfaded: Array, frames: Placements, sample: Array, pair: Array, ends: Ends, gradients: bool
) -> tuple[Array, Array, Array, Array]:
    """Compute the required distance of each contact, faded where the contact is allowed.

    Args:
        kinematics: Kinematics of the arm.
        unfaded: (C,) required distance of each contact if it does not fade [m].
        frames: Joint frames of the configurations.
        sample: (C,) configuration of each contact.
        pair: (C,) its pair.
        ends: The ends of the motion, with the allowed contacts.
        gradients: Whether gradients are asked for; else they are 0.

    Returns:
        Required distance (C,) [m], its gradient (C, n) [m/rad], weight (C,) and padding scale (C,) (see `NearPairs`).
    """
    required, padding_scale = unfaded.copy(), np.ones(len(sample))
    weight = np.ones(len(sample))
    slope = np.zeros((len(sample), kinematics.n))
    for fade in ends.fades:
        rows = np.nonzero(fade.pairs[pair])[0]
        if len(rows) == 0:
            continue
        which, at = np.unique(sample[rows], return_inverse=True)
        rotation, origin = frames.rotation[which, fade.joint], frames.origin[which, fade.joint]
        points = np.einsum("cij,kj->cki", rotation, fade.points) + origin[:, None]
        moved, length = _displaced(fade, points)
        worst = np.argmax(length, axis=1)
        each = np.arange(len(which))
        longest = length[each, worst][at]
        full, over = unfaded[rows], INNER_SHARE * fade.distance[pair[rows]]
        floor = np.minimum(fade.floor[pair[rows]], full)
        wanted = floor + (full - floor) * np.minimum(1.0, longest / over)
        lower = wanted < required[rows]
        required[rows[lower]] = wanted[lower]
        padding_scale[rows] = np.minimum(padding_scale[rows], np.clip((longest - over) / (PADDING_DISTANCE - over), 0.0, 1.0))
        weight[rows[lower]] = np.minimum(over[lower] / np.maximum(longest[lower], 1e-9), FADE_WEIGHT_MAX)
        if gradients:
            unit = moved[each, worst] / np.maximum(length[each, worst], 1e-12)[:, None]
            rate = kinematics.point_gradient(frames, which, np.full(len(which), fade.joint), points[each, worst], unit)[at]
            rate *= ((full - floor) / over * (longest < over))[:, None]
            slope[rows[lower]] = rate[lower]
    return required, slope, weight, padding_scale


def fading(
    kinematics: Kinematics, unfaded: Array, frames: Placements, near_pairs: NearPairs, gradient: Array, ends: Ends
) -> FadingEvaluation | None:
    """Collect the contacts that fade among near pairs, as the optimiser's subproblem needs them.

    Args:
        kinematics: Kinematics of the arm.
        unfaded: (C,) required distance of each near pair if it does not fade [m].
        frames: Joint frames of the configurations.
        near_pairs: The near pairs.
        gradient: (C, n) gradients of their distances alone [m/rad].
        ends: The ends of the motion, with the allowed contacts.

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
        moved, length = _displaced(fade, points)
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
            (samples[used], moved[each, chosen], _turned(kinematics, frames, fade.joint, samples[used], points[each, chosen]))
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
