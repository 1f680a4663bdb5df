"""One turn as a waterfall: who did what when, in milliseconds from the true end of speech."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bench.report import theme
from bench.report.data import TurnRecord
from bench.report.lane import PATCH, Lane
from bench.report.theme import Chart, NoChart
from bench.report.turn_clock import TurnClock, on_turn_clock
from bench.report.wording import count, instant, metric_words, number, outcome_words, quantity

_LEFT = 178.0
"""Room for the names of the lanes, in figure units."""

_RIGHT = 14.0
_ROW = 30.0
_LOOK_BACK_MS = 2600.0
"""Speech shown at most before its end; what lies further back is only said in words."""

_LOOK_AHEAD_MS = 1500.0
"""Reply shown at most after its first audible sample, unless deltas still arrive."""

_MEASURES = (
    # metric, from, to, colour
    ("endpointing_delay_ms", None, "vad_stopped", theme.ORANGE),
    ("response_latency_ms", "vad_stopped", "first_audio", theme.GREEN),
    ("ttfa_ms", None, "first_audio", theme.BLUE),
    ("voice_to_voice_ms", None, "first_audible", theme.BLUE),
)


def waterfall(record: TurnRecord, name: str, title: str) -> Chart | NoChart:
    """The turn as a figure called `name` on the page."""
    turn = on_turn_clock(record)
    if turn is None:
        return NoChart(title, "The record of this turn has no end of speech to count from.")
    low, high = _window(turn)
    lanes = 6 + len(_MEASURES)
    height = lanes * _ROW + 56
    with theme.canvas(height) as drawing:
        axes = drawing.add_axes(
            (
                _LEFT / theme.WIDTH,
                36 / height,
                1 - (_LEFT + _RIGHT) / theme.WIDTH,
                1 - 56 / height,
            )
        )
        axes.set_xlim(low, high)
        axes.set_ylim(lanes - 0.4, -0.6)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        theme.thousands(axes.xaxis)
        theme.axis_titles(axes, x="ms from the true end of speech")
        _guides(axes, turn, lanes)
        per_ms = (theme.WIDTH - _LEFT - _RIGHT) / (high - low)

        def lane(row: float) -> Lane:
            return Lane(axes, row, per_ms, low, high)

        _caller(lane(0), turn)
        _lateness(lane(1), turn)
        _vad(lane(2), turn)
        _response(lane(3), turn)
        _audio(lane(4), turn)
        _playback(lane(5), turn)
        axes.axhline(5.55, color=theme.AXIS, linewidth=0.8)
        for row, (metric, start, end, colour) in enumerate(_MEASURES, start=6):
            _measure(lane(row + 0.1), turn, metric, (start, end), colour)
        svg = theme.to_svg(drawing, name, title)
    rows = _rows(turn)
    return Chart(name, title, _caption(record, turn), svg, ["what", "ms from end of speech"], rows)


def _window(turn: TurnClock) -> tuple[float, float]:
    """First and last millisecond shown."""
    low = max(turn.speech_start - 150, -_LOOK_BACK_MS)
    if turn.blamed_pause:
        low = min(low, turn.blamed_pause[0] - 400)
    if turn.vad_stopped is not None:
        low = min(low, turn.vad_stopped - 400)
    came = [
        at
        for at in (turn.vad_stopped, turn.created, turn.first_audio, turn.last_audio)
        if at is not None
    ]
    high = max([*came, 300.0])
    if turn.first_audible is not None:
        played = turn.playback[-1][1] if turn.playback else turn.first_audible
        high = max(high, min(played, turn.first_audible + _LOOK_AHEAD_MS))
        high = min(high, max(turn.first_audible + 2 * _LOOK_AHEAD_MS, -low))
    elif turn.ended is not None:
        high = max(high, turn.ended)
    return low, high + 0.06 * (high - low)


def _guides(axes: Axes, turn: TurnClock, lanes: int) -> None:
    instants = [(turn.vad_stopped, theme.ORANGE), (turn.first_audio, theme.BLUE)]
    for at, colour in instants:
        if at is not None:
            axes.axvline(at, color=colour, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
    if turn.first_audio is None and turn.ended is not None:
        axes.axvline(turn.ended, color=theme.RED, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
    axes.axvline(0, color=theme.INK, linewidth=1.2, zorder=0)
    axes.annotate(
        "0 = end of speech",
        (0, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 6),
        textcoords="offset points",
        ha="center",
        color=theme.INK,
    )


def _caller(lane: Lane, turn: TurnClock) -> None:
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


def _lateness(lane: Lane, turn: TurnClock) -> None:
    if not len(turn.appends):
        lane.name("Appends, lateness", "not recorded")
        return
    shown = turn.appends[(turn.appends[:, 0] >= lane.low) & (turn.appends[:, 0] <= lane.high)]
    due, late = shown[:, 0], np.maximum(shown[:, 1], 0)
    worst = float(late.max(initial=0))
    lane.name("Appends, lateness", f"max {quantity(worst)} in view")
    lane.ticks(due, np.maximum(late / max(worst, 1.0), 0.06), theme.MUTED, 0.9)


def _vad(lane: Lane, turn: TurnClock) -> None:
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


def _response(lane: Lane, turn: TurnClock) -> None:
    done = turn.response_done
    small = "" if done is None else f"done {instant(done)}"
    lane.name("Response", small if turn.created is not None else "none created")
    if turn.created is None:
        return
    end = done if done is not None else (turn.ended or lane.high)
    lane.bar(turn.created, end, theme.PURPLE, thick=0.3)
    lane.say(turn.created, f"created {instant(turn.created)}", side="left")


def _audio(lane: Lane, turn: TurnClock) -> None:
    if turn.first_audio is None:
        lane.name("Audio deltas", "none")
        if turn.ended is not None:
            lane.say(turn.ended, f"turn ended {instant(turn.ended)}", side="left")
        return
    if not len(turn.deltas):
        lane.name("Audio deltas", "not recorded")
    else:
        arrival, audio = turn.deltas[:, 0], turn.deltas[:, 1]
        total = quantity(float(audio.sum()) / 1000, "s")
        lane.name("Audio deltas", f"{number(len(audio))} with {total} of audio")
        lane.ticks(arrival, np.maximum(audio / max(float(audio.max()), 1), 0.1), theme.GREEN, 1.4)
    lane.say(turn.first_audio, f"first {instant(turn.first_audio)}", side="left")


def _playback(lane: Lane, turn: TurnClock) -> None:
    if not turn.playback or turn.first_audio is None:
        lane.name("Playback, no buffer", "none" if turn.first_audio is None else "not recorded")
        return
    lane.name("Playback, no buffer", f"ends {instant(turn.playback[-1][1])}")
    audible = turn.first_audible
    for start, end in turn.playback:
        if audible is None or end <= audible:
            lane.bar(start, end, theme.AXIS, hatch="////")
        elif start < audible:
            lane.bar(start, audible, theme.AXIS, hatch="////")
            lane.bar(audible, end, theme.GREEN)
        else:
            lane.bar(start, end, theme.GREEN)
    text = "silent" if audible is None else f"audible {instant(audible)}"
    lane.say(turn.playback[0][0], text, side="left")


def _measure(
    lane: Lane, turn: TurnClock, metric: str, ends: tuple[str | None, str], colour: str
) -> None:
    """A metric as a line between its two instants, with its value."""
    start = 0.0 if ends[0] is None else getattr(turn, ends[0])
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


def _rows(turn: TurnClock) -> list[list[str]]:
    late = turn.appends[:, 1].max() if len(turn.appends) else None
    instants = [
        ("caller's speech began", turn.speech_start),
        *(
            entry
            for start, end in turn.pauses
            for entry in (("pause began", start), ("pause ended", end))
        ),
        ("caller's speech ended", 0.0),
        ("server: speech started", turn.vad_started),
        ("server: speech stopped", turn.vad_stopped),
        ("response created", turn.created),
        ("first audio delta", turn.first_audio),
        ("first audible sample", turn.first_audible),
        ("last audio delta", turn.last_audio),
        ("response done", turn.response_done),
        ("playback without buffer ends", turn.playback[-1][1] if turn.playback else None),
        ("turn ended", turn.ended),
    ]
    came = sorted((at, what) for what, at in instants if at is not None)
    rows = [[what, number(round(at, 1))] for at, what in came]
    rows += [[what, "never"] for what, at in instants if at is None]
    if late is not None:
        rows.append(["latest append was late by", number(float(late))])
    return rows


def _caption(record: TurnRecord, turn: TurnClock) -> str:
    row = record.turn
    outcome = str(row["outcome"])
    place = f"Session {row['session_id']}, turn {row['turn_index']}"
    parts = [f"{place}, utterance {row['utterance']}: {outcome}."]
    if outcome_words(outcome).failed:
        parts.append(outcome_words(outcome).meaning)
    if turn.vad_stopped is not None:
        parts.append(f"Speech heard as ended at {instant(turn.vad_stopped)}")
        parts[-1] += ", while the caller still spoke." if turn.vad_stopped < 0 else "."
    if turn.first_audio is not None:
        heard = "never" if turn.first_audible is None else f"at {instant(turn.first_audible)}"
        gaps = len(turn.playback) - 1
        parts.append(
            f"First audio at {instant(turn.first_audio)}, first audible sample {heard}"
            + (f"; {count(gaps, 'gap')} in playback without a buffer." if gaps > 0 else ".")
        )
    elif pd.notna(row["censored_ms"]):
        parts.append(f"No audio within {quantity(float(row['censored_ms']))}.")
    return " ".join(parts)
