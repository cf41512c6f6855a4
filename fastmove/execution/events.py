"""What happens in flight, by name: the ways in which a run ends, what is answered on the way, and the report of it all."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Event(Enum):
    """Everything that can happen in a run, those before `STARTED` being the ways in which it ends; the value is the sentence."""

    DONE = "the motion was streamed to its end"
    DRIVER_RAISED = "the driver raised an error; arm stopped, item held"
    DRIVER_STALLED = "the driver took too long to answer; arm stopped, item held"
    DRIVER_SILENT = "the driver's readings stood still; arm stopped, item held"
    NOT_FOLLOWING = "a joint was too far from its command; arm stopped, item held"
    INTERRUPTED = "the run was interrupted; arm stopped, item held"
    GRIP_LOST = "the gripper no longer reports its grip; arm stopped, item held as far as it is"
    SLIDER_MOVED = "the speed slider was moved; arm stopped, item held"
    INPUT_MISSING = "a digital input was not as the motion needs it; arm stopped, item held"
    STOPPED = "a held stop was asked for, and reached"
    NOT_READY = "the hardware is not as the motion assumes; nothing was sent"
    LOOP_FAILED = "the streaming loop failed; arm stopped, item held"
    NO_STOP = "the motion is no longer right, and no certified stop is known; the driver stopped the arm"

    STARTED = "streaming begins"
    ASKED = "asked for"
    NOT_COVERED = "clearances are certified for an arm that follows more closely than this one says"
    NOT_CHECKED = "the hardware cannot say, so that it is not checked"
    SIGNAL = "a digital output is switched"
    NOT_PASSED = "the point of a digital signal was not passed"
    SPEED = "another speed along the path"
    HELD_STOP = "a held stop begins"
    UNSURE_STOP = "a stop begins that is certified for what was believed before only"
    CERTIFIED = "what was begun is certified now"
    RESTING = "the arm rests, holding"
    KEPT = "the motion is still right, and goes on"
    NEW_MOTION = "a new motion begins"
    NOTHING_FOUND = "nothing better was found"
    REFUSED = "what was asked for is refused"
    TOO_LATE = "an answer came too late to join, and is asked for again"
    CYCLES_LATE = "this machine does not keep the control cycle"
    PLANNER_LOST = "the planning process ended; the motion goes on, and known stops stay"

    @property
    def ends(self) -> bool:
        """Whether a run can end with it."""
        return list(Event).index(self) <= list(Event).index(Event.NO_STOP)


@dataclass(frozen=True)
class FlightEvent:
    """One event of a run.

    Attributes:
        time: time since streaming began [s].
        event: what happened.
        detail: when, where or why, in words; may be empty.
        request: number of the request that it answers; −1 for none.
    """

    time: float
    event: Event
    detail: str = ""
    request: int = -1

    def __str__(self) -> str:
        return f"{self.time:7.3f} s  {self.event.value}{f' ({self.detail})' if self.detail else ''}"


@dataclass(frozen=True)
class RunReport:
    """The report of one streamed run.

    Attributes:
        event: how the run ended.
        detail: when and why it ended early; empty if it did not.
        cycles: number of commands sent.
        late: number of cycles that were more than 1 ms late (real time only).
        tracking: largest joint error [rad].
        command_us: median time that one cycle takes before the command is sent [µs].
        events: everything that happened, in order.
    """

    event: Event
    detail: str
    cycles: int
    late: int
    tracking: float
    command_us: float
    events: tuple[FlightEvent, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Whether the motion was streamed to its end, or to the held stop that was asked for."""
        return self.event in (Event.DONE, Event.STOPPED)

    def __str__(self) -> str:
        late = f", {self.late} of them late" if self.late else ""
        head = f"{self.event.value}{f' ({self.detail})' if self.detail else ''}: {self.cycles} commands{late}"
        return "\n".join([head, *(f"  {event}" for event in self.events)])
