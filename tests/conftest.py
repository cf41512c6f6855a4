"""What many tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

import fastmove as fm

BOOK = Path(__file__).parent.parent / "problems" / "book_to_tote.toml"


@pytest.fixture(scope="session")
def panda() -> fm.RobotModel:
    return fm.load_robot("panda")


@pytest.fixture(scope="session")
def book() -> fm.TransferProblem:
    return fm.load_problem(BOOK)


@pytest.fixture(scope="session")
def book_solution(book: fm.TransferProblem) -> fm.Solution:
    return fm.plan(book).raise_for_status()
