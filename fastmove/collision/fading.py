"""Allowed contacts that fade: their required distance grows with the displacement of the item from that end."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.query_types import Ends, FadingEvaluation, NearPairs
from fastmove.dynamics.kinematics import Kinematics, Placements
from fastmove.problem.scene import FADE_DISTANCE

FADE_WEIGHT_MAX = 30.0  # Largest weight of a contact that fades [1].
FADE_POINTS = 4  # Number of item points that a fading contact is linearised with, besides the one that moved most [1].
PADDING_DISTANCE = 0.1  # Displacement of the item from which the full padding is asked of a contact that was allowed [m].
INNER_FADE = 0.9 * FADE_DISTANCE  # Displacement over which the planner has an allowed contact fade, below the certificate's [m].


def required_distances(
    kinematics: Kinematics, required_of: Array, frames: Placements, sample: Array, pair: Array, ends: Ends, gradients: bool
) -> tuple[Array, Array, Array, Array]:
    """Compute the required distance of each contact, faded where the contact is allowed.

    Args:
        kinematics: Kinematics of the arm.
        required_of: (P,) required distance of every pair where no contact fades [m].
        frames: Joint frames of the configurations.
        sample: (C,) configuration of each contact.
        pair: (C,) its pair.
        ends: The ends of the motion, with the allowed contacts.
        gradients: Whether gradients are asked for; else they are 0.

    Returns:
        Required distance (C,) [m], its gradient (C, n) [m/rad], weight (C,) and padding scale (C,) (see `NearPairs`).
    """
    required, padding_scale = required_of[pair], np.ones(len(sample))
    weight = np.ones(len(sample))
    slope = np.zeros((len(sample), kinematics.n))
    for fade in ends.fades:
        rows = np.nonzero([int(k) in fade.pairs for k in pair])[0]
        if len(rows) == 0:
            continue
        which = sample[rows]
        rotation, origin = frames.rotation[which, fade.joint], frames.origin[which, fade.joint]
        points = np.einsum("cij,kj->cki", rotation, fade.points) + origin[:, None]
        moved = points - fade.origin
        length = np.linalg.norm(moved, axis=2)
        worst = np.argmax(length, axis=1)
        every = np.arange(len(rows))
        longest = length[every, worst]
        floor = np.array([fade.floor[int(k)] for k in pair[rows]])
        full = required_of[pair[rows]]
        wanted = floor + (full - floor) * np.minimum(1.0, longest / INNER_FADE)
        lower = wanted < required[rows]
        required[rows[lower]] = wanted[lower]
        padding_scale[rows] = np.minimum(
            padding_scale[rows], np.clip((longest - INNER_FADE) / (PADDING_DISTANCE - INNER_FADE), 0.0, 1.0)
        )
        weight[rows[lower]] = np.minimum(INNER_FADE / np.maximum(longest[lower], 1e-9), FADE_WEIGHT_MAX)
        if gradients:
            unit = moved[every, worst] / np.maximum(longest, 1e-12)[:, None]
            joint = np.full(len(rows), fade.joint)
            rate = kinematics.point_gradient(frames, which, joint, points[every, worst], unit)
            rate *= ((full - floor) / INNER_FADE * (longest < INNER_FADE))[:, None]
            slope[rows[lower]] = rate[lower]
    return required, slope, weight, padding_scale


def fading(
    kinematics: Kinematics, required: Array, frames: Placements, near_pairs: NearPairs, gradient: Array, ends: Ends
) -> FadingEvaluation | None:
    """Collect the contacts that fade among near pairs, as the optimiser's subproblem needs them.

    Args:
        kinematics: Kinematics of the arm.
        required: (P,) required distance of every pair where no contact fades [m].
        frames: Joint frames of the configurations.
        near_pairs: The near pairs.
        gradient: (C, n) gradients of their distances alone [m/rad].
        ends: The ends of the motion, with the allowed contacts.

    Returns:
        The contacts that fade; None if there is none.
    """
    parts: list[tuple[Array, ...]] = []
    samples: list[int] = []
    displacements, slopes = [], []
    for fade in ends.fades:
        touching = np.nonzero([int(k) in fade.pairs for k in near_pairs.pair])[0]
        for sample in np.unique(near_pairs.sample[touching]):
            points = fade.points @ frames.rotation[sample, fade.joint].T + frames.origin[sample, fade.joint]
            moved = points - fade.origin
            length = np.linalg.norm(moved, axis=1)
            here = touching[near_pairs.sample[touching] == sample]
            floor, full = np.array([fade.floor[int(k)] for k in near_pairs.pair[here]]), required[near_pairs.pair[here]]
            steep = (full - floor) / INNER_FADE
            # Contacts whose required distance is set by another end, or not faded, are left out.
            own = np.abs(near_pairs.required[here] - floor - steep * length.max()) < 1e-12
            if length.max() >= INNER_FADE or not np.any(own):
                continue
            chosen = np.unique(np.append(fade.spread_points, int(np.argmax(length))))
            chosen = np.append(chosen, np.full(len(fade.spread_points) + 1 - len(chosen), chosen[0]))
            every = np.repeat(chosen, 3)
            turned = kinematics.point_gradient(
                frames,
                np.full(len(every), sample),
                np.full(len(every), fade.joint),
                points[every],
                np.tile(np.eye(3), (len(chosen), 1)),
            )
            parts.append((here[own], np.full(int(own.sum()), len(samples)), floor[own], steep[own]))
            samples.append(int(sample))
            displacements.append(moved[chosen])
            slopes.append(turned.reshape(len(chosen), 3, -1))
    if not parts:
        return None
    row, site, floor, steep = (np.concatenate(part) for part in zip(*parts, strict=True))
    return FadingEvaluation(row, site, gradient[row], floor, steep, np.array(samples), np.array(displacements), np.array(slopes))


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
