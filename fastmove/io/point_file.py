"""Reading point clouds, height maps and depth images from the files that sensors and tools write.

.npy and .npz are numpy's, of numbers or of records x, y, z; .xyz and .txt hold a point a line; .ply needs trimesh, .pcd pypcd4.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.errors import InputError, MissingPackage, first_line

HEADER = 4096  # Length within which the header of a PCD file ends [byte].
FIELDS = 256  # Largest number of values of a point in a PCD file.
PACKED = 300  # Largest factor by which a compressed PCD file grows: LZF copies up to 264 bytes by one token of three.


def load_points(path: str | Path, unit: float | None = None) -> Array:
    """Returns the points (N, 3) [m] of a point cloud: .npy, .npz, .xyz, .txt, .ply or .pcd.

    Args:
        path: The file.
        unit: Metres of one count, as 0.001 for millimetres; None means metres, which whole numbers are not believed to be.

    Raises:
        InputError: The file is no point cloud, its numbers need a unit, or the unit is not positive.
        MissingPackage: The package that reads this kind of file is not installed.
    """
    file = Path(path)
    kind = file.suffix.lower()
    if kind not in READERS:
        raise InputError("file", f"{file.name} is no kind of point cloud that is read; allowed: {', '.join(READERS)}")
    if unit is not None and not 0 < unit < np.inf:
        raise InputError("unit", f"is {unit:g}; the metres of one count are needed, as 0.001 for millimetres")
    points = np.atleast_2d(_read(file, READERS[kind]))
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError("file", f"{file.name} holds an array of the form {points.shape}; (N, 3) is needed [m]")
    if unit is None and np.issubdtype(points.dtype, np.integer):
        raise InputError("unit", f"is missing: {file.name} holds whole numbers; give the metres of one count, as 0.001")
    return np.asarray(points * (1.0 if unit is None else unit), dtype=float)


def load_array(path: str | Path) -> Array:
    """Returns the numbers of a .npy file, or of an .npz file with one array; of records x, y, z the three are columns.

    Raises:
        InputError: The file holds something else.
    """
    return _read(Path(path), READERS.get(Path(path).suffix.lower(), _npy))


def _read(file: Path, reader: Callable[[Path], Array]) -> Array:
    """Reads a file, and says in one sentence what is wrong with it."""
    try:
        data = reader(file)
    except (InputError, FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # the readers raise whatever Python's parsers do
        reason = first_line(error)
        reason = "it asks for more memory than there is" if isinstance(error, MemoryError) else reason
        what = "array of numbers" if reader in (_npy, _npz) else "point cloud"
        raise InputError("file", f"{file.name} is no {file.suffix} {what} ({reason[:120]})") from error
    if not (np.issubdtype(data.dtype, np.integer) or np.issubdtype(data.dtype, np.floating)):
        raise InputError("file", f"{file.name} holds {data.dtype}; numbers are needed, or records x, y, z")
    return data


def _npy(file: Path) -> Array:
    return _columns(np.load(file, allow_pickle=False))


def _npz(file: Path) -> Array:
    with np.load(file, allow_pickle=False) as arrays:
        names = list(arrays.files)
        chosen = [name for name in ("points", "xyz") if name in names] or names
        if len(chosen) != 1 and chosen[0] not in ("points", "xyz"):
            raise InputError(
                "file", f"{file.name} holds {len(names)} arrays ({', '.join(names[:6])}); one is needed, or 'points'"
            )
        return _columns(arrays[chosen[0]])


def _columns(data: Array) -> Array:
    """An array as it is; of records the fields x, y, z as columns (N, 3)."""
    if data.dtype.names is not None and {"x", "y", "z"} <= set(data.dtype.names):
        return np.stack([np.asarray(data[key], dtype=float).ravel() for key in ("x", "y", "z")], axis=1)
    return data


def _text(file: Path) -> Array:
    """Points of a text file: the first three columns, apart by blanks or commas; a first line of words or of one count passes."""
    lines = [line.replace(",", " ").replace(";", " ").split() for line in file.read_text("utf-8-sig").splitlines()]
    rows = [line for line in lines if line and not line[0].startswith(("#", "//"))]
    if rows and (len(rows[0]) == 1 or not _is_number(rows[0][0])):
        rows = rows[1:]
    if any(len(row) < 3 for row in rows):
        raise ValueError("a line has fewer than three numbers")
    return np.array([[float(x) for x in row[:3]] for row in rows]).reshape(-1, 3)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _ply(file: Path) -> Array:
    try:
        import trimesh
    except ImportError:
        raise MissingPackage("trimesh", f"{file.name}: reading PLY point clouds", "scenes") from None
    cloud: Any = trimesh.load(file, file_type="ply", process=False)
    return np.asarray(cloud.vertices, dtype=float)


def _pcd(file: Path) -> Array:
    try:
        from pypcd4.pypcd4 import PointCloud
    except ImportError:
        raise MissingPackage("pypcd4", f"{file.name}: reading PCD point clouds", "scenes") from None
    promised = _pcd_points(file)
    points = np.asarray(PointCloud.from_path(file).numpy(("x", "y", "z")), dtype=float)
    if len(points) != promised:
        raise ValueError(f"it says that it has {promised} points, and has {len(points)}")
    return points


def _pcd_points(file: Path) -> int:
    """Number of points that the header of a PCD file promises, once the file is large enough to hold them.

    The reader would believe any numbers, and take hours and all memory for them.
    """
    head: dict[str, list[str]] = {}
    for line in file.read_bytes()[:HEADER].split(b"\n"):
        key, *words = line.decode("ascii", "replace").split() or [""]
        head[key] = words
        if key == "DATA":
            break
    sizes, counts = ([int(word) for word in head[key]] for key in ("SIZE", "COUNT"))
    points, how = int(head["POINTS"][0]), head["DATA"][0]
    each = sum(size * count for size, count in zip(sizes, counts, strict=True))
    room = file.stat().st_size * (PACKED if how == "binary_compressed" else 1)
    least = 2 * sum(counts) if how == "ascii" else each
    if not (points >= 0 and min(*sizes, *counts) > 0 and sum(counts) <= FIELDS and points * least <= room):
        raise ValueError(f"it says that it has {points} points of {each} bytes, which it is too short for")
    return points


READERS: dict[str, Callable[[Path], Array]] = {
    ".npy": _npy, ".npz": _npz, ".xyz": _text, ".txt": _text, ".pts": _text, ".csv": _text, ".ply": _ply, ".pcd": _pcd,
}  # fmt: skip
