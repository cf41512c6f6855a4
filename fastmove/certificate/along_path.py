"""Certificate of a certified path that is run by another time law.

What depends on the path alone is inherited: where the scene stands still the arm passes the same places, so distances,
corridors and ends are those of the path.  All that depends on speed is computed again from the composed motion: q(s(t)) is
composed here, not taken from whoever proposes the law.
"""

from __future__ import annotations

from dataclasses import replace

from fastmove.certificate.certificate import Certificate
from fastmove.certificate.certify import certify
from fastmove.errors import InputError
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.time_law import TimeLaw, along
from fastmove.trajectory.trajectory import Trajectory

GEOMETRIC = ("clearance", "allowed_contact", "corridor", "grasp", "release")  # Kinds that the places alone decide.


def certify_along(
    problem: TransferProblem, path: Trajectory, certificate: Certificate, law: TimeLaw
) -> tuple[Trajectory, Certificate]:
    """Compose the motion of a path by a law, and recompute its margins.

    Args:
        problem: The problem that the composed motion should solve: from its state at the law's begin to where it ends.
        path: The certified motion whose path is run.
        certificate: Its certificate, of the same arm, hand, item and scene.
        law: The law.

    Returns:
        The composed motion and its certificate.

    Raises:
        InputError: Obstacles move (where they are when the arm passes is not what was certified), or the path is not certified.
    """
    if problem.scene.moving:
        raise InputError("obstacles", "move; a path among them is certified for its own times only")
    if not certificate.ok or not set(GEOMETRIC) <= set(certificate.kinds):
        raise InputError("certificate", "is not ok for every kind of limit; only certified paths are run at another speed")
    motion = along(path, law)
    kinds = [kind.name for kind in problem.limit_kinds if kind.name not in GEOMETRIC]
    own = certify(problem, motion, kinds)
    of_path = {
        kind: replace(certificate.kinds[kind], proof=f"{certificate.kinds[kind].proof}, of the path") for kind in GEOMETRIC
    }
    return motion, replace(
        own,
        kinds={kind.name: own.kinds.get(kind.name) or of_path[kind.name] for kind in problem.limit_kinds},
        assumes=tuple(dict.fromkeys((*own.assumes, *certificate.assumes))),
        unchecked=certificate.unchecked,
        accepted=certificate.accepted,
    )
