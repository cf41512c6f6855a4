"""Preview: one HTML file that opens offline, 3D (meshcat) beside plots over time.

Drawn: arm, hand and item (moving), obstacles, start and goal ghosts, the item's swept path, the contact force that the
certificate computed (length in shares of the grip force), and, where a run was recorded, the simulated item beside the planned
one.  Playback times are trajectory times.  Nothing is served: a browser opens the file, or `serve` offers it on the loopback.
"""

from __future__ import annotations

import base64
import functools
import http.server
import itertools
import json
from collections.abc import Iterable
from pathlib import Path

import coal
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.errors import InputError, MissingPackage
from fastmove.io.atomic_write import write_whole
from fastmove.multibody.assembly import Body, assemble
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.solution import Solution
from fastmove.viz.svg_plots import cone_svg, cursor_data, plots_svg

try:
    import umsgpack
    from meshcat import animation, commands, geometry
    from meshcat.path import Path as NodePath
    from meshcat.servers import zmqserver
except ImportError as error:  # pragma: no cover
    raise MissingPackage("meshcat", "the preview", "view") from error


FRAMES_PER_SECOND = 100
ARM, HAND, ITEM_COLOUR, SIMULATED, OBSTACLE, GHOST = 0xC8CCD2, 0x55606E, 0xE8833A, 0x2E9E6B, 0x7B93B8, 0x9AA3AD
FORCE, CONE = 0xC0262B, 0x3F6FB5
FORCE_LENGTH = 0.12  # [m] drawn for a force of one grip force
PADS = {"left": 1.0, "right": -1.0}  # on the +y and −y side of the item
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ margin: 0; font: 13px system-ui, sans-serif; display: flex; height: 100vh; color: #26303a; }}
#meshcat-pane {{ flex: 1; height: 100vh; overflow: hidden; }}
#plots {{ width: 430px; height: 100vh; overflow-y: auto; padding: 10px 14px; box-sizing: border-box; }}
h1 {{ font-size: 15px; margin: 4px 0; }} pre {{ font-size: 10.5px; white-space: pre-wrap; }}
</style></head><body><div id="plots"><h1>{title}</h1>{plots}<pre>{text}</pre></div><div id="meshcat-pane"></div>
<script>{library}</script><script>
var viewer = new MeshCat.Viewer(document.getElementById("meshcat-pane"));
{drawing}
var follow = {follow}, shown = -1;
function followTime() {{
  var t = Math.min(viewer.animator.time, follow.duration);
  if (t !== shown) {{
    shown = t;
    var x = follow.left + t / follow.duration * (follow.right - follow.left);
    document.querySelectorAll(".cursor").forEach(function(c) {{ c.setAttribute("x1", x); c.setAttribute("x2", x); }});
    var dot = document.getElementById("wrench-dot"), k = Math.round(t / follow.step);
    if (dot && k < follow.x.length) {{ dot.setAttribute("cx", follow.x[k]); dot.setAttribute("cy", follow.y[k]); }}
  }}
  requestAnimationFrame(followTime);
}}
followTime();
window.fastmoveReady = true;
</script></body></html>
"""


def preview_html(solution: Solution, simulated: Iterable[tuple[float, pin.SE3]] = ()) -> str:
    """The preview of a solution as one page.

    Args:
        solution: The plan, with its motion and certificate.
        simulated: (time [s], pose of the item's frame in the world) of a recorded run.

    Raises:
        InputError: the solution has no motion.
    """
    if solution.trajectory is None or solution.certificate is None:
        raise InputError("solution", "has no motion to draw")
    drawing = "\n".join(_command(c) for c in _Scene(solution).draw(list(simulated)))
    library = (Path(zmqserver.VIEWER_ROOT) / "main.min.js").read_text()
    text = str(solution).replace("&", "&amp;").replace("<", "&lt;")
    title = solution.problem.name
    plots, follow = cone_svg(solution) + plots_svg(solution), json.dumps(cursor_data(solution))
    return PAGE.format(title=title, plots=plots, text=text, library=library, drawing=drawing, follow=follow)


def write_preview(path: str | Path, solution: Solution, simulated: Iterable[tuple[float, pin.SE3]] = ()) -> None:
    """Write the page, whole or not at all."""
    write_whole(Path(path), preview_html(solution, simulated).encode())


def serve(page: str, port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server of this one page on the loopback only; the caller runs `serve_forever` and closes it."""
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(_OnePage, page.encode()))


class _OnePage(http.server.BaseHTTPRequestHandler):
    def __init__(self, page: bytes, *args: object) -> None:
        self.page = page
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def _command(command: object) -> str:
    data = base64.b64encode(umsgpack.packb(command.lower())).decode()  # type: ignore[attr-defined]
    return f'viewer.handle_command_bytearray(Uint8Array.from(atob("{data}"), c => c.charCodeAt(0)));'


class _Scene:
    """Drawing commands of one solution."""

    def __init__(self, solution: Solution) -> None:
        assert solution.trajectory is not None and solution.certificate is not None
        self.solution, self.trajectory, self.profile = solution, solution.trajectory, solution.certificate.profile
        self.assembly = assemble(solution.problem)
        self.data = self.assembly.arm.createData()
        self.out: list[object] = []

    def draw(self, simulated: list[tuple[float, pin.SE3]]) -> list[object]:
        problem, duration = self.solution.problem, self.trajectory.duration
        for body in self.assembly.bodies:
            if body.joint == 0:
                colour, opacity = (ARM, 1.0) if body.owner == "link" else (OBSTACLE, 0.45)
                self._body(f"{body.owner}/{body.name}", body, body.placement, colour, opacity)
            else:
                colour = ITEM_COLOUR if body.owner == "item" else HAND if body.group in self._hand_links() else ARM
                colour, opacity = (OBSTACLE, 0.45) if body.owner == "scene" else (colour, 1.0)
                self._body(f"moving/{body.joint}/{body.name}", body, body.placement, colour, opacity)
        for name, time in (("start", 0.0), ("goal", duration)):
            self._ghost(name, self.trajectory.position(time))
        if problem.holds:
            self._swept_path()
            for side in PADS if _pinched(problem) else ():
                self._object(f"force/{side}/arrow", geometry.LineSegments(_line([[0, 0, 0], [0, 0, 1]]), _line_material(FORCE)))
                self._object(f"force/{side}/cone", geometry.LineSegments(_line(self._friction_cone()), _line_material(CONE)))
        if simulated:
            held = problem.holds[0]
            for k, shape in enumerate(held.item.shapes):
                body = Body("", "item", "", 1, shape.placement, shape.geometry())
                self._body(f"simulated/{k}", body, shape.placement, SIMULATED, 0.6)
        self.out.append(commands.SetAnimation(self._animation(simulated), play=True, repetitions=1000))
        self._camera()
        return self.out

    def _hand_links(self) -> set[str]:
        return {link for gripper in self.solution.problem.robot.grippers.values() for link in gripper.links}

    def _ghost(self, name: str, q: Array) -> None:
        pin.forwardKinematics(self.assembly.arm, self.data, q)
        for body in self.assembly.bodies:
            if 0 < body.joint < self.assembly.arm.njoints:
                self._body(f"{name}/{body.name}", body, self.data.oMi[body.joint] * body.placement, GHOST, 0.18)

    def _swept_path(self) -> None:
        frame = self.assembly.hold_frames[0]
        points = []
        for t in np.linspace(0, self.trajectory.duration, 80):
            pin.forwardKinematics(self.assembly.arm, self.data, self.trajectory.position(float(t)))
            points.append((self.data.oMi[frame.joint] * frame.joint_T_grasp * frame.held.grasp_T_item).translation)
        self._object("path", geometry.Line(_line(points), _line_material(ITEM_COLOUR)))

    def _animation(self, simulated: list[tuple[float, pin.SE3]]) -> animation.Animation:
        clips = animation.Animation(default_framerate=FRAMES_PER_SECOND)
        duration = self.trajectory.duration
        frames = [*range(int(np.ceil(duration * FRAMES_PER_SECOND))), duration * FRAMES_PER_SECOND]
        if simulated and simulated[-1][0] > duration:  # all tracks equally long, or they would loop apart
            frames.append(simulated[-1][0] * FRAMES_PER_SECOND)
        for k in frames:
            t = min(k / FRAMES_PER_SECOND, duration)
            pin.forwardKinematics(self.assembly.arm, self.data, self.trajectory.position(t))
            for j in range(1, self.assembly.arm.njoints):
                self._frame(clips, f"moving/{j}", k, self.data.oMi[j])
            for m, motion in enumerate(self.assembly.motions):
                self._frame(clips, f"moving/{self.assembly.arm.njoints + m}", k, motion.pose(t))
            if _pinched(self.solution.problem):
                self._force(clips, k, t)
        for t, pose in simulated[:: max(1, len(simulated) // 300)]:
            self._frame(clips, "simulated", t * FRAMES_PER_SECOND, pose)
        return clips

    def _friction_cone(self) -> list[Array]:
        """Segments of a pad's Coulomb cone along z, drawn to the length of one grip force."""
        mu, angles = self.solution.problem.holds[0].grasp.friction, np.linspace(0, 2 * np.pi, 25)
        rim = FORCE_LENGTH * np.stack([mu * np.cos(angles), mu * np.sin(angles), np.ones(25)], axis=1)
        around = [p for pair in itertools.pairwise(rim) for p in pair]
        return around + [p for k in range(0, 24, 6) for p in (np.zeros(3), rim[k])]

    def _force(self, clips: animation.Animation, k: float, t: float) -> None:
        """At each pad its Coulomb cone and its share of the certificate's force: ∓F along the closing axis plus half the load.

        Torsion and couples are not forces; the plot beside shows all of S.
        """
        frame, row = self.assembly.hold_frames[0], int(np.searchsorted(self.profile["time"], t))
        load = self.profile["wrench"][min(row, len(self.profile["wrench"]) - 1)][:3]
        world, grip = self.data.oMi[frame.joint] * frame.joint_T_grasp, self.solution.grip_force[0]
        for side, sign in PADS.items():
            at_pad = pin.SE3(np.eye(3), np.array([0.0, sign * frame.held.width / 2, 0.0]))
            inward = np.array([0.0, -sign, 0.0])
            force = inward + load / (2 * grip)
            size = max(float(np.linalg.norm(force)), 1e-9)
            for part, way in (("arrow", force / size), ("cone", inward)):
                turn = pin.Quaternion.FromTwoVectors(np.array([0.0, 0.0, 1.0]), way).matrix()
                self._frame(clips, f"force/{side}/{part}", k, world * at_pad * pin.SE3(turn, np.zeros(3)))
            at = clips.at_frame(_Node(_path(f"force/{side}/arrow")), k)
            at.set_property("scale", "vector3", [1.0, 1.0, FORCE_LENGTH * size])

    def _frame(self, clips: animation.Animation, path: str, frame: float, pose: pin.SE3) -> None:
        clips.at_frame(_Node(_path(path)), frame).set_transform(pose.homogeneous)

    def _body(self, path: str, body: Body, placement: pin.SE3, colour: int, opacity: float) -> None:
        for k, (shape, offset) in enumerate(_shapes(body.geometry)):
            material = geometry.MeshPhongMaterial(color=colour, opacity=opacity, transparent=opacity < 1.0)
            self._object(f"{path}/{k}", geometry.Mesh(shape, material))
            self.out.append(commands.SetTransform((placement * offset).homogeneous, _path(f"{path}/{k}")))

    def _object(self, path: str, thing: object) -> None:
        self.out.append(commands.SetObject(thing, path=_path(path)))

    def _camera(self) -> None:
        eye = NodePath(("Cameras", "default", "rotated", "<object>"))
        self.out.append(commands.SetProperty("position", [1.0, 0.75, 1.1], eye))
        looked_at = pin.SE3(np.eye(3), np.array([0.3, 0.0, 0.25]))
        self.out.append(commands.SetTransform(looked_at.homogeneous, NodePath(("Cameras", "default"))))
        for key in ("top_color", "bottom_color"):
            self.out.append(commands.SetProperty(key, [0.96, 0.97, 0.98], NodePath(("Background",))))


def _pinched(problem: TransferProblem) -> bool:
    """Whether pads hold the first item: a cup has no forces of its own to draw."""
    return bool(problem.holds) and problem.holds[0].law.holder == "gripper"


class _Node:
    """What meshcat's animation frames want of a visualizer: its path."""

    def __init__(self, path: NodePath) -> None:
        self.path = path


def _path(text: str) -> NodePath:
    return NodePath(("meshcat", *text.split("/")))


def _line(points: object) -> geometry.PointsGeometry:
    return geometry.PointsGeometry(np.array(points, dtype=np.float32).T)


def _line_material(colour: int) -> geometry.LineBasicMaterial:
    return geometry.LineBasicMaterial(color=colour, linewidth=3)


def _shapes(thing: coal.CollisionGeometry) -> list[tuple[geometry.Geometry, pin.SE3]]:
    """Geometries of meshcat for one of coal's, with their offsets (its cylinders lie along y)."""
    upright = pin.SE3(pin.utils.rotate("x", np.pi / 2), np.zeros(3))
    along = lambda z: pin.SE3(np.eye(3), np.array([0.0, 0.0, z]))  # noqa: E731
    match thing:
        case coal.Box():
            return [(geometry.Box([float(2 * x) for x in thing.halfSide]), pin.SE3.Identity())]
        case coal.Sphere():
            return [(geometry.Sphere(thing.radius), pin.SE3.Identity())]
        case coal.Cylinder():
            return [(geometry.Cylinder(2 * thing.halfLength, thing.radius), upright)]
        case coal.Capsule():
            caps = [(geometry.Sphere(thing.radius), along(s * thing.halfLength)) for s in (-1.0, 1.0)]
            return [(geometry.Cylinder(2 * thing.halfLength, thing.radius), upright), *caps]
        case coal.ConvexBase():
            points = np.asarray(thing.points()).reshape(-1, 3)
            faces = [[t[0], t[1], t[2]] for t in (thing.polygons(k) for k in range(thing.num_polygons))]
            return [(geometry.TriangularMeshGeometry(points, np.array(faces)), pin.SE3.Identity())]
        case _:
            thing.computeLocalAABB()
            low, high = (np.asarray(x).ravel() for x in (thing.aabb_local.min_, thing.aabb_local.max_))
            return [(geometry.Box([float(x) for x in high - low]), pin.SE3(np.eye(3), (low + high) / 2))]
