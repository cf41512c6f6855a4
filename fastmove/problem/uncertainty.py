"""Uncertainty of the held item: how far mass, centre of mass, inertia, friction, grip and poses may be from their nominal values.

Every limit of a plan holds for every body within the uncertainty.  Torques and contact wrenches are linear in a body's ten
inertial parameters (m, m c, I about a fixed point) and every limit on them is convex, so a polytope of parameters is safe if its
vertices are.  A box of centres of mass c is no such polytope, since the inertia about the fixed point c0 (the nominal centre) is
quadratic in c: with d = c − c0, I_c the inertia about c and e_k the unit vectors of the axes,

    I(c0) = I_c + m Σ_k v_k (1 − e_k e_kᵀ) − m Σ_{i≠j} d_i d_j e_i e_jᵀ,   v_k = d_k²

This is affine in (d_k, v_k) for each axis by itself (multi-affine in the three), and the arc (d, d²), |d| ≤ δ, lies in the
triangle of its ends (±δ, δ²) and the crossing of their tangents (0, −δ²).  A convex function of a multi-affine one is largest at
a product of vertices: 3 per uncertain axis, times 2 for the mass, times 2 for the inertia.  Of these the corners (d_k = ±δ_k)
are bodies; the others have less inertia than any body could, and only make the set a little larger than the box.

The bound holds at every instant by itself, when the body may be any in the set; so a load that shifts (granules, liquid) is
covered while its own motion relative to the hand stays slow.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array, readonly
from fastmove.errors import InputError
from fastmove.problem.item import Inertial, Item

# Attributes of `Uncertainty` that are relative half-ranges.
RELATIVE = ("mass", "inertia", "friction", "grip_force")

# Attributes of `Uncertainty` that are lengths [m].
LENGTHS = ("placement", "shape")

# Relative half-range of friction for an unknown item, by the surface classes in problems/items.toml [1].
UNKNOWN_FRICTION = 0.4


@dataclass(frozen=True)
class Uncertainty:
    """Half-ranges about the nominal values of a held item; zeros, the default, mean that these are exact.

    Placement and turn say where the item may sit in the hand.  Both move the centre of mass and widen the item's clearances, and
    a turn leans the item; patches and axes of inertia are taken as they are.  A turn may not be more than the pads even out when
    they close (see `contact.pinch.closing_turn`).

    Attributes:
        mass: relative half-range of the mass (0.2 = ± 20 %).
        com: (3,) half-ranges of the centre of mass along the item's axes [m].
        inertia: relative half-range of the inertia about the centre of mass, at a given mass.
        friction: relative half-range of the friction coefficient.
        grip_force: relative half-range of the grip force at a given command.
        placement: half-range of the item's place in the hand along each of its axes [m].
        turn: half-range of the item's angle in the hand about any axis through the middle of the grasp [rad].
        shape: how far the item's surface may be outside its shapes [m]; it widens the item's clearances.
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
        """Whether all half-ranges are zero."""
        return not (np.any(self.com) or self.turn or any(getattr(self, key) for key in (*RELATIVE, *LENGTHS)))

    def scaled(self, factor: float) -> Uncertainty:
        """Returns a copy with all half-ranges multiplied by a factor; relative ones stay below 95 %."""
        relative = {key: min(factor * getattr(self, key), 0.949) for key in RELATIVE}
        lengths = {key: factor * getattr(self, key) for key in LENGTHS}
        return replace(self, com=self.com * factor, turn=factor * self.turn, **relative, **lengths)

    def com_range(self, lever: float) -> Array:
        """Computes the half-ranges (3,) of the centre of mass in the hand along the item's axes [m].

        Args:
            lever: distance of the nominal centre of mass from the middle of the grasp, about which the item may be turned [m].
        """
        moved = self.com + self.placement
        return np.asarray(moved + self.turn * (lever + float(np.linalg.norm(moved))))

    @staticmethod
    def unknown(item: Item) -> Uncertainty:
        """Builds the default uncertainty for an item of which only nominal values are known.

        It has mass ± 20 %, centre of mass ± a quarter of the box around the item, and friction ± `UNKNOWN_FRICTION`.
        """
        points = item.hull_points()
        return Uncertainty(mass=0.2, com=(points.max(axis=0) - points.min(axis=0)) / 4, friction=UNKNOWN_FRICTION)


# The uncertainty of an item that is exactly known.
EXACT = Uncertainty()


def vertices(body: Inertial, uncertainty: Uncertainty, lever: float = 0.0) -> tuple[pin.Inertia, ...]:
    """Computes the vertices of the set of inertias around one nominal body (derived at the top of this module).

    Args:
        body: the nominal body.
        uncertainty: half-ranges around it.
        lever: distance of its centre of mass from the middle of the grasp, about which the item may be turned [m].

    Returns:
        Inertias in the item frame; the body's own alone where it is exact.
    """
    delta = uncertainty.com_range(lever)
    masses = _ends(body.mass, uncertainty.mass)
    scales = _ends(1.0, uncertainty.inertia)
    arcs = [((1.0, 1.0), (-1.0, 1.0), (0.0, -1.0)) if half > 0 else ((0.0, 0.0),) for half in delta]
    inertias = []
    for mass, scale, corner in product(masses, scales, product(*arcs)):
        d, v = (np.array([point[k] for point in corner]) * delta ** (k + 1) for k in (0, 1))
        inertia = np.array(body.inertia) * scale * mass / body.mass
        for axis in np.eye(3):
            inertia += mass * float(axis @ (v - d**2)) * (np.eye(3) - np.outer(axis, axis))
        vertex = pin.Inertia.Zero()  # set by attributes, because the constructor refuses inertias that no body can have
        vertex.mass, vertex.lever, vertex.inertia = mass, np.array(body.com) + d, inertia
        inertias.append(vertex)
    return tuple(inertias)


def shares(rng: np.random.Generator, size: int, edge: bool) -> Array:
    """Samples signed shares (size,) of half-ranges.

    Args:
        rng: source of random numbers.
        size: number of shares.
        edge: whether every share is −1 or 1 (a corner of the set) instead of uniform in [−1, 1].
    """
    return np.asarray(rng.choice([-1.0, 1.0], size) if edge else rng.uniform(-1, 1, size))


def sample_body(
    body: Inertial, uncertainty: Uncertainty, rng: np.random.Generator, lever: float = 0.0, edge: bool = False
) -> Inertial:
    """Samples one body within the uncertainty around a nominal one.

    Args:
        body: the nominal body.
        uncertainty: half-ranges around it.
        rng: source of random numbers.
        lever: distance of its centre of mass from the middle of the grasp, about which the item may be turned [m].
        edge: whether a corner of the set is sampled instead of uniformly within every half-range.
    """
    delta = uncertainty.com_range(lever)
    mass, inertia, *com = shares(rng, 5, edge)
    factor = 1 + uncertainty.mass * mass
    scale = factor * (1 + uncertainty.inertia * inertia)
    return Inertial(body.mass * factor, np.array(body.com) + delta * np.array(com), np.array(body.inertia) * scale)


def _ends(middle: float, relative: float) -> tuple[float, ...]:
    """Both ends of a relative range, or its middle alone where it has no width."""
    return (middle * (1 + relative), middle * (1 - relative)) if relative > 0 else (middle,)


def affine_basis(parameters: Array) -> tuple[Array, Array]:
    """Chooses a subset of points that spans the same affine space as all of them.

    What is linear in the parameters need only be computed for the subset, of which the first point is always a part.

    Args:
        parameters: (K, P) points.

    Returns:
        Indices (B,) of the subset, and weights (K, B) with points = weights @ subset.
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
