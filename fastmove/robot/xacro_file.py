"""Expanding xacro files by the `xacro` package where it is installed, in a process of its own.

A xacro file is a program: it evaluates expressions and includes other files.  So it runs apart from this process, for a limited
time, and reads only below its own folder and the folders given.
"""

from __future__ import annotations

import builtins
import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastmove.errors import InputError, MissingPackage
from fastmove.robot.ros_package import package_folders

UNDEFINED = "Undefined substitution argument "  # How xacro begins its message about an argument that is not given.
TIME = 20.0  # Longest expansion [s].


def expanded(path: Path, packages: Sequence[Path], arguments: Mapping[str, str]) -> str:
    """Returns the URDF text that a xacro file expands to.

    Args:
        path: The xacro file.
        packages: Folders in which `$(find NAME)` looks up packages, besides the file's own folder and those above it.
        arguments: Values of its `xacro:arg`.

    Raises:
        MissingPackage: xacro is not installed.
        InputError: The file cannot be expanded.
    """
    if importlib.util.find_spec("xacro") is None:
        raise MissingPackage("xacro", f"{path}: this is a xacro file; expanding it", "xacro")
    asked = {"path": str(path.resolve()), "packages": [str(p.resolve()) for p in packages], "arguments": dict(arguments)}
    command = [sys.executable, "-c", "from fastmove.robot.xacro_file import main; main()"]
    try:
        done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=TIME, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(str(path), f"is a xacro file whose expansion does not end within {TIME:g} s") from None
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        reason = said[-1].partition(" [Errno")[0] if said else f"it ended with code {done.returncode}"
        if reason.startswith(UNDEFINED):
            lacks = reason.removeprefix(UNDEFINED)
            raise InputError(
                str(path), f"is a xacro file that needs the argument {lacks}: --xacro {lacks}:=…, or xacro = {{{lacks} = …}}"
            )
        raise InputError(
            str(path),
            f"is a xacro file that cannot be expanded: {reason} (packages are looked for around it and in packages=[…])",
        )
    return done.stdout


def main() -> None:
    """Expands the file that the standard input asks for, and prints it; the last line of an error says why it cannot."""
    import xacro
    from xacro import substitution_args

    asked = json.load(sys.stdin)
    path, packages = Path(asked["path"]), [Path(p) for p in asked["packages"]]
    refusals: list[str] = []  # xacro says them in words of its own

    def found(name: str) -> str:
        folder = next(package_folders(name, packages, path.parent), None)
        if folder is None:
            refusals.append(f"the package {name} is not found")
            raise ValueError(refusals[-1])
        allowed.append(folder.resolve())
        return str(folder)

    # Whatever xacro reads goes through `open` in its module.
    allowed = [path.parent, *packages]
    plain = builtins.open

    def guarded(file: Any, *rest: Any, **more: Any) -> Any:
        if not any(Path(file).resolve().is_relative_to(folder) for folder in allowed):
            refusals.append(f"{file} lies outside of the folders given")
            raise ValueError(refusals[-1])
        return plain(file, *rest, **more)

    xacro.open = guarded
    substitution_args._eval_find = found
    substitution_args._eval_dict["find"] = found
    try:
        text = xacro.process_file(str(path), mappings=asked["arguments"]).toxml()
    except BaseException as error:
        print(" ".join([*refusals, str(error)][0].split())[:300] or type(error).__name__, file=sys.stderr)
        sys.exit(1)
    sys.stdout.write(text)
