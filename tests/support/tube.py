"""Arms that are off their commands, on motions certified for them: clearances kept, and what that costs in duration: `make tube`.

    python tests/support/tube.py [--rollouts 500] [--out tube.jsonl]

The shipped problems with the least clearance to spare, and the one whose obstacle moves, each planned for an arm that follows
exactly (`kinematic`), as the simulated one does (`mujoco`), and worse (1 mrad, 8 ms).  Then joints are off within that tube all
along the motion: constantly in a corner of it, at random from instant to instant, slowly to and fro, and at every instant in the
corner that takes most from the nearest pair; late by random delays.  Distances are measured every 4 ms, against the problem's
clearance without any tube.  The motion planned without a tube is put to the same test.  Pairs that may touch at an end count from
where their contact has faded.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fastmove as fm
from fastmove.arrays import Array
from fastmove.collision.checker import Collision
from fastmove.collision.query_types import Ends
from fastmove.multibody.assembly import assemble
from fastmove.multibody.required_distance import fade_distances
from fastmove.problem.following import EXACTLY, Following

TIGHT = ("pen", "book_to_tote", "bag_of_marbles", "heavy_jar", "book_from_shelf", "bulb_past_a_carton")
WORSE = Following(1e-3, 8e-3)
STEP = 4e-3
KINDS = ("corner", "random", "slow", "worst")
OPEN = Ends(())


@dataclass
class Tally:
    """What the rollouts of one motion met: least margin over the clearance and least distance [m], rollouts below either."""

    rollouts: int = 0
    margin: float = np.inf
    distance: float = np.inf
    below: int = 0
    contacts: int = 0

    def __str__(self) -> str:
        least = f"{self.margin * 1e3:7.3f} {self.distance * 1e3:7.3f}"
        return f"{least} {self.below:3d} {self.contacts:3d} of {self.rollouts}"


class Rollouts:
    """Runs of one motion by arms that are off their commands.

    Args:
        problem: The problem; how its arm follows is left out of the distances measured.
        trajectory: The motion.
        tube: How closely the arms follow.
    """

    def __init__(self, problem: fm.TransferProblem, trajectory: fm.Trajectory, tube: Following) -> None:
        self.trajectory, self.tube, self.n = trajectory, tube, problem.robot.n_arm
        self.time = np.linspace(0.0, trajectory.duration, int(np.ceil(trajectory.duration / STEP)) + 1)
        bare = problem.with_(following=EXACTLY)
        self.collision = Collision(bare, assemble(bare))
        strays = Collision(problem.with_(following=tube), assemble(problem)).strays
        q = trajectory.position(self.time[[0, -1]])
        self.fades = self.collision.ends(q[0], q[1]).fades
        self.faded = fade_distances(strays.most)
        found = self.collision.query(trajectory.position(self.time), OPEN, 0.03, gradients=True, time=self.time)
        self.worst = np.ones((len(self.time), self.n))
        for k in np.unique(found.sample):
            rows = np.nonzero((found.sample == k) & ~self._fading(found.pair, found.sample, trajectory.position(self.time)))[0]
            if len(rows):
                self.worst[k] = -np.sign(found.gradient[rows[np.argmin(found.margin[rows])]])

    def _fading(self, pair: Array, sample: Array, q: Array) -> Array:
        """Mask (C,) of contacts that are allowed and not yet faded."""
        frames, fading = self.collision.kinematics.placements(q), np.zeros(len(pair), dtype=bool)
        for fade in self.fades:
            points = np.einsum("nij,kj->nki", frames.rotation[:, fade.joint], fade.points) + frames.origin[:, fade.joint, None]
            way = np.linalg.norm(points - fade.origin, axis=2).max(axis=1)
            fading |= fade.pairs[pair] & (way[sample] < self.faded[pair])
        return fading

    def errors(self, kind: str, rng: np.random.Generator) -> Array:
        """Joint errors (N, n) within the tube, over time [rad]."""
        shape = (len(self.time), self.n)
        if kind == "corner":
            share = np.broadcast_to(rng.choice([-1.0, 1.0], self.n), shape)
        elif kind == "random":
            share = rng.uniform(-1, 1, shape)
        elif kind == "slow":
            share = np.sin(2 * np.pi * (rng.uniform(0.5, 10, self.n) * self.time[:, None] + rng.uniform(0, 1, self.n)))
        else:
            share = self.worst
        return share * self.tube.errors(self.n)

    def run(self, count: int, seed: int) -> Tally:
        """Run so many, by turns of every kind."""
        rng, tally = np.random.default_rng(seed), Tally()
        for k in range(count):
            late = rng.uniform(0, self.tube.delay, len(self.time)) if k % 8 < 4 else np.full(len(self.time), self.tube.delay)
            planned = np.clip(self.time - late, 0.0, self.trajectory.duration)
            commanded = self.trajectory.position(planned)
            kind = KINDS[k % len(KINDS)]
            found = self.collision.query(commanded + self.errors(kind, rng), OPEN, 0.02, time=self.time)
            counts = ~self._fading(found.pair, found.sample, commanded)
            margin, distance = (float(x[counts].min(initial=0.02)) for x in (found.margin, found.distance))
            tally.rollouts += 1
            tally.margin, tally.distance = min(tally.margin, margin), min(tally.distance, distance)
            tally.below, tally.contacts = tally.below + (margin < -1e-6), tally.contacts + (distance <= 0)
        return tally


def planned(problem: fm.TransferProblem, tube: Following) -> fm.Solution | str:
    """The plan for an arm that follows so, or why there is none."""
    try:
        solution = fm.plan(problem.with_(following=tube))
    except fm.InputError as error:
        return str(error)
    return solution if solution.ok else solution.detail or solution.status.name


def simulated(problem: fm.TransferProblem) -> Following:
    """What the simulated arm says of itself."""
    following = fm.drivers.MujocoDriver(problem).following
    assert following is not None
    return following


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=500)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    problems = [fm.load_problem(fm.problems_folder() / f"{name}.toml") for name in TIGHT]
    tubes = {"mujoco": simulated(problems[0]), "worse": WORSE}
    rows, plans = [], []
    for problem in problems:
        exact = planned(problem, EXACTLY)
        assert isinstance(exact, fm.Solution)
        print(f"{problem.name}: kinematic (exact) {exact.duration:.3f} s", flush=True)
        for name, tube in tubes.items():
            solution = planned(problem, tube)
            if isinstance(solution, str):
                print(f"{problem.name}: {name}: {solution}", flush=True)
                rows.append({"problem": problem.name, "tube": name, "refused": solution})
            else:
                plans.append((problem, name, tube, exact, solution))
    each = int(np.ceil(options.rollouts / len(plans)))
    print(
        "problem, tube, price; least margin over the clearance and least distance [mm], rollouts below it, contacts; without it"
    )
    for k, (problem, name, tube, exact, solution) in enumerate(plans):
        kept, without = (Rollouts(problem, s.trajectory, tube).run(each, k) for s in (solution, exact))
        price = solution.duration / exact.duration - 1
        print(f"{problem.name:24} {name:7} {solution.duration:6.3f} s {price:+7.2%}   {kept}   without: {without}", flush=True)
        rows.append(
            {"problem": problem.name, "tube": name, "price": price, "duration": solution.duration}
            | {"with": vars(kept), "without": vars(without)}
        )
    done = [row for row in rows if "with" in row]
    total, below, contacts = (sum(row["with"][key] for row in done) for key in ("rollouts", "below", "contacts"))
    print(f"{total} rollouts in their tube: {below} below the clearance, {contacts} contacts")
    print(f"without it: {sum(r['without']['below'] for r in done)} below, {sum(r['without']['contacts'] for r in done)} contacts")
    if options.out:
        options.out.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
