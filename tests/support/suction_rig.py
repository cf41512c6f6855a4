"""Loads at which a simulated cup loses its item, against what the ring model says: the calibration of suction in physics.

    python tests/support/suction_rig.py [--vacuums 20 42.4 60] [--friction 0.5] [--random 40]

The arm rests without gravity, the item is on the cup, and a wrench on the item rises within 0.1 s and stays for a second.  It is
lost when the vacuum is (a point of the lip has not touched for 5 ms) or when it moves by more than 1 mm or 1°.  The limit is
found by bisection, as a share of the load at which the model's utilisation is 1.
"""

from __future__ import annotations

import argparse

import numpy as np
from generators import on_cup

import fastmove as fm
from fastmove.drivers.simulated.displacement import displacement
from fastmove.drivers.simulated.simulation import Simulation
from fastmove.problem.goal import Goal, State

VACUUMS = (20.0, 42.4, 60.0)  # [N]
RISE, HOLD = 0.1, 1.0  # [s]
READY = np.array([0.0, -0.3, 0.0, -2.2, 0.0, 1.9, 0.785])


def directions(friction: float, radius: float) -> dict[str, np.ndarray]:
    """Wrenches of the hand on the item at the closed-form limit of a vacuum force of 1 N."""
    return {
        "tangential": np.array([friction, 0, 0, 0, 0, 0]),
        "normal": np.array([0, 0, -1.0, 0, 0, 0]),
        "torsion": np.array([0, 0, 0, 0, 0, friction * radius]),
        "peel": np.array([0, 0, 0, 0, radius / 2, 0]),
        "eccentric": 2 / np.pi * friction * np.array([1.0, 0, 0, 0, 0, radius]),  # it turns about a point of the lip
    }


def rig(vacuum: float, friction: float) -> Simulation:
    robot = fm.load_robot("panda")
    held, rest = on_cup(robot, 0.5, friction=friction), Goal(READY[None])
    problem = fm.TransferProblem("rig", robot, (held,), fm.Scene(), State.rest(READY), rest, "benchmark", gravity=np.zeros(3))
    return Simulation(problem, vacuum, READY[None])


def lost(simulation: Simulation, wrench: np.ndarray) -> bool:
    """Whether the cup loses the item under a wrench of the hand on it."""
    assert simulation.settle(READY).ok
    reference, step = simulation.item_pose(), simulation.step_size
    simulation.command(READY, np.zeros(7), np.zeros(7))
    for k in range(round((RISE + HOLD) / step)):
        simulation.data.qfrc_applied[simulation.item_dofs] = -wrench * min(1.0, (k + 1) * step / RISE)
        simulation.step()
        slip, turn = displacement(reference, simulation.item_pose())
        if simulation.lost or slip > 1e-3 or turn > np.radians(1.0):
            return True
    return False


def limit(simulation: Simulation, wrench: np.ndarray) -> float:
    """The largest share of a wrench under which the item stays."""
    low, high = 0.5, 1.5
    for _ in range(10):
        middle = (low + high) / 2
        low, high = (low, middle) if lost(simulation, middle * wrench) else (middle, high)
    return low


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vacuums", type=float, nargs="+", default=VACUUMS)
    parser.add_argument("--friction", type=float, default=0.5)
    parser.add_argument("--random", type=int, default=0, help="also so many loads in random directions")
    options = parser.parse_args()
    radius, rng = fm.load_robot("panda").suction_cup().radius, np.random.default_rng(0)
    print("vacuum " + "".join(f"{name:>12}" for name in directions(1.0, 1.0)))
    for vacuum in options.vacuums:
        simulation = rig(vacuum, options.friction)
        rows = directions(options.friction, radius)
        print(f"{vacuum:4.1f} N " + "".join(f"{limit(simulation, vacuum * row):12.3f}" for row in rows.values()), flush=True)
    found = []
    for k in range(options.random):
        friction, vacuum = float(rng.choice([0.3, 0.5, 0.8])), float(rng.choice(options.vacuums))
        simulation, scale = rig(vacuum, friction), np.array([friction, friction, 1, radius / 2, radius / 2, friction * radius])
        wrench = rng.normal(0, 1, 6) * scale * vacuum
        wrench[2] = -abs(wrench[2]) * (k % 2)
        model = simulation.problem.holds[0].contact_model
        found.append(limit(simulation, wrench / float(model.utilisation(wrench, vacuum))))
    if found:
        print(f"{len(found)} random loads: {min(found):.3f} to {max(found):.3f}, median {np.median(found):.3f}")


if __name__ == "__main__":
    main()
