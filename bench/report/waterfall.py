"""One turn as a waterfall: who did what when, in milliseconds from the true end of speech."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from matplotlib.axes import Axes

from bench.report import theme, turn_lanes, turn_words
from bench.report.data import TurnRecord
from bench.report.lane import Lane
from bench.report.sound import Sound
from bench.report.theme import Chart, NoChart
from bench.report.turn_clock import TurnClock, on_turn_clock

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
    ("endpointing_delay_ms", "speech_end", "vad_stopped", theme.ORANGE),
    ("response_latency_ms", "turn_end", "first_audio", theme.GREEN),
    ("ttfa_ms", "speech_end", "first_audio", theme.BLUE),
    ("voice_to_voice_ms", "speech_end", "first_audible", theme.BLUE),
)
_BARGE_IN_MEASURES = (
    ("barge_in_detect_ms", "speech_start", "vad_started", theme.ORANGE),
    ("barge_in_stop_ms", "speech_start", "old_reply_stopped", theme.PURPLE),
)

_Draw = Callable[[Lane], None]


def waterfall(
    record: TurnRecord, name: str, title: str, sound: Sound | None = None
) -> Chart | NoChart:
    """The turn as a figure called `name` on the page, with its recording if there is one."""
    turn = on_turn_clock(record)
    if turn is None:
        return NoChart(title, "The record of this turn has no end of speech to count from.")
    low, high = _window(turn)
    happened, measured = _lanes(turn), _measures(turn)
    lanes = len(happened) + len(measured)
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
        _guides(axes, turn)
        per_ms = (theme.WIDTH - _LEFT - _RIGHT) / (high - low)
        for row, draw in enumerate(happened):
            draw(Lane(axes, row, per_ms, low, high))
        axes.axhline(len(happened) - 0.45, color=theme.AXIS, linewidth=0.8)
        for row, draw in enumerate(measured, start=len(happened)):
            draw(Lane(axes, row + 0.1, per_ms, low, high))
        svg = theme.to_svg(drawing, name, title)
    return Chart(
        name=name,
        title=title,
        caption=turn_words.caption(record, turn),
        svg=svg,
        columns=turn_words.COLUMNS,
        rows=turn_words.rows(turn),
        sound=sound and sound._replace(cue=turn_words.cue(record, sound.recording)),
    )


def _lanes(turn: TurnClock) -> list[_Draw]:
    """What happened, from top to bottom."""
    old = turn.old_reply
    drawn = [turn_lanes.caller, turn_lanes.lateness]
    if len(turn.frames.held):
        drawn.append(turn_lanes.held_back)
    drawn.append(turn_lanes.detection)
    lanes: list[_Draw] = [partial(draw, turn=turn) for draw in drawn]
    if old is not None:
        lanes.append(partial(turn_lanes.old_arrivals, turn=turn, old=old))
        lanes.append(partial(turn_lanes.old_heard, old=old))
    replies = (turn_lanes.response, turn_lanes.arrivals, turn_lanes.heard, turn_lanes.played)
    return lanes + [partial(draw, turn=turn) for draw in replies]


def _measures(turn: TurnClock) -> list[_Draw]:
    """What it is measured by."""
    measures = _MEASURES if turn.old_reply is None else (*_BARGE_IN_MEASURES, *_MEASURES)
    return [
        partial(turn_lanes.measure, turn=turn, metric=metric, ends=(start, end), colour=colour)
        for metric, start, end, colour in measures
    ]


def _window(turn: TurnClock) -> tuple[float, float]:
    """First and last millisecond shown."""
    low = max(turn.speech_start - 150, -_LOOK_BACK_MS)
    if turn.old_reply is not None:
        low = turn.speech_start - 400
    if turn.blamed_pause:
        low = min(low, turn.blamed_pause[0] - 400)
    if turn.vad_stopped is not None:
        low = min(low, turn.vad_stopped - 400)
    came = [
        at
        for at in (turn.vad_stopped, turn.created, turn.first_audio, turn.last_audio)
        if at is not None
    ]
    high = max([*came, 300.0, *(end for _, end in turn.overlays)])
    if turn.first_audible is not None:
        played = turn.heard[-1][1] if turn.heard else turn.first_audible
        high = max(high, min(played, turn.first_audible + _LOOK_AHEAD_MS))
        high = min(high, max(turn.first_audible + 2 * _LOOK_AHEAD_MS, -low))
    elif turn.ended is not None:
        high = max(high, turn.ended)
    return low, high + 0.06 * (high - low)


def _guides(axes: Axes, turn: TurnClock) -> None:
    instants = [(turn.vad_stopped, theme.ORANGE), (turn.first_audio, theme.BLUE)]
    if turn.old_reply is not None:
        instants.append((turn.speech_start, theme.MUTED))
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
