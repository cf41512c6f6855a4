"""Axes of revolute and prismatic joints."""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array


def joint_axis(joint: pin.JointModel) -> Array | None:
    """Unit axis (3,) of a revolute or prismatic joint in the joint's own frame, or None for any other joint."""
    name = joint.shortname()
    for kind in ("JointModelR", "JointModelP"):
        if name in (kind + "X", kind + "Y", kind + "Z"):
            return np.eye(3)["XYZ".index(name[-1])]
    if name in ("JointModelRevoluteUnaligned", "JointModelPrismaticUnaligned"):
        data = joint.createData()
        joint.calc(data, np.zeros(1), np.ones(1))
        motion = np.array(data.S).reshape(-1)
        return np.asarray(motion[:3] if "Prismatic" in name else motion[3:])
    return None
