"""Public robot descriptions: drafted, planned at once and looked at again on raw meshes, or refused in one sentence.

    python tests/support/descriptions.py [--checkouts DIR] [--out docs/descriptions.md]

Descriptions are those of the installed example-robot-data, and `PUBLIC` below from checkouts of their repositories in
`DIR/OWNER+NAME`.  Each is drafted (`fastmove robot check`), the drafted robot.toml is read, one motion of 0.15 of every joint is
planned, and its certificate compared with the raw meshes every 0.1 ms.  Each runs in a process of its own: a crash is a row.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import fastmove as fm

ERD = "example-robot-data"
HEAD = """# Public robot descriptions

Written by `make descriptions CHECKOUTS=DIR`: what becomes of descriptions that nobody here wrote.

Each was drafted by `fastmove robot check`; with the drafted robot.toml as it is one motion of 0.15 rad or m of every joint was
planned, certified, and looked at again every 0.1 ms on the raw meshes (the count is of instants at which anything overlaps).
"Links without shape" are in the certificate as unchecked, and were accepted by name; "pairs touch" are entries that the draft
found at the reference pose, at which a person should look.  The longest chain counts as the arm, of a legged robot a leg.

"""
UR = "UniversalRobots+Universal_Robots_ROS2_Description"
PUBLIC: list[tuple[str, str, dict[str, str]]] = [
    *((UR, "urdf/ur.urdf.xacro", {"name": "ur", "ur_type": kind})
      for kind in ("ur3", "ur3e", "ur5", "ur5e", "ur10", "ur10e", "ur16e", "ur20", "ur30")),
    *(("frankaemika+franka_description", f"robots/{kind}/{kind}.urdf.xacro", {}) for kind in ("fer", "fr3", "fp3")),
    ("moveit+moveit_resources", "panda_description/urdf/panda.urdf", {}),
    ("moveit+moveit_resources", "fanuc_description/urdf/fanuc.urdf", {}),
    ("Kinovarobotics+ros2_kortex", "kortex_description/robots/gen3_lite.urdf", {}),
    ("Kinovarobotics+ros2_kortex", "kortex_description/robots/gen3_2f85.urdf", {}),
    *(("ros-industrial+abb", f"abb_{kind}_support/urdf/{kind}.urdf", {}) for kind in ("irb2400", "irb5400")),
    *(("ros-industrial+fanuc", f"fanuc_{kind}_support/urdf/{file}.xacro", {})
      for kind, file in (("m10ia", "m10ia"), ("m20ia", "m20ia"), ("lrmate200id", "lrmate200id"), ("cr7ia", "cr7ia"))),
    *(("xArm-Developer+xarm_ros2", "xarm_description/urdf/xarm_device.urdf.xacro", {"dof": dof, "robot_type": kind})
      for dof, kind in (("5", "xarm"), ("6", "xarm"), ("7", "xarm"), ("6", "lite"))),
]  # fmt: skip


def one(path: Path, packages: list[Path], arguments: dict[str, str]) -> dict[str, object]:
    """What becomes of one description."""
    from fastmove.robot.draft import draft_robot

    with TemporaryDirectory() as folder:
        file = Path(folder) / "robot.toml"
        draft = draft_robot(path, None, packages, folder, arguments)
        if draft.faults:
            return {"said": draft.faults[0]}
        file.write_text(draft.text)
        return planned(fm.load_robot(file))


def planned(robot: fm.RobotModel) -> dict[str, object]:
    """One motion of a robot, certified and looked at again on raw meshes."""
    from fastmove.bench.recheck import raw_hits

    limits = robot.limit_set()
    start = np.where(
        (limits.position_min <= 0) & (limits.position_max >= 0), 0.0, (limits.position_min + limits.position_max) / 2
    )
    up, down = limits.position_max - start, start - limits.position_min
    goal = np.where(up > 0.02, start + np.minimum(0.15, up / 2), start - np.minimum(0.15, down / 2))
    problem = fm.TransferProblem(
        "first", robot, (), fm.Scene(), fm.State.rest(start), fm.Goal(goal[None]), robot.default_limits, accepts=robot.unshaped
    )
    solution = fm.plan(problem)
    if not solution.ok or solution.trajectory is None or solution.certificate is None:
        return {"joints": robot.n_arm, "said": solution.detail}
    hits = raw_hits(problem, solution.trajectory)
    return {
        "joints": robot.n_arm, "duration": solution.duration, "status": solution.status.name, "hits": hits,
        "unchecked": len(solution.certificate.unchecked), "assumed": len(solution.certificate.assumes),
        "excepted": sum(reason.startswith("touch at") for reason in robot.unchecked_pairs.values()),
    }  # fmt: skip


def child(path: Path, packages: list[Path], arguments: dict[str, str]) -> dict[str, object]:
    """`one` in a process of its own."""
    asked = json.dumps([str(path), [str(p) for p in packages], arguments])
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", __file__, "--one", asked], capture_output=True, text=True, timeout=120, check=False
        )
    except subprocess.TimeoutExpired:
        return {"crash": "more than 120 s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if done.returncode == 0 and lines else {"crash": (done.stderr.splitlines() or ["killed"])[-1]}


def row(source: str, path: str, arguments: dict[str, str], result: dict[str, object]) -> str:
    """One line of the table."""
    name = f"`{path}`" + (f" {' '.join(f'{k}:={v}' for k, v in arguments.items())}" if arguments else "")
    if "duration" in result:
        notes = f"{result['excepted']} pairs touch, {result['unchecked']} links without shape, {result['assumed']} assumptions"
        hits = "none" if result["hits"] == 0 else f"**{result['hits']}**"
        return f"| {source} | {name} | {result['joints']} | {result['status']} {result['duration']:.2f} s | {hits} | {notes} |"
    said = str(result.get("said", result.get("crash"))).replace("|", "/").replace("`", "'")
    said = said if len(said) < 240 else said[:240] + "…"
    return f"| {source} | {name} | {result.get('joints', '')} | {'refused' if 'said' in result else 'CRASH'} | | {said} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkouts", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one")
    options = parser.parse_args()
    if options.one:
        path, packages, arguments = json.loads(options.one)
        try:
            result = one(Path(path), [Path(p) for p in packages], arguments)
        except fm.FastMoveError as error:
            result = {"said": str(error)}
        print(json.dumps(result).replace(f"{Path(path).parent}/", ""))
        return
    data = fm.example_robot_data()
    todo = [
        (ERD, path, path.relative_to(data / "robots"), {}, [data.parent]) for path in sorted((data / "robots").rglob("*.urdf"))
    ]
    for source, path, arguments in PUBLIC if options.checkouts else ():
        folder = options.checkouts / source
        todo.append((source.replace("+", "/"), folder / path, Path(path), arguments, [folder]))
    lines = ["| source | description | joints | result | overlaps on raw meshes | notes |", "|---|---|---|---|---|---|"]
    results = []
    for source, path, shown, arguments, packages in todo:
        results.append(child(path, packages, arguments))
        lines.append(row(source, str(shown), arguments, results[-1]))
        print(lines[-1], flush=True)
    planned = [r for r in results if "duration" in r]
    total = (
        f"{len(results)} descriptions: {len(planned)} planned at once, {sum('said' in r for r in results)} refused, "
        f"{sum('crash' in r for r in results)} crashes; with overlaps on raw meshes: {sum(r['hits'] != 0 for r in planned)}"
    )
    print(total)
    if options.out:
        options.out.write_text(HEAD + "\n".join([*lines, "", total]) + "\n")


if __name__ == "__main__":
    main()
