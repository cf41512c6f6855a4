"""franka-sim on the loopback, its motion limits enforced: run by the Python of `.franka-sim` (`make franka-sim`), not by ours.

`python franka_controller.py ADDRESS Q1 … Q7` prints READY.  The variable FR3_MJCF names the arm's model.
"""

import os
import sys
import threading
import time

import franka_sim.mujoco_franka_sim as backend
import numpy as np
from franka_sim.franka_sim_server import FrankaSimServer

ITEM = 0.03  # width of what is between the fingers [m]

backend.ARM_INITIAL_Q = np.array([float(x) for x in sys.argv[2:9]])
server = FrankaSimServer(host=sys.argv[1], enforce_motion_limits=True, gripper_object_width=ITEM)


def ready() -> None:
    while not server.physics_sim.running:
        time.sleep(0.005)
    print("READY", flush=True)
    sys.stdin.read()  # until nobody is there any more
    os._exit(0)


threading.Thread(target=ready, daemon=True).start()
server.start()
