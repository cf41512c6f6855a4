"""FastMove: pinched items moved as fast as physics allows, without dropping them.

`problem = load_problem(path)`, `solution = plan(problem)`, `print(solution)`.

Names are loaded when they are first asked for (PEP 562), so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastmove import drivers as drivers
    from fastmove import registries as registries
    from fastmove.certificate.certificate import Certificate as Certificate
    from fastmove.certificate.certificate import LimitMargin as LimitMargin
    from fastmove.certificate.certify import certify as certify
    from fastmove.contact.expression import SmoothContact as SmoothContact
    from fastmove.contact.law import ContactLaw as ContactLaw
    from fastmove.contact.patch import Patch as Patch
    from fastmove.contact.patch import disc_patch as disc_patch
    from fastmove.contact.patch import line_patch as line_patch
    from fastmove.contact.patch import plane_patch as plane_patch
    from fastmove.cycle.belt_motion import Drift as Drift
    from fastmove.cycle.belt_updates import FollowedCycle as FollowedCycle
    from fastmove.cycle.belt_updates import follow_belt as follow_belt
    from fastmove.cycle.experience import Experience as Experience
    from fastmove.cycle.physics import run_cycle as run_cycle
    from fastmove.cycle.pick_cycle import PickCycle as PickCycle
    from fastmove.cycle.planning import plan_cycle as plan_cycle
    from fastmove.cycle.shift import ShiftCycle as ShiftCycle
    from fastmove.cycle.shift import ShiftReport as ShiftReport
    from fastmove.cycle.shift import plan_shift as plan_shift
    from fastmove.cycle.simulated_run import CycleEvent as CycleEvent
    from fastmove.cycle.simulated_run import CycleRun as CycleRun
    from fastmove.drivers.signals import Signal as Signal
    from fastmove.errors import DriverFailed as DriverFailed
    from fastmove.errors import FastMoveError as FastMoveError
    from fastmove.errors import GoalOutOfReach as GoalOutOfReach
    from fastmove.errors import GraspInvalid as GraspInvalid
    from fastmove.errors import InputError as InputError
    from fastmove.errors import Interrupted as Interrupted
    from fastmove.errors import MissingPackage as MissingPackage
    from fastmove.errors import NoTransferFound as NoTransferFound
    from fastmove.errors import StartInCollision as StartInCollision
    from fastmove.errors import StateOutsideLimits as StateOutsideLimits
    from fastmove.errors import TrajectoryFileError as TrajectoryFileError
    from fastmove.errors import UnknownName as UnknownName
    from fastmove.execution.events import Event as Event
    from fastmove.execution.events import FlightEvent as FlightEvent
    from fastmove.execution.events import RunReport as RunReport
    from fastmove.execution.flight_log import FlightLog as FlightLog
    from fastmove.execution.flight_log import load_log as load_log
    from fastmove.execution.planning_process import PlanningProcess as PlanningProcess
    from fastmove.execution.planning_process import Reply as Reply
    from fastmove.execution.run_transfer import RunOutcome as RunOutcome
    from fastmove.execution.run_transfer import run_transfer as run_transfer
    from fastmove.execution.slip_test import Judgement as Judgement
    from fastmove.execution.slip_test import Verdict as Verdict
    from fastmove.execution.slip_test import judge_batch as judge_batch
    from fastmove.execution.stops import Stop as Stop
    from fastmove.execution.stops import StopTable as StopTable
    from fastmove.execution.stops import stop_table as stop_table
    from fastmove.execution.stream import Execution as Execution
    from fastmove.geometry.box_cover import cover_heights as cover_heights
    from fastmove.geometry.box_cover import cover_mesh as cover_mesh
    from fastmove.geometry.box_cover import cover_points as cover_points
    from fastmove.geometry.box_cover import depth_to_points as depth_to_points
    from fastmove.geometry.pose_trajectory import PoseTrajectory as PoseTrajectory
    from fastmove.geometry.poses import pose as pose
    from fastmove.geometry.shape_types import ShapeType as ShapeType
    from fastmove.geometry.shapes import Shape as Shape
    from fastmove.io.grasp_file import read_grasps as read_grasps
    from fastmove.io.moveit_scene import load_scene as load_scene
    from fastmove.io.point_file import load_points as load_points
    from fastmove.io.problem_file import load_problem as load_problem
    from fastmove.io.ros_cdr import from_cdr as from_cdr
    from fastmove.io.ros_cdr import to_cdr as to_cdr
    from fastmove.io.ros_file import read_ros_messages as read_ros_messages
    from fastmove.io.ros_file import write_ros_messages as write_ros_messages
    from fastmove.io.ros_messages import RosMessage as RosMessage
    from fastmove.io.ros_trajectory import follow_joint_trajectory_goal as follow_joint_trajectory_goal
    from fastmove.io.ros_trajectory import joint_trajectory_message as joint_trajectory_message
    from fastmove.io.ros_trajectory import trajectory_from_message as trajectory_from_message
    from fastmove.io.trajectory_file import load_trajectory as load_trajectory
    from fastmove.io.trajectory_file import save_trajectory as save_trajectory
    from fastmove.planner.batch import plan_batch as plan_batch
    from fastmove.planner.grasp_ranking import RankedGrasp as RankedGrasp
    from fastmove.planner.grasp_ranking import plan_contacts as plan_contacts
    from fastmove.planner.grasp_ranking import rank_grasps as rank_grasps
    from fastmove.planner.options import Options as Options
    from fastmove.planner.planner import Planner as Planner
    from fastmove.planner.planner import plan as plan
    from fastmove.planner.relaxation import relaxation as relaxation
    from fastmove.planner.relaxation import relaxations as relaxations
    from fastmove.planner.replanning import Replan as Replan
    from fastmove.planner.replanning import replan as replan
    from fastmove.planner.retiming import retime as retime
    from fastmove.problem.describe import describe as describe
    from fastmove.problem.following import Following as Following
    from fastmove.problem.goal import Goal as Goal
    from fastmove.problem.goal import GoalPose as GoalPose
    from fastmove.problem.goal import State as State
    from fastmove.problem.grasp import Grasp as Grasp
    from fastmove.problem.grasp import GraspCandidate as GraspCandidate
    from fastmove.problem.grasp import HeldItem as HeldItem
    from fastmove.problem.grasp import hold as hold
    from fastmove.problem.item import Inertial as Inertial
    from fastmove.problem.item import Item as Item
    from fastmove.problem.item import solid_inertia as solid_inertia
    from fastmove.problem.item_catalog import item_facts as item_facts
    from fastmove.problem.item_catalog import known_items as known_items
    from fastmove.problem.path_constraint import FrameMotion as FrameMotion
    from fastmove.problem.path_constraint import MotionView as MotionView
    from fastmove.problem.path_constraint import PathConstraint as PathConstraint
    from fastmove.problem.scene import AllowedContact as AllowedContact
    from fastmove.problem.scene import Corridor as Corridor
    from fastmove.problem.scene import Obstacle as Obstacle
    from fastmove.problem.scene import Scene as Scene
    from fastmove.problem.tolerance import Tolerance as Tolerance
    from fastmove.problem.transfer import TransferProblem as TransferProblem
    from fastmove.problem.uncertainty import Uncertainty as Uncertainty
    from fastmove.resources import known_problems as known_problems
    from fastmove.resources import problems_folder as problems_folder
    from fastmove.robot.gripper import Gripper as Gripper
    from fastmove.robot.joint_limits import LimitSet as LimitSet
    from fastmove.robot.limit_kinds import LimitKind as LimitKind
    from fastmove.robot.model import RobotModel as RobotModel
    from fastmove.robot.multi_arm import combine_robots as combine_robots
    from fastmove.robot.shipped import example_robot_data as example_robot_data
    from fastmove.robot.shipped import known_robots as known_robots
    from fastmove.robot.shipped import load_robot as load_robot
    from fastmove.robot.suction_cup import SuctionCup as SuctionCup
    from fastmove.search.ik import ik as ik
    from fastmove.search.ik import pose_at as pose_at
    from fastmove.search.retarget import retarget as retarget
    from fastmove.solution.solution import Solution as Solution
    from fastmove.solution.solution import Status as Status
    from fastmove.solution.solution import limiting_shares as limiting_shares
    from fastmove.trajectory.trajectory import Trajectory as Trajectory
    from fastmove.viz.preview import write_preview as write_preview

__version__ = "0.1.0"

# where each public name is defined; a test holds this against what type checkers read above
_HOMES = {
    "certificate.certificate": "Certificate LimitMargin",
    "certificate.certify": "certify",
    "contact.expression": "SmoothContact",
    "contact.law": "ContactLaw",
    "contact.patch": "Patch disc_patch line_patch plane_patch",
    "errors": "DriverFailed FastMoveError GoalOutOfReach GraspInvalid InputError Interrupted MissingPackage NoTransferFound "
    "StartInCollision StateOutsideLimits TrajectoryFileError UnknownName",
    "execution.flight_log": "FlightLog load_log",
    "execution.planning_process": "PlanningProcess Reply",
    "execution.run_transfer": "RunOutcome run_transfer",
    "execution.slip_test": "Judgement Verdict judge_batch",
    "execution.stops": "Stop StopTable stop_table",
    "execution.events": "Event FlightEvent RunReport",
    "cycle.belt_motion": "Drift",
    "cycle.belt_updates": "FollowedCycle follow_belt",
    "cycle.physics": "run_cycle",
    "cycle.simulated_run": "CycleEvent CycleRun",
    "cycle.pick_cycle": "PickCycle",
    "cycle.experience": "Experience",
    "cycle.planning": "plan_cycle",
    "cycle.shift": "ShiftCycle ShiftReport plan_shift",
    "drivers.signals": "Signal",
    "execution.stream": "Execution",
    "geometry.box_cover": "cover_heights cover_mesh cover_points depth_to_points",
    "geometry.pose_trajectory": "PoseTrajectory",
    "geometry.poses": "pose",
    "geometry.shape_types": "ShapeType",
    "geometry.shapes": "Shape",
    "io.grasp_file": "read_grasps",
    "io.moveit_scene": "load_scene",
    "io.point_file": "load_points",
    "io.problem_file": "load_problem",
    "io.ros_cdr": "from_cdr to_cdr",
    "io.ros_file": "read_ros_messages write_ros_messages",
    "io.ros_messages": "RosMessage",
    "io.ros_trajectory": "follow_joint_trajectory_goal joint_trajectory_message trajectory_from_message",
    "io.trajectory_file": "load_trajectory save_trajectory",
    "planner.batch": "plan_batch",
    "planner.grasp_ranking": "RankedGrasp plan_contacts rank_grasps",
    "planner.options": "Options",
    "planner.planner": "Planner plan",
    "planner.relaxation": "relaxation relaxations",
    "planner.replanning": "Replan replan",
    "planner.retiming": "retime",
    "problem.describe": "describe",
    "problem.following": "Following",
    "problem.goal": "Goal GoalPose State",
    "problem.grasp": "Grasp GraspCandidate HeldItem hold",
    "problem.item": "Inertial Item solid_inertia",
    "problem.item_catalog": "item_facts known_items",
    "problem.path_constraint": "FrameMotion MotionView PathConstraint",
    "problem.scene": "AllowedContact Corridor Obstacle Scene",
    "problem.tolerance": "Tolerance",
    "problem.transfer": "TransferProblem",
    "problem.uncertainty": "Uncertainty",
    "resources": "known_problems problems_folder",
    "robot.gripper": "Gripper",
    "robot.joint_limits": "LimitSet",
    "robot.limit_kinds": "LimitKind",
    "robot.model": "RobotModel",
    "robot.multi_arm": "combine_robots",
    "robot.shipped": "example_robot_data known_robots load_robot",
    "robot.suction_cup": "SuctionCup",
    "search.ik": "ik pose_at",
    "search.retarget": "retarget",
    "solution.solution": "Solution Status limiting_shares",
    "trajectory.trajectory": "Trajectory",
    "viz.preview": "write_preview",
}
_ALIASES = {  # of names until 0.1, kept for one release
    "Entry": "LimitMargin",
    "Held": "HeldItem",
    "Motion": "PoseTrajectory",
    "on_robot": "retarget",
    "points_of_depth": "depth_to_points",
    "together": "combine_robots",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}
_PARTS = {"drivers": "drivers", "judge": "execution.slip_test", "registries": "registries"}  # modules that are public themselves
__all__ = sorted((*_HOME, *_PARTS))

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """A public name, or a module of the package, loaded now."""
        name = _ALIASES.get(name, name)
        if name in _HOME:
            thing = getattr(import_module(f"fastmove.{_HOME[name]}"), name)
            globals()[name] = thing
            return thing
        if name in _PARTS:
            return import_module(f"fastmove.{_PARTS[name]}")
        try:
            return import_module(f"fastmove.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"fastmove.{name}":
                raise
        raise AttributeError(f"module 'fastmove' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return [*__all__, "__version__"]
