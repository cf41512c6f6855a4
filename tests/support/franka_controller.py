"""franka-sim on the loopback, its motion limits enforced: run by the Python of `.franka-sim` (`make franka-sim`), not by ours.

`python franka_controller.py ADDRESS WIDTH Q1 … Q7` prints READY; between the fingers is an item of that width [m].  The variable
FR3_MJCF names the arm's model.

franka-sim runs its physics by one clock and publishes states by another, so that now and then the servo sees a command twice
or not at all and kicks the arm by up to 1 rad/s, which its own limits then call a violation.  A real arm has one clock; so here,
while a client is connected, physics makes one step for every state that is published.  What is checked is franka-sim's own.
"""

import contextlib
import gc
import os
import sys
import threading
import time

import franka_sim.mujoco_franka_sim as backend
import numpy as np
from franka_sim.franka_sim_server import FrankaSimServer


class OneClock(FrankaSimServer):
    """A server whose physics steps when a state is published."""

    def _account_for_communication_cycle(self) -> None:
        super()._account_for_communication_cycle()
        self.physics_sim.step(1)


class WaitsForStates(backend.MujocoFrankaSim):
    """Physics that steps by its own clock only while nobody is connected."""

    def run_simulation(self) -> None:
        while self.running:
            if not server.transmitting_state:
                self.step(1)
            time.sleep(self.dt)


# states, commands and physics are threads of one interpreter, each due every millisecond: by default one gives way after five
sys.setswitchinterval(5e-5)
gc.disable()
with contextlib.suppress(OSError):  # more urgent than other processes, where that is allowed
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
backend.ARM_INITIAL_Q = np.array([float(x) for x in sys.argv[3:10]])
server = OneClock(host=sys.argv[1], enforce_motion_limits=True, gripper_object_width=float(sys.argv[2]))
server.physics_sim.__class__ = WaitsForStates


def ready() -> None:
    while not server.physics_sim.running:
        time.sleep(0.005)
    print("READY", flush=True)
    sys.stdin.read()  # until nobody is there any more
    os._exit(0)


threading.Thread(target=ready, daemon=True).start()
server.start()
