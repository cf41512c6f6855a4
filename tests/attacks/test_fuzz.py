"""A short seeded part of `make fuzz`: mutated files of every kind are read or refused, without traceback, crash or hanging."""

from pathlib import Path

import pytest
from fuzz import CHAIN, CORPUS, RARE, outcomes


def test_mutated_files_are_read_or_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    jobs = [(kind, 0, 24) for kind in CORPUS if kind not in RARE]
    found = list(outcomes(jobs, 1))
    assert {job for job, _, _ in found} == set(jobs)
    assert len(found) == CHAIN * len(jobs)
    assert not [one for one in found if one[1] not in ("read", "said")]
    assert sum(outcome == "read" for _, outcome, _ in found) > 20 < sum(outcome == "said" for _, outcome, _ in found)
    assert not list(tmp_path.glob("fuzz-findings/*"))
