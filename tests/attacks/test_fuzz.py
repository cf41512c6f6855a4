"""A short seeded part of `make fuzz`: mutated files of every kind are read or refused, without traceback, crash or hanging."""

from fuzz import CORPUS, outcomes


def test_mutated_files_are_read_or_refused_in_one_sentence() -> None:
    jobs = [(kind, number, 24) for number in range(12) for kind in CORPUS]
    found = {job: (outcome, said) for job, outcome, said in outcomes(jobs, 1)}
    assert set(found) == set(jobs)
    assert not {job: what for job, what in found.items() if what[0] not in ("read", "said")}
    assert sum(outcome == "read" for outcome, _ in found.values()) > 10 < sum(outcome == "said" for outcome, _ in found.values())
