"""What the report of the bench says about its tables and charts: every term is explained where it stands."""

from __future__ import annotations

from fastmove.bench.figures import CONFIDENCE

PLANNERS = """
<b>Certified</b>: a check of its own, which shares no code with any planner's optimiser, found that the motion keeps every limit
that this planner knows (one that knows no torque limit is not blamed for it here). <b>Keep all limits</b>: the same check with
every limit of the problem: position, velocity, acceleration, jerk, torque, distance to everything and, where something is held,
that the fingers can hold it. <b>T</b> is the duration of a motion and <b>b</b> a bound below which no motion of these joints
can be, whatever stands in the way: where T / b is 1, nothing faster exists (below 1 only for planners that ignore a limit).
"""
PROFILE = """
At 1: the share of all problems on which this planner's motion is the fastest of all (ties count for each). Further right: the
share on which it takes at most that many times as long as the fastest. At the right end: the share that it solves well at all.
Higher is better. (A performance profile.)
"""
BOUND = """
The share of all problems whose motion takes at most so many times its lower bound b. The bound knows the limits of the joints
only; obstacles, torque and grip may make it unreachable. Higher and further left is better.
"""
PLANNING = """
The share of all problems that are solved within a time, on one core of the machine named below. Further left is better.
"""
CONTESTS = """
The first planner beside each of the others, on problems that both solve. T / other's T is the geometric mean of the ratios: 0.8
means that its motions take 80 % of the other's time. The last two columns count only motions of both that keep <i>every</i>
limit: a planner that ignores a limit can be faster by breaking it.
"""
HOLD = "How many problems cost how much time because the fingers must hold the item; at 1 the grip does not matter."
PHYSICS = f"""
Each certified motion was carried out in a physics simulation in which friction alone holds the item, several times: with mass,
centre of mass, friction, grip and place in the hand drawn from the set that its problem states, and from a settled state of its
own. <b>Not held</b>: the item moved by more than 0.2 mm or 0.2° in the hand, or a pad point lost touch. <b>Dropped</b>: it
moved by 1 cm, or nothing touched it. <b>Below, at {CONFIDENCE:.0%}</b>: the true rate is below this with that confidence
(Clopper and Pearson). <b>Shock</b>: force of the hand on the item over its mass; at rest it is 9.81. <b>Arm off</b>: a joint of
the simulated arm, whose servo knows the nominal item only, was more than 5 mrad from its command; whether the item was held is
counted all the same. <b>Not settled</b>: the item did not come to rest in the closing hand as planned, so that the motion was
not tried; these are left out of the other columns.
"""
FAILURES = "Number of problems; numbers in the sentences are left out."
BROKEN = """
Number of its certified motions that break a limit of the problem which this planner does not know. Start and goal: it does not
begin or end at rest, with no acceleration.
"""
WORST = "Open one to see the motion in 3D beside its plots."
PROBLEMS = """
Click a heading to sort. – means that there is no certified motion, * that the motion breaks a limit which its planner does not
know.
"""
NOTHING_KNOWN = "Nothing is known about machine and versions: there was no run.json beside the results."
