"""The figures of `fastmove bench flight`, as text: one block for each part."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import numpy as np

from fastmove.execution.stops import AT_GOAL, OFF_PATH, ON_PATH

SOON = 0.02  # Time within which slowing is to begin [s].
HELD = "HELD"
NOT_DROPPED = ("HELD", "NOT_SETTLED", "BORDERLINE", "LOST_TOUCH", "NOT_TRACKABLE")
SURE = ("NO_STOP", "UNSURE_STOP")  # First answers without a certificate.
SLID = (0.2, 0.2)  # Displacement [mm] and turn [°] beyond which an item had moved in the hand before anybody knew of it.
AT_ONCE = 0.05  # Time after a change is known within which no stop can begin and end [s].

Row = dict[str, Any]


def summary(rows: dict[str, list[Row]]) -> str:
    """Returns the figures of all parts."""
    blocks = (
        _stops(rows["stops"]),
        _speeds(rows["speeds"]),
        _interruptions(rows["interruptions"]),
        _faults(rows["faults"]),
        _loop(rows["loop"]),
    )
    return "\n".join([*filter(None, blocks), f"({os.cpu_count()} CPUs)"])


def percentiles(values: Any, scale: float = 1.0) -> str:
    """Returns the median and the 95th percentile of values, in words."""
    values = np.asarray([value for value in values if value is not None], dtype=float)
    if not len(values):
        return "–"
    p50, p95 = np.percentile(scale * values, [50, 95])
    return f"p50 {p50:.3g}, p95 {p95:.3g}"


def _stops(rows: list[Row]) -> str:
    lines, durations = [], {row["key"][0]: row["duration"] for row in rows if row["key"][1] == 0.0 and "stops" in row}
    for reserve in sorted({row["key"][1] for row in rows}):
        mine = [row for row in rows if row["key"][1] == reserve and "stops" in row]
        stops = [stop for row in mine for stop in row["stops"]]
        where = Counter(stop["where"] for stop in stops)
        verdicts = Counter(verdict for row in mine for verdict in row["verdicts"])
        rest = percentiles([stop["time"] for stop in stops if stop["where"] != AT_GOAL])
        pairs = [(s, b) for row in mine for s, b in zip(row["stops"], row["brakes"], strict=True)]
        longer = sum(s["where"] == AT_GOAL and s["time"] > b["time"] + 0.05 for s, b in pairs)
        shared = [row for row in mine if row["key"][0] in durations]
        price = np.exp(np.mean([np.log(row["duration"] / durations[row["key"][0]]) for row in shared])) - 1 if shared else 0.0
        ratios = [row["table_s"] / row["plan_s"] for row in mine]
        begun = np.concatenate([row["begun"] for row in mine]) if mine else np.zeros(0)
        lines += [
            f"stops, reserve {reserve:g}: {len(mine)} motions ({price:+.1%} duration), {len(stops)} instants: "
            + ", ".join(f"{where[kind]} {kind}" for kind in (ON_PATH, OFF_PATH, AT_GOAL)),
            f"  to rest {rest} s; the joints' own brake {percentiles([b['time'] for _, b in pairs])} s, which asks more than the "
            f"grip has at {np.mean([b['throws'] for _, b in pairs]):.0%}",
            f"  begun in physics: {dict(verdicts)}; certified from scratch, not ok: {sum(len(row['faults']) for row in mine)}",
            f"  the motion ends first: {where[AT_GOAL]}, {longer} of them more than 50 ms after that brake",
            f"  slowing begins within 20 ms at {np.mean(begun <= SOON):.0%}; table / plan, CPU: median {np.median(ratios):.2f}, "
            f"worst {max(ratios):.2f}",
        ]
    return "\n".join(lines)


def _speeds(rows: list[Row]) -> str:
    commands = [command for row in rows for command in row["commands"]]
    if not commands:
        return ""
    answered = [command for command in commands if command["ok"]]
    held = sum(row["verdict"] == HELD for row in rows)
    return (
        f"speeds: {len(commands)} commands in {len(rows)} flights, {len(answered)} followed; 90 % of the change after "
        f"{percentiles([c['after'] for c in answered], 1e3)} ms\n"
        f"  {sum(row['violations'] for row in rows)} violations, {held} of {len(rows)} HELD, "
        f"{sum(row['arrived'] for row in rows)} arrived"
    )


def classified(row: Row) -> str:
    """Returns what became of an interrupted motion, in words."""
    if "left_out" in row:
        return "not drawn"
    if row["before"][0] > SLID[0] or row["before"][1] > SLID[1]:
        return "the item had slid before anybody knew"
    if row["contacts"] and row["contacts"][0][0] - row["at"] < AT_ONCE:
        return "touched before anybody could stop"
    dropped = row["verdict"] not in NOT_DROPPED
    if row["answers"] and row["answers"][-1] == "NO_STOP":
        return f"no certified stop, {'dropped' if dropped else 'held'}"
    if row["first"] == "UNSURE_STOP" and "CERTIFIED" not in row["answers"]:
        return f"a stop without a certificate, {'dropped' if dropped else 'touched' if row['contacts'] else 'held'}"
    if dropped:
        return "dropped"
    if row["contacts"]:
        return "contact"
    if not row["at_rest"]:
        return "not at rest"
    return "at the goal" if row["at_goal"] else "in a held stop"


def _interruptions(rows: list[Row]) -> str:
    if not rows:
        return ""
    lines = [f"interrupted motions: {len(rows)}"]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        mine = [row for row in rows if row["kind"] == kind]
        counts = Counter(classified(row) for row in mine)
        flown = [row for row in mine if "left_out" not in row]
        firsts = Counter(str(row["first"]).lower() for row in flown)
        lines += [
            f"  {kind:9s} {', '.join(f'{count} {what}' for what, count in counts.most_common())}",
            f"            response {percentiles([row['response'] for row in flown], 1e3)} ms; first {dict(firsts)}",
        ]
    flown = [row for row in rows if "left_out" not in row]
    late, cycles = sum(row["late"] for row in flown), sum(row["cycles"] for row in flown)
    jump, share = max(row["jump"] for row in flown), late / cycles
    lines.append(f"  largest jump where motions join {jump:.1e}; {late} of {cycles} cycles late ({share:.3%})")
    return "\n".join(lines)


def _faults(rows: list[Row]) -> str:
    lines = []
    for fault in dict.fromkeys(row["fault"] for row in rows):
        mine = [row for row in rows if row["fault"] == fault]
        held, events = Counter(row["verdict"] for row in mine), Counter(row["ended"] for row in mine)
        rest, raised = sum(row["at_rest"] for row in mine), sum(bool(row["raised"]) for row in mine)
        ends = f"item {dict(held)}; ended {dict(events)}; raised {raised}"
        lines.append(f"  {fault:19s} {len(mine)} runs: {rest} at rest; {ends}")
    return "\n".join(["faults:", *lines]) if lines else ""


def _loop(rows: list[Row]) -> str:
    lines = []
    for row in rows:
        share = f"{row['late']} of {row['cycles']} cycles more than 1 ms late ({row['late'] / row['cycles']:.3%})"
        lines.append(f"  {row['key'][0]}: {share}")
        if "command_us" in row:
            lines.append(f"    a command costs {row['command_us']:.0f} µs; the planner worked for {row['planning_s']:.0f} s")
    return "\n".join(["loop:", *lines]) if lines else ""
