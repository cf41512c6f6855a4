"""The command line's arguments: what may be said, and how it is read."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import fastmove
from fastmove import registries
from fastmove.bench import VARIANT_NAMES
from fastmove.errors import did_you_mean


def argument_parser() -> _Parser:
    """The parser of the whole command line; `command` of what it gives names a function of `commands`."""
    parser = _Parser(prog="fastmove", description="Pinched items moved as fast as physics allows.")
    parser.add_argument("-V", "--version", action="version", version=f"fastmove {fastmove.__version__}")
    parser.add_argument("--print-completion", action=_PrintCompletion, choices=("bash", "zsh"), help="script for a shell")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    plan = _command(commands, "plan", "plan one transfer and certify it")
    _add_problem(plan)
    plan.add_argument(
        "--out",
        metavar="T.npz",
        help="write the trajectory (.npz, .csv, .yaml; of ROS 2 also .goal.yaml, .mcap, .db3, a folder NAME_bag)",
    )
    plan.add_argument("--preview", metavar="P.html", help="write a preview that opens offline")
    plan.add_argument("--explain", action="store_true", help="also say what a second costs, limit by limit, and the set of items")
    plan.add_argument("--reference", action="store_true", help="also improve the motion by IPOPT, and say by how much")
    plan.add_argument("--nominal", action="store_true", help="for what is believed alone, without the set around it")
    plan.add_argument(
        "--reserve",
        type=_share,
        default=0.0,
        metavar="X",
        help="keep this share of acceleration, torque and grip for slowing down",
    )
    plan.add_argument(
        "--contact", choices=(*registries.contacts.names(), "best"), help="how the item is held (default: as the problem says)"
    )
    plan.add_argument("--seed", type=_whole(0), default=0, metavar="N", help="seed of the path search (default 0)")
    plan.add_argument(
        "--deadline", type=_positive, metavar="S", help="start no new search after S seconds; results may then differ"
    )
    plan.add_argument("--json", action="store_true", help="print one JSON object")

    check = _command(commands, "check", "certificate of any trajectory of the problem")
    _add_problem(check)
    check.add_argument(
        "trajectory",
        metavar="T",
        help="trajectory: .npz, .csv, JointTrajectory .yaml, or a recording of ROS 2 (folder, .mcap, .db3)",
    )
    _add_choice(check)
    check.add_argument("--kinds", metavar="A,B…", help=f"which of {_names(registries.limit_kinds)}; default all")
    check.add_argument("--fit", action="store_true", help="allow files without velocities or accelerations")
    check.add_argument("--json", action="store_true", help="print one JSON object")

    view = _command(commands, "preview", "the motion in 3D with plots, in the browser or as one HTML file")
    _add_problem(view)
    view.add_argument("trajectory", metavar="T", nargs="?", help="trajectory to show; without one the problem is planned")
    _add_choice(view)
    view.add_argument("--html", metavar="P.html", help="write this file instead of serving on the loopback")
    view.add_argument("--record", metavar="V.mp4", help="write a film, .mp4 or .gif (needs Chromium to draw it)")

    _add_others(commands)
    _add_cycle(commands)
    _add_rank(commands)
    _add_bench(commands)
    return parser


def _add_others(commands: argparse._SubParsersAction[_Parser]) -> None:
    run = _command(commands, "run", "plan, certify, stream to a driver, report what happened")
    _add_problem(run)
    run.add_argument(
        "--driver", default="mujoco", metavar="NAME[:ADDRESS]", help=f"of {_names(registries.drivers)} (default mujoco)"
    )
    run.add_argument("--preview", metavar="P.html", help="write a preview with the simulated item beside the planned one")
    run.add_argument("--trajectory", metavar="T.npz", help="stream this trajectory, once certified, instead of planning")
    _add_choice(run)
    run.add_argument("--seed", type=_whole(0), default=0, metavar="N", help="seed of the path search (default 0)")
    run.add_argument("--log", metavar="FILE", help="write every command and reading (npz), for fastmove replay")
    run.add_argument("--json", action="store_true", help="print one JSON object")

    stops = _command(commands, "stops", "held stops of a motion, certified beforehand, an instant at least every 25 ms")
    _add_problem(stops)
    stops.add_argument("trajectory", metavar="T", nargs="?", help="trajectory; without one the problem is planned")
    _add_choice(stops)
    stops.add_argument("--json", action="store_true", help="print one JSON object")

    replay = _command(commands, "replay", "what a run sent, read and decided, from its log")
    replay.add_argument("log", metavar="LOG", help="log of a run (fastmove run --log, Execution.log)")
    replay.add_argument(
        "problem", metavar="PROBLEM", nargs="?", help="its problem, for --html; without one it is found by its name"
    )
    replay.add_argument("--html", metavar="FILE", help="draw the run as it was sent, beside what was planned")
    replay.add_argument("--json", action="store_true", help="print one JSON object")

    show = _command(commands, "describe", "what a problem asks for, and what will probably bind")
    _add_problem(show)
    show.add_argument("--json", action="store_true", help="print one JSON object")

    reach = _command(commands, "ik", "configurations that reach the poses of a problem, or another one")
    _add_problem(reach)
    reach.add_argument("--position", nargs=3, type=float, metavar=("X", "Y", "Z"), help="[m] in the world, instead of its poses")
    reach.add_argument(
        "--quaternion", nargs=4, type=float, default=[0.0, 0.0, 0.0, 1.0], metavar=("X", "Y", "Z", "W"), help="default unturned"
    )
    reach.add_argument("--of", metavar="FRAME", help="what is placed: item, tool or a link (default item, tool without one)")
    reach.add_argument("--json", action="store_true", help="print one JSON object")

    robot = _command(commands, "robot", "what a robot description holds and lacks, and a first robot.toml")
    robot.add_argument("what", choices=("check",), help="look at a description")
    robot.add_argument("urdf", metavar="FILE", help="URDF file, or a xacro file (pip install 'fastmove[xacro]')")
    robot.add_argument("--srdf", metavar="FILE.srdf", help="MoveIt SRDF file, whose pairs of links are not checked")
    robot.add_argument("--packages", metavar="DIR", nargs="+", action="extend", default=[], help="folders for package:// names")
    robot.add_argument(
        "--xacro",
        metavar="NAME:=VALUE",
        nargs="+",
        action="extend",
        type=_assignment,
        default=[],
        help="arguments of a xacro file",
    )
    robot.add_argument("--out", metavar="robot.toml", type=Path, help="write a first robot.toml")
    robot.add_argument("--json", action="store_true", help="print one JSON object")
    robots = _command(commands, "robots", "the robots it knows")
    robots.add_argument("--json", action="store_true", help="print one JSON object")


# What shells offer for a problem: files (in the words of shtab, one for each shell).
PROBLEM_WORDS = {"bash": "_shtab_compgen_files", "zsh": "_files"}


class _PrintCompletion(argparse.Action):
    """Prints the script by which a shell completes commands, options and files, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, space: object, shell: object, option: str | None = None) -> NoReturn:
        """Prints the script of this shell."""
        import shtab

        print(shtab.complete(parser, str(shell)))
        parser.exit()


class _Parser(argparse.ArgumentParser):
    """A parser that offers the nearest command or option for one that it does not know."""

    def error(self, message: str) -> NoReturn:
        """Ends with exit code 2 and a sentence; where nothing at all was asked, with what may be."""
        if message.startswith("the following arguments are required: COMMAND"):
            self.print_help(sys.stderr)
            self.exit(2)
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)|unrecognized arguments: (\S+)", message)
        if wrong is None:
            super().error(message)
        known = re.findall(r"'(.*?)'", wrong[2]) if wrong[1] else self._options()
        super().error(message + did_you_mean(wrong[1] or wrong[3], known))

    def _options(self) -> list[str]:
        """All options of this parser and of its commands."""
        below = [a for a in self._actions if isinstance(a, argparse._SubParsersAction)]
        own = [option for action in self._actions for option in action.option_strings]
        return own + [option for action in below for parser in action.choices.values() for option in parser._options()]


def _add_cycle(commands: argparse._SubParsersAction[_Parser]) -> None:
    cycle = _command(
        commands, "cycle", "plan a pick cycle, or a shift of several, certified phase by phase: how many units an hour"
    )
    _add_problem(cycle)
    cycle.add_argument("more", metavar="PROBLEM", nargs="*", help="further picks: together a shift, in the order that is soonest")
    cycle.add_argument("--experience", metavar="DIR", help="keep certified motions there, and begin from those that are alike")
    cycle.add_argument(
        "--home",
        type=float,
        nargs="+",
        metavar="Q",
        help="joints [rad] where it begins and ends (default: it repeats, without one)",
    )
    cycle.add_argument("--grasps", metavar="GRASPS.json", help="grasps to choose from by the cycle's time (as for rank)")
    cycle.add_argument("--preview", metavar="P.html", help="write a page of all cycles that opens offline")
    cycle.add_argument("--physics", action="store_true", help="also run it in physics, from the closing fingers to the release")
    cycle.add_argument("--seed", type=_whole(0), default=0, metavar="N", help="seed of the path search (default 0)")
    cycle.add_argument("--json", action="store_true", help="print one JSON object")


def _add_rank(commands: argparse._SubParsersAction[_Parser]) -> None:
    rank = _command(commands, "rank", "how fast each of many grasps lets the item move")
    _add_problem(rank, "; its item moves from its pose at the start to the goal's")
    rank.add_argument(
        "grasps", metavar="GRASPS.json", help="list of {id, tool_T_item, grip_force_N, friction, start_q}; .jsonl too"
    )
    rank.add_argument("--jobs", type=_whole(1), default=1, metavar="N", help="processes (default 1)")
    rank.add_argument("--all", action="store_true", help="plan every grasp, not only those that may be the fastest")
    rank.add_argument("--most", type=_whole(1), metavar="K", help="plan at most about K grasps")
    rank.add_argument("--regret", type=float, default=0.0, metavar="X", help="share by which the first may be slower")
    rank.add_argument("--seed", type=_whole(0), default=0, metavar="N", help="seed of the path search (default 0)")
    rank.add_argument("--json", action="store_true", help="print one JSON object")


def _add_bench(commands: argparse._SubParsersAction[_Parser]) -> None:
    bench = _command(commands, "bench", "planners over a set of problems, every result kept", "bench_commands")
    bench.add_argument(
        "set",
        metavar="SET",
        help="a shipped set (`bench sets`), folder or .jsonl of problems, MotionBenchMaker files; or flight, headline, "
        "compare A B, merge DIR…, report DIR, sets",
    )
    bench.add_argument("more", metavar="DIR", nargs="*", help="of compare, merge and report: folders of results")
    bench.add_argument(
        "--planner", default="fastmove", metavar="A,B…", help=f"of {_names(registries.planners)} (default fastmove)"
    )
    bench.add_argument("--jobs", type=_whole(1), default=1, metavar="N", help="processes (default 1)")
    bench.add_argument(
        "--engine", default="local", metavar="E", help="local (default), dask (workers of its own), or dask:tcp://HOST:PORT"
    )
    bench.add_argument(
        "--shard", type=_shard, default=(1, 1), metavar="I/N", help="only the I-th of N parts of the set; merge them later"
    )
    bench.add_argument(
        "--limit",
        type=_whole(1),
        metavar="K",
        help="at most K problems, evenly spread over the set; of flight K of everything, of headline K placements",
    )
    bench.add_argument("--limits", metavar="SET", help="limit set of the robot, instead of the problems'")
    bench.add_argument("--robot", metavar="robot.toml", help="of MotionBenchMaker files of an arm that does not ship")
    bench.add_argument("--variant", choices=VARIANT_NAMES, default="as-is", help="of a MotionBenchMaker set: what is asked")
    bench.add_argument(
        "--rollouts",
        type=_whole(0),
        metavar="K",
        help="judge every motion of a held item in physics K times, parameters drawn from its set (default 5 with mujoco); "
        "of headline, K trials of each placement, hand and width (default 15)",
    )
    bench.add_argument(
        "--previews", type=_whole(0), default=3, metavar="K", help="show the K worst cases in the report (default 3)"
    )
    bench.add_argument(
        "--parts",
        default="stops,speeds,interruptions,faults,loop",
        metavar="A,B…",
        help="of flight: what is measured (default all)",
    )
    bench.add_argument("--out", type=Path, metavar="DIR", help="folder of results (default bench, of headline headline)")
    bench.add_argument("--recheck", action="store_true", help="also check every motion against the raw meshes, every 0.1 ms")
    bench.add_argument("--resume", action="store_true", help="go on with the results in DIR")
    bench.add_argument("--json", action="store_true", help="print the results, one JSON object a line")


def _add_problem(command: _Parser, more: str = "") -> None:
    """The arguments of every command that reads a problem."""
    which = command.add_argument(
        "problem", metavar="PROBLEM", help=f"problem file, .toml or .json, or a shipped problem's name{more}"
    )
    which.complete = PROBLEM_WORDS  # type: ignore[attr-defined]
    command.add_argument("--limits", metavar="SET", help="limit set of the robot, instead of the problem's")
    command.add_argument("--robot", metavar="NAME", help="the same item poses, scene and grasp with this robot")


def _add_choice(command: _Parser) -> None:
    """The arguments of every command that reads a trajectory: which of those in a file of ROS 2."""
    command.add_argument(
        "--topic", metavar="NAME", help="topic of a recording of ROS 2 (default: the only one with trajectories)"
    )
    command.add_argument("--message", type=_whole(1), metavar="K", help="which message of it, or of a YAML file, from 1")


def _names(registry: registries.Registry[object]) -> str:
    return ", ".join(registry.names())


def _command(commands: argparse._SubParsersAction[_Parser], name: str, text: str, module: str = "commands") -> _Parser:
    """A command; what it does is in a module of its own, else in `commands`, loaded when it is run."""
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    command.set_defaults(command=name, module=module)
    return command


def _whole(least: int) -> Callable[[str], int]:
    """Reader of a whole number from `least`."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least}")
        return int(text)

    return read


def _shard(text: str) -> tuple[int, int]:
    """Reader of `I/N`, 1 ≤ I ≤ N."""
    one, slash, several = text.partition("/")
    if not (slash and one.isdecimal() and several.isdecimal() and 1 <= int(one) <= int(several)):
        raise argparse.ArgumentTypeError(f"{text!r} is no shard I/N with I from 1 to N, as 2/8")
    return int(one), int(several)


def _share(text: str) -> float:
    """Reader of a share from 0 to below 0.9."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 0.9:
        raise argparse.ArgumentTypeError(f"{text!r} is no share from 0 to below 0.9")
    return value


def _assignment(text: str) -> tuple[str, str]:
    name, sign, value = text.partition(":=")
    if not name or not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME:=VALUE")
    return name, value


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")
    return value
