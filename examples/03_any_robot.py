"""A robot that does not ship: the xArm7 of example-robot-data, from its URDF and one table."""

import numpy as np

import fastmove as fm

data = fm.example_robot_data()
config = {
    "limits": {"sdk": {
        "position_min": [-6.28, -2.05, -6.28, -0.19, -6.28, -1.69, -6.28],
        "position_max": [6.28, 2.09, 6.28, 3.92, 6.28, 3.14, 6.28],
        "velocity": [3.14] * 7, "acceleration": [12.0] * 7, "jerk": [200.0] * 7,
        "effort": [50.0, 50, 30, 30, 30, 20, 20], "effort_rate": [np.inf] * 7,
    }},
}  # fmt: skip
robot = fm.RobotModel.from_urdf(data / "robots/xarm_description/urdf/xarm7.urdf", packages=[data.parent], config=config)
start, goal = np.array([0, -0.5, 0, 0.6, 0, 1.1, 0]), np.array([1.2, 0.2, 0.3, 1.2, -0.4, 0.9, 0.5])
problem = fm.TransferProblem("xarm", robot, (), fm.Scene(), fm.State.rest(start), fm.Goal([goal]), "sdk")
print(fm.plan(problem))
