"""Pick cycles: what is certified in each phase, how long the fingers take, and what physics makes of them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from cycle_blocks import DOWN, WIDTH, block_from_to, box, tool_at

import fastmove as fm
from fastmove.certificate.certify import certify
from fastmove.cli.main import main
from fastmove.cycle.empty_hand import OPENING_STEP, Fingers, empty_way, fingers_free_at, fingers_move_freely, standing
from fastmove.problem.contact_speed import BRAKING
from fastmove.problem.describe import problem_sha256
from fastmove.viz.shift import cycle_html


@pytest.fixture(scope="module")
def moved(panda: fm.RobotModel) -> fm.TransferProblem:
    """A block on a table, to be put down 20 cm further, past nothing."""
    return block_from_to(panda, "block", (0.5, -0.1), (0.5, 0.1))


@pytest.fixture(scope="module")
def cycle(moved: fm.TransferProblem) -> fm.PickCycle:
    cycle = fm.plan_cycle(moved)
    assert cycle.ok, cycle.refusal
    return cycle


def test_phases_follow_each_other_and_add_up(cycle: fm.PickCycle) -> None:
    names = [phase.name for phase in cycle.phases]
    assert names == ["approach", "close", "lift", "transfer", "place", "open"]
    for one, other in zip(cycle.phases, cycle.phases[1:], strict=False):
        assert one.end == pytest.approx(other.begin, abs=1e-12)
    assert cycle.duration == pytest.approx(sum(phase.duration for phase in cycle.phases))
    assert cycle.units_per_hour == pytest.approx(3600 / cycle.duration)
    carried = [phase.duration for phase in cycle.phases if phase.holds]
    assert sum(carried) == pytest.approx(cycle.transfer.duration)
    assert {phase.holds for phase in cycle.phases} == {"", "block"}
    rows = json.loads(json.dumps(cycle.as_json()))
    assert rows["cycle_s"] == cycle.duration and set(rows["motions"]) == {"approach", "transfer"}


def test_fingers_take_what_their_speed_and_the_grip_say(moved: fm.TransferProblem) -> None:
    fingers, hand = Fingers.of(moved), moved.holds[0].gripper
    assert fingers.opening == pytest.approx(WIDTH + moved.release_opening)
    assert fingers.nearest == pytest.approx(WIDTH + 2 * (moved.clearance + OPENING_STEP / 4) + 1e-4)
    assert fingers.travel == pytest.approx((fingers.opening - fingers.nearest) / 0.1)
    assert fingers.close == pytest.approx((fingers.nearest - WIDTH) / 0.1 + hand.grip_time)
    assert fingers.apart == pytest.approx(fingers.travel) and fingers.widen == 0
    wide = Fingers.of(moved, at_least=0.07)
    assert wide.opening == 0.07 and wide.about == fingers.about and wide.widen == 0 and wide.apart == fingers.apart
    assert wide.travel == pytest.approx((0.07 - fingers.nearest) / 0.1)
    narrow = Fingers.of(moved, at_least=0.045)
    assert narrow.opening == fingers.opening and narrow.widen == pytest.approx((fingers.opening - 0.045) / 0.1)
    assert fingers.release == pytest.approx((fingers.nearest - WIDTH) / 0.1)


def test_the_item_is_an_obstacle_where_it_is_picked_and_where_the_last_one_was_placed(cycle: fm.PickCycle) -> None:
    problem, approach = cycle.problem, cycle.approach
    names = [o.name for o in approach.problem.scene.obstacles]
    assert names == ["table", "block to pick", "block that was placed"]
    assert approach.problem.holds == () and dict(approach.problem.openings) == {"hand": cycle.fingers.opening}
    ends = [approach.trajectory.position(t) for t in (0.0, approach.duration)]
    assert np.allclose(ends[1], problem.start.q, atol=1e-12)
    assert np.allclose(ends[0], cycle.transfer.trajectory.position(cycle.transfer.duration), atol=1e-12)
    # shut by 1 cm more the hand would stand in the item
    tight = approach.problem.with_(openings=(("hand", WIDTH),))
    assert not certify(tight, approach.trajectory, kinds=("clearance",)).ok


def test_the_tool_is_slow_where_it_arrives(cycle: fm.PickCycle, moved: fm.TransferProblem) -> None:
    slow = fm.plan_cycle(moved, contact_speed=0.05)
    way = slow.approach
    assert way.certificate.kinds["contact_speed"].ok and way.duration > cycle.approach.duration
    time = np.linspace(0, way.duration, 400)
    places = np.array([tool_at(way.problem, q) for q in way.trajectory.position(time)])
    speed = np.linalg.norm(np.gradient(places, time, axis=0), axis=1)
    distance = np.linalg.norm(places - places[-1], axis=1)
    assert np.all(speed <= np.sqrt(0.05**2 + 2 * BRAKING * distance) + 0.02)


def test_fingers_that_would_touch_do_not_move_on_the_way(moved: fm.TransferProblem, cycle: fm.PickCycle) -> None:
    fingers, way = cycle.fingers, cycle.approach
    assert 0 < cycle.closing_on_the_way <= fingers.travel
    end = way.duration
    assert fingers_move_freely(way, fingers.nearest, fingers.opening, end - 0.002, end)
    assert not fingers_move_freely(way, WIDTH + 0.002, fingers.opening, end - fingers.travel, end)
    # a thin rod between two openings that are both free of it
    held, start = moved.holds[0], np.array(moved.start.q)
    there = standing(moved, start, "block to pick")
    wide = empty_way(moved, np.array(moved.goal.configurations[0]), start, (there,), 0.078, 0.25)
    hand = tool_at(wide, start)
    rod = box("rod", (0.004, 0.003, 0.03), (hand[0], -0.1 + (WIDTH / 2 + 0.0185), hand[2] - 0.03))
    solution = fm.plan(wide.with_(scene=fm.Scene((*wide.scene.obstacles, rod))))
    if solution.ok:  # the rod stands between pad and item, and the wide hand is clear of it
        assert not fingers_move_freely(solution, held.width + 0.006, 0.078, 0.0, solution.duration)


def test_fingers_that_rest_close_only_where_nothing_stands_between(moved: fm.TransferProblem) -> None:
    """A thin sheet beside the block, inside the open hand, which is clear of it."""
    q, held = np.array(moved.start.q), moved.holds[0]
    bare = empty_way(moved, np.array(moved.goal.configurations[0]), q, (), 0.06, 0.25)
    tool = tool_at(bare, q)
    sheet = box("sheet", (0.05, 0.0005, 0.02), (tool[0], tool[1] + WIDTH / 2 + 0.004, tool[2]))
    beside = bare.with_(scene=fm.Scene((*bare.scene.obstacles, sheet)))
    assert fingers_free_at(bare, q, held.width, 0.06) and fingers_free_at(beside, q, 0.0585, 0.06)
    assert not fingers_free_at(beside, q, held.width, 0.06)


def test_others_are_obstacles_of_the_transfer_too(moved: fm.TransferProblem) -> None:
    between = box("between", (0.2, 0.02, 0.1), (0.5, 0.0, 0.05))
    cycle = fm.plan_cycle(moved, others=(between,))
    assert cycle.ok, cycle.refusal
    names = [[o.name for o in motion.problem.scene.obstacles] for motion in (cycle.approach, cycle.transfer)]
    assert all(there.count("between") == 1 for there in names)


def test_a_home_adds_the_way_back(moved: fm.TransferProblem, cycle: fm.PickCycle) -> None:
    home = [0.0, -0.3, 0.0, -2.2, 0.0, 1.9, 0.785]
    there = fm.plan_cycle(moved, home=home)
    assert there.ok and there.phases[-1].name == "return" and there.duration > cycle.duration
    assert np.allclose(there.back.trajectory.position(there.back.duration), home)
    assert [o.name for o in there.approach.problem.scene.obstacles] == ["table", "block to pick"]


def test_the_grasp_is_chosen_by_the_whole_cycle(moved: fm.TransferProblem) -> None:
    lower, upper = (
        fm.GraspCandidate(name, pin.SE3(DOWN, np.array([0.0, 0.0, z]))) for name, z in (("lower", 0.02), ("upper", 0.045))
    )
    best = fm.plan_cycle(moved, grasps=[lower, upper])
    alone = [fm.plan_cycle(moved, grasps=[one]) for one in (lower, upper)]
    assert best.ok and best.duration == np.nanmin([one.duration for one in alone]) and best.grasp in ("lower", "upper")


def test_physics_picks_places_and_knows_when_it_holds_nothing(cycle: fm.PickCycle) -> None:
    run = fm.run_cycle(cycle)
    assert run.ok and run.event is fm.CycleEvent.PLACED and run.placed < 1e-3 and run.contacts == ()
    gone = fm.run_cycle(cycle, item_off=pin.SE3(np.eye(3), np.array([0.0, 0.0, -0.5])))
    assert gone.event is fm.CycleEvent.NOT_GRIPPED and gone.verdict is None and not gone.ok
    # what stands 2 mm off along the closing axis is pushed to the middle of the hand, and goes where the hand goes
    off = fm.run_cycle(cycle, item_off=pin.SE3(np.eye(3), np.array([0.0, 0.002, 0.0])))
    assert off.event is fm.CycleEvent.PLACED and off.closing > 1.5e-3 and off.placed < 2.5e-3


def test_an_item_that_stands_in_the_fingers_way_is_a_contact(cycle: fm.PickCycle) -> None:
    off = fm.run_cycle(cycle, item_off=pin.SE3(np.eye(3), np.array([0.0, 0.012, 0.0])))
    assert not off.ok and any("block to pick" in contact for contact in off.contacts)


def test_too_weak_a_grip_is_a_drop_or_a_slip(cycle: fm.PickCycle) -> None:
    held = cycle.problem.holds[0]
    slippery = cycle.problem.with_(holds=(replace(held, grasp=replace(held.grasp, friction=0.02)),))
    run = fm.run_cycle(cycle, truth=slippery)
    assert not run.ok and run.event is not fm.CycleEvent.PLACED


def test_what_a_cycle_cannot_be_is_named(moved: fm.TransferProblem, panda: fm.RobotModel) -> None:
    held = moved.holds[0]
    unknown = replace(held, gripper=replace(held.gripper, closing_speed=float("nan")))
    with pytest.raises(fm.InputError, match=r"gripper.hand.closing_speed.*is not known"):
        fm.plan_cycle(moved.with_(holds=(unknown,)))
    with pytest.raises(fm.InputError, match=r"holds.*must be one item in one gripper"):
        fm.plan_cycle(moved.with_(holds=(), scene=fm.Scene()))
    with pytest.raises(fm.InputError, match=r"home.*needs 7 finite numbers"):
        fm.plan_cycle(moved, home=[0.0])
    with pytest.raises(fm.InputError, match=r"contact_speed.*allowed"):
        fm.plan_cycle(moved, contact_speed=0.0)
    for changes, words in (
        ({"hold_active": False}, "hold_active.*is false"),
        ({"goal": replace(moved.goal, opens_hand=False)}, "opens_hand.*lets go"),
        ({"start": replace(moved.start, v=np.full(7, 1e-3))}, "start.*in motion"),
    ):
        with pytest.raises(fm.InputError, match=words):
            fm.plan_cycle(moved.with_(**changes))
    with pytest.raises(fm.InputError, match=r"before.*home are both given"):
        fm.plan_cycle(moved, home=moved.start.q, before=np.array(moved.start.q))
    named = fm.plan_cycle(moved, others=(box("block to pick", (0.01, 0.01, 0.01), (0.3, 0.4, 0.3)),))
    assert not named.ok and "'block to pick'" in named.refusal
    # something stands where the hand would wait
    home = np.array(moved.start.q) + np.array([1.5, -0.5, 0, 0, 0, 0, 0])
    there = tool_at(moved.with_(holds=(), scene=fm.Scene()), home)
    refused = fm.plan_cycle(moved, home=home, others=(box("lid", (0.1, 0.1, 0.1), tuple(there)),))
    assert not refused.ok and refused.refusal and np.isnan(refused.duration) and refused.phases == ()
    with pytest.raises(fm.InputError, match=r"cycle.*is not certified: no way of the empty hand"):
        fm.run_cycle(refused)


def test_openings_of_empty_hands(moved: fm.TransferProblem) -> None:
    empty = moved.with_(holds=(), scene=fm.Scene())
    for wrong, words in (((("claw", 0.05),), "is no gripper"), ((("hand", 0.09),), "allowed: 0 to 0.08")):
        with pytest.raises(fm.FastMoveError, match=words):
            empty.with_(openings=wrong)
    with pytest.raises(fm.InputError, match=r"but it holds an item"):
        moved.with_(openings=(("hand", 0.05),))
    assert problem_sha256(empty) != problem_sha256(empty.with_(openings=(("hand", 0.05),)))


def test_the_page_has_every_item_where_it_is(cycle: fm.PickCycle) -> None:
    page = cycle_html(cycle)
    assert "CYCLE CERTIFIED" in page and f"{cycle.units_per_hour:.0f}" in page
    assert "http://" not in page.split("<script>")[0]


def test_the_command_prints_phases_and_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["cycle", "open_cup", "--physics", "--preview", str(tmp_path / "cup.html")]) == 0
    assert "CYCLE" in (tmp_path / "cup.html").read_text()
    out = capsys.readouterr().out
    assert (
        "units an hour" in out and "HELD" in out and all(name in out for name in ("approach", "close", "lift", "place", "open"))
    )
    assert main(["cycle", "ketchup_in_fridge", "--json"]) == 3
    said = capsys.readouterr()
    assert json.loads(said.out)["ok"] is False and "are 1.9 mm apart" in said.err
