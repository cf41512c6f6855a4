"""Trajectories as ROS 2 messages: JointTrajectory, and the goal of FollowJointTrajectory."""

from __future__ import annotations

from fastmove.errors import InputError, TrajectoryFileError
from fastmove.io.ros_messages import TOPIC, RosMessage, Tolerance, arrays_of, goal_of, joint_trajectory, one_trajectory
from fastmove.io.trajectory_file import samples_of, trajectory_of
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.trajectory import Trajectory


def joint_trajectory_message(
    problem: TransferProblem, trajectory: Trajectory, topic: str = TOPIC, effort: bool = False
) -> RosMessage:
    """Returns a trajectory as a `trajectory_msgs/msg/JointTrajectory`, sampled every millisecond and at its breakpoints.

    Args:
        problem: the problem, whose dynamics give the efforts.
        trajectory: the motion.
        topic: topic on which it will be recorded.
        effort: whether points have efforts, which controllers that command none refuse.
    """
    return joint_trajectory(samples_of(problem, trajectory, exact=True, whole_ns=True), topic, effort)


def follow_joint_trajectory_goal(
    problem: TransferProblem,
    trajectory: Trajectory,
    path_tolerance: Tolerance | None = None,
    goal_tolerance: Tolerance | None = None,
    goal_time_tolerance: float = 0.0,
) -> RosMessage:
    """Returns a trajectory as the goal of `control_msgs/action/FollowJointTrajectory`, as `ros2 action send_goal` takes it.

    Args:
        problem: the problem.
        trajectory: the motion.
        path_tolerance: how far every joint, or each that is named, may be from its command on the way before the controller
            aborts [rad or m]; None leaves that to the controller.
        goal_tolerance: how far it may be at the end, likewise.
        goal_time_tolerance: how long after the end it may take to get there [s]; 0 leaves that to the controller.

    Raises:
        InputError: a tolerance is no number above 0, or is of a joint that does not move.
    """
    message = joint_trajectory_message(problem, trajectory)
    return goal_of(message, path_tolerance, goal_tolerance, goal_time_tolerance)


def trajectory_from_message(message: RosMessage, problem: TransferProblem, fit: bool = False) -> Trajectory:
    """Returns the trajectory in a ROS 2 message: a JointTrajectory, or any message that has one.

    Args:
        message: the message.
        problem: the problem, whose joints the message must name and whose grasp gives the grip force where none is noted.
        fit: whether points without velocities or accelerations are read, as a C² motion through what they have.

    Raises:
        TrajectoryFileError: the message has no trajectory, has other joints, or its points are no motion.
    """
    where = message.type or "message"
    _, fields = one_trajectory(where, [message])
    try:
        data = arrays_of(where, fields, message.grip_force)
    except InputError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise TrajectoryFileError(where, f"is no motion ({error})") from error
    return trajectory_of(where, data, problem, fit)
