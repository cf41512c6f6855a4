"""Playing a motion in a simulation: step by step, where something is measured or moves, else in one call of MuJoCo's own loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.drivers.simulated.mujoco_parts import rollout
from fastmove.drivers.simulated.simulation import Simulation


@dataclass(frozen=True)
class Played:
    """The states that a simulated run went through, one row per step.

    Attributes:
        joints: (N, n) configurations [rad].
        items: (N, 7) item poses in the grasp frame: displacement [m] and quaternion (w, x, y, z).
        touching: (N,) number of the hand's points in touch.
        wrench: (N, 6) wrench on the item of all that touches it, in the grasp frame [N, Nm]; empty unless measured.
        lost: time at which a cup lost its vacuum, counted from the first state [s]; infinite = never.
    """

    joints: Array
    items: Array
    touching: Array
    wrench: Array
    lost: float = np.inf


def play(simulation: Simulation, q: Array, v: Array, feed_forward: Array, measure: bool) -> Played:
    """Sends a sequence of references to a simulation from its present state, one per step.

    Args:
        simulation: the simulation.
        q: (N, n) configurations [rad].
        v: (N, n) velocities [rad/s].
        feed_forward: (N, n) torques [Nm].
        measure: record the contact wrench.  If not, and no obstacle moves, the whole run is one call of MuJoCo's own loop.

    Returns:
        The state after every step.
    """
    control = np.empty((len(q), simulation.model.nu))
    control[:, : simulation.n] = feed_forward + simulation.kp * q + simulation.kd * v
    control[:, simulation.n :] = simulation.told(simulation.grip_force)
    return _measured(simulation, control) if measure or simulation.obstacles_move else _in_one_call(simulation, control)


def _measured(simulation: Simulation, control: Array) -> Played:
    """Plays controls (N, controls) step by step, and measures the wrench."""
    qpos, wrench = np.empty((len(control), simulation.model.nq)), np.empty((len(control), 6))
    touching, lost, n = np.empty(len(control), dtype=int), np.inf, simulation.n
    simulation.grip(simulation.grip_force)
    for k in range(len(control)):
        simulation.data.ctrl[:n] = control[k, :n]
        simulation.at(min(k * simulation.step_size, simulation.until))
        simulation.step()
        qpos[k], wrench[k] = simulation.data.qpos, simulation.wrench()
        touching[k] = simulation.points_in_touch()
        lost = min(lost, (k + 1) * simulation.step_size) if simulation.lost else lost
    return Played(qpos[:, :n], qpos[:, simulation.item], touching, wrench, lost)


def _in_one_call(simulation: Simulation, control: Array) -> Played:
    """Plays controls (N, controls) by MuJoCo's own loop; where a cup loses its vacuum, once more from there without."""
    model, data, before = simulation.model, simulation.data, simulation.time
    states, sensed = (x[0] for x in rollout.rollout(model, data, simulation.state()[None], control[None]))
    lost = _loss(simulation, sensed)
    simulation.lost = lost < len(control)
    if simulation.lost:
        rest = control[lost:].copy()
        rest[:, simulation.n :] = 0.0
        after = rollout.rollout(model, data, states[None, lost - 1], rest[None])
        states, sensed = (np.concatenate([x[:lost], y[0]]) for x, y in zip((states, sensed), after, strict=True))
    qpos, touching = states[:, 1 : 1 + model.nq], np.count_nonzero(sensed, axis=1)
    qpos[np.diff(states[:, 0], prepend=before) <= 0] = np.nan  # an unstable simulation stands still: its state says nothing
    when = lost * simulation.step_size if simulation.lost else np.inf
    return Played(qpos[:, : simulation.n], qpos[:, simulation.item], touching, np.zeros((0, 6)), when)


def _loss(simulation: Simulation, sensed: Array) -> int:
    """Returns the number of steps after which the hand holds no more, by what its points (N, points) sensed; N if it does."""
    if not np.isfinite(simulation.hand.seal_time):
        return len(sensed)
    lifted, needed = ~(sensed > 0).all(axis=1), simulation.leak_steps
    runs = np.convolve(lifted, np.ones(needed), "valid") == needed
    return int(np.argmax(runs)) + needed if runs.any() else len(sensed)
