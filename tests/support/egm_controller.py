"""A stand-in for an ABB controller on the loopback that runs EGMRunJoint: protobuf over UDP, from ABB's published egm.proto.

Every 4 ms it sends its state (joint angles in degrees) to the client's port and takes the newest answer as its reference.

`python egm_controller.py ADDRESS PORT Q1,Q2,…` sends from ADDRESS to 127.0.0.1:PORT, prints READY and takes orders on its
standard input, a line each: `program stopped`, `program running`, `motors off`, `cut` (nothing is sent any more), `plug`,
`input 0 1`, `log`.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

from ABBRobotEGM._egm_protobuf import egm_pb2 as egm

CYCLE = 0.004  # [s]


class Controller:
    """The state of the arm, and what has come."""

    def __init__(self, address: str, port: int, q: list[float]) -> None:
        self.line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.line.bind((address, 0))
        self.line.setblocking(False)
        self.client, self.q, self.number = ("127.0.0.1", port), q, 0
        self.running, self.motors, self.cut, self.signal = True, True, False, False
        self.servo: list[tuple[float, list[float]]] = []
        self.outputs: list[tuple[float, bool]] = []

    def send(self) -> None:
        message = egm.EgmRobot()
        message.header.seqno, message.header.tm = self.number, round(1e3 * CYCLE) * self.number
        message.header.mtype = egm.EgmHeader.MSGTYPE_DATA
        message.feedBack.joints.joints.extend(self.q)
        message.planned.joints.joints.extend(self.q)
        message.motorState.state = egm.EgmMotorState.MOTORS_ON if self.motors else egm.EgmMotorState.MOTORS_OFF
        message.mciState.state = egm.EgmMCIState.MCI_RUNNING if self.running else egm.EgmMCIState.MCI_STOPPED
        state = egm.EgmRapidCtrlExecState
        message.rapidExecState.state = state.RAPID_RUNNING if self.running else state.RAPID_STOPPED
        message.RAPIDfromRobot.digVal = self.signal
        self.line.sendto(message.SerializeToString(), self.client)

    def take(self) -> None:
        """The newest answer is the reference; a program that is stopped does not move."""
        while True:
            try:
                body = self.line.recv(65536)
            except (BlockingIOError, ConnectionRefusedError):
                return
            message = egm.EgmSensor()
            message.ParseFromString(body)
            if not self.running or not message.planned.joints.joints:
                continue
            q, now = list(message.planned.joints.joints)[:6], time.perf_counter()
            if q != self.q:
                self.servo.append((now, q))
            self.q = q
            if message.HasField("RAPIDtoRobot") and message.RAPIDtoRobot.HasField("digVal"):
                on = bool(message.RAPIDtoRobot.digVal)
                if not self.outputs or self.outputs[-1][1] is not on:
                    self.outputs.append((now, on))

    def run(self) -> None:
        due = time.perf_counter()
        while True:
            self.take()
            if not self.cut:
                self.send()
            self.number += 1
            due += CYCLE
            left = due - time.perf_counter()
            if left > 0:
                time.sleep(left)
            else:
                due -= left

    def order(self, line: str) -> None:
        what, *values = line.split()
        if what == "program":
            self.running = values[0] == "running"
        elif what == "motors":
            self.motors = values[0] == "on"
        elif what in ("cut", "plug"):
            self.cut = what == "cut"
        elif what == "input":
            self.signal = values[1] == "1"
        elif what == "log":
            print(json.dumps({"servo": self.servo, "outputs": self.outputs}), flush=True)


def main() -> None:
    controller = Controller(sys.argv[1], int(sys.argv[2]), [float(x) for x in sys.argv[3].split(",")])
    threading.Thread(target=controller.run, daemon=True).start()
    print("READY", flush=True)
    for line in sys.stdin:
        controller.order(line)


if __name__ == "__main__":
    main()
