"""The section of the page that takes single turns apart and lets them be heard."""

from __future__ import annotations

from markupsafe import Markup

from bench.report.data import ReportData
from bench.report.fragment import figures, fragment
from bench.report.sound import Recording, Sound, embed
from bench.report.telling_turns import TellingTurn, TellingTurns, telling_turns
from bench.report.theme import Chart, NoChart
from bench.report.waterfall import waterfall
from bench.report.wording import number


def waterfalls(data: ReportData) -> Markup:
    """The usual turns and the worst step by step, and all that was recorded of the run."""
    telling = telling_turns(data)
    recordings = data.recordings
    return fragment(
        "sections/turns.html",
        figures=figures(_charts(data, telling.shown)),
        basis=_basis(data, telling),
        left_out=telling.left_out,
        recordings=recordings.listed,
        lost=recordings.lost,
    )


def _charts(data: ReportData, telling: list[TellingTurn]) -> list[Chart | NoChart]:
    if not telling:
        reason = "No turn got audio and none failed, so there is nothing to take apart."
        return [NoChart("Single turns", reason)]
    if not (data.has("events.parquet") and data.has("appends.parquet")):
        reason = "This folder holds no events and appends (a baseline), only what came of them."
        return [NoChart("Single turns", reason)]
    records = data.turn_records([turn for _, turn, _ in telling])
    recorded = list(dict.fromkeys(t.recording for t in telling if t.recording is not None))
    sounds: dict[Recording, Sound] = {s.recording: s for s in embed(data.folder, recorded)}
    return [
        waterfall(record, f"waterfall-{index}", title, recording and sounds[recording])
        for index, ((title, _, recording), record) in enumerate(zip(telling, records, strict=True))
    ]


def _basis(data: ReportData, telling: TellingTurns) -> str:
    """Among which turns the median is one."""
    measured = data.latency_turns
    heard = (measured["outcome"] == "ok") & measured["ttfa_ms"].notna()
    amount = int(heard.sum())
    if amount < 2 or not telling.shown:
        return ""
    return f"Ranks are among the {number(amount)} measured turns that were heard to their end."
