"""Reading TOML/JSON tables: every field is checked when read, and nothing unknown passes."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path

from fastmove.errors import InputError, did_you_mean

MISSING = object()


class CheckedTable:
    """One table of a file; remembers where it stands and which keys were read.

    Every method raises InputError(file: key, what is wrong and what is allowed).
    """

    def __init__(self, data: dict[str, object], where: str, path: str = "") -> None:
        self.data, self.where, self.path = data, where, path
        self.used: set[str] = set()
        self.known: set[str] = set()  # asked for, whether there or not
        self.children: list[CheckedTable] = []

    def key(self, name: str) -> str:
        """Full name of a key, for messages."""
        path = f"{self.path}.{name}" if self.path else name
        return f"{self.where}: {path}" if self.where else path

    def fail(self, name: str, problem: str) -> InputError:
        """The error about one key, to be raised."""
        return InputError(self.key(name), problem)

    def has(self, name: str) -> bool:
        """Whether the key is there; it counts as known."""
        self.known.add(name)
        return name in self.data

    def ignore(self, *names: str) -> None:
        """Let keys pass that nobody reads."""
        self.used.update(names)

    def raw(self, name: str, default: object = MISSING) -> object:
        """The value as it stands in the file; without a default the key is needed."""
        self.used.add(name)
        value = self.data.get(name, default)
        if value is MISSING:
            unread = [key for key in self.data if key not in self.used]
            here = f" (not read yet here: {', '.join(unread[:8])}{did_you_mean(name, unread)})" if unread else ""
            raise self.fail(name, f"is missing{here}")
        return value

    def string(self, name: str, default: object = MISSING) -> str:
        """A text."""
        value = self.raw(name, default)
        if not isinstance(value, str):
            raise self.fail(name, f"is {value!r}; a text is needed")
        return value

    def text(self, name: str) -> str:
        """A text, or what a number or a truth value is as one."""
        value = self.raw(name)
        if isinstance(value, bool):
            return str(value).lower()
        if not isinstance(value, str | int | float):
            raise self.fail(name, f"is {value!r}; a text or a number is needed")
        return str(value)

    def choice(self, name: str, allowed: tuple[str, ...], default: object = MISSING) -> str:
        """One of these texts."""
        if default is MISSING and name not in self.data:
            raise self.fail(name, f"is missing; allowed: {', '.join(allowed)}")
        value = self.string(name, default)
        if value not in allowed:
            raise self.fail(name, f"is {value!r}; allowed: {', '.join(allowed)}{did_you_mean(value, allowed)}")
        return value

    def strings(self, name: str, default: object = MISSING) -> list[str]:
        """A list of texts."""
        value = self.raw(name, default)
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.fail(name, f"is {value!r}; a list of texts is needed")
        return value

    def integer(self, name: str, default: object = MISSING) -> int:
        """A whole number."""
        value = self.raw(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(name, f"is {value!r}; a whole number is needed")
        return value

    def boolean(self, name: str, default: object = MISSING) -> bool:
        """True or false."""
        value = self.raw(name, default)
        if not isinstance(value, bool):
            raise self.fail(name, f"is {value!r}; it must be true or false")
        return value

    def number(self, name: str, default: object = MISSING, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number from `low` to `high`."""
        if name not in self.data and isinstance(default, float | int):
            self.used.add(name)
            return float(default)
        return self._number(name, self.raw(name, default), low, high)

    def numbers(self, name: str, size: int | None, default: object = MISSING, finite: bool = True) -> list[float]:
        """A list of numbers, so many of them; None = any number of them."""
        value = self.raw(name, default)
        count = "" if size is None else f"{size} "
        if not isinstance(value, list) or (size is not None and len(value) != size):
            raise self.fail(name, f"is {value!r}; a list of {count}numbers is needed")
        return [self._number(name, v, -math.inf, math.inf, finite) for v in value]

    def rows(self, name: str, width: int) -> list[list[float]]:
        """A list of rows of numbers, at least one."""
        value = self.raw(name)
        if not isinstance(value, list) or not value:
            raise self.fail(name, f"is {value!r}; a list of rows of {width} numbers is needed")
        holder = CheckedTable(
            {str(i): row for i, row in enumerate(value)}, self.where, f"{self.path}.{name}" if self.path else name
        )
        return [holder.numbers(str(i), width) for i in range(len(value))]

    def _number(self, name: str, value: object, low: float, high: float, finite: bool = True) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise self.fail(name, f"is {value!r}; a number is needed")
        if finite and not abs(value) <= 1e12:
            raise self.fail(name, "is too large or infinite; a finite number is needed")
        if not low <= value <= high:
            raise self.fail(name, f"is {value!r}; allowed: {low:g} to {high:g}")
        return float(value)

    def table(self, name: str, default: object = MISSING) -> CheckedTable:
        """A table inside this one."""
        value = self.raw(name, default)
        if not isinstance(value, dict):
            raise self.fail(name, f"is {value!r}; a table is needed")
        return self._child(name, value)

    def tables(self, name: str) -> dict[str, CheckedTable]:
        """Named sub-tables, in file order; empty where there is none."""
        value = self.raw(name, {})
        if not isinstance(value, dict) or not all(isinstance(v, dict) for v in value.values()):
            raise self.fail(name, "needs named tables")
        return {key: self._child(f"{name}.{key}", sub) for key, sub in value.items()}

    def list_of_tables(self, name: str, default: object = None) -> list[CheckedTable]:
        """A list of tables; a single table counts as one; empty where there is none."""
        value = self.raw(name, default)
        value = [] if value is None else [value] if isinstance(value, dict) else value
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.fail(name, "needs a list of tables")
        return [self._child(f"{name}[{i}]", sub) for i, sub in enumerate(value)]

    def _child(self, name: str, data: dict[str, object]) -> CheckedTable:
        child = type(self)(data, self.where, f"{self.path}.{name}" if self.path else name)
        self.children.append(child)
        return child

    def finish(self) -> None:
        """Complain about keys that nobody read, here and below."""
        for name in self.data:
            if name not in self.used:
                known = sorted(self.used | self.known)
                raise self.fail(name, f"is not a known key; known keys here: {', '.join(known)}{did_you_mean(name, known)}")
        for child in self.children:
            child.finish()


def read_table(path: Path) -> CheckedTable:
    """The file as a table, TOML or JSON by its ending."""
    if path.suffix.lower() == ".toml":
        return read_toml(path)
    if path.suffix != ".json":
        raise InputError(str(path), "is neither .toml nor .json")
    try:
        data = json.loads(_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(str(path), f"is not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise InputError(str(path), "needs a JSON object at its top")
    return CheckedTable(data, path.name)


def read_toml(path: Path) -> CheckedTable:
    """The TOML file as a table."""
    try:
        return CheckedTable(tomllib.loads(_text(path)), path.name)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(str(path), f"is not valid TOML: {error}") from error


def _text(path: Path) -> str:
    """Text of a UTF-8 file; a byte order mark is passed over."""
    try:
        data = path.read_bytes()
        return data.decode("utf-8-sig")
    except FileNotFoundError as error:
        beside = [file.name for file in path.parent.glob(f"*{path.suffix}")] if path.parent.is_dir() else []
        raise InputError(str(path), f"no such file{did_you_mean(path.name, beside)}") from error
    except UnicodeDecodeError as error:
        kind = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "no UTF-8 text"
        raise InputError(str(path), f"is {kind}; save it as UTF-8") from error
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error})") from error
