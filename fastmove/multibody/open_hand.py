"""Check that the opened hand is free of the scene where it grasps and releases an item.

Planner and certificate share this module.
"""

from __future__ import annotations

import coal
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.multibody.assembly import Body, assemble
from fastmove.multibody.bounding_volumes import Bounding, own_box
from fastmove.multibody.required_distance import strays
from fastmove.problem.transfer import TransferProblem


class OpenHandCheck:
    """Clearance of the opened hands from the scene at the ends of a transfer.

    The pads stand wider apart than the item by the problem's `release_opening`.  Without a held item, or with an opening of 0,
    nothing is checked.  Not thread safe.

    Attributes:
        stray: Largest part of the required distances that is for what the arm may be off its commands [m].
    """

    def __init__(self, problem: TransferProblem) -> None:
        self._clearance, self.stray = problem.clearance, 0.0
        self._links: list[tuple[Body, Array, float]] = []
        if not problem.holds or problem.release_opening <= 0:
            return
        self._assembly = assemble(problem, problem.release_opening)
        self._data = self._assembly.arm.createData()
        bodies = self._assembly.bodies
        hands = {link for held in problem.holds for link in held.gripper.links}
        scene = [b for b in bodies if b.owner == "scene"]
        self._links = [(b, *_ball(b)) for b in bodies if b.group in hands]
        self._still = [(b, *_ball(b)) for b in scene if b.joint == 0]
        self._moving = [(b, *_ball(b)) for b in scene if b.joint > 0]
        self._middles = np.array([middle for _, middle, _ in self._still]).reshape(-1, 3)
        near = [(i, j) for i, one in enumerate(bodies) if one.group in hands for j, b in enumerate(bodies) if b.owner == "scene"]
        self.stray = float(strays(problem, self._assembly, Bounding(bodies, near)).max(initial=0.0))
        self._clearance += self.stray
        self._sizes = np.array([radius + b.position_uncertainty for b, _, radius in self._still])

    def margin(self, q: Array, time: float | None = None) -> tuple[float, str]:
        """Least margin of the opened hands over the required clearance at one configuration.

        Args:
            q: (n,) configuration of the arm [rad].
            time: Time at which moving obstacles are placed [s]; None = they are left out.

        Returns:
            (distance − clearance − stray − position uncertainty of the obstacle [m], "link – obstacle") of the worst pair;
            (inf, "") if nothing is checked.
        """
        least = (float("inf"), "")
        if self._links:
            pin.forwardKinematics(self._assembly.arm, self._data, q)
        for link, middle, radius in self._links:
            frame = self._data.oMi[link.joint]
            bounds = np.linalg.norm(self._middles - frame.act(middle), axis=1) - self._sizes - radius - self._clearance
            for k in np.argsort(bounds, kind="stable"):
                if bounds[k] > least[0]:
                    break
                least = min(least, self._between(link, frame, self._still[k][0], pin.SE3.Identity()))
            for body, _, _ in self._moving if time is not None else ():
                motion = self._assembly.motions[body.joint - self._assembly.arm.njoints]
                least = min(least, self._between(link, frame, body, motion.pose(time)))
        return least

    def _between(self, link: Body, frame: pin.SE3, body: Body, there: pin.SE3) -> tuple[float, str]:
        one, two = (coal.Transform3s(p.rotation, p.translation) for p in (frame * link.placement, there * body.placement))
        distance = coal.distance(link.geometry, one, body.geometry, two, coal.DistanceRequest(), coal.DistanceResult())
        return float(distance) - self._clearance - body.position_uncertainty, f"{link.group} – {body.group}"


def _ball(body: Body) -> tuple[Array, float]:
    """Centre (3,) in the joint's frame and radius of a ball around a body [m]."""
    middle, half = own_box(body.geometry)
    return np.asarray(body.placement.act(middle)), float(np.linalg.norm(half))
