"""Certificate of a certified path that is run by another time law.

What depends on the path alone is inherited: where the scene stands still the arm passes the same places, so distances,
corridors and ends are those of the path; where obstacles move all is computed again.  All that depends on speed is computed
again from the composed motion: q(s(t)) is composed here, not taken from whoever proposes the law.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from fastmove.certificate.certificate import Certificate
from fastmove.certificate.certify import STEP_MAX, certify
from fastmove.errors import InputError
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.time_law import TimeLaw, along
from fastmove.trajectory.trajectory import Trajectory

GEOMETRIC = ("clearance", "allowed_contact", "corridor", "grasp", "release")  # Kinds that the places alone decide.
ENDS = ("continuity", "start", "goal")  # Kinds that every motion has of its own.
SCENE, LOAD = "scene", "load"  # What may change in flight.


def certify_along(
    problem: TransferProblem, path: Trajectory, certificate: Certificate, law: TimeLaw
) -> tuple[Trajectory, Certificate]:
    """Compose the motion of a path by a law, and recompute its margins.

    Args:
        problem: The problem that the composed motion should solve: from its state at the law's begin to where it ends; obstacles
            move by a clock that begins there.
        path: The certified motion whose path is run.
        certificate: Its certificate, of the same arm, hand, item and scene.
        law: The law.

    Returns:
        The composed motion and its certificate.

    Raises:
        InputError: The path is not certified.
    """
    if not all(kind in certificate.kinds and certificate.kinds[kind].ok for kind in GEOMETRIC) or certificate.not_seen:
        raise InputError("certificate", "is not ok for every kind of distance; only certified paths are run at another speed")
    motion = along(path, law)
    if problem.scene.moving:  # Where obstacles are when the arm passes is not what was certified.
        return motion, certify(problem, motion, sharp=False)
    own = certify(problem, motion, [kind.name for kind in problem.limit_kinds if kind.name not in GEOMETRIC])
    return motion, _inherited(problem, own, certificate, "of the path")


def certify_proposal(problem: TransferProblem, motion: Trajectory) -> Certificate:
    """Certify a motion that may well not be right: what is cheap first, on a coarse grid, and all of it only if that is ok.

    Returns:
        The whole certificate, or the one of the cheap kinds if it is not ok.
    """
    cheap = certify(problem, motion, [kind.name for kind in problem.limit_kinds if kind.name not in GEOMETRIC], STEP_MAX)
    return certify(problem, motion, sharp=False) if cheap.ok else cheap


def certify_rest(problem: TransferProblem, rest: Trajectory, certificate: Certificate, changed: Collection[str]) -> Certificate:
    """Recompute what a change may have touched, for the rest of a certified motion.

    Args:
        problem: The problem from where the rest begins, with what has changed.
        rest: The rest of the motion.
        certificate: Certificate of a motion of which it is the rest, or of whose path it runs along.
        changed: `SCENE` where obstacles or the item's place in the hand have changed, `LOAD` where what is carried or how it is
            gripped; both where either may have.

    Raises:
        InputError: What is inherited is not ok in the certificate.
    """
    names = [kind.name for kind in problem.limit_kinds]
    again = [name for name in names if name in ENDS or (SCENE if name in GEOMETRIC else LOAD) in changed]
    lacking = [name for name in names if name not in again and not (name in certificate.kinds and certificate.kinds[name].ok)]
    if lacking or certificate.not_seen:
        raise InputError("certificate", f"is not ok for {', '.join(lacking) or 'what it could not see'}, which is inherited")
    return _inherited(problem, certify(problem, rest, again, sharp=False), certificate, "of the motion before")


def _inherited(problem: TransferProblem, own: Certificate, certificate: Certificate, whose: str) -> Certificate:
    """A certificate completed by the kinds of another one, whose proofs say so."""
    others = {name: replace(e, proof=f"{e.proof}, {whose}") for name, e in certificate.kinds.items() if name not in own.kinds}
    return replace(
        own,
        kinds={kind.name: own.kinds.get(kind.name) or others[kind.name] for kind in problem.limit_kinds},
        assumes=tuple(dict.fromkeys((*own.assumes, *certificate.assumes))),
        unchecked=certificate.unchecked | own.unchecked,
        accepted=tuple(dict.fromkeys((*certificate.accepted, *own.accepted))),
    )
