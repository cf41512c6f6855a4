"""Commands, options and keys of JSON change only on purpose: `make golden` writes them anew."""

import golden


def test_every_option_says_what_it_said() -> None:
    assert golden.help_text() == (golden.FOLDER / "help.txt").read_text()


def test_every_key_of_json_is_there() -> None:
    assert golden.json_text() == (golden.FOLDER / "json.txt").read_text()
