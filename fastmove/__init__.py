"""FastMove: pinched items moved as fast as physics allows, without dropping them.

`problem = load_problem(path)`, `solution = plan(problem)`, `print(solution)`.
"""

from fastmove.arms import together as together
from fastmove.batch import GraspCandidate as GraspCandidate
from fastmove.batch import plan_batch as plan_batch
from fastmove.batch import plan_contacts as plan_contacts
from fastmove.batch import rank_grasps as rank_grasps
from fastmove.batch import read_grasps as read_grasps
from fastmove.certificate import certify as certify
from fastmove.cover import cover_heights as cover_heights
from fastmove.cover import cover_mesh as cover_mesh
from fastmove.cover import cover_points as cover_points
from fastmove.cover import points_of_depth as points_of_depth
from fastmove.errors import FastMoveError as FastMoveError
from fastmove.errors import InputError as InputError
from fastmove.errors import NoTransferFound as NoTransferFound
from fastmove.evidence import Certificate as Certificate
from fastmove.ik import on_robot as on_robot
from fastmove.items import item_facts as item_facts
from fastmove.items import known_items as known_items
from fastmove.motion import Motion as Motion
from fastmove.plain import describe as describe
from fastmove.planner import Options as Options
from fastmove.planner import Planner as Planner
from fastmove.planner import plan as plan
from fastmove.problem import Goal as Goal
from fastmove.problem import State as State
from fastmove.problem import TransferProblem as TransferProblem
from fastmove.problem_file import load_problem as load_problem
from fastmove.regions import GoalPose as GoalPose
from fastmove.relax import relaxation as relaxation
from fastmove.replanning import Replan as Replan
from fastmove.replanning import replan as replan
from fastmove.report import limiting_shares as limiting_shares
from fastmove.retiming import retime as retime
from fastmove.robot import RobotModel as RobotModel
from fastmove.robot import load_robot as load_robot
from fastmove.scene import AllowedContact as AllowedContact
from fastmove.scene import Corridor as Corridor
from fastmove.scene import Obstacle as Obstacle
from fastmove.scene import Scene as Scene
from fastmove.solution import Solution as Solution
from fastmove.solution import Status as Status
from fastmove.trajectory import Trajectory as Trajectory
from fastmove.uncertainty import Uncertainty as Uncertainty

__version__ = "0.1.0"
