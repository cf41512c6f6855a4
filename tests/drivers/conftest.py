"""What tests of simulated hardware share: a problem in the open and a smooth motion of every joint."""

import pytest
from commands import smooth

import fastmove as fm
from fastmove.drivers.driver import Command


@pytest.fixture(scope="module")
def problem() -> fm.TransferProblem:
    return fm.load_problem("heavy_jar").with_(scene=fm.Scene())


@pytest.fixture(scope="module")
def commands(problem: fm.TransferProblem) -> list[Command]:
    return smooth(problem, -0.2, 0.4)
