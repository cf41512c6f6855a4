"""A stand-in for a UR controller on the loopback: RTDE, script port and dashboard, from Universal Robots' published guides.

RTDE guide: every packet is its size (2 bytes), its type (1 byte) and its body, big-endian; a client asks for outputs by name
and a frequency, sets inputs by name, and starts.  ur-rtde uploads its script to port 30003 and then speaks with it through
registers: a command number in input integer register 0, its arguments in the input double registers, the state of the script
(1 = ready for the next, 2 = done, 0 expected in between) in output integer register 0.

`python ur_controller.py ADDRESS` prints READY and takes orders on its standard input, a line each: `slider 0.5`, `safety 3`,
`program stopped`, `input 2 1`, `cut` (the cable), `mute` (new handshakes are never finished), `unmute`, `log` (prints what came).
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time

RTDE, SCRIPT, DASHBOARD = 30004, (30001, 30002, 30003), 29999
TYPES = {
    "DOUBLE": """timestamp payload momentum speed_scaling target_speed_fraction tool_output_current robot_voltage
        actual_main_voltage actual_robot_voltage actual_robot_current actual_momentum standard_analog_input0
        standard_analog_input1 standard_analog_output_0 standard_analog_output_1 standard_analog_output0
        standard_analog_output1 tcp_force_scalar tool_temperature io_current speed_slider_fraction payload_mass
        actual_execution_time target_execution_time collision_detection_ratio time_scale_source""",
    "VECTOR6D": """target_q target_qd target_qdd target_current target_moment actual_q actual_qd actual_current
        joint_control_output actual_TCP_pose actual_TCP_speed actual_TCP_force target_TCP_pose target_TCP_speed
        joint_temperatures actual_joint_voltage ft_raw_wrench tcp_offset external_force_torque actual_current_as_torque
        actual_qdd payload_inertia""",
    "VECTOR3D": "actual_tool_accelerometer elbow_position elbow_velocity payload_cog",
    "VECTOR6INT32": "joint_mode",
    "UINT64": "actual_digital_input_bits actual_digital_output_bits",
    "INT32": "robot_mode safety_mode safety_status tool_mode",
    "UINT32": """robot_status_bits safety_status_bits runtime_state speed_slider_mask output_bit_registers0_to_31
        output_bit_registers32_to_63 input_bit_registers0_to_31 input_bit_registers32_to_63""",
    "UINT8": """standard_digital_output_mask standard_digital_output configurable_digital_output_mask
        configurable_digital_output tool_digital_output_mask tool_digital_output standard_analog_output_mask
        standard_analog_output_type""",
}
TYPE_OF = {name: kind for kind, names in TYPES.items() for name in names.split()}
FORMATS = {
    "DOUBLE": "d", "VECTOR6D": "6d", "VECTOR3D": "3d", "UINT64": "Q", "INT32": "i", "UINT32": "I", "UINT8": "B", "BOOL": "?",
    "VECTOR6INT32": "6i",
}  # fmt: skip
SERVO, PAYLOAD, WATCHDOG, STOP_SCRIPT = 11, 17, 35, 255  # commands of ur-rtde's script
AT_ONCE = (0, 24, 11, 9, 10, 6, 25, 26, 27, 38, 58, 66, 67, 68, 69, 70, 71)  # commands after which it is ready at once
RUNNING, STOPPED = 2, 1  # runtime states


def type_of(name: str) -> str:
    for part, kind in (("int_register", "INT32"), ("double_register", "DOUBLE"), ("bit_register_", "BOOL")):
        if part in name:
            return kind
    return TYPE_OF.get(name, "NOT_FOUND")


class Controller:
    """What the sockets share: the state of the arm, and what has come."""

    def __init__(self, address: str, q: list[float]) -> None:
        self.address, self.began = address, time.perf_counter()
        self.state: dict[str, object] = {
            "actual_q": q, "target_q": q, "robot_mode": 7, "safety_mode": 1, "safety_status": 1, "runtime_state": STOPPED,
            "robot_status_bits": 1, "safety_status_bits": 1, "speed_scaling": 1.0, "target_speed_fraction": 1.0,
            "actual_robot_voltage": 48.0, "payload": 0.925, "payload_cog": [0.0, 0.0, 0.058], "output_int_register_0": 0,
            "actual_digital_input_bits": 0, "actual_digital_output_bits": 0,
        }  # fmt: skip
        self.registers: dict[str, object] = {}
        self.servo: list[tuple[float, list[float]]] = []
        self.outputs: list[tuple[float, int]] = []
        self.payloads: list[list[float]] = []
        self.commands: list[int] = []
        self.open: list[socket.socket] = []
        self.cut = self.mute = False
        self.longest, self.heard = float("inf"), time.perf_counter()  # time without a word after which the script ends [s]

    def value(self, name: str) -> object:
        if name == "timestamp":
            return time.perf_counter() - self.began
        if name in self.state:
            return self.state[name]
        kind = type_of(name)
        return [0] * 6 if kind.startswith("VECTOR6") else [0] * 3 if kind == "VECTOR3D" else 0

    def packed(self, names: list[str]) -> bytes:
        body = b""
        for name in names:
            value = self.value(name)
            body += struct.pack(">" + FORMATS[type_of(name)], *(value if isinstance(value, list) else [value]))
        return body

    def act(self, told: bool) -> None:
        """The script's side of the registers, and the outputs that a client sets; `told`: whether the client wrote a command."""
        register = lambda k: self.registers.get(f"input_double_register_{k}", 0.0)  # noqa: E731
        mask, on = self.registers.get("standard_digital_output_mask", 0), self.registers.get("standard_digital_output", 0)
        if mask:
            bits = int(self.state["actual_digital_output_bits"])  # type: ignore[call-overload]
            new = bits & ~mask | on & mask  # type: ignore[operator]
            if new != bits:
                self.state["actual_digital_output_bits"] = new
                self.outputs.append((time.perf_counter(), new))
        if self.state["runtime_state"] != RUNNING or not told:
            return
        self.heard = time.perf_counter()
        command = int(self.registers.get("input_int_register_0", 0))  # type: ignore[call-overload]
        if not self.commands or command != self.commands[-1]:
            self.commands.append(command)
        if command == SERVO:
            q = [float(register(k)) for k in range(6)]
            self.state["actual_q"] = self.state["target_q"] = q
            self.servo.append((time.perf_counter(), q))
        elif command == PAYLOAD and self.state["output_int_register_0"] != 2:
            self.payloads.append([float(register(k)) for k in range(4)])
            self.state["payload"], self.state["payload_cog"] = self.payloads[-1][0], self.payloads[-1][1:]
        elif command == WATCHDOG:
            self.longest = 1 / float(register(0))
        elif command == STOP_SCRIPT:
            self.program(False)
        self.state["output_int_register_0"] = 1 if command in AT_ONCE else 2

    def watch(self) -> None:
        """Ends the script where its client has not been heard of for too long."""
        if self.state["runtime_state"] == RUNNING and time.perf_counter() - self.heard > self.longest:
            self.program(False)

    def program(self, runs: bool) -> None:
        self.state["runtime_state"], self.state["robot_status_bits"] = (RUNNING, 3) if runs else (STOPPED, 1)
        self.state["output_int_register_0"] = 1 if runs else 0
        self.longest, self.heard = float("inf"), time.perf_counter()
        if runs:  # what a script that ended has left there is no command
            self.registers["input_int_register_0"] = 0

    def order(self, line: str) -> None:
        what, *values = line.split()
        if what == "slider":
            self.state["target_speed_fraction"] = self.state["speed_scaling"] = float(values[0])
        elif what == "safety":
            self.state["safety_mode"] = self.state["safety_status"] = int(values[0])
            if int(values[0]) not in (1, 2):
                self.program(False)
        elif what == "program":
            self.program(values[0] == "running")
        elif what == "input":
            bit = 1 << int(values[0])
            bits = int(self.state["actual_digital_input_bits"])  # type: ignore[call-overload]
            self.state["actual_digital_input_bits"] = bits | bit if int(values[1]) else bits & ~bit
        elif what in ("mute", "unmute"):
            self.mute = what == "mute"
        elif what == "cut":
            self.cut = True
            for end in self.open:
                end.close()
            self.open.clear()
        elif what == "plug":
            self.cut = False
        elif what == "log":
            log = {"servo": self.servo, "outputs": self.outputs, "payloads": self.payloads, "commands": self.commands}
            print(json.dumps(log), flush=True)


def exactly(end: socket.socket, count: int) -> bytes:
    body = b""
    while len(body) < count:
        more = end.recv(count - len(body))
        if not more:
            raise ConnectionError
        body += more
    return body


class RtdeClient:
    """One connection to the RTDE port."""

    def __init__(self, controller: Controller, end: socket.socket) -> None:
        self.controller, self.end = controller, end
        self.recipes: list[list[str]] = []
        self.inputs: dict[int, list[str]] = {}
        self.frequency, self.started, self.lock = 500.0, threading.Event(), threading.Lock()
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self.stream, daemon=True).start()

    def send(self, kind: str, body: bytes) -> None:
        with self.lock:
            self.end.sendall(struct.pack(">HB", 3 + len(body), ord(kind)) + body)

    def stream(self) -> None:
        due = time.perf_counter()
        while True:
            self.started.wait()
            self.controller.watch()
            try:
                for number, names in enumerate(self.recipes, start=1):
                    self.send("U", bytes([number]) + self.controller.packed(names))
            except OSError:
                return
            due += 1 / self.frequency
            left = due - time.perf_counter()
            if left > 0:
                time.sleep(left)
            else:
                due -= left

    def serve(self) -> None:
        while True:
            size, kind = struct.unpack(">HB", exactly(self.end, 3))
            self.take(chr(kind), exactly(self.end, size - 3))

    def take(self, kind: str, body: bytes) -> None:
        if kind == "V":
            self.send(kind, b"\x01")
        elif kind == "v":
            self.send(kind, struct.pack(">4I", 5, 15, 0, 0))
        elif kind == "O":
            self.frequency = struct.unpack(">d", body[:8])[0]
            names = [name for name in body[8:].decode().split(",") if name]  # some clients end the list with a comma
            self.recipes.append(names)
            self.send(kind, bytes([len(self.recipes)]) + ",".join(map(type_of, names)).encode())
        elif kind == "I":
            names = [name for name in body.decode().split(",") if name]
            self.inputs[len(self.inputs) + 1] = names
            self.send(kind, bytes([len(self.inputs)]) + ",".join(map(type_of, names)).encode())
        elif kind == "S":
            self.send(kind, b"\x01")
            self.started.set()
        elif kind == "P":
            self.started.clear()
            self.send(kind, b"\x01")
        elif kind == "U":
            at = 1
            for name in self.inputs[body[0]]:
                form = ">" + FORMATS[type_of(name)]
                value = struct.unpack_from(form, body, at)
                at += struct.calcsize(form)
                self.controller.registers[name] = value[0] if len(value) == 1 else list(value)
            self.controller.act("input_int_register_0" in self.inputs[body[0]])


def rtde(controller: Controller, end: socket.socket) -> None:
    RtdeClient(controller, end).serve()


def script(controller: Controller, end: socket.socket) -> None:
    """Takes scripts; one is there when nothing more comes, and runs then."""
    end.settimeout(0.2)
    come = b""
    while True:
        try:
            more = end.recv(1 << 16)
        except TimeoutError:
            if come:
                come = b""
                controller.program(True)
            continue
        if not more:
            if come:
                controller.program(True)
            return
        come += more


def dashboard(controller: Controller, end: socket.socket) -> None:
    """Answers one line with one line."""
    end.sendall(b"Connected: Universal Robots Dashboard Server\n")
    for line in end.makefile("r"):
        asked = line.strip()
        safe = controller.state["safety_mode"] in (1, 2)
        answers = {
            "polyscopeversion": "URSoftware 5.15.0.0 (Jan 01 2024)", "is in remote control": "true", "get robot model": "UR5",
            "robotmode": "Robotmode: RUNNING", "get serial number": "20205500001",
            "running": f"Program running: {str(controller.state['runtime_state'] == RUNNING).lower()}",
            "safetystatus": "Safetystatus: NORMAL" if safe else "Safetystatus: PROTECTIVE_STOP",
            "stop": "Stopped", "unlock protective stop": "Protective stop releasing",
            "close safety popup": "closing safety popup",
        }  # fmt: skip
        if asked.lower() == "unlock protective stop":
            controller.order("safety 1")
        elif asked.lower() == "stop":
            controller.program(False)
        end.sendall((answers.get(asked.lower(), "ok") + "\n").encode())


def listen(controller: Controller, port: int, serve) -> None:  # type: ignore[no-untyped-def]
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((controller.address, port))
    server.listen()

    def one(end: socket.socket) -> None:
        try:
            serve(controller, end)
        except (OSError, ConnectionError, ValueError):
            pass
        finally:
            end.close()

    def accept() -> None:
        while True:
            end, _ = server.accept()
            if controller.cut:
                end.close()
                continue
            controller.open.append(end)
            if not controller.mute:
                threading.Thread(target=one, args=(end,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def main() -> None:
    controller = Controller(sys.argv[1], [float(x) for x in sys.argv[2].split(",")] if len(sys.argv) > 2 else [0.0] * 6)
    listen(controller, RTDE, rtde)
    listen(controller, DASHBOARD, dashboard)
    for port in SCRIPT:
        listen(controller, port, script)
    print("READY", flush=True)
    for line in sys.stdin:
        controller.order(line)


if __name__ == "__main__":
    main()
