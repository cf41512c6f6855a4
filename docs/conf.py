"""The documentation's build: strict, offline, and its reference written from the code at every build (`make docs`)."""

import argparse
import inspect
import json
import re
import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import fastmove  # noqa: E402
from fastmove.cli.arguments import argument_parser  # noqa: E402
from fastmove.io import problem_file  # noqa: E402

project, author, copyright = "FastMove", "the FastMove authors", "the FastMove authors; Apache-2.0"
version = release = fastmove.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "FastMove"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_show_sphinx = False
html_copy_source = False
default_role = "code"  # `single backticks` in docstrings
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
add_module_names = False
autodoc_preserve_defaults = True
napoleon_use_rtype = False
napoleon_use_ivar = True
suppress_warnings = ["autodoc.mocked_object"]

# Public names by what people look for; a name in none of them fails the build.
SECTIONS = {
    "Problems": (
        "problem.transfer",
        "problem.goal",
        "problem.scene",
        "problem.following",
        "geometry",
        "problem.describe",
        "resources",
    ),
    "Items and grasps": ("problem.item", "problem.item_catalog", "problem.grasp", "problem.tolerance", "problem.uncertainty"),
    "Robots": ("robot",),
    "Planning": ("planner", "search"),
    "Solutions and certificates": ("solution", "certificate", "trajectory"),
    "Files": ("io",),
    "Pick cycles": ("cycle",),
    "Running and judging": ("execution", "drivers.signals"),
    "Looking": ("viz",),
    "Adding your own": ("problem.path_constraint", "contact", "robot.limit_kinds", "geometry.shape_types"),
    "Errors": ("errors",),
}


def section_of(module: str) -> str:
    """The section whose prefix of the module's name is the longest."""
    fitting = [(len(prefix), name) for name, prefixes in SECTIONS.items() for prefix in prefixes if module.startswith(prefix)]
    return max(fitting)[1]


def python_reference() -> str:
    """Every public name, from its docstring."""
    lines = [
        "# Python reference",
        "",
        "`import fastmove as fm` has all of these.  Lengths are in m, angles in rad, unless said.",
        "",
    ]
    for section, prefixes in SECTIONS.items():
        lines += [f"## {section}", ""]
        modules = [module for module in fastmove._HOMES if section_of(module) == section]
        for module in sorted(modules, key=lambda module: next(k for k, p in enumerate(prefixes) if module.startswith(p))):
            for name in fastmove._HOMES[module].split():
                kind = kind_of_name(getattr(fastmove, name))
                more = "" if kind == "autofunction" else "\n   :members:"
                lines += ["```{eval-rst}", f".. {kind}:: fastmove.{module}.{name}{more}", "```", ""]
    return "\n".join(lines)


def kind_of_name(thing: object) -> str:
    """The directive that documents a thing."""
    if not isinstance(thing, type):
        return "autofunction"
    return "autoexception" if issubclass(thing, BaseException) else "autoclass"


def rows_of(schema: dict, path: str = "") -> list[tuple[str, str, str]]:
    """(key, type, whether it is needed) of every key of a JSON Schema, nested keys after their table."""
    schema = next((one for one in schema.get("anyOf", [schema]) if one.get("type") in ("object", "array")), schema)
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        return rows_of(schema["items"], path + "[]") if "properties" in json.dumps(schema["items"]) else []
    rows = []
    for key, value in schema.get("properties", {}).items():
        here = f"{path}.{key}" if path else key
        kinds = " or ".join(dict.fromkeys(kind_of(one) for one in value.get("anyOf", [value])))
        rows.append((here, kinds, "yes" if key in schema.get("required", []) else ""))
        rows += rows_of(value, here)
    extra = schema.get("additionalProperties")
    return rows + (rows_of(extra, f"{path}.NAME") if isinstance(extra, dict) else [])


def kind_of(schema: dict) -> str:
    """The type of a value, in a few words."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    kind = schema.get("type", "any")
    if kind == "array":
        count = schema.get("minItems") if schema.get("minItems") == schema.get("maxItems") else None
        return f"list of {f'{count} ' if count else ''}{kind_of(schema.get('items', {}))}"
    return {"object": "table", "integer": "whole number"}.get(str(kind), str(kind))


def file_reference(which: str, text: str) -> str:
    """Every key of a problem file or robot.toml, from the schema that editors read."""
    schema = json.loads((Path(fastmove.__file__).parent / "schemas" / f"{which}.schema.json").read_text())
    table = ["| key | value | needed |", "|---|---|---|"]
    table += [f"| `{key}` | {kind} | {must} |" for key, kind, must in rows_of(schema)]
    about = "From the schema that editors check by; a table in `[]` may stand several times."
    return "\n".join([text, "", "## Every key", "", about, "", *table, ""])


EXIT_CODES = {
    0: "done",
    1: "the certificate is not ok (`check`)",
    2: "the input is wrong",
    3: "no certified transfer",
    4: "the driver failed; the arm was stopped, the item held",
    130: "interrupted; the best so far is kept",
}


def command_reference() -> str:
    """Every command with its options, as `--help` says them."""
    parser = argument_parser()
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    about = "`fastmove COMMAND`, or `python -m fastmove COMMAND`.  `PROBLEM` is a file or the name of a shipped problem."
    lines = ["# Command line", "", about, "", "| exit code | means |", "|---|---|"]
    lines += [*(f"| {code} | {means} |" for code, means in EXIT_CODES.items()), ""]
    for name, command in commands.choices.items():
        command.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=100)
        lines += [f"## fastmove {name}", "", "```text", command.format_help().strip(), "```", ""]
    return "\n".join(lines)


def licences() -> str:
    """The licences of what installations bring, from the packages themselves; those that are not installed are left out."""
    lines = ["# Licences of dependencies", "", "FastMove is Apache-2.0.  What it needs, as the installed packages state it:", ""]
    lines += ["| package | comes with | version | licence |", "|---|---|---|---|"]
    for line in sorted(metadata.requires("fastmove") or []):
        name = re.match(r"[\w.-]+", line)[0]
        extra = re.search(r"extra == ['\"](\w+)", line)
        if extra and extra[1] == "dev":
            continue
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        where = f"`fastmove[{extra[1]}]`" if extra else "every installation"
        lines.append(f"| {name} | {where} | {about['Version']} | {licence_of(about)} |")
    return "\n".join([*dict.fromkeys(lines), ""])


def licence_of(about: metadata.PackageMetadata) -> str:
    """A package's licence: its expression, else its classifier, else the first line of what it says."""
    classifiers = [c.rsplit(" :: ", 1)[1] for c in about.get_all("Classifier", []) if c.startswith("License ::")]
    first_line = (about.get("License") or "see the package").strip().splitlines()[0][:60]
    return about.get("License-Expression") or ", ".join(classifiers) or first_line


def problem_text() -> str:
    """The schema of a problem file as its reader's docstring states it."""
    text = inspect.getdoc(problem_file).split("The schema, `format = 1`:")[1]
    head = "# Problem files\n\nTOML or JSON.  Lengths in m, angles in rad unless a key ends in `_deg`."
    return f"{head}\n\n```text\n{text.strip(chr(10))}\n```"


ROBOT_TEXT = """# Robot files

A robot is a URDF and a `robot.toml` beside it; `fastmove robot check FILE.urdf --out robot.toml` writes a first one, and
`robots/panda/robot.toml` is one with everything explained.  `[limits.NAME]` is a limit set (the first is the default),
`[gripper.NAME]` a two-finger hand, `[suction.NAME]` a cup, `[still]` where other joints stand, `[[unchecked]]` a pair
of links that needs no check, with the reason."""


def write_reference(app: object) -> None:
    """Writes the pages that come from the code, before Sphinx reads anything."""
    pages = {
        "python": python_reference(),
        "commands": command_reference(),
        "problem-file": file_reference("problem", problem_text()),
        "robot-file": file_reference("robot", ROBOT_TEXT),
        "licences": licences(),
    }
    for name, text in pages.items():
        file = HERE / "reference" / f"{name}.md"
        if not file.exists() or file.read_text() != text:
            file.write_text(text)


def setup(app: object) -> None:
    """Sphinx's hook."""
    app.connect("builder-inited", write_reference)
