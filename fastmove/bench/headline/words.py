"""What the headline's page says about itself: every term is explained where it stands."""

from __future__ import annotations

CURVES = """
Further right is faster, lower is gentler. Every point of a line is one speed at which all motions of an arm are played; the
thick pale bars are 95 % intervals over catalogue items. An <b>arm</b> is a hand (<b>pinch</b>: two fingers; <b>suction</b>:
one cup) and a way to plan: <b>kinematic</b>: as fast as joints and motors allow, past all obstacles, whatever is in the hand;
<b>slow-down</b>: the same motion, played so slowly, placement by placement, that hand and item keep every limit for all that
the planner holds possible (where it leans the item so that no speed holds it, the arm has no motion, and its figures are of
the other placements); <b>fastmove</b>: the fastest motion under all of these limits. <b>Damaged</b>: the item was dropped,
slipped in the hand by more than 1 mm or 1°, was squeezed harder than it bears, or was to be shaken by more than 15 g. Damaged
units count as units.
"""
TENTH = """
The claim that was tried: at the same units an hour, damage of <b>pinch, fastmove</b> is at most a tenth of that of kinematic
motions, by fingers and by a cup. The number is the ratio of the two; in brackets the ends of its one-sided 95 % intervals:
where pinch, fastmove damaged nothing, first with the bound of as many independent trials, then as if all trials of a
placement were one. <i>Not proven</i>: the second is above a tenth.
"""
WIDTHS = """
The planner is told what is known of an item's class, as a range: friction, mass, centre of mass, grip. What is truly there is
drawn from ranges that are 1, 1.5 and 2 times as wide around the same middle: at 1 the planner was right about what is
possible, beyond it was not.
"""
EQUAL = """
All arms at the units an hour that <b>pinch, fastmove</b> reaches as planned, interpolated between their speeds. <b>Ratio</b>:
damage of pinch, fastmove over that of the arm; then the two ends of its interval, as above. An arm that does not reach this
rate is given with the damage of its fastest point, and a star. Where nothing was damaged, the interval ends at the bound as
if all trials of a placement were one.
"""
SPEEDS = """
Every speed of every arm. <b>Use</b>: the mean over items of the largest share of the hold's limit that the worst item of the
planner's set asks for; above 1 the planner does not promise that it is held.
"""
CAUSES = """
What happened to the items, as planned (speed 1), in all trials of all widths. <b>Could not be lifted</b>: it slipped, or the
cup's seal was open, before the motion began; it counts as a drop of every arm of the hand. <b>Not settled</b>: it sat in the
hand otherwise than planned, though it had not slipped; such a draw is not counted for either hand.
"""
SENSITIVITY = """
The same at the same rate, all widths together, if one thing were otherwise. Longer handling changes the rate itself: it is
that of pinch, fastmove then. <b>Order</b>: whether the arms' order, from least to most damage, is that of the first row (arms
that differ by less than half a percent of the trials count as equal).
"""
TAKEN = """
Items were drawn until both hands could take them; what was drawn and put back is counted here, and where no motion was found.
The figures are about what both can take, and say nothing of the rest: many an item cannot be held by fingers with what it
bears, or has no flat face for a cup.
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
        "those up to 2 lb; the planner knows the class only, friction from low to high. What an item bears of squeeze "
        "is known exactly",
    ),
    (
        "grasps",
        "from above, 25 to 50 mm off the item's middle along its longer side, or as far off as the cup's lip allows; "
        "the same for both hands. A picker that may choose would take it nearer the middle; centred grasps were not "
        "tried",
    ),
    (
        "grip",
        "1.5 times the least with which a plan may rest with every item of the planner's set, at most 95 % of what item "
        "and hand bear; the same for all pinch arms. Grippers are usually sized by mass, acceleration and friction with "
        "a factor of safety; how the arms do with the strongest grip is under sensitivity",
    ),
    (
        "vacuum",
        "60 kPa below the surroundings under a lip of 30 mm: 42 N, the same for all suction arms; other cups were not tried",
    ),
    (
        "cup",
        "a rigid ring that slides, turns or peels, calibrated (make suction-rig); lost once a point of the lip has "
        "lifted for 5 ms. Real lips bend, leak and swing; rough and porous faces are not modelled, which favours the "
        "cup",
    ),
    (
        "pads",
        "rigid points with Coulomb friction, the slip calibrated against closed forms",
    ),
    (
        "squeeze and shock",
        "of the planned motion. Squeeze is a limit of fastmove and slow-down, as is the hold; kinematic motions know "
        "neither. Shock is near what items bear in no motion here",
    ),
    (
        "cycle",
        "the transfer, the empty hand's way back (as long as the kinematic transfer, for every arm), and handling with "
        "the arm at rest: fingers open and close 10 mm at the hand's speed and grip in 0.1 s; the cup takes 0.2 s to "
        "hold and 0.1 s to blow off (our estimates). Perception, missed picks and changes of totes are left out",
    ),
    (
        "reuse",
        "motions are planned once for each placement, hand and way, and played at every speed and in every trial; "
        "fingers and cup meet the same draws of mass, centre of mass, friction and force",
    ),
)
CONTEXT = """
Published figures, for what they are: of a suction robot 2.2 % of picks were missed; a later stowing robot moved 224 units an
hour where people moved 243 (March 2025). They count perception, planning, packing and people, and are not comparable with a
cycle here.
"""
