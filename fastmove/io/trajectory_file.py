"""Reading and writing of trajectory files: npz (exact), CSV and ROS 2 messages, as YAML or in recordings (sampled).

An npz file holds the control points of the splines, and these are authoritative over its samples.  Sampled files are read as
quintic Hermite pieces through (q, v, a); a file without velocities or accelerations is refused unless a fit is asked for.  A
JointTrajectory has times in whole nanoseconds and no grip force: where none is noted beside it, the least force of the grasp's
range is used.  Every file is written atomically.
"""

from __future__ import annotations

import io
import warnings
from math import factorial
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline, make_interp_spline

from fastmove.arrays import Array
from fastmove.dynamics.efforts import Dynamics
from fastmove.errors import InputError, Remark, TrajectoryFileError, first_line
from fastmove.io.atomic_write import write_whole
from fastmove.io.ros_bag import FILES, FOLDER, check_new
from fastmove.io.ros_file import TEXTS, is_recording, read_ros_messages, write_ros_messages
from fastmove.io.ros_messages import TOPIC, arrays_of, goal_of, joint_trajectory, one_trajectory
from fastmove.io.trajectory_csv import CHANNELS, HANDS, csv_text, read_csv
from fastmove.multibody.assembly import assemble
from fastmove.problem.describe import problem_sha256
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial, quintic_hermite
from fastmove.trajectory.trajectory import Phase, Trajectory

# Version of the npz layout.
FORMAT = 1

# Longest duration of a motion, or of one of its phases, that is read [s].
DURATION_MAX = 600.0

# Distance within which a fit moves an end of a recorded motion onto the problem's start or goal: what encoders resolve [rad].
FIT_ENDS = 1e-3
END_TOLERANCE = 1e-9  # Distance from the problem's ends that the certificate lets pass [rad].

# File name endings that can be read and written; a goal is that of the action FollowJointTrajectory.
GOALS = (".goal.yaml", ".goal.yml")
ENDINGS = (".npz", ".csv", *TEXTS, GOALS[0], *FILES, FOLDER)


def check_writable(path: str | Path) -> Path:
    """Returns a path to which a trajectory can be written, as far as that can be known before.

    Raises:
        TrajectoryFileError: the ending is unknown, or the folder is not there.
    """
    path = Path(path)
    if path.suffix not in ENDINGS and not path.name.endswith(FOLDER):
        raise TrajectoryFileError(str(path), f"has an unknown ending; allowed: {', '.join(ENDINGS)}")
    if not path.resolve().parent.is_dir():
        raise TrajectoryFileError(str(path), "cannot be written (its folder does not exist)")
    if path.suffix in FILES or path.name.endswith(FOLDER):
        check_new(path)
    return path


def save_trajectory(path: str | Path, problem: TransferProblem, trajectory: Trajectory, topic: str = TOPIC) -> None:
    """Writes a trajectory to a file that the ending of its name chooses: npz, CSV, or ROS 2 messages as YAML or in a recording.

    The npz keys are format, time (N,) every millisecond and at the exact end, position, velocity, acceleration, jerk and effort
    (N, n_arm), grip_force and opening (N,) or, of several hands, (N, holds), joint_names, control_points, knots, degree,
    duration and problem_sha256.  Control points and knots of several phases are stacked, with phase_sizes and phase_durations.

    Args:
        path: file with one of the `ENDINGS`.
        problem: the problem that was planned; efforts and the hash are those of it.
        trajectory: the motion to write.
        topic: topic in a recording of ROS 2.

    Raises:
        TrajectoryFileError: the ending is unknown, or the file cannot be written.
        MissingPackage: a recording needs rosbags, which is not installed.
    """
    path = check_writable(path)
    samples = samples_of(problem, trajectory, exact=path.suffix != ".npz", whole_ns=path.suffix not in (".npz", ".csv"))
    if path.suffix == ".npz":
        buffer = io.BytesIO()
        np.savez(buffer, **(samples | _splines(trajectory)), problem_sha256=problem_sha256(problem))  # type: ignore[arg-type]
        write_whole(path, buffer.getvalue())
    elif path.suffix == ".csv":
        write_whole(path, csv_text(samples).encode())
    else:
        message = joint_trajectory(samples, topic)
        write_ros_messages(path, [goal_of(message, None, None, 0.0) if path.name.endswith(GOALS) else message])


def samples_of(problem: TransferProblem, trajectory: Trajectory, exact: bool, whole_ns: bool) -> dict[str, object]:
    """Samples a trajectory every millisecond and at its end, as the arrays that files hold.

    Args:
        problem: the problem, whose dynamics give the efforts.
        trajectory: the motion to sample.
        exact: whether breakpoints are sampled too, so that quintics between the samples are the very same motion.
        whole_ns: whether all times but the last are rounded to whole nanoseconds.
    """
    time = trajectory.grid()
    if exact:
        breakpoints = trajectory.motion().times
        # Grid samples next to a breakpoint are dropped: samples so close together would only amplify rounding.
        near = np.abs(time[:, None] - breakpoints[None]).min(axis=1) < 2e-4
        time = np.sort(np.concatenate([time[~near], breakpoints]))
    if whole_ns:
        time = np.append(np.unique(np.round(time[:-1] * 1e9)) / 1e9, trajectory.duration)
    q, v, a, j = (trajectory.motion(k)(time) for k in range(4))
    dynamics = Dynamics(problem, assemble(problem))
    effort = dynamics.torques(q, v, a)
    index = trajectory.phase_at(time)

    def channel(values: list[Array]) -> Array:
        """Value of every phase at the samples: (N,) for one hold, zeros (N,) for none, (N, holds) for more."""
        held = np.array(values, dtype=float).reshape(len(values), -1)[index]
        return np.zeros(len(time)) if held.shape[1] == 0 else held[:, 0] if held.shape[1] == 1 else held

    return {
        "format": FORMAT,
        "time": time,
        "position": q,
        "velocity": v,
        "acceleration": a,
        "jerk": j,
        "effort": effort,
        "grip_force": channel([phase.grip_force for phase in trajectory.phases]),
        "opening": channel([phase.opening for phase in trajectory.phases]),
        "joint_names": np.array(trajectory.joint_names),
        "duration": trajectory.duration,
    }


def _splines(trajectory: Trajectory) -> dict[str, object]:
    """Entries of an npz file that hold the splines of all phases, stacked; empty where a phase has none."""
    if any(phase.basis is None or phase.control_points is None for phase in trajectory.phases):
        return {}
    phases = [(p.basis, p.control_points, p.duration) for p in trajectory.phases]
    return {
        "control_points": np.concatenate([points for _, points, _ in phases if points is not None]),
        "knots": np.concatenate([basis.knots for basis, _, _ in phases if basis is not None]),
        "degree": 3,
        "phase_sizes": np.array([basis.size for basis, _, _ in phases if basis is not None]),
        "phase_durations": np.array([duration for _, _, duration in phases]),
    }


def load_trajectory(
    path: str | Path, problem: TransferProblem, fit: bool = False, topic: str | None = None, message: int | None = None
) -> Trajectory:
    """Reads a trajectory of the robot of a problem.

    Args:
        path: file with one of the `ENDINGS`, or the folder of a recording of ROS 2.
        problem: the problem, whose joints the file must name and whose grasp gives the grip force where the file has none.
        fit: whether files without velocities or accelerations are read, as a C² motion through what they have, which begins as
            the problem does and ends at rest.
        topic: topic of a recording; None means the only one that has trajectories.
        message: which message of a YAML file or of a topic, from 1; None means the only one that has a trajectory.

    Raises:
        TrajectoryFileError: the file cannot be read, has other joints, or its samples are no motion.
        MissingPackage: a recording needs rosbags, which is not installed.
    """
    path = Path(path)
    ros = path.suffix in TEXTS or is_recording(path)
    if not ros and path.suffix not in ENDINGS:
        raise TrajectoryFileError(str(path), f"has an unknown ending; allowed: {', '.join(ENDINGS)}")
    if not path.exists():
        raise TrajectoryFileError(str(path), "no such file")
    if not ros and (topic, message) != (None, None):
        raise TrajectoryFileError(str(path), "holds one trajectory; a topic or message is chosen in files of ROS 2")
    try:
        if ros:
            found, fields = one_trajectory(str(path), read_ros_messages(path, topic, message))
            data = arrays_of(str(path), fields, found.grip_force)
        else:
            data = _read_npz(path) if path.suffix == ".npz" else read_csv(path)
    except InputError:
        raise
    except Exception as error:
        raise TrajectoryFileError(str(path), f"cannot be read as a trajectory ({first_line(error)})") from error
    return trajectory_of(str(path), data, problem, fit)


def trajectory_of(where: str, data: dict[str, Array], problem: TransferProblem, fit: bool) -> Trajectory:
    """Returns the trajectory that arrays of splines or samples hold.

    Args:
        where: file or message that they are from, for errors.
        data: arrays, as `samples_of` gives them and splines are written.
        problem: the problem, whose joints they must have.
        fit: whether samples without velocities or accelerations are taken.

    Raises:
        TrajectoryFileError: there are other joints, or the samples are no motion.
    """
    names = tuple(str(n) for n in np.atleast_1d(data.get("joint_names", np.zeros(0, dtype=str))))
    needed = problem.robot.joint_names
    missing = [name for name in needed if name not in names]
    if missing or len(set(names)) < len(names) or ("control_points" in data and names != needed):
        raise TrajectoryFileError(where, f"has joints {', '.join(names)}; needed, each once: {', '.join(needed)}")
    try:
        if names != needed:
            data, names = _in_order(where, data, names, needed), needed
        if "control_points" in data:
            return _consistent(data, _from_splines(data, names))
        return _from_samples(where, data, names, problem, fit)
    except InputError:
        raise
    except (ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
        raise TrajectoryFileError(where, f"is no motion ({first_line(error)})") from error


def planned_for(path: str | Path, problem: TransferProblem) -> bool | None:
    """Returns whether a trajectory file says that it was planned for exactly this problem; None where it does not say."""
    if Path(path).suffix != ".npz":
        return None
    with np.load(path, allow_pickle=False) as data:
        return str(data["problem_sha256"]) == problem_sha256(problem) if "problem_sha256" in data else None


def _from_splines(data: dict[str, Array], names: tuple[str, ...]) -> Trajectory:
    """Trajectory of the control points in an npz file; ValueError where they are no splines."""
    phases, first_point, first_knot = [], 0, 0
    sizes = data.get("phase_sizes", np.array([len(data["control_points"])]))
    durations = data.get("phase_durations", np.array([float(data["duration"])]))
    begin = 0.0
    for size, duration in zip(sizes, durations, strict=True):
        if not 0 < duration <= DURATION_MAX:
            raise ValueError(f"a phase of {duration} s is not within 0 to {DURATION_MAX:g} s")
        knots = data["knots"][first_knot : first_knot + size + 4]
        if np.any(knots[:4] != 0) or np.any(knots[-4:] != 1):
            raise ValueError("knots must be clamped to 0 and 1")
        basis = SplineBasis(knots[3:-3])
        inside = (data["time"] > begin) & (data["time"] < begin + duration)
        channels = [_constant(key, np.asarray(data[key])[inside]) for key in HANDS]
        phases.append(
            Phase.from_spline(basis, data["control_points"][first_point : first_point + size], float(duration), *channels)
        )
        first_point, first_knot, begin = first_point + size, first_knot + size + 4, begin + float(duration)
    return Trajectory(tuple(phases), names)


def _constant(key: str, values: Array) -> list[float]:
    """Constant value of a channel within a phase, for every hold; ValueError where it varies, is missing or is not finite."""
    if len(values) == 0 or not np.all(np.isfinite(values)) or np.max(np.ptp(values, axis=0)) > 1e-9:
        raise ValueError(f"{key} must be finite and constant within a phase")
    return [float(x) for x in np.atleast_1d(values[0])]


def _consistent(data: dict[str, Array], trajectory: Trajectory) -> Trajectory:
    """Checks that the samples of a file are those of its control points; ValueError where they are not."""
    if int(data["degree"]) != 3 or abs(float(data["duration"]) - trajectory.duration) > 1e-9:
        raise ValueError("degree and duration do not belong to the control points")
    for key, order in (("position", 0), ("velocity", 1), ("acceleration", 2)):
        expected = trajectory.motion(order)(data["time"])
        if data[key].shape != expected.shape or not np.abs(data[key] - expected).max() <= 1e-6:
            raise ValueError(f"the {key} samples are not those of the control points")
    return trajectory


def _from_samples(where: str, data: dict[str, Array], names: tuple[str, ...], problem: TransferProblem, fit: bool) -> Trajectory:
    """Trajectory through the samples of a file: quintic Hermite pieces, or a cubic spline where `fit` allows one."""
    time, q = np.asarray(data["time"], dtype=float), np.asarray(data["position"], dtype=float)
    if len(time) < 2 or not np.all(np.isfinite(time)):
        raise TrajectoryFileError(where, "needs at least two samples at finite times")
    if np.any(np.diff(time) <= 0):
        late = int(np.nonzero(np.diff(time) <= 0)[0][0]) + 1
        raise TrajectoryFileError(
            where,
            f"has sample {late + 1} at {time[late]:g} s, which is not later than the one before at {time[late - 1]:g} s",
        )
    if not np.all(np.isfinite(q)):
        row = int(np.nonzero(~np.isfinite(q).all(axis=1))[0][0])
        raise TrajectoryFileError(where, f"has a position at {time[row]:g} s that is no finite number")
    missing = [key for key in ("velocity", "acceleration") if key not in data]
    if missing and not fit:
        raise TrajectoryFileError(where, f"has no {' and no '.join(missing)}; add it, or allow a fit with --fit")
    time = time - time[0]
    if time[-1] > DURATION_MAX:
        raise TrajectoryFileError(where, f"lasts {time[-1]:g} s; at most {DURATION_MAX:g} s")
    if missing:
        motion = _fitted(where, time, q, data.get("velocity"), problem)
    else:
        motion = quintic_hermite(time, q, np.asarray(data["velocity"]), np.asarray(data["acceleration"]))
    # Where the file has no grip force, the least of the grasp's range is used.
    forces = [float(held.grasp.grip_force[0]) for held in problem.holds]
    if "grip_force" in data and problem.holds:
        given = _constant("grip_force", np.asarray(data["grip_force"]))
        forces[: len(given)] = given[: len(forces)]
    return Trajectory((Phase(motion, None, None, forces, [h.width for h in problem.holds]),), names)  # type: ignore[arg-type]


def _in_order(where: str, data: dict[str, Array], names: tuple[str, ...], needed: tuple[str, ...]) -> dict[str, Array]:
    """The columns of the joints that are needed, in their order; that others are left out is said."""
    others = [name for name in names if name not in needed]
    if others:
        warnings.warn(Remark(f"{where}: left out, being no joints of the arm: {', '.join(others)}"), stacklevel=4)
    columns = [names.index(name) for name in needed]
    return {key: values[:, columns] if key in CHANNELS else values for key, values in data.items()}


def _fitted(where: str, time: Array, q: Array, v: Array | None, problem: TransferProblem) -> PiecewisePolynomial:
    """C² motion through the samples, with the start's velocity and acceleration at the first and at rest at the last.

    Through positions alone it is the quintic spline of least order of smoothness C⁴ that meets both ends; with velocities quintic
    pieces through these, too, whose accelerations are those of a cubic spline through the velocities.  An end within
    `FIT_ENDS` of the problem's is moved there.
    """
    ends = [q[0] if problem.start.open else np.array(problem.start.q)]
    goals = np.asarray(problem.goal.configurations)
    ends.append(goals[int(np.argmin(np.abs(goals - q[-1]).max(axis=1)))] if len(goals) else q[-1])
    q = q.copy()
    moved = [float(np.abs(q[k] - end).max()) for k, end in ((0, ends[0]), (-1, ends[1]))]
    for k, end, off in ((0, ends[0], moved[0]), (-1, ends[1], moved[1])):
        if off <= FIT_ENDS:
            q[k] = end
    worst = max((off for off in moved if off <= FIT_ENDS), default=0.0)
    if worst > END_TOLERANCE:
        warnings.warn(Remark(f"{where}: the fit moves an end by {worst:.2g} rad onto the problem's"), stacklevel=5)
    rest = np.zeros(q.shape[1])
    start_v, start_a = (rest, rest) if problem.start.open else (np.array(problem.start.v), np.array(problem.start.a))
    if v is None:
        first, last = [(1, start_v), (2, start_a)], [(1, rest), (2, rest)]
        spline = make_interp_spline(time, q, k=5, bc_type=(first, last))  # its knots are the samples
        return PiecewisePolynomial(time, np.stack([spline(time[:-1], nu=k) / factorial(k) for k in range(6)], axis=1))
    v = np.array(v)
    v[0], v[-1] = start_v, rest
    a = CubicSpline(time, v, bc_type=((1, start_a), (1, rest)))(time, 1)
    return quintic_hermite(time, q, v, a)


def _read_npz(path: Path) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as data:
        entries = {key: data[key] for key in data.files}
    if int(entries.get("format", np.array(0))) != FORMAT:
        raise TrajectoryFileError(str(path), f"is not of format {FORMAT}")
    return entries
