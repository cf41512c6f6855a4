"""What the headline's page says about itself: every term is explained where it stands."""

from __future__ import annotations

CURVES = """
Further right is faster, lower is gentler. Every point of a line is one speed at which all motions of an arm are played; the
thick pale bars are 95 % intervals. An <b>arm</b> is a hand (<b>pinch</b>: two fingers; <b>suction</b>: one cup) and a way to
plan: <b>kinematic</b>: as fast as joints and motors allow, past all obstacles, whatever is in the hand; <b>slow-down</b>: the
same motion, played so slowly, item by item, that hand and item keep every limit for all that the planner holds possible;
<b>fastmove</b>: the fastest motion under all of these limits. <b>Damaged</b>: the item was dropped, slipped in the hand by
more than 1 mm or 1°, was squeezed harder than it bears, or shaken by more than 15 g.
"""
WIDTHS = """
The planner is told what is known of an item's class, as a range: friction, mass, centre of mass, grip. What is truly there is
drawn from ranges that are 1, 1.5 and 2 times as wide around the same middle: at 1 the planner was right about what is
possible, beyond it was not.
"""
EQUAL = """
All arms at the units an hour that <b>pinch, fastmove</b> reaches as planned. <b>Ratio</b>: damage of pinch, fastmove over
that of the arm; its last column is the end of the one-sided 95 % interval (where nothing was damaged, from the bound of as
many independent trials). An arm that does not reach this rate is given with the damage of its fastest point, and a star.
"""
SPEEDS = """
Every speed of every arm. <b>Use</b>: the mean over items of the largest share of the hold's limit that the worst item of the
planner's set asks for; above 1 the planner does not promise that it is held.
"""
CAUSES = """
What happened to the items, as planned (speed 1), of all trials of all widths. <b>Could not be lifted</b> is counted as a drop
of every arm of the hand: what was drawn cannot be held even at rest.
"""
SENSITIVITY = """
The same at the same rate, if friction were 30 % lower or higher than was drawn, if contacts were half or twice as stiff in
time, if items bore half or twice as much. <b>Order</b>: whether the arms' order, from least to most damage, is that of the
first row (arms that differ by less than half a percent of the trials count as equal).
"""
TAKEN = """
Items were drawn until both hands could take them; what was drawn and put back is counted here. Headline figures are about
what both can take, and say nothing of the rest.
"""
WORST = """
The worst that happened to <b>pinch, fastmove</b>, as planned, at the smallest width at which anything did. A preview shows
the motion as it was planned.
"""
ASSUMPTIONS = (
    (
        "arm",
        "one Panda for all, its limits, torques and torque rates; tote to tote over a table, past what lies in the tote",
    ),
    (
        "items",
        "of a catalogue of 120 retail items (sizes, masses, friction, centre of mass, squeeze, each with its source), "
        "those up to 2 lb; the planner knows the class only, friction from low to high",
    ),
    (
        "grasps",
        "from above, 25 to 50 mm off the item's middle along its longer side, or as far off as the cup's lip allows; "
        "the same for both hands",
    ),
    (
        "grip",
        "1.5 times what rest needs for every item of the planner's set, at most 95 % of what item and hand bear; the "
        "same for all pinch arms. Grippers are usually sized by mass, acceleration and friction with a factor of safety "
        "of 1.5 to 2",
    ),
    (
        "vacuum",
        "60 kPa below the surroundings under a lip of 30 mm: 42 N, the same for all suction arms",
    ),
    (
        "cup",
        "a rigid ring that slides, turns or peels, calibrated (make suction-rig); lost once a point of the lip has "
        "lifted for 5 ms. Real lips bend, leak and swing; rough and porous faces are not modelled",
    ),
    (
        "pads",
        "rigid points with Coulomb friction, the slip calibrated against closed forms",
    ),
    (
        "cycle",
        "the transfer, the empty hand's way back (as long as the kinematic transfer, for every arm), and handling with "
        "the arm at rest: fingers open and close 10 mm at the hand's speed and grip in 0.1 s; the cup takes 0.2 s to "
        "hold and 0.1 s to blow off (our estimates). Perception, missed picks and changes of totes are left out",
    ),
    (
        "reuse",
        "motions are planned once for each item, hand and way, and played at every speed and in every trial; fingers "
        "and cup meet the same draws of mass, centre of mass, friction and force",
    ),
    (
        "not counted",
        "trials in which the item sat in the hand otherwise than planned before the motion began, though it had not slipped",
    ),
)
CONTEXT = """
Published figures, for what they are: of a suction robot 2.2 % of picks were missed; a later stowing robot moved 224 units an
hour where people moved 243 (March 2025). They count perception, planning, packing and people, and are not comparable with a
cycle here.
"""
