"""Commands, options and keys of JSON change only on purpose: `make golden` writes them anew."""

import subprocess
import sys

import golden


def test_every_option_says_what_it_said() -> None:
    """In a process of its own, since other tests register drivers and contact models of their own."""
    script = (
        f"import sys; sys.path.insert(0, {str(golden.FOLDER.parents[1] / 'support')!r}); import golden; print(golden.help_text())"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == (golden.FOLDER / "help.txt").read_text().strip()


def test_every_key_of_json_is_there() -> None:
    assert golden.json_text() == (golden.FOLDER / "json.txt").read_text()
