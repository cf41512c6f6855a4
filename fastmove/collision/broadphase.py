"""Boolean collision checks of single configurations in microseconds, through coal's broadphase, for path search."""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.collision.checker import Collision
from fastmove.multibody.assembly import Assembly

SCANNED_BODIES = 64  # Largest number of bodies up to which all their boxes are compared without a tree [1].


class Broadphase:
    """Boolean collision checker of single configurations, with the required clearances as coal's security margins.

    It makes no exception for allowed contacts, and leaves out moving obstacles and what the arm may be off its commands: a path
    that is clear without it is where the optimiser begins.  Not thread safe.

    Args:
        assembly: The body tree.
        collision: Distance queries of the same problem, whose pairs and required clearances are used.
    """

    def __init__(self, assembly: Assembly, collision: Collision) -> None:
        self.model = assembly.arm
        self.data = self.model.createData()
        self.geometry = pin.GeometryModel()
        for k, body in enumerate(assembly.bodies):
            joint = 0 if assembly.moves_itself(k) else body.joint
            self.geometry.addGeometryObject(pin.GeometryObject(f"{k}:{body.name}", joint, body.placement, body.geometry))
        still = [k for k, pair in enumerate(collision.pairs) if not any(assembly.moves_itself(b) for b in pair)]
        for k in still:
            self.geometry.addCollisionPair(pin.CollisionPair(*collision.pairs[k]))
        self.geometry_data = self.geometry.createData()
        margins = (collision.required - collision.strays.most)[still]
        for request, required in zip(self.geometry_data.collisionRequests, margins, strict=True):
            request.security_margin = float(required)
        few = len(assembly.bodies) <= SCANNED_BODIES
        kind = pin.BroadPhaseManager_NaiveCollisionManager if few else pin.TreeBroadPhaseManager_DynamicAABBTreeCollisionManager
        self.manager = kind(self.model, self.geometry, self.geometry_data)

    def free(self, q: Array) -> bool:
        """Whether every pair keeps its required clearance at configuration q (n,)."""
        return not pin.computeCollisions(self.model, self.data, self.manager, np.ascontiguousarray(q), True)

    def distance(self, joint: int, point: Array, place: Array) -> float:
        """Distance [m] of a point (3,) of a joint from a place (3,) in the world, at the configuration last given to `free`."""
        way = self.data.oMi[joint].act(point) - place
        return float(np.sqrt(way @ way))
