"""The certificate: every limit of a motion recomputed, by code that cannot import the optimiser.

Independent of the planner in what can go wrong: torques from a model with the item fixed rigidly to its joint, wrenches by
Newton–Euler on the item, its own utilisation S and pad share V, its own list of collision pairs, exact extremes of the
polynomials, and a sweep that proves clearances between samples.  Shared with it: the body tree (`assembly`), pinocchio and coal.

Where each kind holds (`proof`):
    position, velocity, acceleration, jerk   everywhere: exact extremes of the pieces
    torque, torque_rate, hold, pad_share     grid 1 ms, with every breakpoint from both sides and the exact end
    clearance, allowed_contact               everywhere to 1 µm: |d(t) − d(t_k)| ≤ ∫ relative speed of the pair
    continuity                               everywhere: jumps of q, v, a at breakpoints
    corridor                                 grid 1 ms: the grasp's origin leaves and reaches its ends within their cones
    start, goal, grip_force, grasp           exact; grasp: the item does not overlap the hand beyond its pads
    release                                  exact: the hand, opened, keeps its clearance from the scene at both ends
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import pinocchio as pin

from fastmove.assembly import HAND_OVERLAP, Assembly, assemble, goal_frame, hand_overlaps, open_hand_margins
from fastmove.errors import InputError
from fastmove.grasp import Held
from fastmove.problem import TransferProblem
from fastmove.scene import CORRIDOR_TIP
from fastmove.spline import Array
from fastmove.sweep import Sweep
from fastmove.trajectory import Trajectory

KINDS = (
    "continuity",
    "position", "velocity", "acceleration", "jerk", "torque", "torque_rate", "hold", "pad_share", "clearance",
    "allowed_contact", "corridor", "start", "goal", "grip_force", "grasp", "release",
)  # fmt: skip
ROUNDING = 1e-9  # joint limits widened by this, relative
END_TOLERANCE = 1e-9  # end states in q, v, a
POSE_TOLERANCE = 1e-6  # end poses, where the goal is a region [m], [rad]
JUMPS = (1e-9, 1e-6, 1e-3)  # of q, v, a at breakpoints: what rounding may leave [rad, rad/s, rad/s²]
UTILISATION_LIMIT = 0.9


@dataclass(frozen=True)
class Entry:
    """Worst margin of one kind: ≥ 0 is safe.

    Attributes:
        margin: in `unit`;  normalised: margin / limit;  time_s: when;  where: joint or pair;  proof: how it is known.
    """

    margin: float
    unit: str
    normalised: float
    time_s: float
    where: str
    proof: str

    @property
    def ok(self) -> bool:
        return bool(self.margin >= 0.0 and self.normalised >= 0.0)  # NaN is never safe


@dataclass(frozen=True)
class Certificate:
    """Attributes:
    kinds: worst margin of each kind that was checked.
    profile: over `profile["time"]` (N,): use of each limit, 1 = at the limit ("velocity" (N, n) …, "hold" (N,)),
        "wrench" (N, 6 per hold) of the member that is worst there [N, Nm], "torque_Nm" (N, n);
        "clearance_time", "clearance" (K,): least margins at the sweep's own times [m].
    """

    kinds: dict[str, Entry]
    profile: dict[str, Array] = field(repr=False, default_factory=dict)

    @property
    def ok(self) -> bool:
        return bool(self.kinds) and all(entry.ok for entry in self.kinds.values())

    def worst(self) -> tuple[str, Entry]:
        """The kind with the least normalised margin."""
        name = min(self.kinds, key=lambda k: self.kinds[k].normalised)
        return name, self.kinds[name]


def certify(problem: TransferProblem, trajectory: Trajectory, kinds: Collection[str] = KINDS, step: float = 1e-3) -> Certificate:
    """Recompute the margins of a motion.

    Args:
        kinds: which of `KINDS` to check.
        step: grid of torque, torque rate and hold [s].

    Raises:
        InputError: unknown or no kinds, or a trajectory of other joints.
    """
    kinds = _requested(kinds)
    if trajectory.joint_names != problem.robot.joint_names:
        raise InputError("trajectory.joint_names", f"are {', '.join(trajectory.joint_names)}; not this robot's")
    assembly = assemble(problem)
    found: dict[str, Entry] = {}
    profile: dict[str, Array] = {}
    found |= _joint_limits(problem, trajectory, kinds)
    if {"torque", "torque_rate", "hold", "pad_share"} & set(kinds):
        found |= _efforts(problem, assembly, trajectory, step, kinds, profile)
    if {"clearance", "allowed_contact"} & set(kinds):
        found |= _clearances(problem, assembly, trajectory, kinds, profile)
    found |= _ends(problem, assembly, trajectory, kinds)
    if "corridor" in kinds and problem.scene.corridors and problem.holds:
        found["corridor"] = _corridors(problem, assembly, trajectory, step, profile)
    if "grasp" in kinds:
        found["grasp"] = _grasp(assembly)
    if "release" in kinds and problem.holds:
        found["release"] = _release(problem, trajectory)
    for kind in kinds:
        found.setdefault(kind, Entry(float("inf"), "1", float("inf"), 0.0, "nothing to limit", "no limit"))
    return Certificate({kind: found[kind] for kind in KINDS if kind in found}, profile)


def _requested(kinds: Collection[str]) -> tuple[str, ...]:
    if isinstance(kinds, str) or not kinds or not set(kinds) <= set(KINDS):
        raise InputError("kinds", f"is {kinds!r}; allowed: a list of at least one of {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in kinds)


def _continuity(problem: TransferProblem, trajectory: Trajectory) -> Entry:
    """Jumps of q, v, a at all breakpoints, in shares of what rounding may leave."""
    worst = Entry(float("inf"), "rad", float("inf"), 0.0, "one piece", "everywhere")
    for order, (allowed, unit) in enumerate(zip(JUMPS, ("rad", "rad/s", "rad/s²"), strict=True)):
        motion = trajectory.motion(order)
        inner = motion.times[1:-1]
        if len(inner) == 0:
            break
        jump = np.abs(motion(inner, "left") - motion(inner, "right"))
        row, joint = np.unravel_index(int(np.argmax(jump)), jump.shape)
        margin = allowed - float(jump[row, joint])
        if margin / allowed < worst.normalised:
            name = problem.robot.joint_names[joint]
            worst = Entry(margin, unit, margin / allowed, float(inner[row]), name, "everywhere")
    return worst


def _grasp(assembly: Assembly) -> Entry:
    """The item against the hand that holds it: pads touch, nothing else overlaps."""
    worst = min(hand_overlaps(assembly), default=(float("inf"), "nothing held"))
    return Entry(worst[0], "m", worst[0] / HAND_OVERLAP, 0.0, worst[1], "exact")


def _release(problem: TransferProblem, trajectory: Trajectory) -> Entry:
    """The opened hand against the scene, where the motion begins and ends."""
    ends = ((0.0, trajectory.motion()(0.0)[0]), (trajectory.duration, trajectory.motion()(trajectory.duration, "left")[0]))
    found = [(*row, time) for time, q in ends for row in open_hand_margins(problem, q)]
    margin, where, time = min(found, default=(float("inf"), "nothing near", 0.0))
    return Entry(margin, "m", margin / max(problem.clearance, 1e-3), time, where, "exact")


def _corridors(
    problem: TransferProblem, assembly: Assembly, trajectory: Trajectory, step: float, profile: dict[str, Array]
) -> Entry:
    """Least margin of all corridors (see `Corridor`), on a grid and at all breakpoints."""
    time = np.unique(np.concatenate([trajectory.grid(step), trajectory.motion().times]))
    model, data, q = assembly.arm, assembly.arm.createData(), trajectory.motion()(time)
    way = np.empty((len(time), len(assembly.hold_frames), 3))
    for i in range(len(time)):
        pin.forwardKinematics(model, data, q[i])
        for k, frame in enumerate(assembly.hold_frames):
            way[i, k] = data.oMi[frame.joint].act(frame.joint_T_grasp.translation)
    least = np.full(len(time), np.inf)
    for corridor in problem.scene.corridors:
        moved = way - way[0 if corridor.at == "start" else -1]
        height = moved @ corridor.direction
        aside = np.linalg.norm(np.cross(moved, corridor.direction), axis=2)
        inside = height * np.sin(corridor.angle) - aside * np.cos(corridor.angle) + CORRIDOR_TIP
        past = np.linalg.norm(moved, axis=2) >= corridor.length
        least = np.minimum(least, np.where(past, np.inf, inside).min(axis=1))
    worst = int(np.argmin(least))
    profile["corridor_time"], profile["corridor"] = time, least
    margin = float(least[worst])
    if not np.isfinite(margin):
        return Entry(margin, "m", margin, 0.0, "grasp origin", "no limit")
    return Entry(margin, "m", margin / CORRIDOR_TIP, float(time[worst]), "grasp origin", f"grid {step * 1e3:g} ms")


def _joint_limits(problem: TransferProblem, trajectory: Trajectory, kinds: Collection[str]) -> dict[str, Entry]:
    limits, names = problem.limit_set, problem.robot.joint_names
    rows = (
        ("position", 0, limits.position_min, limits.position_max, "rad"),
        ("velocity", 1, -limits.velocity, limits.velocity, "rad/s"),
        ("acceleration", 2, -limits.acceleration, limits.acceleration, "rad/s²"),
        ("jerk", 3, -limits.jerk, limits.jerk, "rad/s³"),
    )
    found = {"continuity": _continuity(problem, trajectory)} if "continuity" in kinds else {}
    for kind, order, low, high, unit in rows:
        if kind not in kinds:
            continue
        extremes = trajectory.motion(order).extremes()
        finite = np.where(np.isfinite(np.stack([low, high])), np.abs(np.stack([low, high])), 0.0)
        scale = np.maximum(finite.max(axis=0), 1e-9)
        above = high + ROUNDING * finite[1] - extremes.high
        below = extremes.low - low + ROUNDING * finite[0]
        margin = np.minimum(above, below)
        worst = int(np.argmin(margin / scale))
        time = extremes.high_time if above[worst] < below[worst] else extremes.low_time
        found[kind] = Entry(
            float(margin[worst]), unit, float(margin[worst] / scale[worst]), float(time[worst]), names[worst], "everywhere"
        )
    return found


@dataclass(frozen=True)
class _Grid:
    """Times with the side from which jumps are seen, and the motion there."""

    time: Array
    q: Array
    v: Array
    a: Array
    j: Array


def _grid(trajectory: Trajectory, step: float) -> _Grid:
    """Every `step`, the exact end, and every breakpoint from both sides (jerk jumps there)."""
    uniform = trajectory.grid(step)
    breaks = trajectory.motion().times
    time = np.concatenate([uniform[:-1], breaks[:-1], breaks[1:]])
    left = np.concatenate([np.zeros(len(uniform) - 1 + len(breaks) - 1, dtype=bool), np.ones(len(breaks) - 1, dtype=bool)])
    order = np.lexsort((~left, time))
    time, left = time[order], left[order]
    values = []
    for k in range(4):
        motion = trajectory.motion(k)
        values.append(np.where(left[:, None], motion(time, "left"), motion(time, "right")))
    return _Grid(time, *values)


def _efforts(
    problem: TransferProblem,
    assembly: Assembly,
    trajectory: Trajectory,
    step: float,
    kinds: Collection[str],
    profile: dict[str, Array],
) -> dict[str, Entry]:
    limits, names = problem.limit_set, problem.robot.joint_names
    grid = _grid(trajectory, step)
    label = f"grid {step * 1e3:g} ms"
    found: dict[str, Entry] = {}
    torque, rate = np.zeros_like(grid.q), np.zeros_like(grid.q)
    hold_use, share_use = np.zeros(len(grid.time)), np.zeros(len(grid.time))
    need_rate = "torque_rate" in kinds and bool(np.any(np.isfinite(limits.effort_rate)))
    wrench_shown = np.zeros((len(grid.time), 6 * len(problem.holds)))
    basis, weights = problem.spanning_members  # torques are linear in a body's inertial parameters, and so are their rates
    spanning = [_inverse_dynamics(problem, assembly, grid, int(k), need_rate) for k in basis]
    motions = spanning[0][2]
    for member in range(problem.members):
        tau, tau_rate = (sum(w * part[i] for w, part in zip(weights[member], spanning, strict=True)) for i in (0, 1))
        torque = np.where(np.abs(tau) > np.abs(torque), tau, torque)
        rate = np.maximum(rate, np.abs(tau_rate))
        for k, frame in enumerate(assembly.hold_frames):
            body = frame.held.bodies[min(member, len(frame.held.bodies) - 1)]
            wrench = _item_wrench(body, frame.joint_T_grasp, *motions[k])
            grip = _grip_force(trajectory, grid.time, k) * frame.held.sure_grip
            use = _utilisation(frame.held, wrench, grip) / UTILISATION_LIMIT
            share_use = np.maximum(share_use, _pad_share(frame.held, wrench, grip) / UTILISATION_LIMIT)  # keeps NaN
            worse = ~(use <= hold_use)
            hold_use = np.where(worse, use, hold_use)
            if member == 0:
                wrench_shown[:, 6 * k : 6 * k + 6] = wrench
            else:
                wrench_shown[worse, 6 * k : 6 * k + 6] = wrench[worse]
    if "torque" in kinds:
        found["torque"] = _worst_row(np.abs(torque), limits.effort, grid.time, names, "Nm", label)
    if need_rate:
        found["torque_rate"] = _worst_row(rate, limits.effort_rate, grid.time, names, "Nm/s", label)
    if problem.holds and problem.hold_active:
        where = problem.holds[0].item.name
        both = {"hold": hold_use, "pad_share": share_use}
        found |= {kind: _worst_use(use, grid.time, where, label) for kind, use in both.items() if kind in kinds}
    profile |= {
        "time": grid.time,
        "velocity": np.abs(grid.v) / limits.velocity,
        "acceleration": np.abs(grid.a) / limits.acceleration,
        "jerk": np.abs(grid.j) / limits.jerk,
        "torque": np.abs(torque) / limits.effort,
        "torque_rate": rate / limits.effort_rate,
        "hold": hold_use,
        "pad_share": share_use,
        "wrench": wrench_shown,
        "torque_Nm": torque,
    }
    return found


def _worst_use(use: Array, time: Array, where: str, proof: str) -> Entry:
    """Worst entry of a utilisation (N,), 1 = 0.9; unknown is not safe."""
    use = np.where(np.isnan(use), np.inf, use)
    worst = int(np.argmax(use))
    normalised = 1 + ROUNDING - float(use[worst])
    return Entry(UTILISATION_LIMIT * normalised, "1", normalised, float(time[worst]), where, proof)


def _worst_row(value: Array, limit: Array, time: Array, names: tuple[str, ...], unit: str, proof: str) -> Entry:
    use = np.where(np.isnan(value), np.inf, value) / limit
    row, joint = np.unravel_index(int(np.argmax(use)), use.shape)
    margin = limit[joint] * (1 + ROUNDING) - value[row, joint]
    normalised = 1 + ROUNDING - use[row, joint]
    return Entry(float(margin), unit, float(normalised), float(time[row]), names[joint], proof)


def _inverse_dynamics(
    problem: TransferProblem, assembly: Assembly, grid: _Grid, member: int, with_rate: bool
) -> tuple[Array, Array, list[tuple[Array, Array]]]:
    """Joint torques (N, n), their rates, and for every hold the spatial velocity and gravity-compensated acceleration
    (N, 6) of its joint, in the joint's frame.  The item is rigid on its joint; damping is added by hand."""
    model = assembly.arm.copy()
    for frame in assembly.hold_frames:
        bodies = frame.held.bodies
        model.appendBodyToJoint(frame.joint, bodies[min(member, len(bodies) - 1)], frame.joint_T_grasp)
    data = model.createData()
    damping = np.array(problem.robot.damping)
    count = len(grid.time)
    tau, rate = np.empty_like(grid.q), np.zeros_like(grid.q)
    motions = [(np.empty((count, 6)), np.empty((count, 6))) for _ in assembly.hold_frames]
    joints = [frame.joint for frame in assembly.hold_frames]
    for i in range(count):
        tau[i] = pin.rnea(model, data, grid.q[i], grid.v[i], grid.a[i])
        for joint, (speed, acceleration) in zip(joints, motions, strict=True):
            speed[i], acceleration[i] = data.v[joint].vector, data.a_gf[joint].vector
    tau += grid.v * damping
    if with_rate:
        for i in range(count):
            pin.computeRNEADerivatives(model, data, grid.q[i], grid.v[i], grid.a[i])
            rate[i] = data.dtau_dq @ grid.v[i] + data.dtau_dv @ grid.a[i] + data.M @ grid.j[i]
        rate += grid.a * damping
    return tau, rate, motions


def _item_wrench(body: pin.Inertia, joint_T_grasp: pin.SE3, speed: Array, acceleration: Array) -> Array:
    """(N, 6) wrench [f; m] of the hand on the item in the grasp frame, by Newton–Euler; body: in the grasp frame.

    speed, acceleration: spatial, of the joint's frame, gravity already subtracted.  With ω, α and the acceleration a of the
    frame's origin (a = a_spatial + ω × v), the centre of mass at c accelerates by a + α × c + ω × (ω × c);
    f = m a_c;  moment about the grasp origin = I α + ω × I ω + (c − o) × f.
    """
    rotation = joint_T_grasp.rotation
    c = joint_T_grasp.act(np.array(body.lever))
    inertia = rotation @ np.array(body.inertia) @ rotation.T
    omega, alpha = speed[:, 3:], acceleration[:, 3:]
    origin = acceleration[:, :3] + np.cross(omega, speed[:, :3])
    com = origin + np.cross(alpha, c) + np.cross(omega, np.cross(omega, c))
    force = body.mass * com
    spin = omega @ inertia.T
    moment = alpha @ inertia.T + np.cross(omega, spin) + np.cross(c - joint_T_grasp.translation, force)
    return np.hstack([force @ joint_T_grasp.rotation, moment @ joint_T_grasp.rotation])


def _utilisation(held: Held, wrench: Array, grip_force: Array) -> Array:
    """S of the two-patch pinch, written out (see `contact`): the certificate's own."""
    mu, width = held.friction, held.width
    c = sum(patch.c for patch in held.patches) / 2
    a = sum(patch.a for patch in held.patches) / 2
    fx, fy, fz, mx, my, mz = wrench.T
    shear = np.sqrt(fx**2 + fz**2 + (my / c) ** 2) / (2 * mu * grip_force)
    couples = np.hypot(mx, mz) / (grip_force * (a + mu * width))
    return np.asarray(np.hypot(shear, couples + np.abs(fy) / (2 * grip_force)))


def _pad_share(held: Held, wrench: Array, grip_force: Array) -> Array:
    """Larger share V of a pad that the load along the closing axis lightens, written out (see `contact`)."""
    mu, width = held.friction, held.width
    ratio = sum(patch.a for patch in held.patches) / 2 / (mu * width)
    fx, fy, fz, mx, _, mz = wrench.T
    first = np.hypot(fx - 2 * mz / width, fz + 2 * mx / width) / (2 * mu) + fy / 2
    second = np.hypot(fx + 2 * mz / width, fz - 2 * mx / width) / (2 * mu) - fy / 2
    return np.asarray(np.maximum(first, second) / (grip_force * (1 + ratio)))


def _grip_force(trajectory: Trajectory, time: Array, hold: int) -> Array:
    """(N,) grip force of the phase at each time [N]."""
    ends = np.cumsum([phase.duration for phase in trajectory.phases])
    index = np.minimum(np.searchsorted(ends, time, side="left"), len(ends) - 1)
    forces = [phase.grip_force[hold] if len(phase.grip_force) > hold else 0.0 for phase in trajectory.phases]
    return np.array(forces)[index]


def _clearances(
    problem: TransferProblem,
    assembly: Assembly,
    trajectory: Trajectory,
    kinds: Collection[str],
    profile: dict[str, Array],
) -> dict[str, Entry]:
    result = Sweep(problem, assembly, trajectory).run()
    scale = max(problem.clearance, 1e-3)
    found = {}
    for kind, least in (("clearance", result.clearance), ("allowed_contact", result.allowed)):
        if kind in kinds and least is not None:
            margin = least.margin if least.proven else min(least.margin, -1e-9)
            proof = "everywhere" if least.proven else "not proven"
            found[kind] = Entry(margin, "m", margin / scale, least.time, least.where, proof)
    profile["clearance_time"], profile["clearance"] = result.time, result.margin
    return found


def _ends(problem: TransferProblem, assembly: Assembly, trajectory: Trajectory, kinds: Collection[str]) -> dict[str, Entry]:
    found = {}
    duration = trajectory.duration
    start, goals = problem.start, problem.goal.configurations
    states = [trajectory.motion(k) for k in range(3)]
    if "start" in kinds:
        gaps = [np.abs(m(0.0)[0] - s) for m, s in zip(states, (start.q, start.v, start.a), strict=True)]
        found["start"] = _end_entry(np.stack(gaps), 0.0, problem)
    if "goal" in kinds:
        last = [m(duration, "left")[0] for m in states]
        off = np.zeros(problem.robot.n_arm)  # with goal poses no configuration is asked for
        if not problem.goal.poses:
            off = np.abs(last[0] - goals[int(np.argmin(np.abs(goals - last[0]).max(axis=1)))])
        found["goal"] = _end_entry(np.stack([off, np.abs(last[1]), np.abs(last[2])]), duration, problem)
        if problem.goal.poses and found["goal"].ok:
            found["goal"] = _region(problem, assembly, last[0], duration)
    if "grip_force" in kinds and problem.holds:
        rows = []
        for phase in trajectory.phases:
            for k, held in enumerate(problem.holds):
                low, high = held.grasp.grip_force
                force = float(phase.grip_force[k]) if len(phase.grip_force) > k else 0.0
                rows.append((min(force - low, high - force) + ROUNDING * high, held))
        margin, held = min(rows, key=lambda row: row[0] if np.isfinite(row[0]) else -np.inf)
        found["grip_force"] = Entry(float(margin), "N", float(margin / held.grasp.grip_force[1]), 0.0, held.gripper.name, "exact")
    return found


def _region(problem: TransferProblem, assembly: Assembly, q: Array, time: float) -> Entry:
    """The last pose against the nearest goal region."""
    data = assembly.arm.createData()
    pin.forwardKinematics(assembly.arm, data, q)
    rows = []
    for k, goal in enumerate(problem.goal.poses):
        joint, placement = goal_frame(assembly, problem.robot, goal)
        distance, angle = goal.gaps(data.oMi[joint] * placement)
        rows.append((max(distance, angle), distance >= angle, k))
    gap, far, number = min(rows)
    margin = POSE_TOLERANCE - gap
    return Entry(margin, "m" if far else "rad", margin / POSE_TOLERANCE, time, f"goal pose {number + 1}", "exact")


def _end_entry(gaps: Array, time: float, problem: TransferProblem) -> Entry:
    """gaps: (3, n) in q, v, a."""
    order, joint = np.unravel_index(int(np.argmax(gaps)), gaps.shape)
    margin = END_TOLERANCE - float(gaps[order, joint])
    unit = ("rad", "rad/s", "rad/s²")[order]
    return Entry(margin, unit, margin / END_TOLERANCE, time, problem.robot.joint_names[joint], "exact")
