"""The set of items it might be: how far mass, centre of mass, inertia, friction, grip and poses may be from what we believe.

Every limit of a plan holds for every member of the set.  Torques and contact wrenches are linear in a body's ten inertial
parameters (m, m c, I about a fixed point) and every limit on them is convex, so a polytope of parameters is safe if its vertices
are.  A box of centres of mass is no such polytope, since the inertia about the fixed point is quadratic in c: with d = c − c0,

    I(c0) = I_c + m Σ_k v_k (1 − e_k e_kᵀ) − m Σ_{i≠j} d_i d_j e_i e_jᵀ,   v_k = d_k²

This is affine in (d_k, v_k) for each axis by itself (multi-affine in the three), and the arc (d, d²), |d| ≤ δ, lies in the
triangle of its ends (±δ, δ²) and the crossing of their tangents (0, −δ²).  A convex function of a multi-affine one is largest at
a product of vertices: 3 per uncertain axis, times 2 for the mass, times 2 for the inertia.  Of these the corners (d_k = ±δ_k)
are bodies; the others have less inertia than any body could, and only make the set a little larger than the box.

The bound is for instants: at each of them the body may be any of the set, so a load that shifts (granules, liquid) is covered
while its own motion relative to the hand stays slow.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array, readonly
from fastmove.errors import InputError
from fastmove.problem.item import Inertial, Item

RELATIVE = ("mass", "inertia", "friction", "grip_force")
LENGTHS = ("placement", "shape")  # [m]
UNKNOWN_FRICTION = 0.4  # the low end of a surface class is 0.5 to 0.67 of its middle (problems/items.toml)


@dataclass(frozen=True)
class Uncertainty:
    """Half-ranges about what is believed; zeros, the default, mean exactly that.

    Attributes:
        mass, inertia, friction, grip_force: relative (0.2 = ± 20 %).  Inertia is about the centre of mass, at a given mass.
        com: (3,) of the centre of mass along the item's axes [m].
        placement: along each of the item's axes [m];  turn: about any axis through the grasp's middle [rad]: where the item
            sits in the hand.  Both move the centre of mass and widen the item's clearances, a turn leans the item; patches
            and axes of inertia are taken as they are.  A turn may not be more than the pads even out when they close (see
            `contact.closing_turn`).
        shape: how far the item's surface may be outside its shapes [m]; widens its clearances.
    """

    mass: float = 0.0
    com: Array = field(default_factory=lambda: np.zeros(3))
    inertia: float = 0.0
    friction: float = 0.0
    grip_force: float = 0.0
    placement: float = 0.0
    turn: float = 0.0
    shape: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "com", readonly(self.com))
        for key in RELATIVE:
            if not 0 <= getattr(self, key) < 0.95:
                raise InputError(f"uncertainty.{key}", f"is {getattr(self, key)}; it is relative, allowed: 0 to 0.95")
        if self.com.shape != (3,) or not np.all((self.com >= 0) & (self.com < 1)):
            raise InputError("uncertainty.com", "needs three half-ranges from 0 to 1 m")
        for key in LENGTHS:
            if not 0 <= getattr(self, key) <= 0.05:
                raise InputError(f"uncertainty.{key}", f"is {getattr(self, key)}; allowed: 0 to 0.05 m")
        if not 0 <= self.turn <= np.radians(30):
            raise InputError("uncertainty.turn_deg", f"is {np.degrees(self.turn):g}; allowed: 0 to 30")

    @property
    def exact(self) -> bool:
        """Whether everything is just as believed."""
        return not (np.any(self.com) or self.turn or any(getattr(self, key) for key in (*RELATIVE, *LENGTHS)))

    def scaled(self, factor: float) -> Uncertainty:
        """All half-ranges times a factor; relative ones stay below 95 %."""
        relative = {key: min(factor * getattr(self, key), 0.949) for key in RELATIVE}
        lengths = {key: factor * getattr(self, key) for key in LENGTHS}
        return replace(self, com=self.com * factor, turn=factor * self.turn, **relative, **lengths)

    def com_range(self, lever: float) -> Array:
        """(3,) half-ranges of the centre of mass, the item's place in the hand included [m].

        Args:
            lever: its distance from the middle of the grasp, about which the item may be turned [m].
        """
        moved = self.com + self.placement
        return np.asarray(moved + self.turn * (lever + float(np.linalg.norm(moved))))

    @staticmethod
    def unknown(item: Item) -> Uncertainty:
        """For an item of which nothing is known but what was believed: mass ± 20 %, centre of mass ± a quarter of the box around
        it, friction down to the low end of its class."""
        points = item.hull_points()
        return Uncertainty(mass=0.2, com=(points.max(axis=0) - points.min(axis=0)) / 4, friction=UNKNOWN_FRICTION)


EXACT = Uncertainty()


def vertices(body: Inertial, uncertainty: Uncertainty, lever: float = 0.0) -> tuple[pin.Inertia, ...]:
    """The vertices of the set around one believed body, in item axes about the item's origin; the body alone where it is exact.

    Args:
        lever: distance of the centre of mass from the middle of the grasp, about which the item may be turned [m].
    """
    delta = uncertainty.com_range(lever)
    masses = _ends(body.mass, uncertainty.mass)
    scales = _ends(1.0, uncertainty.inertia)
    arcs = [((1.0, 1.0), (-1.0, 1.0), (0.0, -1.0)) if half > 0 else ((0.0, 0.0),) for half in delta]
    found = []
    for mass, scale, corner in product(masses, scales, product(*arcs)):
        d, v = (np.array([point[k] for point in corner]) * delta ** (k + 1) for k in (0, 1))
        inertia = np.array(body.inertia) * scale * mass / body.mass
        for axis in np.eye(3):
            inertia += mass * float(axis @ (v - d**2)) * (np.eye(3) - np.outer(axis, axis))
        vertex = pin.Inertia.Zero()  # its constructor refuses what is no body
        vertex.mass, vertex.lever, vertex.inertia = mass, np.array(body.com) + d, inertia
        found.append(vertex)
    return tuple(found)


def shares(rng: np.random.Generator, size: int, edge: bool) -> Array:
    """(size,) shares of half-ranges, uniform in [−1, 1] or, at the edge of a set, either end."""
    return np.asarray(rng.choice([-1.0, 1.0], size) if edge else rng.uniform(-1, 1, size))


def sample_body(
    body: Inertial, uncertainty: Uncertainty, rng: np.random.Generator, lever: float = 0.0, edge: bool = False
) -> Inertial:
    """One body of the set, uniform in every half-range, or one of its corners."""
    delta = uncertainty.com_range(lever)
    mass, inertia, *com = shares(rng, 5, edge)
    factor = 1 + uncertainty.mass * mass
    scale = factor * (1 + uncertainty.inertia * inertia)
    return Inertial(body.mass * factor, np.array(body.com) + delta * np.array(com), np.array(body.inertia) * scale)


def _ends(middle: float, relative: float) -> tuple[float, ...]:
    return (middle * (1 + relative), middle * (1 - relative)) if relative > 0 else (middle,)


def affine_basis(parameters: Array) -> tuple[Array, Array]:
    """Of points (K, P) a subset that spans the same affine space: (indices (B,), weights (K, B)), points = weights @ subset.

    What is linear in the parameters need only be computed for the subset.  The first point is always in it.
    """
    shifted = parameters - parameters[0]
    scale = np.maximum(np.abs(shifted).max(axis=0), 1e-300)
    rest = shifted / scale
    chosen = [0]
    while True:
        size = np.linalg.norm(rest, axis=1)
        farthest = int(np.argmax(size))
        if size[farthest] < 1e-9:
            break
        chosen.append(farthest)
        direction = rest[farthest] / size[farthest]
        rest = rest - np.outer(rest @ direction, direction)
    subset = (shifted[chosen[1:]] / scale) if len(chosen) > 1 else np.zeros((0, parameters.shape[1]))
    weights = np.linalg.lstsq(subset.T, (shifted / scale).T, rcond=None)[0].T if len(subset) else np.zeros((len(shifted), 0))
    weights[np.abs(weights) < 1e-12] = 0.0
    return np.array(chosen), np.column_stack([1 - weights.sum(axis=1), weights])
