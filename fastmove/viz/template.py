"""Pages as templates: `{{name}}` stands for a part that is filled in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def filled(template: Path, texts: Mapping[str, str]) -> str:
    """A page with its parts, in one pass: what a part holds is not looked at again.

    Args:
        template: File of the page.
        texts: Text of every part, by its name.
    """
    pieces = template.read_text().split("{{")
    return pieces[0] + "".join(texts[name] + rest for name, _, rest in (piece.partition("}}") for piece in pieces[1:]))


def script_json(value: object) -> str:
    """JSON that may stand in a script: no tag can end it."""
    return json.dumps(value).replace("<", "\\u003c")
