"""The recursive Newton–Euler algorithm in CasADi: joint torques and contact wrenches as expressions.

It is written independently of `dynamics` so that each can check the other.  Luh, Walker & Paul, J. Dyn. Sys. Meas. Control
102(2), 1980: velocities and accelerations outwards along the tree, forces back.  Shared with `dynamics` are only the data of the
body tree: joint placements and axes, link inertias, armature and damping, and the grasp frames.
"""

from __future__ import annotations

import casadi as ca
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.dynamics.kinematics import Kinematics
from fastmove.multibody.assembly import Assembly
from fastmove.problem.transfer import TransferProblem


def body_parameters(body: pin.Inertia) -> Array:
    """Returns the inertial parameters of a body, in which efforts are linear.

    Returns:
        (10,) mass m [kg], m c [kg m], and the inertia about the frame's origin (xx, xy, yy, xz, yz, zz) [kg m²].
    """
    mass, c = float(body.mass), np.array(body.lever)
    inertia = np.array(body.inertia) + mass * (c @ c * np.eye(3) - np.outer(c, c))
    return np.concatenate([[mass], mass * c, inertia[[0, 0, 1, 0, 1, 2], [0, 1, 1, 2, 2, 2]]])


def members_parameters(problem: TransferProblem) -> Array:
    """Returns the inertial parameters of every member of the item set.

    Returns:
        (members, 10 · holds) parameters of `body_parameters`, in the grasp frames.
    """
    rows = [
        [body_parameters(held.bodies[n]) for held, n in zip(problem.holds, part, strict=True)] for part in problem.member_indices
    ]
    return np.array(rows).reshape(problem.n_members, 10 * len(problem.holds))


def efforts_function(problem: TransferProblem, assembly: Assembly) -> ca.Function:
    """Builds the CasADi function of inverse dynamics by the recursive Newton–Euler algorithm.

    Accelerations are those of frame origins (not spatial ones), gravity subtracted; all vectors in their own joint's frame.

    Args:
        problem: transfer whose armature and damping count.
        assembly: body tree of that problem, with its grasp frames.

    Returns:
        Function (q, v, a, bodies (10 · holds,)) -> joint torques (n,) [Nm], then the contact wrench [f; m] of every hold in its
        grasp frame [N, Nm], in one column.
    """
    arm, tree = assembly.arm, Kinematics(assembly.arm)
    n = tree.n
    q, v, a = (ca.SX.sym(name, n) for name in "qva")
    bodies = ca.SX.sym("bodies", 10 * len(assembly.hold_frames))
    zero = ca.SX.zeros(3)
    # per frame: rotation R and origin r in the parent, then ω, α and acceleration of the origin
    frames: list[tuple[ca.SX, ...]] = [(ca.SX.eye(3), zero, zero, zero, ca.SX(-np.array(arm.gravity.linear)))]
    loads = [(zero, zero)]
    for k in range(n):
        frames.append(_moved(tree, k, frames[tree.parents[k]], q[k], v[k], a[k]))
        link = ca.SX(body_parameters(arm.inertias[k + 1]))
        loads.append(_load(link, *frames[-1][2:]))
    wrenches: list[ca.SX] = []
    for k, frame in enumerate(assembly.hold_frames):
        rotation, r = ca.SX(frame.joint_T_grasp.rotation), ca.SX(frame.joint_T_grasp.translation)
        w, alpha, origin = frames[frame.joint][2:]
        there = _at(w, alpha, origin, r)
        wrench = _load(bodies[10 * k : 10 * k + 10], rotation.T @ w, rotation.T @ alpha, rotation.T @ there)
        wrenches += wrench
        loads[frame.joint] = _added(loads[frame.joint], wrench, rotation, r)
    torques = [ca.SX(0)] * n
    for k in reversed(range(n)):
        force, moment = loads[k + 1]
        torques[k] = ca.dot(ca.SX(tree.local_axis[k]), force if tree.prismatic[k] else moment)
        torques[k] += float(problem.robot.armature[k]) * a[k] + float(problem.robot.damping[k]) * v[k]
        rotation, r = frames[k + 1][:2]
        loads[tree.parents[k]] = _added(loads[tree.parents[k]], (force, moment), rotation, r)
    return ca.Function("efforts", [q, v, a, bodies], [ca.vertcat(*torques, *wrenches)])


def _at(w: ca.SX, alpha: ca.SX, origin: ca.SX, r: ca.SX) -> ca.SX:
    """Returns the acceleration of the point r of a body [m/s²]."""
    return origin + ca.cross(alpha, r) + ca.cross(w, ca.cross(w, r))


def _moved(tree: Kinematics, k: int, parent: tuple[ca.SX, ...], q: ca.SX, v: ca.SX, a: ca.SX) -> tuple[ca.SX, ...]:
    """Returns joint k's frame: rotation and origin in its parent's; ω, α and acceleration of the origin in its own."""
    s = ca.SX(tree.local_axis[k])
    rotation, r = ca.SX(tree.offset_rotation[k]), ca.SX(tree.offset[k])
    slides = bool(tree.prismatic[k])
    if slides:
        r = r + rotation @ s * q
    else:  # Rodrigues
        cross = ca.skew(s)
        rotation = rotation @ (ca.SX.eye(3) + ca.sin(q) * cross + (1 - ca.cos(q)) * (cross @ cross))
    _, _, w, alpha, origin = parent
    here, w, alpha = rotation.T @ _at(w, alpha, origin, r), rotation.T @ w, rotation.T @ alpha
    if slides:
        return rotation, r, w, alpha, here + 2 * ca.cross(w, s * v) + s * a
    return rotation, r, w + s * v, alpha + ca.cross(w, s * v) + s * a, here


def _load(body: ca.SX, w: ca.SX, alpha: ca.SX, origin: ca.SX) -> tuple[ca.SX, ca.SX]:
    """Returns the force and the moment about the frame's origin that give a body its motion.

    f = m a + α × mc + ω × (ω × mc) and m = I α + ω × I ω + mc × a, with I about the origin.
    """
    mass, first = body[0], body[1:4]
    xx, xy, yy, xz, yz, zz = (body[4 + k] for k in range(6))
    inertia = ca.vertcat(ca.horzcat(xx, xy, xz), ca.horzcat(xy, yy, yz), ca.horzcat(xz, yz, zz))
    force = mass * origin + ca.cross(alpha, first) + ca.cross(w, ca.cross(w, first))
    return force, inertia @ alpha + ca.cross(w, inertia @ w) + ca.cross(first, origin)


def _added(load: tuple[ca.SX, ca.SX], child: tuple[ca.SX, ca.SX], rotation: ca.SX, r: ca.SX) -> tuple[ca.SX, ca.SX]:
    """Returns a parent's force and moment with those of its child added, whose frame is at `rotation`, r in the parent's."""
    force = rotation @ child[0]
    return load[0] + force, load[1] + rotation @ child[1] + ca.cross(r, force)
