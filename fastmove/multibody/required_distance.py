"""Least distances that pairs of bodies must keep: clearance, uncertain positions, and what the arm may be off its commands.

The last is the stray of a pair: how far its two bodies can be displaced relative to each other while every joint k is off by at
most ε_k.  Turn one joint after the other.  A joint that moves both bodies or neither leaves their distance as it is; any other
moves points of one by at most r_k ε_k, r_k being its reach, the largest distance of that body's points from axis k at any
configuration (`Bounding.motion_bounds`).  So a pair strays by at most Σ_k r_k ε_k, wherever the arm is.

A delay leaves the arm where it was commanded to be at most `delay` ago, while an obstacle has moved on: it strays by the longest
way that it goes within any time of that length.

Planner and certificate share this module.
"""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.geometry.pose_trajectory import PoseTrajectory
from fastmove.multibody.assembly import Assembly
from fastmove.multibody.bounding_volumes import Bounding
from fastmove.problem.scene import FADE_DISTANCE
from fastmove.problem.transfer import TransferProblem


def required_clearances(problem: TransferProblem, assembly: Assembly, bounding: Bounding) -> tuple[Array, Array]:
    """Least distance that each pair of bodies must keep: the problem's clearance, both position uncertainties and the stray.

    Args:
        problem: The problem, whose `clearance` counts for every pair.
        assembly: Its body tree.
        bounding: Bounding volumes of its bodies, with the pairs.

    Returns:
        (P,) required distances, and (P,) the strays among them [m].
    """
    uncertainty = np.array([b.position_uncertainty for b in assembly.bodies])
    stray = strays(problem, assembly, bounding)
    return np.asarray(problem.clearance + uncertainty[bounding.first] + uncertainty[bounding.second] + stray), stray


def strays(problem: TransferProblem, assembly: Assembly, bounding: Bounding) -> Array:
    """Largest relative displacement (P,) of the bodies of each pair by how the arm follows its commands [m]."""
    following, one, two = problem.following, bounding.first, bounding.second
    if following.exact:
        return np.zeros(len(one))
    chain, reach = bounding.motion_bounds(assembly.arm)
    apart = np.where(chain[one] != chain[two], reach[one] + reach[two], 0.0)  # The reach of a joint that moves neither is 0.
    stray = apart @ following.errors(apart.shape[1])
    late = np.zeros(len(assembly.bodies))
    for m, motion in enumerate(assembly.motions):
        for body in np.nonzero(bounding.joint == assembly.arm.njoints + m)[0]:
            size = float(np.linalg.norm(bounding.center[body])) + float(bounding.sphere[body])
            late[body] = _moved_within(motion, following.delay, size)
    return np.asarray(stray + late[one] + late[two])


def fade_distances(stray: Array) -> Array:
    """Displacements of an item from which on allowed contacts of pairs with given strays have their full distance [m].

    They grow by twice the stray, so that the larger distance of an arm that strays is not asked for so soon that an item could
    not be lifted off: with the clearance c it grows by at most (c + stray) / (10 mm + 2 stray) of the item's way.
    """
    return np.asarray(FADE_DISTANCE + 2 * stray)


def _moved_within(motion: PoseTrajectory, delay: float, size: float) -> float:
    """Longest way of any point within `size` of a moving frame's origin, within any `delay` from time 0 on [m].

    Ways grow linearly from waypoint to waypoint, so the largest difference has one of its ends at a waypoint, or at time 0.
    """
    begins = np.maximum(np.concatenate([motion.times, motion.times - delay, [0.0]]), 0.0)
    travelled, turned = (motion.arc_length(begins + delay) - motion.arc_length(begins)).T
    return float((travelled + turned * size).max())
