"""Parts that the bench's pages have in common: sections, tables, entries, previews to open, and what is known of the run."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

NOTHING_KNOWN = "Nothing is known about machine and versions: there was no run.json beside the results."

About = dict[str, Any]


def section(title: str, said: str, content: str) -> str:
    """A section: its title, a paragraph of HTML about it, and what it shows."""
    return f"<h2>{html.escape(title)}</h2>{f'<p>{said.strip()}</p>' if said else ''}{content}"


def charts_of(charts: Sequence[str]) -> str:
    """Charts beside each other."""
    return f'<div class="charts">{"".join(charts)}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], sortable: bool = False) -> str:
    """A table whose first column are names; cells that a row has not are dashes."""

    def cells(row: Sequence[str], tag: str) -> str:
        whole = [*row, *["–"] * (len(head) - len(row))]
        return "".join(f"<{tag}{' class=name' if k == 0 else ''}>{html.escape(cell)}</{tag}>" for k, cell in enumerate(whole))

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    kind = ' class="sortable"' if sortable else ""
    return f'<div class="scroll"><table{kind}><thead><tr>{cells(head, "th")}</tr></thead><tbody>{body}</tbody></table></div>'


def definitions(pairs: Sequence[tuple[str, object]]) -> str:
    """A list of words and what stands for each."""
    rows = "".join(f"<dt>{html.escape(key)}</dt><dd>{html.escape(str(value))}</dd>" for key, value in pairs)
    return f"<dl>{rows}</dl>"


def shown_previews(said: Sequence[str], what: str) -> str:
    """The worst cases, to look at."""
    parts = "".join(
        f'<details data-preview="{k}"><summary>{html.escape(text)}</summary></details>' for k, text in enumerate(said)
    )
    return section("Worst cases", what, parts) if said else ""


def run_section(about: About) -> str:
    """Machine, versions, seed, commit."""
    if not about:
        return section("The run", NOTHING_KNOWN, "")
    machine, versions = about.get("machine", {}), about.get("versions", {})
    asked = (f"{key} {value}" for key, value in about.get("arguments", {}).items() if value not in (None, False, ""))
    speed = f"{machine.get('workload_ms')} ms for 10,000 derivatives of a Panda's dynamics on one core"
    entries = {
        "set": f"{about.get('set')}, {about.get('problems')} problems, SHA-256 {about.get('set_sha256')}",
        "asked for": ", ".join(asked),
        "begun": about.get("begun"),
        "machine": ", ".join(str(machine.get(key)) for key in ("processor", "system"))
        + f", {machine.get('cpus')} CPUs, Python {machine.get('python')}",
        "its speed": f"{speed}; divide planning times of two machines by it to compare them",
        "versions": ", ".join(f"{name} {value}" for name, value in versions.items() if value),
    }
    return section("The run", "", definitions(list(entries.items())))
