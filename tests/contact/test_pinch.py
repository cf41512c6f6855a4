"""Contact patches and the pinch: closed forms, derivatives, convexity."""

import numpy as np
import pinocchio as pin
import pytest
from generators import block, pinched
from scipy.integrate import dblquad
from scipy.spatial import ConvexHull

import fastmove as fm
from fastmove.contact.expression import hold_margins
from fastmove.contact.patch import clip_polygon, disc_patch, line_patch, plane_patch
from fastmove.contact.pinch import closing_turn, pinch
from fastmove.errors import GraspInvalid
from fastmove.geometry.poses import pose
from fastmove.geometry.shapes import Shape
from fastmove.problem.grasp import Grasp, hold
from fastmove.problem.item import Inertial, Item, solid_inertia
from fastmove.problem.min_grip import friction_left, min_grip


def rectangle(x: float, z: float, turn: float = 0.0) -> np.ndarray:
    corners = np.array([[x, z], [-x, z], [-x, -z], [x, -z]]) / 2
    c, s = np.cos(turn), np.sin(turn)
    return corners @ np.array([[c, s], [-s, c]])


def test_square_patch_has_the_published_constants() -> None:
    patch = plane_patch(rectangle(0.02, 0.02))
    assert patch.c == pytest.approx(0.3826 * 0.02, rel=1e-4)
    assert patch.a == pytest.approx(0.541 * 0.02, rel=1e-3)


@pytest.mark.parametrize("size", [(0.0175, 0.0185), (0.004, 0.018), (0.01, 0.03)])
def test_mean_radius_equals_the_integral(size: tuple[float, float]) -> None:
    x, z = size
    p, q = x * 1e3, z * 1e3  # in mm, so that the quadrature's absolute tolerance does not matter
    total, _ = dblquad(lambda v, u: np.hypot(u, v), -p / 2, p / 2, -q / 2, q / 2, epsabs=1e-9, epsrel=1e-10)
    patch = plane_patch(rectangle(x, z, 0.3))
    assert patch.c == pytest.approx(total / (p * q) * 1e-3, rel=1e-8)
    np.testing.assert_allclose(np.sort(patch.size), np.sort(size), rtol=1e-9)


def test_line_and_disc_constants() -> None:
    line = line_patch(np.array([-0.01, 0.0]), np.array([0.01, 0.0]))
    assert (line.c, line.a) == (pytest.approx(0.005), 0.0)
    disc = disc_patch(np.zeros(2), 0.003)
    assert (disc.c, disc.a) == (pytest.approx(0.002), 0.0)


@pytest.mark.parametrize("seed", range(20))
def test_a_clipped_polygon_stays_inside_both(seed: int) -> None:
    rng = np.random.default_rng(seed)
    half, center = rng.uniform(0.005, 0.02, 2), rng.normal(size=2) * 0.005
    polygon = rectangle(*rng.uniform(0.01, 0.04, 2), rng.uniform(0, np.pi)) + rng.normal(size=2) * 0.005
    clipped = clip_polygon(polygon, half, center)
    assert np.all(np.abs(clipped - center) <= half + 1e-12)
    points = center + rng.uniform(-1, 1, (4000, 2)) * half
    edges = np.roll(polygon, -1, axis=0) - polygon
    gaps = points[:, None] - polygon[None]
    inside = np.all(edges[None, :, 0] * gaps[:, :, 1] - edges[None, :, 1] * gaps[:, :, 0] >= 0, axis=1)
    q = np.roll(clipped, -1, axis=0)
    area = abs((clipped[:, 0] * q[:, 1] - clipped[:, 1] * q[:, 0]).sum()) / 2 if len(clipped) else 0.0
    assert area == pytest.approx(inside.mean() * 4 * half[0] * half[1], abs=0.04 * 4 * half[0] * half[1])


@pytest.mark.parametrize("seed", range(5))
def test_expression_and_cone_form_agree_and_derivatives_match_central_differences(seed: int) -> None:
    import casadi as ca

    rng = np.random.default_rng(seed)
    contact = pinch(rng.uniform(0.2, 0.9), rng.uniform(0.01, 0.08), rng.uniform(0.002, 0.008), rng.uniform(0, 0.01))
    expression = hold_margins(contact)
    wrench, force = ca.SX.sym("w", 6), ca.SX.sym("f")
    margin = expression(wrench, force)
    jacobian = ca.Function("j", [wrench, force], [ca.jacobian(margin, ca.vertcat(wrench, force))])
    checked = 0
    for _ in range(40):
        w, f = rng.normal(size=6) * [8, 8, 8, 0.2, 0.2, 0.2], rng.uniform(5, 70)
        margins = np.array(expression(w, f)).ravel()
        assert margins[0] == pytest.approx(0.9 - contact.score(w, f), abs=1e-9)
        assert margins.min() == pytest.approx(0.9 - contact.utilisation(w, f), abs=1e-9)
        exact = np.array(jacobian(w, f))
        x = np.append(w, f)
        for k in range(7):
            h = 1e-5 * max(1.0, abs(x[k])) * (1e-2 if 3 <= k < 6 else 1.0)
            up, down = x.copy(), x.copy()
            up[k] += h
            down[k] -= h
            ends = [np.array(expression(x[:6], x[6])).ravel() for x in (up, down)]
            central = (ends[0] - ends[1]) / (2 * h)
            scale = np.maximum(np.abs(exact).max(axis=1), 1e-3)
            assert np.all(np.abs(central - exact[:, k]) <= 1e-6 * scale), (k, central, exact[:, k])
            checked += 1
    assert checked == 280


@pytest.mark.parametrize("seed", range(5))
def test_utilisation_is_convex_symmetric_and_falls_as_one_over_grip(seed: int) -> None:
    rng = np.random.default_rng(seed)
    contact = pinch(0.5, 0.04, 0.006, 0.009)
    one, two = rng.normal(size=(2, 500, 6)) * [8, 8, 8, 0.2, 0.2, 0.2]
    share = rng.uniform(0, 1, (500, 1))
    mixed = contact.utilisation(share * one + (1 - share) * two, 30.0)
    bound = share[:, 0] * contact.utilisation(one, 30.0) + (1 - share[:, 0]) * contact.utilisation(two, 30.0)
    assert np.all(mixed <= bound + 1e-12)
    np.testing.assert_allclose(contact.score(-one, 30.0), contact.score(one, 30.0))
    mirrored, turned = one * [1, -1, 1, -1, 1, -1], one * [-1, 1, -1, -1, 1, -1]  # in y; half a turn about y
    for other in (mirrored, turned):
        np.testing.assert_allclose(contact.utilisation(other, 30.0), contact.utilisation(one, 30.0))
    np.testing.assert_allclose(contact.utilisation(one, 60.0), contact.utilisation(one, 30.0) / 2)


def test_pure_loads_have_their_closed_forms() -> None:
    mu, width, c, a, force = 0.5, 0.04, 0.006, 0.009, 30.0
    contact = pinch(mu, width, c, a)
    unit = lambda k, value: np.eye(6)[k] * value  # noqa: E731
    for k in (0, 2):
        assert contact.utilisation(unit(k, 2 * mu * force), force) == pytest.approx(1.0)
    assert contact.utilisation(unit(1, 2 * force), force) == pytest.approx(1.0)
    assert contact.utilisation(unit(4, 2 * mu * force * c), force) == pytest.approx(1.0)
    for k in (3, 5):
        assert contact.score(unit(k, force * (0.1 * a + mu * width)), force) == pytest.approx(1.0)
        assert contact.share(unit(k, force * (0.4 * a + mu * width)), force) == pytest.approx(1.0)
    # the tangential force alone may be 2 μ F, but never together with torsion: |f| ≤ 2 μ F is not the hold
    both = unit(0, 2 * mu * force * 0.8) + unit(4, 2 * mu * force * c * 0.8)
    assert contact.utilisation(both, force) > 1.1


def wide(panda: fm.RobotModel, kind: str) -> fm.HeldItem:
    """A wide item between the pads: planes, or lines of contact."""
    if kind == "plane":
        return pinched(panda, block(0.3, size=(0.06, 0.07, 0.06)), 20.0, 0.7)
    item = cylinder(0.035, 0.1)
    return hold(panda.gripper(), item, Grasp(pose((0, 0, 0)), 0.7, np.array([20.0, 20.0])))


def loads(held: fm.HeldItem, count: int, seed: int) -> np.ndarray:
    """Random wrenches (count, 6) [N, Nm], half of them nearly without moments, where load along the closing axis decides."""
    rng = np.random.default_rng(seed)
    contact, wrench = held.contact_model, rng.normal(size=(count, 6))
    wrench[:, 3:] /= np.array([contact.couples[0, 3], contact.linear[2, 4], contact.couples[1, 5]])
    wrench[:, 1] /= held.grasp.friction
    wrench[:, 3:] *= np.where(np.arange(count) % 2, 0.1, rng.uniform(0, 1, count) ** 2)[:, None]
    return wrench * rng.uniform(1, 10, (count, 1))


@pytest.mark.parametrize("kind", ["plane", "line"])
def test_no_share_of_load_between_the_pads_needs_more_grip_than_the_utilisation_says(panda: fm.RobotModel, kind: str) -> None:
    """Against the exact cone program: S alone is far too optimistic between wide pads, with the pads' share it is not."""
    held = wide(panda, kind)
    wrench = loads(held, 300, 5)
    exact = min_grip(held, wrench)
    ratio = exact / held.contact_model.utilisation(wrench, 1.0)
    alone = exact / held.contact_model.score(wrench, 1.0)
    assert ratio.max() <= 1.001 and alone.max() > 1.15


def test_pads_share_pure_loads_in_closed_form(panda: fm.RobotModel) -> None:
    """Along the closing axis one pad must not lift; in both tangential directions friction of both pads adds up."""
    held = wide(panda, "plane")
    weight = np.zeros((4, 6))
    weight[0, 1], weight[1, 1], weight[2, 0], weight[3, 2] = 7.0, -7.0, 5.0, 5.0
    expected = [3.5, 3.5, 5.0 / (2 * 0.7), 5.0 / (2 * 0.7)]
    np.testing.assert_allclose(min_grip(held, weight), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["plane", "line"])
def test_friction_left_has_its_closed_forms_and_bounds_the_least_grip(panda: fm.RobotModel, kind: str) -> None:
    """Of one load alone: along the patch t / 2 μ F, torsion m / 2 μ F c, along the closing axis a lighter pad; and where springs
    leave friction, some share of load balances it."""
    held, force = wide(panda, kind), 20.0
    mu, c = held.friction, held.patches[0].c
    loads_alone = np.zeros((4, 6))
    loads_alone[0, 0], loads_alone[1, 2], loads_alone[2, 4], loads_alone[3, [0, 1]] = 5.0, 7.0, 0.06, (3.0, 8.0)
    expected = [1 - 5 / (2 * mu * force), 1 - 7 / (2 * mu * force), 1 - 0.06 / (2 * mu * force * c)]
    for ratio in (0.1, 1.0, 10.0):
        left = friction_left(held, loads_alone, force, ratio)
        np.testing.assert_allclose(left[:3], expected, atol=1e-6)
        assert left[3] == pytest.approx(1 - 1.5 / (mu * (force - 4.0)), abs=1e-6)  # evenly shared, or the item turns
    wrench = loads(held, 100, 6)
    left, least = friction_left(held, wrench, force), min_grip(held, wrench)
    assert np.any(left > 0) and np.any(left < 0) and np.all(least[left >= 0] <= force * (1 + 1e-6))


def test_plans_with_all_of_the_lever_have_no_friction_left_and_ours_have(panda: fm.RobotModel) -> None:
    """A couple that S of 0.9 allowed with κ = 1: pressure would have to shift before anything has moved."""
    held = pinched(panda, block(0.3, size=(0.06, 0.02, 0.06)), 20.0, 0.4)
    mu, width, a = held.friction, held.width, held.patches[0].a
    couple = np.array([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]]) * 0.9 * 20.0
    assert (
        friction_left(held, couple * (a + mu * width), 20.0)[0]
        < 0
        < friction_left(held, couple * (0.1 * a + mu * width), 20.0)[0]
    )


def test_how_far_an_item_may_be_turned_before_the_pads_close() -> None:
    """Everything where the pads turn it flat; where it stays wedged, what they give while friction has to spare, up to 0.2°."""
    plane = plane_patch(rectangle(0.02, 0.01))
    both, narrow, wide_apart = (plane, plane), 0.9 * plane.a / 0.5, 1.1 * plane.a / 0.5
    assert np.isinf(closing_turn(both, 0.5, narrow, 20.0, 1e6))
    spare = 6 * 0.1 * (0.1 * plane.a + 0.5 * wide_apart) / 0.02
    assert spare < 2 and closing_turn(both, 0.5, wide_apart, 20.0, 1e6) == pytest.approx(spare * 20.0 / (1e6 * 0.02))
    assert closing_turn(both, 0.5, wide_apart, 20.0, np.inf) == 0.0
    assert closing_turn(both, 0.5, wide_apart, 20.0, 1e3) == pytest.approx(np.radians(0.2))
    line = line_patch(np.array([-0.01, 0.0]), np.array([0.01, 0.0]))
    assert closing_turn((line, line), 0.9, 0.08, 20.0, 1e6) == pytest.approx(2 * 20.0 / (1e6 * 0.02))
    assert np.isinf(closing_turn((line, line), 0.5, 0.015, 20.0, 1e6))
    assert np.isinf(closing_turn((disc_patch(np.zeros(2), 0.003),) * 2, 0.5, 0.08, 20.0, np.inf))


def test_four_centimetres_off_centre_needs_five_times_the_grip(panda: fm.RobotModel) -> None:
    needed = []
    for offset in (0.0, 0.04):
        held = pinched(panda, block(0.5, com=(offset, 0.0, 0.0)), 40.0, 0.5)
        body = held.inertia(held.item.members[0])
        weight = body.mass * 9.81 * np.array([0.0, 0.0, -1.0])  # hand pointing down: the hand pushes along −z
        wrench = np.concatenate([weight, np.cross(body.lever, weight)])
        needed.append(float(held.contact_model.utilisation(wrench, 1.0)) / 0.9)
    assert needed[1] / needed[0] >= 5.0


def cylinder(radius: float, length: float) -> Item:
    shape = Shape("cylinder", radius=radius, length=length)
    centre, inertia = solid_inertia((shape,), 0.3)
    return Item("can", (shape,), (Inertial(0.3, centre, inertia),))


def test_patches_follow_the_face_and_never_exceed_the_pad(panda: fm.RobotModel) -> None:
    gripper = panda.gripper()
    across = hold(gripper, cylinder(0.03, 0.1), Grasp(pose((0, 0, 0)), 0.5, np.array([30.0, 30.0])))
    assert across.width == pytest.approx(0.06)
    assert {p.kind for p in across.patches} == {"line"}
    assert across.patches[0].size[0] == pytest.approx(0.0185)  # the pad's height, not the can's 100 mm
    turned = pose((0, 0, 0), pin.Quaternion(pin.utils.rotate("x", np.pi / 2)).coeffs())
    ends = hold(gripper, cylinder(0.005, 0.05), Grasp(turned, 0.5, np.array([30.0, 30.0])))
    assert {p.kind for p in ends.patches} == {"plane"}
    assert ends.patches[0].c == pytest.approx(2 / 3 * 0.005, rel=5e-3)  # mean radius of a disc
    ball = Shape("sphere", radius=0.02)
    centre, inertia = solid_inertia((ball,), 0.1)
    sphere = Item("ball", (ball,), (Inertial(0.1, centre, inertia),))
    held = hold(gripper, sphere, Grasp(pose((0, 0, 0)), 0.5, np.array([10.0, 10.0])))
    assert held.patches[0].kind == "disc" and held.patches[0].c == pytest.approx(0.002)
    edge = pinched(panda, block(0.3), 20.0, 0.5, (0.0, 0.03))  # only part of the pad meets the face
    assert edge.patches[0].c < pinched(panda, block(0.3), 20.0, 0.5).patches[0].c
    assert edge.tool_T_grasp.translation[2] == pytest.approx(0.00025 + 0.00925 / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("offset", "turn", "force", "words"),
    [
        ((0.0, 0.003, 0.0), 0.0, 20.0, "off the pads"),
        ((0.0, 0.0, 0.2), 0.0, 20.0, "no face"),
        ((0.0, 0.0, 0.0), 0.2, 20.0, "turned"),
        ((0.0, 0.0, 0.0), 0.0, 90.0, "gripper gives"),
    ],
)
def test_a_grasp_that_cannot_be_is_refused(
    panda: fm.RobotModel, offset: tuple[float, ...], turn: float, force: float, words: str
) -> None:
    rotation = pin.Quaternion(pin.utils.rotate("z", turn)).coeffs()
    with pytest.raises(GraspInvalid, match=words):
        hold(panda.gripper(), block(0.3), Grasp(pose(offset, rotation), 0.5, np.array([force, force])))


def test_an_item_wider_than_the_hand_is_refused(panda: fm.RobotModel) -> None:
    with pytest.raises(GraspInvalid, match="opens 0 to 80 mm"):
        pinched(panda, block(0.3, size=(0.06, 0.09, 0.06)), 20.0, 0.5)


def slide_loads(points: np.ndarray) -> np.ndarray:
    """(N, 3) of (f_x, f_z, m_y) on the limit surface of evenly pressed points, 1 N of friction in all, for sliding about many
    points of the plane: friction opposes each point's way."""
    turns, found = np.linspace(0, 2 * np.pi, 73), []
    for away in np.concatenate([np.linspace(0, 3, 61), [1e3]]) * np.abs(points).max():
        for t in turns:
            arm = points - away * np.array([np.cos(t), np.sin(t)])
            way = np.stack([arm[:, 1], -arm[:, 0]], axis=1)
            unit = way / np.maximum(np.linalg.norm(way, axis=1), 1e-12)[:, None]
            found.append([*unit.mean(axis=0), (points[:, 1] * unit[:, 0] - points[:, 0] * unit[:, 1]).mean()])
    return np.array(found)


def slide_faces(points: np.ndarray, c: float) -> np.ndarray:
    """(N, 3) middles of the faces of the convex hull of that surface, m_y in shares of c."""
    loads = slide_loads(points) / [1.0, 1.0, c]
    loads = np.concatenate([loads, -loads])
    return loads[ConvexHull(loads).simplices].mean(axis=1)


@pytest.mark.parametrize("size", [(0.5, 0.5), (0.5, 0.2), (0.5, 0.06), (0.5, 0.0)])
def test_sliding_shares_touch_the_limit_surface_of_evenly_pressed_points_and_leave_little_of_it(
    size: tuple[float, float],
) -> None:
    x, z = 0.01 * np.array(size)
    points = np.array([[x, z], [x, -z], [-x, z], [-x, -z]]) if z else np.array([[x, 0.0], [-x, 0.0]])
    c, mu = float(np.linalg.norm(points, axis=1).mean()), 0.5
    contact = pinch(mu, 0.04, c, 0.0, points=np.concatenate([points, points]))
    loads = slide_loads(points)
    wrench = np.zeros((len(loads), 6))
    wrench[:, [0, 2, 4]] = loads * 2 * mu  # two pads of 1 N each
    used = contact.utilisation(wrench, 1.0)
    assert used.max() <= 1 + 1e-9  # nothing that holds is refused
    rng = np.random.default_rng(0)
    inner = wrench[rng.integers(len(wrench), size=(4000, 2))].mean(axis=1)  # chords of a convex set: inside, or its flat faces
    assert contact.utilisation(inner, 1.0).max() <= 1 + 1e-9
    flat = slide_faces(points, c) @ np.diag([1.0, 1.0, c]) * 2 * mu
    wrench = np.zeros((len(flat), 6))
    wrench[:, [0, 2, 4]] = flat
    assert contact.score(wrench, 1.0).min() < 0.87 and contact.utilisation(wrench, 1.0).min() > 0.91


def test_no_wrenches_have_no_utilisation() -> None:
    """Where no sample is near a limit there is nothing to look at (retiming once failed here)."""
    model = pinch(0.5, 0.06, 0.0077, 0.011, rectangle(0.02, 0.02))
    assert model.utilisation(np.zeros((0, 54, 6)), 20.0).shape == (0, 54)
