"""Scenes as sensors and meshes give them, from a scene of plain boxes."""

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.geometry.shapes import Shape
from fastmove.problem.scene import Obstacle


def furniture() -> list[Shape]:
    """A table, a shelf with boards and sides, an open tote: ten boxes around a Panda's base."""
    box = lambda size, at: Shape("box", np.array(size), placement=pin.SE3(np.eye(3), np.array(at)))  # noqa: E731
    shelf = [box((0.3, 0.8, 0.02), (0.7, 0.0, z)) for z in (0.25, 0.55, 0.85)]
    sides = [box((0.3, 0.02, 0.85), (0.7, y, 0.45)) for y in (-0.41, 0.41)]
    tote = [box((0.3, 0.02, 0.18), (0.05, y, 0.11)) for y in (0.45, 0.75)]
    tote += [box((0.02, 0.28, 0.18), (x, 0.6, 0.11)) for x in (-0.09, 0.19)]
    return [box((1.0, 0.9, 0.02), (0.3, -0.75, 0.1)), *shelf, *sides, *tote]


def divided(shapes: list[Shape], count: int) -> list[Shape]:
    """The same boxes as at least this many: the longest edge is halved again and again."""
    todo = list(shapes)
    while len(todo) < count:
        todo.sort(key=lambda s: -float(np.max(s.size)))
        whole = todo.pop(0)
        axis = int(np.argmax(whole.size))
        size, shift = np.array(whole.size), np.zeros(3)
        size[axis] /= 2
        for side in (-0.5, 0.5):
            shift[axis] = side * size[axis]
            todo.append(Shape("box", size, placement=whole.placement * pin.SE3(np.eye(3), shift.copy())))
    return todo


def named(shapes: list[Shape]) -> tuple[Obstacle, ...]:
    return tuple(Obstacle(f"part{k}", (shape,)) for k, shape in enumerate(shapes))


def looked_at(eye: Array, target: Array) -> pin.SE3:
    """Pose of a camera: z forward, y down."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return pin.SE3(np.column_stack([right, np.cross(forward, right), forward]), eye)


def depth_image(shapes: list[Shape], camera: pin.SE3, rows: int, columns: int, focal: float, rng: np.random.Generator) -> Array:
    """What a depth camera sees of boxes [m]: noise of 1 mm, one pixel in ten a hole, nothing where no box is."""
    u, v = np.meshgrid(np.arange(columns) - columns / 2, np.arange(rows) - rows / 2)
    rays = np.stack([u / focal, v / focal, np.ones_like(u)], axis=-1).reshape(-1, 3) @ camera.rotation.T
    nearest = np.full(len(rays), np.inf)
    for shape in shapes:
        turn, half = shape.placement.rotation, np.array(shape.size) / 2
        way, eye = rays @ turn, (camera.translation - shape.placement.translation) @ turn
        with np.errstate(divide="ignore", invalid="ignore"):
            one, two = (-half - eye) / way, (half - eye) / way
        enter, leave = np.minimum(one, two).max(axis=1), np.maximum(one, two).min(axis=1)
        nearest = np.where((enter < leave) & (enter > 0), np.minimum(nearest, enter), nearest)
    depth = nearest + rng.normal(0, 1e-3, len(rays))
    depth[~np.isfinite(nearest) | (rng.uniform(size=len(rays)) < 0.1)] = 0.0
    return depth.reshape(rows, columns)
