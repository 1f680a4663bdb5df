"""Turns a run into the few of its turns that are worth taking apart: usual ones, and the worst.

Of turns that tell the same, one that was recorded is taken: what is drawn can be heard then.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import NamedTuple

import pandas as pd

from bench.report.data import ReportData
from bench.report.sound import Recording
from bench.report.wording import count, failed_outcome, number, printable

MOST = 3
"""Turns shown that were cut off, and as many that interrupt a reply."""

MOST_OUTCOMES = 6
"""Failed outcomes of which one turn is shown, the most frequent ones."""

_SAME_PART, _SAME_MS = 0.03, 15.0
"""Latencies that differ by no more than this part, or by so little, tell the same."""


class TellingTurn(NamedTuple):
    """A turn, a row of turns.parquet, and why it is shown."""

    title: str
    turn: pd.Series
    recording: Recording | None


class TellingTurns(NamedTuple):
    """The turns to show, none twice, and in words those of their kinds that are not shown."""

    shown: list[TellingTurn]
    left_out: list[str]


def telling_turns(data: ReportData) -> TellingTurns:
    """The median, p95 and slowest turn, then the worst of what went wrong, then barge-ins."""
    choice = _Choice(data)
    choice.take_usual(data.latency_turns)
    choice.take_failed(data.turns)
    choice.take_cut_off(data.turns[data.cut_off])
    choice.take_barge_ins(data.turns)
    return TellingTurns(choice.shown, choice.left_out)


class _Choice:
    """The turns chosen so far."""

    def __init__(self, data: ReportData) -> None:
        self.shown: list[TellingTurn] = []
        self.left_out: list[str] = []
        self._taken: set[Hashable] = set()
        self._by_place = {(r.session_id, r.turn_index): r for r in data.recordings.listed}
        places = zip(data.turns["session_id"], data.turns["turn_index"], strict=True)
        self._recordings: dict[Hashable, Recording] = {
            index: self._by_place[place]
            for index, place in zip(data.turns.index, places, strict=True)
            if self._by_place and place in self._by_place
        }

    def take_usual(self, latency: pd.DataFrame) -> None:
        """Of the turns that make latencies, by their time to first audio."""
        heard = latency[(latency["outcome"] == "ok") & latency["ttfa_ms"].notna()]
        heard = heard.sort_values("ttfa_ms", kind="stable")
        if len(heard) == 1:
            whole = len(latency) == 1
            only = "The only measured turn" if whole else "The only turn heard to its end"
            self._take(only, heard.iloc[0])
            return
        if not len(heard):
            return
        others = heard.iloc[:-1]  # the slowest has a title of its own
        for part, exact, near in (
            (0.5, "The median turn", "A turn near the median"),
            (0.95, "The turn at p95", "A turn near p95"),
        ):
            place = max(math.ceil(part * len(heard)) - 1, 0)
            others = others.drop(index=list(self._taken), errors="ignore")
            if heard.index[place] not in others.index:
                continue
            at_ms = float(heard["ttfa_ms"].iloc[place])
            away_ms = (others["ttfa_ms"] - at_ms).abs()
            turn = self._told_best(others, away_ms, at_ms, heard.index[place])
            self._take(exact if turn["ttfa_ms"] == at_ms else near, turn)
        self._take("The slowest turn", heard.iloc[-1])

    def take_failed(self, turns: pd.DataFrame) -> None:
        """The one of each failed outcome that waited longest."""
        outcomes = [name for name in turns["outcome"].unique() if failed_outcome(name)]
        failed = turns[turns["outcome"].isin(outcomes)]
        amounts = failed["outcome"].value_counts()
        outcomes.sort(key=lambda name: (-amounts[name], name))
        for outcome in outcomes[:MOST_OUTCOMES]:
            rows = failed[failed["outcome"] == outcome]
            longest_ms = rows["censored_ms"].max()
            amount = number(len(rows))
            if not pd.isna(longest_ms):
                rows = rows[rows["censored_ms"].notna()]
            away_ms = (longest_ms - rows["censored_ms"]).fillna(0.0)
            size_ms = 0.0 if pd.isna(longest_ms) else longest_ms
            turn = self._told_best(rows, away_ms, size_ms, away_ms.idxmin())
            why = f"one of {amount} failed turns"
            if amounts[outcome] == 1:
                why = "the failed turn"
            elif not pd.isna(longest_ms):
                about = "" if turn["censored_ms"] == longest_ms else "about "
                why = f"{about}the longest wait of {amount} failed turns"
            self._take(f"{printable(outcome)}: {why}", turn)
        unshown = sum(amounts[name] for name in outcomes[MOST_OUTCOMES:])
        if unshown:
            self.left_out.append(f"{count(int(unshown), 'turn')} that failed in other ways")

    def take_cut_off(self, cut: pd.DataFrame) -> None:
        """Those that the server took the longest before the caller had finished."""
        took = ("speech_stopped_ns", "first_audio_ns")
        lost_ms = _greatest(*((cut["speech_end_ns"] - cut[name]) / 1e6 for name in took))
        several = "The turn cut off {rank}earliest of {amount}"
        self._take_worst(cut, lost_ms, ("turn cut off", "turns cut off"), several)

    def take_barge_ins(self, turns: pd.DataFrame) -> None:
        """Those after which the reply that they interrupt went on the longest."""
        if "interrupts" not in turns:
            return
        barge_ins = turns[turns["interrupts"].notna()]
        self._hear_interrupted(barge_ins)
        went_on_ms = _greatest(barge_ins["barge_in_detect_ms"], barge_ins["barge_in_stop_ms"])
        several = "The {rank}slowest barge-in of {amount}"
        self._take_worst(barge_ins, went_on_ms, ("barge-in", "barge-ins"), several)

    def _hear_interrupted(self, barge_ins: pd.DataFrame) -> None:
        """Let a recording of the turn that is interrupted do where there is no other."""
        places = zip(barge_ins["session_id"], barge_ins["interrupts"], strict=True)
        for index, place in zip(barge_ins.index, places, strict=True):
            if place in self._by_place:
                self._recordings.setdefault(index, self._by_place[place])

    def _take_worst(
        self, rows: pd.DataFrame, badness: pd.Series, names: tuple[str, str], several: str
    ) -> None:
        """The worst; then the worst that were recorded, then the worst of the others."""
        order = badness.sort_values(ascending=False, kind="stable", na_position="last")
        ranks = {index: rank for rank, index in enumerate(order.index, start=1)}
        left = [index for index in order.index if index not in self._taken]
        first, others = left[:1], left[1:]
        others.sort(key=lambda index: index not in self._recordings)
        chosen = sorted([*first, *others[: MOST - 1]], key=ranks.__getitem__)
        for index in chosen:
            title = several.format(rank=_ordinal(ranks[index]), amount=number(len(rows)))
            self._take(f"The {names[0]}" if len(rows) == 1 else title, rows.loc[index])
        if len(left) > len(chosen):
            self.left_out.append(count(len(left) - len(chosen), *names))

    def _told_best(
        self, rows: pd.DataFrame, away_ms: pd.Series, size_ms: float, exact: Hashable
    ) -> pd.Series:
        """The recorded one of `rows` least away, if it tells the same; else the one at `exact`."""
        same = rows[away_ms <= max(_SAME_PART * size_ms, _SAME_MS)]
        recorded = [index for index in same.index if index in self._recordings]
        index = away_ms[recorded].idxmin() if recorded else exact
        return rows.iloc[rows.index.tolist().index(index)]

    def _take(self, title: str, turn: pd.Series) -> None:
        if turn.name not in self._taken:
            self._taken.add(turn.name)
            self.shown.append(TellingTurn(title, turn, self._recordings.get(turn.name)))


def _greatest(*columns: pd.Series) -> pd.Series:
    """The greatest that is known in each row."""
    return pd.concat([column.astype("float64") for column in columns], axis="columns").max(axis=1)


def _ordinal(rank: int) -> str:
    """`2nd `; nothing for the first."""
    if rank == 1:
        return ""
    teens = 10 < rank % 100 < 20
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{ending} "
