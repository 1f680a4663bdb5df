"""The rows of a waterfall: each turns one thing that happened in a turn into bars and words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.analysis.playback import PREBUFFER_MS
from bench.report import theme
from bench.report.lane import PATCH, Lane
from bench.report.turn_clock import OldReply, Span, TurnClock
from bench.report.wording import count, instant, metric_words, number, quantity

HATCH, STALL_HATCH = "////", "xxxx"


def caller(lane: Lane, turn: TurnClock) -> None:
    """The caller's speech and its pauses, and sounds made over the reply."""
    lane.name("Caller's speech", f"began {instant(turn.speech_start)}")
    for start, end in turn.speech:
        lane.bar(start, end, theme.BLUE)
    for start, end in turn.pauses:
        if end < lane.low:
            continue
        wide = (min(end, lane.high) - max(start, lane.low)) * lane.per_ms
        for text in (f"pause {quantity(end - start)}", f"{number(end - start)}"):
            if theme.text_width(text, 9) <= wide:
                lane.axes.text(
                    (max(start, lane.low) + end) / 2,
                    lane.row,
                    text,
                    ha="center",
                    va="center",
                    fontsize=9,
                    bbox=PATCH,
                )
                break
    for start, end in turn.overlays:
        lane.bar(start, end, theme.BLUE, hatch=HATCH)
        lane.say(end, f"sound {instant(start)}", side="right")


def lateness(lane: Lane, turn: TurnClock) -> None:
    """How late each frame of the microphone was offered to the socket."""
    frames = turn.frames
    if not len(frames.late):
        lane.name("Frames, lateness", "not recorded")
        return
    due, late = frames.late.T
    in_view = (due >= lane.low) & (due <= lane.high)
    due, late = due[in_view], np.maximum(late[in_view], 0)
    worst = float(late.max(initial=0))
    lane.name("Frames, lateness", f"max {quantity(worst)} in view")
    lane.ticks(due, np.maximum(late / max(worst, 1.0), 0.06), theme.MUTED, 0.9)


def held_back(lane: Lane, turn: TurnClock) -> None:
    """When frames waited because the target did not read."""
    held = turn.frames.held
    since, until = held.T
    taken = ~np.isnan(until)
    longest = float((until - since)[taken].max(initial=0))
    small = f"{count(len(held), 'frame')}, max {quantity(longest)}"
    lane.name("Held back by target", small if taken.all() else f"{len(held)}, some never taken")
    open_end = lane.high if turn.ended is None else turn.ended
    for begin, end in _joined(since, np.where(taken, until, open_end)):
        lane.bar(begin, end, theme.RED, hatch=HATCH)


def _joined(begins: NDArray[np.float64], ends: NDArray[np.float64]) -> list[Span]:
    """Spans in order, those that touch as one."""
    spans: list[Span] = []
    for begin, end in sorted(zip(begins.tolist(), ends.tolist(), strict=True)):
        if spans and begin <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((begin, end))
    return spans


def old_arrivals(lane: Lane, turn: TurnClock, old: OldReply) -> None:
    """Audio of the reply that the caller speaks over, as it came."""
    stopped = old.last_audio
    lane.name("Old reply, deltas", f"of turn {old.turn_index}")
    _deltas(lane, old.arrivals, theme.PURPLE)
    if stopped is not None:
        lane.say(stopped, f"last {instant(stopped)}", side="right")
    else:
        lane.say(turn.speech_start, "all of it had come before", side="right", colour=theme.MUTED)


def old_heard(lane: Lane, old: OldReply) -> None:
    """What the caller heard of it."""
    lane.name("Old reply, heard", "" if old.heard else "not recorded")
    for start, end in old.heard:
        lane.bar(start, end, theme.PURPLE, thick=0.3)
    if old.heard:
        end = old.heard[-1][1]
        cut = old.silenced is not None and end >= old.silenced
        lane.say(end, f"{'stopped' if cut else 'over'} {instant(end)}", side="right")


def detection(lane: Lane, turn: TurnClock) -> None:
    """When the server heard the caller speak."""
    started, stopped = turn.vad_started, turn.vad_stopped
    small = "never" if started is None else f"started {instant(started)}"
    if started is not None and stopped is None:
        small += ", never stopped"
    lane.name("Server heard speech", small)
    if started is not None:
        end = stopped if stopped is not None else (turn.ended or lane.high)
        lane.bar(started, end, theme.ORANGE)
    if stopped is not None:
        lane.say(stopped, f"stopped {instant(stopped)}", side="right")
    elif turn.requested is not None:
        lane.say(turn.requested, f"client asked {instant(turn.requested)}", side="right")


def response(lane: Lane, turn: TurnClock) -> None:
    """The response, from created to done."""
    done = turn.response_done
    small = "" if done is None else f"done {instant(done)}"
    lane.name("Response", small if turn.created is not None else "none created")
    if turn.created is None:
        return
    end = done if done is not None else (turn.ended or lane.high)
    lane.bar(turn.created, end, theme.PURPLE, thick=0.3)
    lane.say(turn.created, f"created {instant(turn.created)}", side="left")


def arrivals(lane: Lane, turn: TurnClock) -> None:
    """The reply's audio as it came, each piece as high as it is long."""
    if turn.first_audio is None:
        lane.name("Audio deltas", "none")
        if turn.ended is not None:
            lane.say(turn.ended, f"turn ended {instant(turn.ended)}", side="left")
        return
    if not len(turn.arrivals):
        lane.name("Audio deltas", "not recorded")
    else:
        total = quantity(float(turn.arrivals[:, 1].sum()) / 1000, "s")
        lane.name("Audio deltas", f"{number(len(turn.arrivals))} with {total} of audio")
        _deltas(lane, turn.arrivals, theme.GREEN)
    lane.say(turn.first_audio, f"first {instant(turn.first_audio)}", side="left")


def _deltas(lane: Lane, came: NDArray[np.float64], colour: str) -> None:
    if len(came):
        at, audio = came.T
        lane.ticks(at, np.maximum(audio / max(float(audio.max()), 1), 0.1), colour, 1.4)


def heard(lane: Lane, turn: TurnClock) -> None:
    """The reply in a player without a buffer, as voice_to_voice_ms has it."""
    if not turn.heard or turn.first_audio is None:
        lane.name("Heard, no buffer", "none" if turn.first_audio is None else "not recorded")
        return
    lane.name("Heard, no buffer", f"ends {instant(turn.heard[-1][1])}")
    audible = turn.first_audible
    for start, end in turn.heard:
        if audible is None or end <= audible:
            lane.bar(start, end, theme.AXIS, hatch=HATCH)
        elif start < audible:
            lane.bar(start, audible, theme.AXIS, hatch=HATCH)
            lane.bar(audible, end, theme.GREEN)
        else:
            lane.bar(start, end, theme.GREEN)
    text = "silent" if audible is None else f"audible {instant(audible)}"
    lane.say(turn.heard[0][0], text, side="left")


def played(lane: Lane, turn: TurnClock) -> None:
    """The reply in a player with a small buffer, and where it runs dry."""
    name = f"Player, {PREBUFFER_MS:g} ms buffer"
    if not turn.played:
        lane.name(name, "none" if turn.first_audio is None else "not recorded")
        return
    stalls = turn.stalls
    stalled_ms = sum(end - start for start, end in stalls)
    small = f"{count(len(stalls), 'stall')}, {quantity(stalled_ms)}" if stalls else "no stall"
    lane.name(name, small)
    for start, end in turn.played:
        lane.bar(start, end, theme.GREEN)
    for start, end in stalls:
        lane.bar(start, end, theme.RED, thick=0.3, hatch=STALL_HATCH)
    lane.say(turn.played[0][0], f"begins {instant(turn.played[0][0])}", side="left")


def measure(lane: Lane, turn: TurnClock, metric: str, ends: tuple[str, str], colour: str) -> None:
    """A metric as a line between its two instants, with its value."""
    start = 0.0 if ends[0] == "speech_end" else getattr(turn, ends[0])
    end = getattr(turn, ends[1])
    lane.name(metric_words(metric).label)
    if start is None or end is None:
        lane.say(0.0, "no value", side="right", colour=theme.MUTED)
        return
    left, right = min(start, end), max(start, end)
    lane.axes.plot(
        [left, right],
        [lane.row, lane.row],
        color=colour,
        linewidth=3,
        marker="|",
        markersize=12,
        markeredgewidth=2,
        solid_capstyle="butt",
    )
    lane.say(right, quantity(end - start), side="right")
