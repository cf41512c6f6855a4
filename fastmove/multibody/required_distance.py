"""Least distances that pairs of bodies must keep: clearance, uncertain positions, and what the arm may be off its commands.

Planner and certificate share this module.
"""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.multibody.assembly import Assembly
from fastmove.multibody.bounding_volumes import Bounding
from fastmove.multibody.strays import Strays
from fastmove.problem.scene import FADE_DISTANCE
from fastmove.problem.transfer import TransferProblem


def required_clearances(problem: TransferProblem, assembly: Assembly, bounding: Bounding) -> tuple[Array, Strays]:
    """Least distance that each pair of bodies must keep: the problem's clearance, both position uncertainties and the stray.

    Args:
        problem: The problem, whose `clearance` counts for every pair.
        assembly: Its body tree.
        bounding: Bounding volumes of its bodies, with the pairs.

    Returns:
        (P,) required distances with the largest strays [m], and the strays, which are less where a pair's normal is known.
    """
    uncertainty = np.array([b.position_uncertainty for b in assembly.bodies])
    strays = Strays(problem.following, assembly, bounding)
    return np.asarray(problem.clearance + uncertainty[bounding.first] + uncertainty[bounding.second] + strays.most), strays


def fade_distances(stray: Array) -> Array:
    """Displacements of an item from which on allowed contacts of pairs with given largest strays have their full distance [m].

    They grow by twice the stray, so that the larger distance of an arm that strays is not asked for so soon that an item could
    not be lifted off: with the clearance c it grows by at most (c + stray) / (10 mm + 2 stray) of the item's way.
    """
    return np.asarray(FADE_DISTANCE + 2 * stray)
