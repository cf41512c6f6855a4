"""A shape of your own: a wedge, such as a ramp.

Its corners are enough: distances, simulation and preview take their convex hull.
In a problem file, once registered:  [[obstacles]] type = "wedge", size = [0.4, 0.2, 0.1], position = [0.5, 0, 0]
"""

import numpy as np

import fastmove as fm


class Wedge(fm.ShapeType):
    """A wedge: `size` = depth, width and height; it rises along x, its frame in the middle of its floor."""

    name, sizes = "wedge", ("size",)

    def corners(self, shape: fm.Shape) -> np.ndarray:
        x, y, z = shape.size
        floor = [[s * x / 2, t * y / 2, 0.0] for s in (-1, 1) for t in (-1, 1)]
        return np.array([*floor, [x / 2, -y / 2, z], [x / 2, y / 2, z]])


fm.registries.shapes.add("wedge", Wedge())
