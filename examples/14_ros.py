"""A goal of FollowJointTrajectory for a controller of ROS 2, and a motion from what ROS prints; no ROS is needed."""

import fastmove as fm

problem = fm.load_problem("light_bulb")
motion = fm.plan(problem).raise_for_status().trajectory

# ros2 action send_goal /arm_controller/follow_joint_trajectory control_msgs/action/FollowJointTrajectory --stdin < goal.yaml
goal = fm.follow_joint_trajectory_goal(problem, motion, path_tolerance=0.05, goal_tolerance=0.01, goal_time_tolerance=0.5)
fm.write_ros_messages("goal.yaml", [goal])  # "goal_bag" or "goal.mcap" are recordings: pip install 'fastmove[ros]'

(message,) = fm.read_ros_messages("goal.yaml")  # also what `ros2 topic echo --full-length` prints, and what rosbag2 recorded
again = fm.trajectory_from_message(message, problem)
points = len(message.fields["trajectory"]["points"])
print(f"{message.type}: {points} points, {again.duration:.3f} s, certified: {fm.certify(problem, again).ok}")
