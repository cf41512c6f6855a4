"""Runs of whole pick cycles in physics."""

from __future__ import annotations

import pinocchio as pin

from fastmove.cycle.belt import at_belt
from fastmove.cycle.belt_motion import Steady
from fastmove.cycle.belt_physics import SimulatedBeltRun
from fastmove.cycle.belt_updates import FollowedCycle
from fastmove.cycle.pick_cycle import PickCycle
from fastmove.cycle.simulated_run import CycleRun, SimulatedRun
from fastmove.errors import InputError
from fastmove.problem.transfer import TransferProblem


def run_cycle(
    cycle: PickCycle | FollowedCycle, truth: TransferProblem | None = None, item_off: pin.SE3 | None = None
) -> CycleRun:
    """Runs a certified cycle in a physics simulation.

    Args:
        cycle: Certified cycle; at a belt that drifts as it was changed in flight (`follow_belt`).
        truth: What is really there (see `HeldItem.sample`); None = what was planned for.
        item_off: Transform in the world by which the item really stands elsewhere than believed; None = where it is believed.

    Raises:
        InputError: The cycle is not certified.
        MissingPackage: mujoco is not installed.
    """
    flown = cycle if isinstance(cycle, FollowedCycle) else FollowedCycle(cycle, Steady(), ())
    one = flown.cycle
    if not one.ok or one.transfer is None or one.approach is None or one.fingers is None:
        raise InputError("cycle", f"is not certified: {one.refusal or 'a motion fails its certificate'}")
    off = item_off or pin.SE3.Identity()
    if at_belt(one.problem):
        begins = flown.begins or {phase.name: phase.begin for phase in one.phases}
        return SimulatedBeltRun(one, truth or one.transfer.problem, off, flown.belt, begins).run()
    return SimulatedRun(one, truth or one.transfer.problem, off).run()
