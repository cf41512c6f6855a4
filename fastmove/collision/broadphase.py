"""Is a configuration free?  Yes or no, in microseconds, through coal's broadphase; for path search."""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.collision.checker import Collision
from fastmove.multibody.assembly import Assembly

FEW_PAIRS = 64  # bodies: up to here comparing all boxes takes less time than keeping a tree of them


class Broadphase:
    """Boolean checks with the required clearance as security margin; neither allowed contacts nor what moves is considered.

    Args:
        pairs: index pairs of the assembly's bodies.
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
        for request, required in zip(self.geometry_data.collisionRequests, collision.required[still], strict=True):
            request.security_margin = float(required)
        few = len(assembly.bodies) <= FEW_PAIRS
        kind = pin.BroadPhaseManager_NaiveCollisionManager if few else pin.TreeBroadPhaseManager_DynamicAABBTreeCollisionManager
        self.manager = kind(self.model, self.geometry, self.geometry_data)

    def free(self, q: Array) -> bool:
        """Whether every pair keeps its clearance at q (n,)."""
        return not pin.computeCollisions(self.model, self.data, self.manager, np.ascontiguousarray(q), True)
