"""What many tests share."""

from __future__ import annotations

import pytest
from situations import BOOK

import fastmove as fm


@pytest.fixture(scope="session")
def panda() -> fm.RobotModel:
    return fm.load_robot("panda")


@pytest.fixture(scope="session")
def book() -> fm.TransferProblem:
    return fm.load_problem(BOOK)


@pytest.fixture(scope="session")
def book_solution(book: fm.TransferProblem) -> fm.Solution:
    return fm.plan(book).raise_for_status()
