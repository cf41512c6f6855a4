"""What the report of the bench says about its tables and charts: every term is explained where it stands."""

from __future__ import annotations

from fastmove.bench.figures import CONFIDENCE

PLANNERS = """
<b>Certified</b> (or solved): an independent checker, which shares no code with any planner's optimiser, found that the motion
keeps every limit that this planner takes into account; what it was checked for stands below the table; all else it ignores or
keeps at some points of the motion only. <b>Keeps all limits</b>: the same checker with every limit of the problem: position,
velocity, acceleration, jerk, torque, clearance to obstacles and itself and, where something is held, that the fingers can hold
it (<i>hold</i>: friction of the grip as a whole; <i>pad share</i>: of each fingertip; <i>rest</i>: at rest anywhere on the way;
<i>grasp</i>, <i>release</i>: the open hand at both ends). <b>T</b> is the duration of a motion, <b>b</b> a lower bound of it
from the limits of the joints alone, without obstacles: where T / b is 1, nothing faster exists (below 1 only for planners that
ignore a limit). Durations and times are over the problems that this planner solves, which are not the same ones in every row;
for a fair comparison see <i>Side by side</i>.
"""
PROFILE = """
At 1: the share of all problems on which this planner's motion is the shortest of all (ties count for each). Further right: the
share on which it takes at most that many times as long as the shortest. Higher is better. (A performance profile.)
"""
BOUND = """
The share of all problems whose motion takes at most so many times its lower bound b. The bound knows the limits of the joints
only; obstacles, torque and grip may make it unreachable. Higher and further left is better.
"""
PLANNING = """
The share of all problems that are solved within a time, on one core of the machine named below. Further left is better.
"""
CONTESTS = """
The first planner beside each of the others, on the problems that both solve. T ratio: the geometric mean of its durations over
the other's; 0.8 means that its motions take 80 % of the other's time. Planning time ratio: the same of planning times. <b>Both
keep all</b>: on how many problems the motions of both keep <i>every</i> limit, and the T ratio on these; a dash means that
there are none. A planner that ignores a limit can have shorter motions by breaking it.
"""
HOLD = "How many problems cost how much time because the fingers must hold the item; at 1 the grip does not matter."
PHYSICS = f"""
Each certified motion was carried out in a physics simulation in which friction alone holds the item, as many times as there are
rollouts for each motion: with mass, centre of mass, friction, grip and place in the hand drawn from the set that its problem
states, the same draws for every planner, and each time with the item come to rest in the hand a little differently. <b>Not
held</b>: the item moved by more than 0.2 mm or 0.2° in the hand, or part of a fingertip lost touch with it. <b>Below, at
{CONFIDENCE:.0%}</b>: with that confidence the true rate is below this (Clopper and Pearson). <b>Dropped</b>: it moved by 1 cm,
or lost all contact. <b>Shock</b>: force of the hand on the item over its mass; at rest 9.81 m/s². <b>Arm off</b>: in how many
rollouts a joint of the simulated arm, which knows the nominal item only, was more than 5 mrad from its command; such rollouts
still count in the other columns. <b>Not settled</b>: in how many the item did not come to rest in the closing hand as planned,
so that the motion was not tried; these are left out of the other columns.
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
