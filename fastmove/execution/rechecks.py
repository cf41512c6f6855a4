"""What is still right after a change: the motion that is followed, its path, a stop, and the rest that it leads to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastmove.certificate.along_path import GEOMETRIC, SCENE, certify_rest
from fastmove.certificate.certificate import Certificate
from fastmove.certificate.certify import certify
from fastmove.errors import FastMoveError
from fastmove.execution.course import Course
from fastmove.execution.stops import CertifiedPath, Change
from fastmove.execution.update import Update
from fastmove.planner.replanning import problem_ahead
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.solution import Solution

RESTING = 2e-3  # Last part of a motion that stands for the rest that it leads to [s].
BEFORE = 0.02  # Time before what is in the way was seen to be in it, in which it may be already [s].


@dataclass(frozen=True)
class Kept:
    """Whether a course is still right.

    Attributes:
        course: the same course, certified for what is there now; None where it is not right any more.
        blocked: time of the course from which on something is known to be in the way [s]; infinite if nothing is.
    """

    course: Course | None
    blocked: float = float("inf")


def kept(course: Course, at: float, update: Update) -> Kept:
    """Looks whether a course is still right.

    Args:
        course: the course that is followed.
        at: time from which on it has to be [s].
        update: what has changed.
    """
    part, since = course.part, max(at - course.begin, 0.0)
    assert part.trajectory is not None and part.certificate is not None
    if course.rests(at):
        since = part.duration - RESTING
    try:
        believed = replace(part, problem=update.applied(part.problem, course.begin))
        try:
            problem = problem_ahead(believed, since)
        except FastMoveError:  # A corridor of the start is not left yet: all of the part has to be right.
            problem, since = believed.problem, 0.0
        rest = part.trajectory.after(since)
        certificate = certify_rest(problem, rest, part.certificate, update.changed)
    except FastMoveError:
        return Kept(None)
    begin = course.begin + since
    if not certificate.ok:
        return Kept(None, begin + _first_touch(certificate) - BEFORE)
    solution = Solution.of(problem, rest, certificate, float("nan"))
    if course.law is not None:  # Its path goes on beyond the end of a stop.
        law, path = course.law.after(since), path_now(course, update)
        return Kept(replace(course, part=solution, begin=begin, law=law, path=path or course.path, stale=path is None))
    fresh = Course.of(solution, course.goal, course.arrives)
    return Kept(replace(fresh, trajectory=course.trajectory, begin=begin, paused=course.paused))


def _first_touch(certificate: Certificate) -> float:
    """The first time at which a clearance was seen to be missed [s]; infinite if none was."""
    missed = certificate.profile.get("clearance", np.zeros(0)) < 0
    return float(certificate.profile["clearance_time"][missed].min()) if missed.any() else float("inf")


def path_now(course: Course, update: Update) -> CertifiedPath | None:
    """Returns the path of a course in the problem as it is now; None where it is not free any more."""
    path = course.path
    try:
        if not update.what:
            return None if course.stale else path
        return path.under(update.applied(path.problem, course.begin), update.changed)
    except FastMoveError:
        return None


def still(course: Course, change: Change, at: float, since: float, update: Update) -> Change | None:
    """Returns a stop certified again for what is there now, with the way to where it begins; None where that is not ok.

    Args:
        course: the course that is followed until then.
        change: the stop.
        at: time of the course at which it begins [s].
        since: time of the course from which on what has changed counts [s].
        update: what has changed.
    """
    old, since = change.solution, max(min(since, at), course.begin)
    assert old.trajectory is not None and old.certificate is not None
    if not update.changed:
        return change
    try:
        problem = update.applied(old.problem, at)
        problem = problem.with_(scene=replace(problem.scene, corridors=()))
        sooner = problem.with_(start=course.state(since), scene=replace(update.applied(old.problem, since).scene, corridors=()))
        motion = course.trajectory.splice(at, old.trajectory).after(since)
        certificate = certify_rest(sooner, motion, old.certificate, update.changed)
    except FastMoveError:
        return None
    return Change(Solution.of(problem, old.trajectory, certificate, float("nan")), change.law) if certificate.ok else None


def way_is_free(course: Course, since: float, at: float, update: Update) -> bool:
    """Returns whether a course is clear of what is there now, from one time to another, at which it is left [s]."""
    if SCENE not in update.changed:
        return True
    since = max(since, course.begin)
    try:
        now = update.applied(course.problem, since)
        end = replace(course.goal, poses=(), configurations=course.state(at).q[None], opens_hand=False)
        now = now.with_(start=course.state(since), goal=end, scene=replace(now.scene, corridors=()))
        way = course.trajectory.after(since).before(at - since)
        return certify(now, way, GEOMETRIC, sharp=False).ok
    except FastMoveError:
        return False


def problem_at_rest(course: Course, at: float, update: Update) -> TransferProblem | str:
    """Returns the problem from where a course comes to rest, beginning at a time, or why there is none.

    What the item may touch at either end it may be near where it rests, too: it was certified to be there.

    Args:
        course: the course that ends in the rest.
        at: time at which the new motion begins, at the end of the course or later [s].
        update: what has changed.
    """
    try:
        believed = update.applied(course.problem, course.begin) if update.what else course.problem
        scene = believed.scene.after(at - course.begin)
        contacts = tuple(replace(contact, at="both") for contact in scene.allowed_contacts)
        corridors = tuple(c for c in scene.corridors if c.at != "start")
        scene = replace(scene, allowed_contacts=contacts, corridors=corridors)
        return believed.with_(start=course.state(course.duration), scene=scene, goal=update.goal or course.goal)
    except FastMoveError as error:
        return str(error)
