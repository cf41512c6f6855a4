"""The certificate: an outsider agrees with it, and mutations of the planner do not get past it."""

import json
from dataclasses import replace

import numpy as np
import pinocchio as pin
import pytest
from generators import block, free_space_pairs, pinched
from situations import behind_a_post, on_table, straight_motion

import fastmove as fm
from fastmove.certificate.certificate import Certificate, LimitMargin
from fastmove.certificate.certify import certify
from fastmove.collision import checker as collision_module
from fastmove.dynamics import efforts as dynamics
from fastmove.io.trajectory_file import save_trajectory
from fastmove.multibody.assembly import assemble
from fastmove.optim import transcription
from fastmove.problem.describe import describe
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.joint_limits import LimitSet
from fastmove.search.time_bound import lower_bound


def outsider(description: dict, urdf: str, data: dict) -> dict[str, float]:
    """Largest use of each limit, from `describe --json`, the URDF and the npz file, with numpy and pinocchio only."""
    robot, item, grasp = description["robot"], description["item"], description["grasp"]
    tool = description["tool"]
    full = pin.buildModelFromUrdf(urdf)
    q0 = pin.neutral(full)
    for name, value in tool["finger_positions"].items():
        q0[full.joints[full.getJointId(name)].idx_q] = value
    locked = [full.getJointId(n) for n in list(full.names)[1:] if n not in robot["joint_names"]]
    model = pin.buildReducedModel(full, locked, q0)
    model.gravity.linear = np.array(description["gravity"])
    parent = model.frames[model.getFrameId(tool["parent_link"])]
    to_pose = lambda p: pin.XYZQUATToSE3(np.array(p["position"] + p["quaternion_xyzw"]))  # noqa: E731
    in_joint = parent.placement * to_pose(tool["pose"])
    body = pin.Inertia(item["mass"], np.array(item["com"]), np.array(item["inertia"]))
    model.appendBodyToJoint(parent.parentJoint, body, in_joint)
    frame = model.addFrame(pin.Frame("grasp", parent.parentJoint, in_joint * to_pose(grasp["frame"]), pin.OP_FRAME))
    com_in_grasp = to_pose(grasp["frame"]).actInv(np.array(item["com"]))
    turn = to_pose(grasp["frame"]).rotation
    inertia = turn.T @ np.array(item["inertia"]) @ turn
    c = np.mean([p["c"] for p in grasp["patches"]])
    a = np.mean([p["a"] for p in grasp["patches"]])
    mu, width = grasp["friction"], grasp["width"]
    d = model.createData()
    use = dict.fromkeys(("velocity", "acceleration", "jerk", "torque", "S", "position"), 0.0)
    top = {k: np.array(robot[f"{k}_max"], dtype=float) for k in ("velocity", "acceleration", "jerk", "effort")}
    low, high = np.array(robot["position_min"]), np.array(robot["position_max"])
    for i in range(len(data["time"])):
        q, v, acc = data["position"][i], data["velocity"][i], data["acceleration"][i]
        use["position"] = max(use["position"], np.max(np.abs((2 * q - high - low) / (high - low))))
        use["velocity"] = max(use["velocity"], np.max(np.abs(v) / top["velocity"]))
        use["acceleration"] = max(use["acceleration"], np.max(np.abs(acc) / top["acceleration"]))
        use["jerk"] = max(use["jerk"], np.max(np.abs(data["jerk"][i]) / top["jerk"]))
        tau = pin.rnea(model, d, q, v, acc) + np.array(robot["damping"]) * v
        np.testing.assert_allclose(tau, data["effort"][i], atol=1e-8)
        use["torque"] = max(use["torque"], np.max(np.abs(tau) / top["effort"]))
        pin.forwardKinematics(model, d, q, v, acc)
        pin.updateFramePlacements(model, d)
        rotation = d.oMf[frame].rotation
        speed = pin.getFrameVelocity(model, d, frame, pin.LOCAL)
        motion = pin.getFrameClassicalAcceleration(model, d, frame, pin.LOCAL)
        w, alpha = speed.angular, motion.angular
        com_acc = motion.linear + np.cross(alpha, com_in_grasp) + np.cross(w, np.cross(w, com_in_grasp))
        force = item["mass"] * (com_acc - rotation.T @ np.array(description["gravity"]))
        moment = inertia @ alpha + np.cross(w, inertia @ w) + np.cross(com_in_grasp, force)
        grip = data["grip_force"][i]
        lin = np.sqrt(force[0] ** 2 + force[2] ** 2 + (moment[1] / c) ** 2) / (2 * mu * grip)
        couples = np.hypot(moment[0], moment[2]) / (grip * (0.1 * a + mu * width))
        use["S"] = max(use["S"], np.hypot(lin, couples + abs(force[1]) / (2 * grip)))
    return use


def test_an_outsider_with_numpy_and_pinocchio_agrees(book: fm.TransferProblem, book_solution: fm.Solution, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "book.npz"
    save_trajectory(path, book, book_solution.trajectory)
    description = json.loads(json.dumps(describe(book)))
    with np.load(path) as stored:
        data = {key: stored[key] for key in stored.files}
    use = outsider(description, str(book.robot.urdf), data)
    for kind in ("position", "velocity", "acceleration", "jerk", "torque"):
        assert use[kind] <= 1 + 1e-9, kind
    assert use["S"] <= 0.9 * (1 + 1e-9)
    # the certificate also looks at both sides of every breakpoint, where S and torque may peak between two milliseconds
    kinds, profile = book_solution.certificate.kinds, book_solution.certificate.profile
    same = [np.interp(data["time"], profile["time"], values).max() for values in (profile["hold"], profile["torque"].max(axis=1))]
    assert use["S"] == pytest.approx(0.9 * same[0], abs=1e-6) and use["S"] <= 0.9 - kinds["hold"].margin + 1e-8
    assert use["torque"] == pytest.approx(same[1], abs=1e-6) and use["torque"] <= 1 - kinds["torque"].normalised + 1e-8


def test_the_book_certifies_with_every_kind(book_solution: fm.Solution) -> None:
    certificate = book_solution.certificate
    assert certificate.ok
    everywhere = {"continuity", "position", "velocity", "acceleration", "jerk", "clearance", "allowed_contact"}
    assert {k for k, e in certificate.kinds.items() if e.proof == "everywhere"} == everywhere
    assert {k for k, e in certificate.kinds.items() if e.proof == "grid 1 ms"} == {
        "torque",
        "torque_rate",
        "hold",
        "pad_share",
        "squeeze",
    }


# -- mutations: break the planner's own code, switch its certificate off, and see that the real one refuses the motion ----


@pytest.fixture
def unjudged(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The planner believes every motion: its certificate is a rubber stamp."""
    monkeypatch.setattr(
        "fastmove.planner.repair.certify", lambda *_: Certificate({"start": LimitMargin(1.0, "rad", 1.0, 0.0, "", "exact")})
    )
    return monkeypatch


def verdict(problem: TransferProblem) -> set[str]:
    """Kinds that the real certificate refuses on what the (mutated) planner makes of the problem."""
    return verdict_on(problem, problem)


def verdict_on(problem: TransferProblem, believed: TransferProblem) -> set[str]:
    """The same for a planner that believes another problem."""
    solution = fm.plan(believed)
    assert solution.trajectory is not None, solution.detail
    # what is not held in motion is often not held at rest either
    return {kind for kind, entry in certify(problem, solution.trajectory).kinds.items() if not entry.ok} - {"rest"}


def needing(panda: fm.RobotModel, com: tuple[float, float, float], count: int, grip: float = 25.0) -> list[TransferProblem]:
    """Transfers whose motion without the hold breaks it: peak S above 1.2."""
    held, found = pinched(panda, block(0.9, com=com), grip, 0.3), []
    for problem in free_space_pairs("benchmark", 40, 100, held):
        free = fm.plan(problem.with_(hold_active=False))
        if free.trajectory is not None and certify(problem, free.trajectory, ("hold",)).kinds["hold"].margin < -0.3:
            found.append(problem)
        if len(found) == count:
            return found
    raise AssertionError("too few hold-limited problems found")


def needs(panda: fm.RobotModel, com: tuple[float, float, float], grip: float = 25.0) -> TransferProblem:
    return needing(panda, com, 1, grip)[0]


@pytest.mark.parametrize(("part", "com"), [("linear", (0.0, 0.0, 0.02)), ("couples", (0.0, 0.022, 0.0))])
def test_mutation_part_of_the_hold_weakened(
    unjudged: pytest.MonkeyPatch, panda: fm.RobotModel, part: str, com: tuple[float, float, float]
) -> None:
    """Signs in S do not matter (it is even); a part that is lost or weakened does."""
    found = set()
    for problem in needing(panda, com, 3):  # one alone may happen to hold all the same
        assert verdict(problem) == set()
        held = problem.holds[0]
        alone = replace(held.contact_model, shares=())
        weaker = replace(alone, **{part: np.asarray(getattr(alone, part)) * 0.2})
        found |= verdict_on(problem, problem.with_(holds=(replace(held, contact_model=weaker),)))
    assert "hold" in found


@pytest.mark.parametrize("flip", ["axis", "moment", "dropped"])
def test_mutation_the_pads_share_taken_wrongly(unjudged: pytest.MonkeyPatch, panda: fm.RobotModel, flip: str) -> None:
    """A wide item, a load along the closing axis: the planner takes the wrong pad for the lighter one, or does not care."""
    found = set()
    for seed in range(6):
        held = pinched(panda, block(0.4, size=(0.06, 0.07, 0.06)), 7.0, 0.7)
        (problem,) = free_space_pairs("benchmark", 1, seed, held)
        assert verdict(problem) == set()
        shares = [(a * _signs(flip, a), b * (-1.0 if flip == "axis" else 1.0)) for a, b in held.contact_model.shares]
        wrong = replace(held.contact_model, shares=() if flip == "dropped" else tuple(shares))
        found |= verdict_on(problem, problem.with_(holds=(replace(held, contact_model=wrong),)))
    assert found == {"pad_share"}


@pytest.mark.parametrize("flip", ["moment", "dropped"])
def test_mutation_the_share_of_sliding_taken_wrongly(unjudged: pytest.MonkeyPatch, panda: fm.RobotModel, flip: str) -> None:
    """Far from its centre of mass an item turns about one side of its patch: the planner does not know it, or one side only."""
    found = set()
    for problem in needing(panda, (0.02, 0.0, 0.0), 3, 40.0):
        assert verdict(problem) == set()
        held = problem.holds[0]
        light, sliding = held.contact_model.shares[:2], held.contact_model.shares[2:]
        assert len(sliding) == 4
        kept = [] if flip == "dropped" else [(_signs("moment", a) * a, b) for a, b in sliding[:2]]
        wrong = replace(held.contact_model, shares=(*light, *kept))
        found |= verdict_on(problem, problem.with_(holds=(replace(held, contact_model=wrong),)))
    assert found == {"pad_share"}


def _signs(flip: str, rows: np.ndarray) -> np.ndarray:
    return np.where(np.arange(6) >= 3, -1.0 if flip == "moment" else 1.0, 1.0) * np.ones_like(rows)


@pytest.mark.parametrize("row", ["gravity", "all"])
def test_mutation_sign_flipped_in_the_wrench(unjudged: pytest.MonkeyPatch, panda: fm.RobotModel, row: str) -> None:
    """One motion may happen to hold all the same; not eight of them."""
    problems = needing(panda, (0.0, 0.0, 0.02), 8)
    original = dynamics.Dynamics._with_damping

    def flipped(self, total, gravity, v):  # type: ignore[no-untyped-def]
        total, gravity = total.copy(), gravity.copy()
        moving = total[..., 7:] - gravity[..., 7:]
        sign = {"gravity": (-1, 1), "all": (0.0, 0.0)}[row]
        gravity[..., 7:] *= sign[0]
        total[..., 7:] = gravity[..., 7:] + sign[1] * moving
        return original(self, total, gravity, v)

    unjudged.setattr(dynamics.Dynamics, "_with_damping", flipped)
    assert {"hold", "pad_share"} & set().union(*(verdict(problem) for problem in problems))


@pytest.mark.parametrize("row", ["gravity", "inertia"])
def test_mutation_sign_flipped_in_the_torque(unjudged: pytest.MonkeyPatch, panda: fm.RobotModel, row: str) -> None:
    problem = torque_limited(panda)
    assert verdict(problem) == set()
    original = dynamics.Dynamics._with_damping

    def flipped(self, total, gravity, v):  # type: ignore[no-untyped-def]
        moving = total - gravity
        gravity = -gravity if row == "gravity" else gravity
        return original(self, gravity + (-moving if row == "inertia" else moving), gravity, v)

    unjudged.setattr(dynamics.Dynamics, "_with_damping", flipped)
    assert "torque" in verdict(problem)


def torque_limited(panda: fm.RobotModel) -> TransferProblem:
    """Joint 2 swings the stretched arm up against gravity with half of the extra torque that it would like."""
    start = np.array([0.0, 1.0, 0.0, -1.0, 0.0, 1.5, 0.0])
    goal = start + np.array([0.0, -1.2, 0, 0, 0, 0, 0])
    problem = TransferProblem("swing", panda, (), Scene(), State.rest(start), Goal([goal]), "benchmark")
    free = fm.plan(problem)
    assembly = assemble(problem)
    path = free.trajectory.position(free.trajectory.grid())
    at_rest = np.abs(dynamics.Dynamics(problem, assembly).static(path)[:, 0, 1]).max()
    peak = np.abs(certify(problem, free.trajectory).profile["torque_Nm"][:, 1]).max()
    effort = np.array(problem.limit_set.effort)
    effort[1] = at_rest + 0.5 * (peak - at_rest)
    tight = replace(panda.limit_set("benchmark"), effort=effort, name="tight")
    problem = problem.with_(robot=replace(panda, limits={"tight": tight}), limits="tight")
    assert fm.plan(problem).duration > 1.01 * free.duration
    return problem


def test_mutation_effort_widened(unjudged: pytest.MonkeyPatch, panda: fm.RobotModel) -> None:
    problem = torque_limited(panda)
    unjudged.setattr(transcription.Transcription, "__init__", widened("effort_max", 1.05))
    assert "torque" in verdict(problem)


@pytest.mark.parametrize("key", ["velocity", "acceleration", "jerk"])
def test_mutation_limit_widened(unjudged: pytest.MonkeyPatch, panda: fm.RobotModel, key: str) -> None:
    problem = next(iter(free_space_pairs("benchmark", 1, 5)))
    assert verdict(problem) == set()
    limits = problem.limit_set
    wider = LimitSet(**{**limits.__dict__, key: getattr(limits, key) * 1.01})
    unjudged.setattr("fastmove.planner.first_guess.lower_bound", lambda s, g, _, jerk=None: lower_bound(s, g, wider, jerk))
    unjudged.setattr("fastmove.search.arrival.lower_bound", lambda s, g, _, jerk=None: lower_bound(s, g, wider, jerk))
    unjudged.setattr(transcription.Transcription, "__init__", widened(key, 1.01))
    assert key in verdict(problem)


def widened(key: str, factor: float):  # type: ignore[no-untyped-def]
    original = transcription.Transcription.__init__

    def init(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        original(self, *args, **kwargs)
        setattr(self, key, getattr(self, key) * factor)

    return init


def test_mutation_sign_flipped_in_clearance(unjudged: pytest.MonkeyPatch, panda: fm.RobotModel) -> None:
    problem = behind_a_post(panda)
    assert verdict(problem) == set()
    original = collision_module.Kinematics.line_gradient
    unjudged.setattr(collision_module.Kinematics, "line_gradient", lambda self, *args: -original(self, *args))
    unjudged.setattr(collision_module.NearPairs, "margin", property(lambda self: abs(self.distance - self.required)))
    assert "clearance" in verdict(problem)


def test_mutation_collision_pair_dropped(unjudged: pytest.MonkeyPatch, panda: fm.RobotModel) -> None:
    """What the planner no longer sees, the certificate does."""
    original = collision_module.checked_pairs
    problem = behind_a_post(panda)

    def fewer(problem, assembly):  # type: ignore[no-untyped-def]
        return [(i, j) for i, j in original(problem, assembly) if assembly.bodies[j].group != "post"]

    unjudged.setattr(collision_module, "checked_pairs", fewer)
    solution = fm.plan(problem)
    sweep_only = certify(problem, solution.trajectory, ("clearance",)).kinds["clearance"]
    assert not sweep_only.ok and "post" in sweep_only.where


def test_mutation_dragged_book(panda: fm.RobotModel) -> None:
    drag = on_table(panda, np.array([0.0, 0.15, 0.0]))
    certificate = certify(drag, straight_motion(drag, 2.0))
    assert [k for k, e in certificate.kinds.items() if not e.ok] == ["allowed_contact"]
