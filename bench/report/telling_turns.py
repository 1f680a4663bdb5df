"""The few turns of a run that are worth taking apart: a usual one, and the worst."""

from __future__ import annotations

import pandas as pd

from bench.report.data import ReportData
from bench.report.wording import failed_outcome


def telling_turns(data: ReportData) -> list[tuple[str, pd.Series]]:
    """Title and row of each turn worth a waterfall; never the same turn twice."""
    latency = data.latency_turns
    heard = latency[(latency["outcome"] == "ok") & latency["ttfa_ms"].notna()]
    heard = heard.sort_values("ttfa_ms", kind="stable")
    chosen = []
    if len(heard) == 1:
        only = "The only measured turn" if len(latency) == 1 else "The only turn heard to its end"
        chosen.append((only, heard.iloc[0]))
    elif len(heard):
        chosen.append(("The median turn", heard.iloc[(len(heard) - 1) // 2]))
        chosen.append(("The slowest turn", heard.iloc[-1]))
    turns = data.turns
    failed = turns[turns["outcome"].map(failed_outcome).astype(bool)]
    failed = failed.sort_values("censored_ms", kind="stable", na_position="first")
    if len(failed):
        longest = "The failed turn that waited longest"
        title = longest if failed["censored_ms"].notna().any() else "One of the failed turns"
        title = "The failed turn" if len(failed) == 1 else title
        chosen.append((title, failed.iloc[-1]))
    cut = turns[data.cut_off].drop(index=failed.index[-1:], errors="ignore")
    if len(cut):
        lost_ns = cut["speech_end_ns"] - cut["speech_stopped_ns"]
        title = "The turn cut off" if len(cut) == 1 else "The turn cut off earliest"
        order = lost_ns.sort_values(kind="stable", na_position="first").index
        chosen.append((title, cut.loc[order[-1]]))
    return chosen
