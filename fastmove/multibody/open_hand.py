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
from fastmove.multibody.strays import Strays
from fastmove.problem.transfer import TransferProblem


class OpenHandCheck:
    """Clearance of the opened hands from the scene at the ends of a transfer.

    The pads stand wider apart than the item by the problem's `release_opening`.  Without a held item, or with an opening of 0,
    nothing is checked.  Not thread safe.

    Attributes:
        stray: Part of the required distance that is for what the arm may be off its commands, of the worst pair of the last
            `margin` [m].
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
        self._pairs = {(bodies[i].name, bodies[j].name): k for k, (i, j) in enumerate(near)}
        self._bounding = Bounding(bodies, near)
        self._strays = Strays(problem.following, self._assembly, self._bounding)
        self._most = float(self._strays.most.max(initial=0.0))
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
        least, self.stray = (float("inf"), ""), 0.0
        if self._links:
            pin.forwardKinematics(self._assembly.arm, self._data, q)
        for link, middle, radius in self._links:
            frame = self._data.oMi[link.joint]
            bounds = np.linalg.norm(self._middles - frame.act(middle), axis=1) - self._sizes - radius - self._clearance
            bounds -= self._most
            for k in np.argsort(bounds, kind="stable"):
                if bounds[k] > least[0]:
                    break
                least = self._worse(least, link, frame, self._still[k][0], pin.SE3.Identity())
            for body, _, _ in self._moving if time is not None else ():
                motion = self._assembly.motions[body.joint - self._assembly.arm.njoints]
                least = self._worse(least, link, frame, body, motion.pose(time))
        return least

    def _worse(self, least: tuple[float, str], link: Body, frame: pin.SE3, body: Body, there: pin.SE3) -> tuple[float, str]:
        """The smaller of the least margin so far and that of one pair, with the names of the two; notes the latter's stray."""
        one, two = (coal.Transform3s(p.rotation, p.translation) for p in (frame * link.placement, there * body.placement))
        result = coal.DistanceResult()
        distance = float(coal.distance(link.geometry, one, body.geometry, two, coal.DistanceRequest(), result))
        stray = 0.0 if self._strays.exact else self._stray(self._pairs[link.name, body.name], result.normal)
        found = (distance - self._clearance - stray - body.position_uncertainty, f"{link.group} – {body.group}")
        if found < least:
            self.stray = stray
        return min(least, found)

    def _stray(self, pair: int, normal: Array) -> float:
        """How far a pair strays, with the unit normal (3,) between its two in the world, where the arm was placed last [m]."""
        count = len(self._data.oMi) + len(self._assembly.motions)
        rotation, origin = np.tile(np.eye(3), (1, count, 1, 1)), np.zeros((1, count, 3))
        for k, frame in enumerate(self._data.oMi):
            rotation[0, k], origin[0, k] = frame.rotation, frame.translation
        placed = self._bounding.place(rotation, origin)
        return float(self._strays.along(placed, (rotation, origin), np.array([0]), np.array([pair]), normal[None])[0])


def _ball(body: Body) -> tuple[Array, float]:
    """Centre (3,) in the joint's frame and radius of a ball around a body [m]."""
    middle, half = own_box(body.geometry)
    return np.asarray(body.placement.act(middle)), float(np.linalg.norm(half))
