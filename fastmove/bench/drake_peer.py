"""Planners to compare with from Drake: KinematicTrajectoryOptimization, with Toppra's times or with its own.

`drake` knows no jerk, torque or hold limit and keeps acceleration only at Toppra's grid points; its certificate checks position
and distances, as that of `rrtc-toppra`.  `drake-jerk` keeps velocity, acceleration and jerk everywhere.

The recipe is the one of the maintainers' course (github:RussTedrake/manipulation, book/trajectories/
kinematic_trajectory_optimization.ipynb): a B-spline of few control points; costs on duration and length; bounds on position and
velocity; rest at both ends; solved once without collisions and, from there, again with least distances at even samples.  As its
exercise beside it (exercises/kinematic_trajopt_around_shelf_iiwa.ipynb) advises, a searched path is the next initial guess; it is
FastMove's, as for the other peers.  What lies between samples is not seen by Drake: the settings are tried in turn until a
certificate holds.  A spline is judged also where the solver gave up, as it may be free and in the limits nevertheless.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import coal
import numpy as np

from fastmove.arrays import Array
from fastmove.bench.peers import GEOMETRIC, KINEMATIC, SAMPLE, judged, phase_of, searched_path
from fastmove.collision.pairs import checked_pairs
from fastmove.errors import MissingPackage
from fastmove.multibody.assembly import Assembly, Body, assemble
from fastmove.multibody.joint_axes import joint_axis
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.solution import Solution, Status
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial, quintic_hermite
from fastmove.trajectory.trajectory import Trajectory


@dataclass(frozen=True)
class Setting:
    """One form of the optimisation.

    Attributes:
        control_points: Number of control points of the spline [1].
        samples: Number of even samples at which distances are kept [1].
        margin: Distance kept beyond the problem's clearance, for what happens between the samples [m].
    """

    control_points: int
    samples: int
    margin: float


# The course takes 10 or 15 control points, 25 or 50 samples, and 1 to 10 mm where 0 is needed.
SETTINGS = (Setting(10, 50, 0.005), Setting(15, 100, 0.003), Setting(15, 100, 0.008))
# Bounds on acceleration and jerk hold at control points, so that more of them are faster.
JERK_SETTINGS = (Setting(15, 50, 0.005), Setting(20, 100, 0.003), Setting(20, 100, 0.008))
INFLUENCE = 0.01  # Distance beyond the kept one from which on a pair counts, as in the course and Drake's default [m].
RAMP = 1 / 8  # Share of the path at either end over which the margin grows: the given ends may have none of it [1].
DURATIONS = (0.1, 20.0)  # Least and largest duration of the spline [s].
MAJOR_ITERATIONS = 400  # Largest number of SNOPT's major iterations for each solve [1].


def drake_kto(problem: TransferProblem) -> Solution:
    """Optimise a spline to the first goal in Drake, then follow it with Drake's Toppra."""
    return _first(problem, False)


def drake_kto_jerk(problem: TransferProblem) -> Solution:
    """Optimise a spline to the first goal in Drake, then again with bounds on acceleration and jerk, and take its own times."""
    return _first(problem, True)


def _first(problem: TransferProblem, jerk: bool) -> Solution:
    """The first motion that is certified, else the last one."""
    begin = time.perf_counter()
    if problem.scene.moving:
        return Solution(problem, Status.NO_PATH, "Drake's trajectory optimization knows no obstacles that move")
    drake, solution = _drake(), Solution(problem, Status.NO_PATH, "Drake's trajectory optimization found no spline")
    world = _World.of(problem, drake)
    for setting, spline in _splines(JERK_SETTINGS if jerk else SETTINGS, problem, world, drake):
        motion = _bounded(spline, setting, problem, world, drake) if jerk else _retimed(spline, problem, world, drake)
        if motion is not None:
            trajectory = Trajectory((phase_of(motion, problem),), problem.robot.joint_names)
            solution = judged(problem, trajectory, KINEMATIC if jerk else GEOMETRIC, begin)
            if solution.ok:
                break
    return solution


def _drake() -> Any:
    """Drake's names in one module."""
    try:
        import pydrake.all
    except ImportError as error:  # pragma: no cover
        raise MissingPackage("drake", "the planners drake and drake-jerk", "drake") from error
    return pydrake.all


# -- the spline -----------------------------------------------------------------------------------------------------------


def _splines(settings: tuple[Setting, ...], problem: TransferProblem, world: _World, drake: Any) -> Iterator[tuple[Setting, Any]]:
    """Splines q(t) that should keep distances and velocities, for every setting and initial guess."""
    path: Array | None = None
    for k, setting in enumerate(settings):
        program = _program(setting, problem, drake)
        free = _solved(program, drake)
        yield setting, _apart(free, setting, problem, world, drake)
        if k == 0:
            path, _ = searched_path(problem)
        if path is not None:
            points = _at_control_points(path, np.array(program.basis().knots()), program.basis().order())
            yield setting, _apart(drake.BsplineTrajectory(free.basis(), points.T), setting, problem, world, drake)


def _program(setting: Setting, problem: TransferProblem, drake: Any) -> Any:
    """The optimisation without collisions, from rest at the start to rest at the first goal."""
    limits, zero = problem.limit_set, np.zeros(problem.robot.n_arm)
    program = drake.KinematicTrajectoryOptimization(len(zero), setting.control_points)
    program.AddDurationCost(1.0)
    program.AddPathLengthCost(1.0)
    program.AddPositionBounds(limits.position_min, limits.position_max)
    program.AddVelocityBounds(-limits.velocity, limits.velocity)
    program.AddDurationConstraint(*DURATIONS)
    for q, s in ((problem.start.q, 0.0), (problem.goal.configurations[0], 1.0)):
        program.AddPathPositionConstraint(q, q, s)
        program.AddPathVelocityConstraint(zero, zero, s)
    return program


def _apart(guess: Any, setting: Setting, problem: TransferProblem, world: _World, drake: Any) -> Any:
    """The spline q(t) from an initial guess, with the distances kept at samples."""
    program = _program(setting, problem, drake)
    _keep_apart(program, setting, problem, world, drake)
    program.SetInitialGuess(guess)
    return _solved(program, drake)


def _keep_apart(program: Any, setting: Setting, problem: TransferProblem, world: _World, drake: Any) -> None:
    """Add the distances at the samples but the ends, which are given: an allowed contact there is nearer than the clearance."""
    for s in np.linspace(0, 1, setting.samples)[1:-1]:
        bound = problem.clearance + setting.margin * min(1.0, s / RAMP, (1 - s) / RAMP)
        near = drake.MinimumDistanceLowerBoundConstraint(world.plant, bound, world.context, None, INFLUENCE)
        program.AddPathPositionConstraint(near, s)


def _solved(program: Any, drake: Any) -> Any:
    """The spline q(t) at which the solver of Drake's choice (Clarabel without collisions, else SNOPT) ends."""
    options = drake.SolverOptions()
    options.SetOption(drake.SnoptSolver.id(), "Major iterations limit", MAJOR_ITERATIONS)
    return program.ReconstructTrajectory(drake.Solve(program.prog(), None, options))


def _at_control_points(path: Array, knots: Array, order: int) -> Array:
    """Points (N, n) of a path (K, n) where a spline of these knots has its N control points (at their Greville abscissae)."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    at = np.array([knots[k + 1 : k + order].mean() for k in range(len(knots) - order)]) * length[-1]
    return np.stack([np.interp(at, length, column) for column in path.T], axis=1)


# -- its times ------------------------------------------------------------------------------------------------------------


def _retimed(spline: Any, problem: TransferProblem, world: _World, drake: Any) -> PiecewisePolynomial | None:
    """Toppra's motion along a spline, sampled every `SAMPLE` as quintic pieces; None if it finds none."""
    limits = problem.limit_set
    toppra = drake.Toppra(spline, world.plant, drake.Toppra.CalcGridPoints(spline, drake.CalcGridPointsOptions()))
    toppra.AddJointVelocityLimit(-limits.velocity, limits.velocity)
    toppra.AddJointAccelerationLimit(-limits.acceleration, limits.acceleration)
    progress = toppra.SolvePathParameterization()
    if progress is None:
        return None
    motion = drake.PathParameterizedTrajectory(spline, progress)
    end = float(motion.end_time())
    times = np.append(np.arange(0.0, end - 1e-6, SAMPLE), end)
    return quintic_hermite(times, *(_derivative(motion, times, k) for k in range(3)))


def _bounded(spline: Any, setting: Setting, problem: TransferProblem, world: _World, drake: Any) -> PiecewisePolynomial:
    """The motion of a spline that is optimised again, with bounds on acceleration and jerk and no acceleration at the ends."""
    limits, zero = problem.limit_set, np.zeros(problem.robot.n_arm)
    program = _program(setting, problem, drake)
    _keep_apart(program, setting, problem, world, drake)
    program.AddAccelerationBounds(-limits.acceleration, limits.acceleration)
    program.AddJerkBounds(-limits.jerk, limits.jerk)
    for s in (0.0, 1.0):
        program.AddPathAccelerationConstraint(zero, zero, s)
    slower = _slower(spline, problem)
    knots = slower * np.array(spline.basis().knots())
    program.SetInitialGuess(drake.BsplineTrajectory(drake.BsplineBasis(spline.basis().order(), knots), spline.control_points()))
    return _cubic_pieces(_solved(program, drake))


def _slower(spline: Any, problem: TransferProblem) -> float:
    """Factor on a spline's duration with which it is about within the limits [1]."""
    limits, times, factor = problem.limit_set, np.linspace(0, spline.end_time(), 200), 1.0
    for k, most in enumerate((limits.velocity, limits.acceleration, limits.jerk), 1):
        factor = max(factor, float(np.max(np.abs(_derivative(spline, times, k)) / most)) ** (1 / k))
    return factor


def _cubic_pieces(spline: Any) -> PiecewisePolynomial:
    """A cubic spline q(t) as the same pieces."""
    knots = np.array(spline.basis().knots())
    knots = knots[np.diff(knots, prepend=-1.0) > 1e-9]
    q, v, a = (_derivative(spline, knots, k) for k in range(3))
    jerk = np.diff(a, axis=0) / np.diff(knots)[:, None]
    return PiecewisePolynomial(knots, np.stack([q[:-1], v[:-1], a[:-1] / 2, jerk / 6], axis=1))


def _derivative(motion: Any, times: Array, order: int) -> Array:
    return np.array([motion.EvalDerivative(t, order)[:, 0] for t in times])


# -- the plant ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _World:
    """The problem's body tree in Drake.

    Attributes:
        diagram: Owner of the plant.
        root: Context of the diagram, owner of `context`.
        plant: `MultibodyPlant` of the arm's joints; items and hands are fixed to their joints' bodies.
        context: Context of the plant, whose collision filters leave only the pairs that FastMove checks.
    """

    diagram: Any
    root: Any
    plant: Any
    context: Any

    @staticmethod
    def of(problem: TransferProblem, drake: Any) -> _World:
        """Build it from the bodies and pairs that the planner itself takes."""
        assembly, builder = assemble(problem), drake.DiagramBuilder()
        plant, scene = drake.AddMultibodyPlantSceneGraph(builder, 0.0)
        bodies, none = _joints(assembly, plant, drake), drake.ProximityProperties()
        shapes = [
            plant.RegisterCollisionGeometry(bodies[body.joint], _pose(body.placement, drake), _shape(body, drake), f"{k}", none)
            for k, body in enumerate(assembly.bodies)
        ]
        plant.Finalize()
        others: dict[int, list[int]] = defaultdict(list)
        for one, other in checked_pairs(problem, assembly):
            others[one].append(other)
        filters = scene.collision_filter_manager()
        filters.Apply(drake.CollisionFilterDeclaration().ExcludeWithin(drake.GeometrySet(shapes)))
        for one, rest in others.items():
            among = drake.GeometrySet([shapes[k] for k in rest])
            filters.Apply(drake.CollisionFilterDeclaration().AllowBetween(drake.GeometrySet(shapes[one]), among))
        diagram = builder.Build()
        root = diagram.CreateDefaultContext()
        return _World(diagram, root, plant, plant.GetMyMutableContextFromRoot(root))


def _joints(assembly: Assembly, plant: Any, drake: Any) -> list[Any]:
    """Add a body for each joint of the arm; returns them by joint, the world first."""
    arm, bodies = assembly.arm, [plant.world_body()]
    inertia = drake.SpatialInertia.SolidSphereWithMass(1.0, 0.1)  # It plays no part in kinematics.
    for k in range(1, arm.njoints):
        axis, body = joint_axis(arm.joints[k]), plant.AddRigidBody(arm.names[k], inertia)
        at = drake.FixedOffsetFrame(
            f"before {arm.names[k]}", bodies[arm.parents[k]].body_frame(), _pose(arm.jointPlacements[k], drake)
        )
        kind = drake.PrismaticJoint if "JointModelP" in arm.joints[k].shortname() else drake.RevoluteJoint
        plant.AddJoint(kind(arm.names[k], plant.AddFrame(at), body.body_frame(), axis))
        bodies.append(body)
    return bodies


def _pose(placement: Any, drake: Any) -> Any:
    return drake.RigidTransform(drake.RotationMatrix.ProjectToRotationMatrix(placement.rotation), placement.translation)


def _shape(body: Body, drake: Any) -> Any:
    """The shape of a body in Drake."""
    shape = body.geometry
    if isinstance(shape, coal.Box):
        return drake.Box(*(2 * np.array(shape.halfSide)))
    if isinstance(shape, coal.Sphere):
        return drake.Sphere(shape.radius)
    if isinstance(shape, coal.Cylinder):
        return drake.Cylinder(shape.radius, 2 * shape.halfLength)
    if isinstance(shape, coal.Capsule):
        return drake.Capsule(shape.radius, 2 * shape.halfLength)
    points: Array = np.array([shape.point(k) for k in range(shape.num_points)])
    return drake.Convex(points.T, body.name)
