"""Whether hardware is as a motion assumes before its first command: its place, the payload it believes, its speed slider."""

from __future__ import annotations

import time

import numpy as np

from fastmove.arrays import Array
from fastmove.drivers.driver import Driver
from fastmove.problem.transfer import TransferProblem

AT_START = 5e-3  # distance of a joint from the start of the motion beyond which nothing is sent [rad]
PAYLOAD_OFF = 0.01  # share of the mass (of 1 kg, if it is less) by which the hardware may be wrong about it
SLIDER_OFF = 1e-3  # distance of a speed slider from 100 % that is none
GRIP_TIMEOUT = 2.0  # longest time in which the hand confirms its grip [s]
LOOK = 0.01  # time between two looks at it [s]


def not_ready(driver: Driver, problem: TransferProblem, q: Array) -> str:
    """Returns why hardware is not as a motion assumes; empty if it is, or cannot say.

    Where it believes to carry another mass it is told once.

    Args:
        driver: connected driver.
        problem: transfer that the motion is of.
        q: (n,) configuration in which the motion begins [rad].
    """
    mass = sum(held.item.members[0].mass for held in problem.holds[:1])

    def mistaken() -> float | None:
        carried = driver.carried()
        return carried if carried is not None and abs(carried - mass) > PAYLOAD_OFF * max(mass, 1.0) else None

    try:
        off, scale = np.abs(driver.read().q - q), driver.speed_scale()
        if mistaken() is not None:
            announce_payload(driver, problem)
        carried, gripping = mistaken(), _grips(driver) if problem.holds else None
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    joint = int(np.argmax(off))
    if not off[joint] <= AT_START:
        name = problem.robot.joint_names[joint]
        return f"{name} is {off[joint]:.3g} rad from the start of the motion; allowed: {AT_START:g}; move it there first"
    if scale is not None and abs(scale - 1) > SLIDER_OFF:
        return f"the speed slider is at {scale:.0%}; the motion is planned for 100 %; set it there"
    if carried is not None:
        return f"the hardware believes that it carries {carried:g} kg; it is {mass:g} kg; set the payload"
    if gripping is False:
        return f"the hand does not confirm its grip within {GRIP_TIMEOUT:g} s; close it on {problem.holds[0].item.name} first"
    try:
        driver.align(q)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def unsaid(driver: Driver, problem: TransferProblem) -> str:
    """Returns what of its state connected hardware cannot say, so that it is not checked; empty if it says all.

    Args:
        driver: connected driver.
        problem: transfer that the motion is of.
    """
    what = {
        "what it carries": driver.carried() is None,
        "where its speed slider is": driver.speed_scale() is None,
        "whether it grips": bool(problem.holds) and driver.read().gripping is None,
    }
    return ", ".join(name for name, missing in what.items() if missing)


def _grips(driver: Driver) -> bool | None:
    """Whether the hand confirms its grip, waited for; None where it cannot say."""
    until = time.perf_counter() + GRIP_TIMEOUT
    while (gripping := driver.read().gripping) is False and time.perf_counter() < until:
        time.sleep(LOOK)
    return gripping


def announce_payload(driver: Driver, problem: TransferProblem) -> None:
    """Tells a driver the mass, centre of mass and inertia of the first held item, in the tool frame.

    Args:
        driver: driver to tell.
        problem: transfer; a mass of 0 is told if it holds no item.
    """
    if not problem.holds:
        driver.payload(0.0, np.zeros(3), np.zeros((3, 3)))
    for held in problem.holds[:1]:
        member = held.item.members[0]
        body = held.tool_T_grasp.act(held.inertia(member))
        driver.payload(body.mass, np.array(body.lever), np.array(body.inertia))
