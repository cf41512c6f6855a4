"""The motion in 3D, as commands to meshcat's viewer: the only file that knows meshcat.

Drawn: arm (its visual meshes where they are installed), hand and item (moving), obstacles in a quiet colour for each group,
ghosts of start and goal, the item's swept path, the contact force that the certificate computed in the friction cone of each pad
(length in shares of the grip force), and, where a run was recorded, the simulated item around the planned one.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import coal
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.errors import MissingPackage
from fastmove.multibody.assembly import Body, assemble
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.solution import Solution
from fastmove.viz.meshes import Mesh, arrow, link_meshes, revolved, tube

try:
    import umsgpack
    from meshcat import animation, commands, geometry
    from meshcat.path import Path as NodePath
    from meshcat.servers import zmqserver
except ImportError as error:  # pragma: no cover
    raise MissingPackage("meshcat", "the preview", "view") from error


FRAMES_PER_SECOND = 100
ARM, HAND, ITEM_COLOUR, SIMULATED, GHOST = 0xE4E7EB, 0x52606D, 0xE8833A, 0x2E9E6B, 0x9AA5B1
FORCE, CONE, GROUND = 0xC0262B, 0x3F6FB5, 0xD0D6DC
# Quiet colours of obstacles, by group: none is near the item's orange, the simulated green or the arm's grey.
OBSTACLES = (0xDDD6C8, 0x8FA9C4, 0xB7A3C0, 0xA3B59A, 0xC7A7A0, 0x8FB3B0, 0xB0B3C9, 0xBDB27F)
WAYS, MARKED, MARK = (0x7B8794, 0x3F6FB5, 0x8A5BB0), 0xC0262B, 0.009  # Colours of other ways and marks; radius of a mark [m].
PARTS = {"floor", "wall", "front", "back", "left", "right", "top", "bottom", "side", "middle", "upper", "lower"}
FORCE_LENGTH = 0.12  # [m] drawn for a force of one grip force
GROWN = 1.02  # The simulated item is drawn larger by this, since two surfaces in one place flicker.
PADS = {"left": 1.0, "right": -1.0}  # on the +y and −y side of the item
LISTED = 8  # Number of groups of obstacles in the legend.


@dataclass(frozen=True)
class Drawing:
    """A scene that moves, for a page.

    Attributes:
        library: Script that defines `MeshCat.Viewer`.
        script: Script that draws the scene into `viewer` and loads its motion.
        legend: Name and colour (0xRRGGBB) of everything that is drawn.
        labels: Text and place in the world, `text` and `at`, of every label.
    """

    library: str
    script: str
    legend: tuple[tuple[str, int], ...]
    labels: tuple[dict[str, object], ...]


@dataclass(frozen=True)
class Mark:
    """A place where something happened.

    Attributes:
        text: What, and when.
        q: Configuration (n,) then [rad].
        time: Time of the motion [s]; None = none.
    """

    text: str
    q: Array
    time: float | None


@dataclass(frozen=True)
class Overlay:
    """What is drawn besides a motion: ways that were not, or not wholly, followed, and places where something happened.

    Attributes:
        ways: Name and configurations (K, n) [rad] of each way.
        marks: Places where something happened; they are numbered.
        badge: A word for the headline, instead of what the certificate says.
        figures: Value and name of further figures of the headline.
        text: What to read below the plots, instead of the solution's own text.
    """

    ways: tuple[tuple[str, Array], ...] = ()
    marks: tuple[Mark, ...] = ()
    badge: str = ""
    figures: tuple[tuple[str, str], ...] = ()
    text: str = ""


def drawing(solution: Solution, simulated: list[tuple[float, pin.SE3]], overlay: Overlay | None = None) -> Drawing:
    """Draws a solution.

    Args:
        solution: Solution with a motion and its certificate.
        simulated: (time [s], pose of the item's frame in the world) of a recorded run.
        overlay: What is drawn besides.
    """
    scene = _Scene(solution, overlay or Overlay())
    script = "\n".join(_command(command) for command in scene.draw(simulated))
    library = (Path(zmqserver.VIEWER_ROOT) / "main.min.js").read_text()
    return Drawing(library, script, tuple(scene.legend), tuple(scene.labels))


def _command(command: object) -> str:
    data = base64.b64encode(umsgpack.packb(command.lower())).decode()  # type: ignore[attr-defined]
    return f'viewer.handle_command_bytearray(Uint8Array.from(atob("{data}"), c => c.charCodeAt(0)));'


class _Scene:
    """Drawing commands of one solution, with what the page says about them.

    Attributes:
        legend: Name and colour of everything in the legend.
        labels: Text and place in the world of every label.
    """

    def __init__(self, solution: Solution, overlay: Overlay = Overlay()) -> None:
        assert solution.trajectory is not None and solution.certificate is not None
        self.overlay = overlay
        self.solution, self.trajectory, self.profile = solution, solution.trajectory, solution.certificate.profile
        self.assembly = assemble(solution.problem)
        self.data = self.assembly.arm.createData()
        self.meshes = link_meshes(solution.problem.robot)
        self.legend: list[tuple[str, int]] = []
        self.labels: list[dict[str, object]] = []
        self.out: list[object] = []

    def draw(self, simulated: list[tuple[float, pin.SE3]]) -> list[object]:
        """The commands, in order."""
        problem, duration = self.solution.problem, self.trajectory.duration
        self._links("moving", 1.0)
        for name, time in (("start", 0.0), ("goal", duration)):
            self._ghost(name, self.trajectory.position(time))
        if problem.holds:
            self.legend.append((problem.holds[0].item.name, ITEM_COLOUR))
        if simulated:
            self._simulated_item()
        if problem.holds and _pinched(problem):
            self._forces()
        self._obstacles()
        self._swept_path()
        self._overlaid()
        self.out.append(commands.SetAnimation(self._animation(simulated), play=True, repetitions=1000))
        self._view()
        return self.out

    def _links(self, root: str, opacity: float) -> None:
        """Arm, hand and item in their joints' frames: meshes of links that have any, the bodies that are checked of others."""
        arm, hand = self.assembly.arm, self._hand_links()
        for link, parts in self.meshes.items():
            if not arm.existFrame(link):
                continue
            frame = arm.frames[arm.getFrameId(link)]
            for k, (mesh, placement) in enumerate(parts):
                colour = HAND if link in hand else ARM
                self._mesh(f"{root}/{frame.parentJoint}/{link}_{k}", mesh, colour, opacity, frame.placement * placement)
        for body in self.assembly.bodies:
            if body.owner == "scene" or (body.owner == "link" and body.group in self.meshes):
                continue
            colour = ITEM_COLOUR if body.owner == "item" else HAND if body.group in hand else ARM
            self._body(f"{root}/{body.joint}/{body.name}", body, body.placement, colour, opacity)

    def _hand_links(self) -> set[str]:
        return {link for gripper in self.solution.problem.robot.grippers.values() for link in gripper.links}

    def _ghost(self, name: str, q: Array) -> None:
        """Hand and item where the motion begins or ends, with a label."""
        pin.forwardKinematics(self.assembly.arm, self.data, q)
        hand = self._hand_links()
        places = []
        for body in self.assembly.bodies:
            if 0 < body.joint < self.assembly.arm.njoints and (body.owner == "item" or body.group in hand or not hand):
                place = self.data.oMi[body.joint] * body.placement
                self._body(f"{name}/{body.name}", body, place, GHOST, 0.3)
                places.append(place.translation)
        if places:
            highest = max(places, key=lambda place: float(place[2]))
            self.labels.append({"text": name, "at": [round(float(x), 4) for x in highest]})

    def _obstacles(self) -> None:
        """Obstacles, those of one group in one colour; large flat ones are solid, all others can be looked through."""
        colours: dict[str, int] = {}
        for body in self.assembly.bodies:
            if body.owner != "scene":
                continue
            group = _group(body.group)
            colour = colours.setdefault(group, OBSTACLES[len(colours) % len(OBSTACLES)])
            body.geometry.computeLocalAABB()
            low, high = (np.asarray(x).ravel() for x in (body.geometry.aabb_local.min_, body.geometry.aabb_local.max_))
            size = np.sort(high - low)
            path = f"scene/{body.name}" if body.joint == 0 else f"moving/{body.joint}/{body.name}"
            self._body(path, body, body.placement, colour, 1.0 if size[0] < 0.1 * size[1] and size[1] > 0.5 else 0.5)
        shown = list(colours.items())
        self.legend += shown[:LISTED] + ([(f"and {len(shown) - LISTED} more", GHOST)] if len(shown) > LISTED else [])

    def _simulated_item(self) -> None:
        """The item as physics moved it, a little larger than the planned one."""
        self.legend.append(("as simulated, drawn larger", SIMULATED))
        for k, shape in enumerate(self.solution.problem.holds[0].item.shapes):
            body = Body("", "item", "", 1, shape.placement, shape.geometry())
            self._body(f"simulated/grown/{k}", body, shape.placement, SIMULATED, 0.4)
        self.out.append(commands.SetTransform(np.diag([GROWN, GROWN, GROWN, 1.0]), _path("simulated/grown")))

    def _forces(self) -> None:
        """At each pad an arrow along z, scaled by the force, and its Coulomb cone."""
        self.legend += [("force of a pad", FORCE), ("its friction cone", CONE)]
        rim = FORCE_LENGTH * self.solution.problem.holds[0].grasp.friction
        for side in PADS:
            self._mesh(f"force/{side}/arrow", arrow(0.008), FORCE, 1.0)
            self._mesh(f"force/{side}/cone", revolved([(0.0, 0.0), (rim, FORCE_LENGTH)]), CONE, 0.25, both_sides=True)

    def _swept_path(self) -> None:
        """The way of the item's frame, or of the last link where nothing is held."""
        self.way = self._points(self.trajectory.position(np.linspace(0, self.trajectory.duration, 80)))
        self._tube("path", "its way", self.way, ITEM_COLOUR)

    def _overlaid(self) -> None:
        """Other ways, and places where something happened."""
        for k, (name, q) in enumerate(self.overlay.ways):
            self._tube(f"other/{k}", name, self._points(q), WAYS[k % len(WAYS)])
        for k, mark in enumerate(self.overlay.marks):
            (place,) = self._points(mark.q[None])
            body = Body("", "item", "", 1, pin.SE3(np.eye(3), place), coal.Sphere(MARK))
            self._body(f"marks/{k}", body, body.placement, MARKED, 1.0)
            self.labels.append({"text": str(k + 1), "at": [round(float(x), 4) for x in place]})
            self.legend.append((f"{k + 1}  {mark.text}", MARKED))

    def _points(self, configurations: Array) -> Array:
        """Where (K, 3) the item's frame is, or the last link where nothing is held, at configurations (K, n)."""
        points = []
        for q in configurations:
            pin.forwardKinematics(self.assembly.arm, self.data, q)
            if self.assembly.hold_frames:
                frame = self.assembly.hold_frames[0]
                points.append((self.data.oMi[frame.joint] * frame.joint_T_grasp * frame.held.grasp_T_item).translation)
            else:
                points.append(self.data.oMi[self.assembly.arm.njoints - 1].translation.copy())
        return np.array(points)

    def _tube(self, path: str, name: str, way: Array, colour: int) -> None:
        """A way (K, 3) as a tube, with its name in the legend; nothing where it hardly moves."""
        apart = np.linalg.norm(np.diff(way, axis=0), axis=1) > 1e-5
        if apart.sum() > 2:
            self.legend.append((name, colour))
            self._mesh(path, tube(way[np.concatenate([[True], apart])], 0.003), colour, 0.9)

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
            self._object(f"{path}/{k}", geometry.Mesh(shape, _material(colour, opacity)))
            self.out.append(commands.SetTransform((placement * offset).homogeneous, _path(f"{path}/{k}")))

    def _mesh(
        self, path: str, mesh: Mesh, colour: int, opacity: float, placement: pin.SE3 | None = None, both_sides: bool = False
    ) -> None:
        self._object(path, geometry.Mesh(_Smooth(mesh), _material(colour, opacity, both_sides)))
        if placement is not None:
            self.out.append(commands.SetTransform(placement.homogeneous, _path(path)))

    def _object(self, path: str, thing: object) -> None:
        self.out.append(commands.SetObject(thing, path=_path(path)))

    def _view(self) -> None:
        """A camera that sees the whole way from outside, on a plain ground."""
        base = self.assembly.arm.jointPlacements[1].translation if self.assembly.arm.njoints > 1 else np.zeros(3)
        points = np.vstack([self.way, base, base + np.array([0.0, 0.0, 0.7])])
        middle, radius = (points.min(axis=0) + points.max(axis=0)) / 2, float(np.ptp(points, axis=0).max()) / 2 + 0.35
        outward = self.way.mean(axis=0) - base
        outward[2] = 0.0
        outward /= max(float(np.linalg.norm(outward)), 1e-9)
        across = np.array([-outward[1], outward[0], 0.0])
        eye = outward + 0.55 * across + np.array([0.0, 0.0, 0.75])
        eye *= 2.9 * radius / np.linalg.norm(eye)
        camera = NodePath(("Cameras", "default", "rotated", "<object>"))  # its y is up, and z the world's −y
        self.out.append(commands.SetProperty("position", [float(eye[0]), float(eye[2]), float(-eye[1])], camera))
        self.out.append(commands.SetTransform(pin.SE3(np.eye(3), middle).homogeneous, NodePath(("Cameras", "default"))))
        for key in ("top_color", "bottom_color"):
            self.out.append(commands.SetProperty(key, [0.957, 0.965, 0.973], NodePath(("Background",))))
        for helper in ("Grid", "Axes"):
            self.out.append(commands.SetProperty("visible", False, NodePath((helper,))))
        if not self.solution.problem.scene.obstacles:
            ends = np.linspace(-1.0, 1.0, 9)
            lines = [p for x in ends for p in ([x, -1, 0], [x, 1, 0], [-1, x, 0], [1, x, 0])]
            self._object("ground", geometry.LineSegments(_line(lines), geometry.LineBasicMaterial(color=GROUND)))


def _group(name: str) -> str:
    """The group of an obstacle: walls and floors of one tote, numbered parts of one thing, in words."""
    words = name.split("_")
    while len(words) > 1 and (words[-1] in PARTS or words[-1].isdecimal()):
        words.pop()
    return " ".join(words)


def _pinched(problem: TransferProblem) -> bool:
    """Whether pads hold the first item: a cup has no forces of its own to draw."""
    return bool(problem.holds) and problem.holds[0].law.holder == "gripper"


class _Node:
    """What meshcat's animation frames want of a visualizer: its path."""

    def __init__(self, path: NodePath) -> None:
        self.path = path


class _Smooth(geometry.TriangularMeshGeometry):
    """Triangles with our own normals, which meshcat would otherwise leave flat."""

    def __init__(self, mesh: Mesh) -> None:
        super().__init__(mesh.points, mesh.faces)
        self.normals = mesh.normals

    def lower(self, object_data: object) -> object:
        """The geometry as three.js reads it."""
        lowered = super().lower(object_data)
        lowered["data"]["attributes"]["normal"] = geometry.pack_numpy_array(self.normals.astype(np.float32).T)
        return lowered


def _material(colour: int, opacity: float, both_sides: bool = False) -> geometry.Material:
    """A dull material; three.js draws the back of faces, too, where `side` is 2."""
    return geometry.MeshPhongMaterial(
        color=colour, opacity=opacity, transparent=opacity < 1.0, shininess=10, **({"side": 2} if both_sides else {})
    )


def _path(text: str) -> NodePath:
    return NodePath(("meshcat", *text.split("/")))


def _line(points: object) -> geometry.PointsGeometry:
    return geometry.PointsGeometry(np.array(points, dtype=np.float32).T)


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
            return [(_Smooth(Mesh.of(points, np.array(faces))), pin.SE3.Identity())]
        case _:
            thing.computeLocalAABB()
            low, high = (np.asarray(x).ravel() for x in (thing.aabb_local.min_, thing.aabb_local.max_))
            return [(geometry.Box([float(x) for x in high - low]), pin.SE3(np.eye(3), (low + high) / 2))]
