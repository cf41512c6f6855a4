"""An item from a belt whose speed drifts: met where it is, followed while the fingers close, in physics."""

import numpy as np
import pinocchio as pin

import fastmove as fm

panda, shape = fm.load_robot("panda"), fm.Shape("box", np.array([0.05, 0.03, 0.10]))
item = fm.Item("carton", (shape,), (fm.Inertial(0.2, *fm.solid_inertia((shape,), 0.2)),), 60.0)
grasp = fm.Grasp(pin.SE3(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 0.038])), 0.5, np.array([20.0, 50.0]))
top = fm.Shape("box", np.array([0.25, 3.0, 0.05]), placement=fm.pose([0.55, 0.0, 0.075]))
belt = fm.Obstacle("belt", (top,), surface_velocity=(0.0, 0.3, 0.0))
comes = fm.State.at(fm.GoalPose(fm.pose([0.55, -0.4, 0.15])), velocity=(0.0, 0.3, 0.0))
table = fm.Obstacle("table", fm.Shape("box", np.array([0.3, 0.4, 0.05]), placement=fm.pose([0.2, 0.5, -0.025])))
goes = fm.Goal.at(fm.GoalPose(fm.pose([0.2, 0.45, 0.05])))
scene = fm.Scene((belt, table), (fm.AllowedContact("belt", "start"), fm.AllowedContact("table", "goal")))
held = fm.hold(panda.gripper(), item, grasp)
problem = fm.TransferProblem("off the belt", panda, (held,), scene, comes, goes, "fer")
cycle = fm.plan_cycle(problem, home=[0.0, -0.3, 0.0, -2.2, 0.0, 1.9, 0.785], options=fm.Options(reserve=0.1))
print(cycle)
flown = fm.follow_belt(cycle, fm.Drift(amount=0.05, period=5.0))
for update in flown.updates:
    print(f"{update.asked:6.3f} s {update.phase}: {update.how} in {update.took * 1e3:.0f} ms")
print(fm.run_cycle(flown))
