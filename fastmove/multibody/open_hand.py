"""The hand as it comes to an item and leaves it: opened, it must be free of the scene at both ends.

Shared by planner and certificate, like `assembly`.
"""

from __future__ import annotations

import coal
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.multibody.assembly import Body, assemble
from fastmove.multibody.bounding_volumes import own_box
from fastmove.problem.transfer import TransferProblem


class OpenHandCheck:
    """Hands with their pads wider apart than the items by the problem's `release_opening`; without an item, or with an opening
    of 0, there is nothing to ask.  Not thread safe."""

    def __init__(self, problem: TransferProblem) -> None:
        self._clearance = problem.clearance
        self._links: list[tuple[Body, Array, float]] = []
        if not problem.holds or problem.release_opening <= 0:
            return
        self._assembly = assemble(problem, problem.release_opening)
        self._data = self._assembly.arm.createData()
        hands = {link for held in problem.holds for link in held.gripper.links}
        scene = [b for b in self._assembly.bodies if b.owner == "scene"]
        self._links = [(b, *_ball(b)) for b in self._assembly.bodies if b.group in hands]
        self._still = [(b, *_ball(b)) for b in scene if b.joint == 0]
        self._moving = [(b, *_ball(b)) for b in scene if b.joint > 0]
        self._middles = np.array([middle for _, middle, _ in self._still]).reshape(-1, 3)
        self._sizes = np.array([radius + b.position_uncertainty for b, _, radius in self._still])

    def margin(self, q: Array, time: float | None = None) -> tuple[float, str]:
        """(least distance − clearance [m], "link – obstacle") at a configuration; (inf, "") where there is nothing to ask.

        Args:
            time: when, for obstacles that move [s]; without it they are left out.
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
    """Centre (3,), in its joint's frame, and radius of a ball around a body."""
    middle, half = own_box(body.geometry)
    return np.asarray(body.placement.act(middle)), float(np.linalg.norm(half))
