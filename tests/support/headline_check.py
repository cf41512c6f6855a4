"""Whether a run of `fastmove bench headline` agrees with another one: `make headline-short`.

    python tests/support/headline_check.py FOLDER [--with docs/headline.json]

Every arm at every width, at its run's units an hour of the best arm: the other run's damage should lie within this run's
interval.  Of intervals at 95 % one in twenty may miss: exit code 1 where more than two of the eighteen do.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

FIGURES = "headline.json"
MISSES = 2


def misses(mine: dict, other: dict) -> list[str]:  # type: ignore[type-arg]
    """Arms whose damage in the other run is outside this run's interval."""
    found = []
    for width, arms in other["equal"].items():
        for arm, row in arms.items():
            own = mine["equal"][width][arm]
            if not own["low"] - 1e-9 <= row["damage"] <= own["high"] + 1e-9:
                found.append(
                    f"width {width}, {arm}: {100 * row['damage']:.2f} % there, here {100 * own['damage']:.2f} % "
                    f"({100 * own['low']:.2f} to {100 * own['high']:.2f})"
                )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--with", dest="other", type=Path, default=Path("docs") / FIGURES)
    options = parser.parse_args()
    mine, other = (json.loads(path.read_text()) for path in (options.folder / FIGURES, options.other))
    found, count = misses(mine, other), sum(len(arms) for arms in other["equal"].values())
    print("\n".join(found))
    rates = " and ".join(f"{figures['units_an_hour']:.0f}" for figures in (mine, other))
    print(f"{count - len(found)} of {count} arms and widths agree; units an hour {rates}")
    sys.exit(len(found) > MISSES)


if __name__ == "__main__":
    main()
