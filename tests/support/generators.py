"""Seeded problems for tests and measurements: the same seed gives the same problems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pinocchio as pin

import fastmove as fm
from fastmove.arrays import Array
from fastmove.collision.checker import Collision
from fastmove.dynamics.efforts import Dynamics
from fastmove.errors import GraspInvalid
from fastmove.geometry.poses import pose
from fastmove.geometry.shapes import Shape
from fastmove.multibody.assembly import assemble, hand_overlaps
from fastmove.multibody.open_hand import OpenHandCheck
from fastmove.optim.breakpoints import switch_basis
from fastmove.optim.merit import SqpProblem
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.transcription import Transcription
from fastmove.planner.context import PlanningContext
from fastmove.problem.goal import Goal, State
from fastmove.problem.grasp import Grasp, HeldItem, hold
from fastmove.problem.item import Inertial, Item, solid_inertia
from fastmove.problem.item_catalog import ItemFacts, known_items
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.problem.uncertainty import Uncertainty
from fastmove.resources import problems_folder
from fastmove.robot.gripper import Gripper
from fastmove.robot.model import RobotModel
from fastmove.robot.multi_arm import combine_robots
from fastmove.search.ik import ik, pose_at
from fastmove.search.initial_guess import straight_guess
from fastmove.search.time_bound import lower_bound


def block(mass: float, size: tuple[float, float, float] = (0.06, 0.06, 0.06), com: tuple[float, ...] | None = None) -> Item:
    """A box of this mass; com in the item frame, default its middle; the box is larger where else the com would be outside."""
    middle = np.zeros(3) if com is None else np.array(com)
    low, high = np.minimum(-np.array(size) / 2, middle), np.maximum(np.array(size) / 2, middle)
    shape = Shape("box", size=high - low, placement=pose((low + high) / 2))
    centre, inertia = solid_inertia((shape,), mass)
    return Item("block", (shape,), (Inertial(mass, centre if com is None else np.array(com), inertia),))


def pinched(
    robot: RobotModel, item: Item, grip_force: float, friction: float, offset: tuple[float, float] = (0.0, 0.0)
) -> HeldItem:
    """The item held with its middle at this offset from the pads' centre in tool x, z [m]."""
    x, z = np.array(offset) + np.array(robot.gripper().pad_center)
    return hold(robot.gripper(), item, Grasp(pose([x, 0.0, z]), friction, np.array([grip_force, grip_force])))


def on_cup(robot: RobotModel, mass: float, offset: float = 0.0, friction: float = 0.5) -> HeldItem:
    """A block of 60 mm under the lip of a robot's cup, its centre of mass off the middle by `offset` [m]."""
    cup, under = robot.suction_cup(), pin.SE3(np.eye(3), np.array([0.0, 0.0, 0.03]))
    return hold(cup, block(mass, com=(offset, 0.0, 0.0)), Grasp(under, friction, cup.force, "suction", cup.name))


def swung(robot: RobotModel, held: HeldItem) -> TransferProblem:
    """A transfer of a Panda from one side to the other, among nothing."""
    start = np.array([-0.6, 0.2, 0.0, -2.0, 0.0, 2.2, 0.785])
    goal = np.array([0.8, 0.5, 0.1, -1.6, 0.0, 2.1, 0.785])
    return TransferProblem("cup", robot, (held,), Scene(), State.rest(start), Goal(goal[None]), "benchmark")


def held_however(gripper: Gripper, item: Item, grasp: Grasp, uncertainty: Uncertainty) -> HeldItem:
    """As `hold`, without asking whether the pads even out a turn: for what a set of turned items means."""
    return replace(hold(gripper, item, grasp, replace(uncertainty, turn=0.0)), uncertainty=uncertainty)


def end_is_usable(problem: TransferProblem, static_use: float = 1.0, hold_too: bool = True) -> bool:
    """No self-collision at either end, and both ends holdable at rest with this share of the limits."""
    assembly = assemble(problem)
    collision, dynamics = Collision(problem, assembly), Dynamics(problem, assembly)
    start, goal = np.array(problem.start.q), np.array(problem.goal.configurations[0])
    ends = collision.ends(start, goal)
    n, limits = dynamics.n, problem.limit_set
    for q in (start, goal):
        if collision.margins_at(q, ends):
            return False
        efforts = dynamics.static(q[None])[0]
        if np.any(np.abs(efforts[:, :n]) > static_use * limits.effort):
            return False
        for k, held in enumerate(problem.holds if hold_too else ()):
            force = float(held.grasp.grip_force[1])
            use = held.contact_model.utilisation(efforts[:, n + 6 * k : n + 6 * k + 6], force)
            if float(np.max(use)) > 0.9 * static_use:
                return False
    return True


def straight_line(problem: TransferProblem, shrink: float = 0.0, per_span: int = 3) -> tuple[SqpProblem, Array, float]:
    """The solver of a problem between rests, and the straight line between its ends at the bound of its duration."""
    context, start, goal = PlanningContext.of(problem), np.array(problem.start.q), np.array(problem.goal.configurations[0])
    bound = lower_bound(problem.start, goal, problem.limit_set)
    basis = switch_basis(bound)
    transcription = Transcription(problem, context.dynamics, problem.start, goal, basis, shrink)
    samples = ConstraintGrid.standard(basis, transcription.with_rate, per_span)
    optimiser = SqpProblem(transcription, samples, context.collision, context.collision.ends(start, goal), bound.duration, 0.0)
    return optimiser, straight_guess(start, goal, bound, basis), bound.duration


def free_space_pairs(limits: str, count: int, seed: int, held: HeldItem | None = None) -> Iterator[TransferProblem]:
    """Rest to rest between uniform random configurations, 0.5 kg centred at the pads, 40 N, friction 0.5."""
    robot = fm.load_robot("panda")
    chosen = held or pinched(robot, block(0.5), 40.0, 0.5)
    limit_set = robot.limit_set(limits)
    rng = np.random.default_rng(seed)
    found = 0
    while found < count:
        start, goal = rng.uniform(limit_set.position_min, limit_set.position_max, (2, robot.n_arm))
        problem = TransferProblem(
            f"free {limits} {found}", robot, (chosen,), Scene(), State.rest(start), Goal(goal[None]), limits
        )
        if end_is_usable(problem, 1.0 if held is None else 0.9):
            found += 1
            yield problem


def moving_starts(limits: str, count: int, seed: int) -> Iterator[tuple[TransferProblem, fm.Solution]]:
    """States met on certified motions, each with a fresh goal: (problem from there, the motion it was met on)."""
    robot = fm.load_robot("panda")
    limit_set = robot.limit_set(limits)
    rng = np.random.default_rng(seed)
    for k, before in enumerate(free_space_pairs(limits, count, seed)):
        solution = fm.plan(before).raise_for_status()
        assert solution.trajectory is not None
        t = solution.duration * rng.uniform(0.1, 0.9)
        state = State(*(solution.trajectory.sample(t, order) for order in range(3)))
        while True:
            goal = rng.uniform(limit_set.position_min, limit_set.position_max)
            goal = 0.5 * goal + 0.5 * np.array(before.goal.configurations[0])
            problem = before.with_(name=f"moving {k}", start=state, goal=Goal(goal[None]))
            if end_is_usable(problem):
                break
        yield problem, solution


# (grip force [N], friction, mass [kg], centre of mass from the pads' centre in tool x, z [m])
HOLD_LOADS = (
    (25.0, 0.4, 0.7, (0.010, 0.020)),
    (20.0, 0.4, 0.5, (0.0, 0.030)),
    (15.0, 0.5, 0.9, (0.0, 0.0)),
    (30.0, 0.5, 0.6, (0.020, 0.0)),
    (35.0, 0.5, 0.6, (0.0, 0.040)),
    (25.0, 0.3, 0.9, (0.0, 0.020)),
)


def hold_limited(count: int, seed: int, limits: str = "benchmark") -> Iterator[TransferProblem]:
    """Free-space transfers where the hold matters: weak grip, heavy, centre of mass 2 to 4 cm off; ends holdable at rest."""
    robot = fm.load_robot("panda")
    for k in range(count):
        force, friction, mass, offset = HOLD_LOADS[k % len(HOLD_LOADS)]
        item = block(mass, com=(offset[0], 0.0, offset[1]))
        held = pinched(robot, item, force, friction)
        yield from free_space_pairs(limits, 1, seed + k, held)


def random_loads(count: int, seed: int, dominated: bool = False) -> Iterator[TransferProblem]:
    """Free-space transfers with random mass (0.2–0.9 kg), friction (0.3–0.8), centre of mass (up to 30 mm off in x, z) and a
    grip of 1.3 to 2 times what the ends need at rest, at most 70 N; `dominated`: off-centre loads that torsion decides."""
    robot = fm.load_robot("panda")
    rng = np.random.default_rng(seed)
    found = 0
    while found < count:
        mass, friction = rng.uniform(0.2, 0.9), rng.uniform(0.3, 0.8)
        low = 0.015 if dominated else 0.0
        radius, angle = rng.uniform(low, 0.03), rng.uniform(0, 2 * np.pi)
        item = block(mass, com=(radius * np.cos(angle), 0.0, radius * np.sin(angle)))
        c = 0.0069
        need = mass * 9.81 * np.hypot(1.0, radius / c) / (2 * friction * 0.9)
        force = need * rng.uniform(1.3, 2.0)
        if force > 70.0:
            continue
        held = pinched(robot, item, float(force), float(friction))
        found += 1
        yield from free_space_pairs("benchmark", 1, int(rng.integers(1 << 31)), held)


def jittered(problem: TransferProblem, seed: int, tries: int = 100) -> TransferProblem:
    """Start and goal of the item moved by up to 5 mm sideways and turned by up to 3° about gravity, arm configurations by IK
    near the given ones; drawn again until both ends are free and holdable."""
    rng = np.random.default_rng(seed)
    down = np.array(problem.gravity) / np.linalg.norm(problem.gravity)
    ends = (np.array(problem.start.q), np.array(problem.goal.configurations[0]))
    for _ in range(tries):
        moved = []
        for q in ends:
            here = pose_at(problem, q)
            aside = np.cross(down, rng.uniform(-1, 1, 3))
            shift = 0.005 * rng.uniform() * aside / max(float(np.linalg.norm(aside)), 1e-9)
            turn = pin.exp3(down * np.radians(rng.uniform(-3, 3)))
            found = ik(problem, pin.SE3(turn @ here.rotation, here.translation + shift), near=q)
            moved += [found[0]] if len(found) and np.abs(found[0] - q).max() < 0.3 else []
        if len(moved) == 2:
            candidate = problem.with_(start=State.rest(moved[0]), goal=Goal(moved[1][None]))
            if end_is_usable(candidate) and all(OpenHandCheck(candidate).margin(q)[0] >= 0 for q in moved):
                return candidate
    raise AssertionError(f"{problem.name}: no usable jitter in {tries} draws")


def uncertain_transfers(count: int, seed: int) -> Iterator[TransferProblem]:
    """Free-space transfers of shipped items that fit the hand, off centre, by a weak grip: 1.02 to 1.2 times what the ends need
    at rest over the whole set (mass ± 10 %, centre of mass and friction as the table says, grip ± 5 %, 1 mm in the hand)."""
    robot, rng = fm.load_robot("panda"), np.random.default_rng(seed)
    rows = [row for row in known_items() if row.mass <= 0.907 and float(min(row.size[:2])) <= 0.078]
    limit_set, found = robot.limit_set("benchmark"), 0
    while found < count:
        row = rows[int(rng.integers(len(rows)))]
        held = _weakly_pinched(robot, row, rng)
        if held is None:
            continue
        for _ in range(20):
            start, goal = rng.uniform(limit_set.position_min, limit_set.position_max, (2, robot.n_arm))
            problem = TransferProblem(
                f"{row.id} {found}", robot, (held,), Scene(), State.rest(start), Goal(goal[None]), "benchmark"
            )
            weak = _with_weak_grip(problem, rng)
            if weak is not None and end_is_usable(weak) and min(hand_overlaps(assemble(weak)))[0] >= 0:
                found += 1
                yield weak
                break


def _weakly_pinched(robot: RobotModel, row: ItemFacts, rng: np.random.Generator) -> HeldItem | None:
    """The item between the pads along its narrowest side, up to 15 mm off centre; friction in the middle of its class."""
    size = np.array(row.size)
    offset = rng.uniform(-0.015, 0.015, 2)
    turn = np.eye(3)
    if row.shape == "box":
        narrow = int(np.argmin(size))
        turn = np.roll(np.eye(3), 1 - narrow, axis=0)  # its narrowest side along y
    elif row.shape == "sphere":
        offset = np.zeros(2)
    else:
        turn = pin.utils.rotate("x", 0.0)
        offset[0] = 0.0
    x, z = offset + np.array(robot.gripper().pad_center)
    z = max(z, float(np.abs(turn @ (size / 2))[2]) - 0.03)  # the palm is in the way
    friction = float(row.friction[1])
    wide = Uncertainty(
        mass=0.1, com=np.array(row.com_halfrange), friction=1 - float(row.friction[0]) / friction, grip_force=0.05, placement=1e-3
    )
    force = min(float(robot.gripper().force[1]), row.max_pinch - 1.1 * 9.81 * row.mass) / 1.05
    try:
        return hold(
            robot.gripper(), row.item(), Grasp(pin.SE3(turn, np.array([x, 0.0, z])), friction, np.array([force] * 2)), wide
        )
    except GraspInvalid:
        return None


def _with_weak_grip(problem: TransferProblem, rng: np.random.Generator) -> TransferProblem | None:
    held = problem.holds[0]
    efforts = Dynamics(problem, assemble(problem)).static(np.stack([problem.start.q, problem.goal.configurations[0]]))
    n, force = problem.robot.n_arm, float(held.grasp.grip_force[1])
    need = float(held.contact_model.utilisation(efforts[:, :, n:], force).max()) / 0.9 * force * rng.uniform(1.02, 1.2)
    if need > force:
        return None
    need = max(need, float(held.gripper.force[0]))
    return problem.with_(
        holds=(hold(held.gripper, held.item, replace(held.grasp, grip_force=np.array([need, need])), held.uncertainty),)
    )


def hold_bound(count: int, seed: int) -> Iterator[tuple[TransferProblem, fm.Solution]]:
    """Free-space transfers that the hold limits, with the motion without hold: the grip is such that this motion's peak S over
    the set (mass ± 5 %, centre of mass ± 2 mm, friction ± 5 %) lies between 1.3 and 2.5, while both ends can be held at rest."""
    robot, rng = fm.load_robot("panda"), np.random.default_rng(seed)
    limit_set, found = robot.limit_set("benchmark"), 0
    wide = Uncertainty(mass=0.05, com=np.full(3, 0.002), friction=0.05)
    while found < count:
        mass, friction = rng.uniform(0.2, 0.9), rng.uniform(0.3, 0.8)
        radius, angle = rng.uniform(0.0, 0.03), rng.uniform(0, 2 * np.pi)
        item = block(mass, com=(radius * np.cos(angle), 0.0, radius * np.sin(angle)))
        start, goal = rng.uniform(limit_set.position_min, limit_set.position_max, (2, robot.n_arm))
        held = pinched(robot, item, 40.0, friction)
        held = hold(held.gripper, held.item, held.grasp, wide)
        problem = TransferProblem(f"bound {found}", robot, (held,), Scene(), State.rest(start), Goal(goal[None]), "benchmark")
        if not end_is_usable(problem.with_(hold_active=False), hold_too=False):
            continue
        free = fm.plan(problem.with_(hold_active=False))
        if not free.ok:
            continue
        peak = 0.9 * float(free.certificate.profile["hold"].max()) * 40.0 / rng.uniform(1.3, 2.5)
        if not 1.0 <= peak <= 70.0:
            continue
        weak = hold(held.gripper, item, replace(held.grasp, grip_force=np.array([peak, peak])), wide)
        problem = problem.with_(holds=(weak,))
        if end_is_usable(problem, 0.95):
            found += 1
            yield problem, fm.plan(problem.with_(hold_active=False))


RIDING = 0.85  # use of the hold, 1 = its limit, from which a plan rides it …
RIDING_TIME = 0.3  # … for at least this share of its duration
RIDING_REST = {"plane": (0.15, 0.4), "line": (0.15, 0.45), "disc": (0.35, 0.75)}  # with which most of their plans do
RIDING_KINDS = tuple(RIDING_REST)


def riding(count: int, seed: int, first: int = 0) -> Iterator[tuple[int, TransferProblem]]:
    """Transfers over a wall that mostly ride the limit of the hold, numbered from `first`: books and boxes, bottles and balls in
    turn, between two totes' places, shifted by up to 5 cm, turned by 20° and leaning by 10°; friction 0.3 to 0.6, at rest the
    share `RIDING_REST` of the hold used.  Number k depends on the seed and k alone.

    The centre of mass is up to 3 cm off the body's middle each way (inside the body, along the closing axis in its middle half),
    which itself is off the pads' by where the body is pinched: books and bottles near their top, beside their middle.  That of a
    ball is within 3 mm of its middle: further off, its torsion makes the simulation's friction creep by 0.2° in a second at a
    time constant of 8 ms.
    """
    book = fm.load_problem(problems_folder() / "book_to_tote.toml")
    wall = Scene(tuple(o for o in book.scene.obstacles if o.name in ("table", "wall")))
    for k in range(first, first + count):
        rng = np.random.default_rng([seed, k])
        while True:
            problem = _riding(book.with_(scene=wall), RIDING_KINDS[k % 3], k, rng)
            if problem is not None:
                yield k, problem
                break


def _rider(kind: str, rng: np.random.Generator) -> tuple[Shape, Array, Array]:
    """A body, the half-ranges of its centre of mass, and where the pads' centre is in its frame [m] (z up)."""
    if kind == "disc":
        return Shape("sphere", radius=rng.uniform(0.018, 0.035)), np.full(3, 0.003), np.zeros(3)
    height = rng.uniform(0.14, 0.24)
    above = height / 2 - rng.uniform(0.02, 0.035)
    if kind == "line":
        return Shape("cylinder", radius=rng.uniform(0.015, 0.035), length=height), np.full(3, 0.03), np.array([0, 0, above])
    size = np.array([rng.uniform(0.1, 0.17), rng.uniform(0.02, 0.05), height])
    return Shape("box", size=size), np.full(3, 0.03), np.array([rng.uniform(-0.02, 0.02), 0.0, above])


def _riding(book: TransferProblem, kind: str, k: int, rng: np.random.Generator) -> TransferProblem | None:
    """One draw, or None where its ends or its grip cannot be."""
    mass, friction, gripper = rng.uniform(0.1, 0.9), rng.uniform(0.3, 0.6), book.robot.gripper()
    shape, off, pinched_at = _rider(kind, rng)
    centre, inertia = solid_inertia((shape,), mass)
    offset = np.minimum(off, shape.half_extents() * [0.85, 0.5, 0.85]) * rng.uniform(-1, 1, 3)
    item = Item(kind, (shape,), (Inertial(mass, centre + offset, inertia),))
    down = pin.utils.rotate("x", np.pi)  # the item stands upright below the hand
    x, z = np.array(gripper.pad_center)
    grasp = Grasp(pin.SE3(down, np.array([x, 0.0, z]) - down @ pinched_at), friction, np.array([40.0, 40.0]))
    try:
        held = hold(gripper, item, grasp)
    except GraspInvalid:
        return None
    problem = book.with_(name=f"{kind} {k}", holds=(held,))
    ends = [_beside(problem, q, rng) for q in (np.array(book.start.q), np.array(book.goal.configurations[0]))]
    if ends[0] is None or ends[1] is None or min(hand_overlaps(assemble(problem)))[0] < 0:
        return None
    problem = problem.with_(start=State.rest(ends[0]), goal=Goal(ends[1][None]))
    wrenches = Dynamics(problem, assemble(problem)).static(np.stack(ends))[:, 0, problem.robot.n_arm :]
    force = held.contact_model.utilisation(wrenches, 1.0).max() / 0.9 / rng.uniform(*RIDING_REST[kind])
    if not gripper.force[0] <= force <= gripper.force[1]:
        return None
    firm = problem.with_(holds=(hold(gripper, item, replace(grasp, grip_force=np.array([force, force]))),))
    return firm if end_is_usable(firm, 0.9) else None


def _beside(problem: TransferProblem, q: Array, rng: np.random.Generator) -> Array | None:
    """A configuration near q with the item shifted, turned and leaning a little; None where IK finds none."""
    here, axis = pose_at(problem, q), rng.normal(size=3)
    lean = pin.exp3(axis / np.linalg.norm(axis) * np.radians(10) * rng.uniform())
    turn = pin.exp3(np.array([0.0, 0.0, np.radians(20) * rng.uniform(-1, 1)]))
    there = pin.SE3(lean @ turn @ here.rotation, here.translation + rng.uniform([-0.05, -0.05, 0.0], [0.05, 0.05, 0.1]))
    found = ik(problem, there, near=q)
    return np.asarray(found[0]) if len(found) and np.abs(found[0] - q).max() < 0.6 else None


def riding_share(solution: fm.Solution) -> float:
    """Share of the duration for which S, V or R is used by at least `RIDING` of its limit."""
    profile = solution.certificate.profile
    time, use = profile["time"], np.maximum(profile["hold"], profile["pad_share"])
    inside = (use[1:] >= RIDING) & (use[:-1] >= RIDING)
    return float(np.diff(time)[inside].sum() / time[-1])


def dominance(solution: fm.Solution) -> float:
    """Share of torsion and tangential force in the peak S."""
    profile, contact = solution.certificate.profile, solution.problem.holds[0].contact_model
    wrench = profile["wrench"][int(np.argmax(profile["hold"]))]
    return float(np.linalg.norm(contact.linear @ wrench) / contact.utilisation(wrench, 1.0))


HOME = np.array([0.0, -0.4, 0.0, -2.2, 0.0, 1.8, 0.8])


def two_pandas() -> RobotModel:
    """Two Pandas 0.8 m apart, looking the same way."""
    panda = fm.load_robot("panda")
    return combine_robots({"left": panda.at(pose((0.0, 0.4, 0.0))), "right": panda.at(pose((0.0, -0.4, 0.0)))})


def holding(two: fm.RobotModel, start: np.ndarray, goal: np.ndarray) -> TransferProblem:
    grasp = Grasp(pose(), 0.5, np.array([30.0, 30.0]))
    holds = tuple(hold(two.gripper(f"{arm}_hand"), block(0.3), grasp) for arm in ("left", "right"))
    return TransferProblem("two", two, holds, Scene(), State.rest(start), Goal(goal[None]), "benchmark")


def crossing(two: fm.RobotModel, count: int, seed: int) -> Iterator[TransferProblem]:
    """Both items change sides, and on the straight way between the ends the arms would meet."""
    rng, found = np.random.default_rng(seed), 0
    probe = holding(two, np.concatenate([HOME, HOME]), np.concatenate([HOME + 0.1, HOME + 0.1]))
    collision = Collision(probe, assemble(probe))
    spread = np.array([0.0, 0.5, 0.2, 0.4, 0.3, 0.3, 0.5])
    while found < count:
        ends = []
        for side in (1.0, -1.0):  # at the start each on its own side of the middle, at the goal on the other's
            left, right = (HOME + spread * rng.uniform(-1, 1, 7) for _ in range(2))
            left[0], right[0] = rng.uniform(-0.2, 0.3), rng.uniform(-0.3, 0.2)
            if side < 0:
                left[0], right[0] = rng.uniform(-1.1, -0.7), rng.uniform(0.7, 1.1)
            ends.append(np.concatenate([left, right]))
        line = np.linspace(ends[0], ends[1], 40)
        near = collision.query(line, collision.ends(*ends), 0.0)
        if len(near.sample) and near.sample.min() > 0 and near.sample.max() < 39 and near.distance.min() < -0.02:
            found += 1
            yield holding(two, *ends)
