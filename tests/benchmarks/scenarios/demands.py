"""Turns the turns of a run into whether what its scenario is about came to be. Pure.

Each demand is one function of turns that takes none cut short by the run's end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from statistics import median
from typing import NamedTuple

from bench.analysis.metrics import METRICS
from bench.analysis.turn import Turn


class Finding(NamedTuple):
    """Whether a demand is met, and the figure that says so."""

    met: bool
    told: str


Demand = Callable[[Sequence[Turn]], Finding]


def whole(turns: Sequence[Turn]) -> list[Turn]:
    """Turns that tell something of the target: the run did not end them, nor spoil them."""
    return [turn for turn in turns if turn.outcome not in {"stopped", "client_late"}]


def answered(turns: Sequence[Turn]) -> Finding:
    """Every turn came to its end as it should: answered, or talked over by the next."""
    interrupted = {
        (turn.session_id, turn.interrupts) for turn in turns if turn.interrupts is not None
    }
    right = sum(
        turn.outcome
        == ("talked_over" if (turn.session_id, turn.turn_index) in interrupted else "ok")
        for turn in turns
    )
    return _all("answered", right, len(turns))


def silence(turns: Sequence[Turn]) -> Finding:
    """Nothing came of any sound."""
    return _all("left alone", sum(turn.outcome == "ok" for turn in turns), len(turns))


def interrupted(turns: Sequence[Turn]) -> Finding:
    """Every reply that was spoken over ended so, the caller heard within half a second."""
    over = [turn for turn in turns if turn.interrupts is not None]
    heard_ms = _values("barge_in_detect_ms", over)
    met, told = answered(turns)
    if not over or not heard_ms:
        return Finding(False, "no reply was interrupted")
    detect_ms = median(heard_ms)
    return Finding(met and detect_ms < 500, f"{told}; heard after {detect_ms:.0f} ms")


def stopped_by_murmurs(share: float) -> Demand:
    """So many of the replies were stopped by a backchannel, within a twentieth."""

    def judge(turns: Sequence[Turn]) -> Finding:
        found = _share(turns, "false_interruption")
        told = f"{found:.0%} falsely interrupted, due {share:.0%}"
        others = {turn.outcome for turn in turns} - {"ok", "false_interruption"}
        return Finding(bool(turns) and abs(found - share) <= 0.05 and not others, told)

    return judge


def cut_off_at(silence_ms: float) -> Demand:
    """Who pauses for longer is cut off, over 90 %; who does not never is."""

    def judge(turns: Sequence[Turn]) -> Finding:
        longest = {id(turn): max((b - a for a, b in turn.pauses), default=0.0) for turn in turns}
        long = [turn for turn in turns if longest[id(turn)] > silence_ms + 100]
        short = [turn for turn in turns if longest[id(turn)] <= silence_ms - 50]
        cut, spared = _cut_off(long), _cut_off(short)
        told = f"{cut:.0%} of longer pauses cut off, {spared:.0%} of shorter"
        met = (not long or cut > 0.9) and (not short or spared == 0) and bool(long or short)
        return Finding(met and len(long) + len(short) == len(turns), told)

    return judge


def never_cut_off(turns: Sequence[Turn]) -> Finding:
    """Fewer than one in twenty, and all others are answered."""
    found = _cut_off(turns)
    right = sum(turn.outcome in {"ok", "cut_off"} for turn in turns)
    met = bool(turns) and found < 0.05 and right == len(turns)
    return Finding(met, f"{found:.0%} cut off, due under 5 %")


def soon_though_patient(turns: Sequence[Turn]) -> Finding:
    """Nobody is cut off, and whole sentences wait for less than a second all the same."""
    met, told = never_cut_off(turns)
    delays_ms = _values("endpointing_delay_ms", turns)
    if not delays_ms:
        return Finding(False, "no end of turn was found")
    delay_ms = median(delays_ms)
    return Finding(met and delay_ms < 1_000, f"{told}; endpointing {delay_ms:.0f} ms")


def tools_answered(turns: Sequence[Turn]) -> Finding:
    """In every turn a tool was called, its result given, and the reply after it heard."""
    right = sum(
        turn.outcome == "ok"
        and turn.tool_call_ns is not None
        and turn.tool_result_ns is not None
        and turn.first_audio_ns is not None
        and turn.first_audio_ns > turn.tool_result_ns
        for turn in turns
    )
    return _all("calls answered", right, len(turns))


def written_down(turns: Sequence[Turn]) -> Finding:
    """The words of every turn came, and no audio."""
    right = sum(
        turn.outcome == "ok"
        and turn.transcript_done_ns is not None
        and turn.first_audio_ns is None
        for turn in turns
    )
    return _all("written down", right, len(turns))


def committed(turns: Sequence[Turn]) -> Finding:
    """Every turn is answered without the server's finding its end."""
    right = sum(turn.outcome == "ok" and turn.speech_stopped_ns is None for turn in turns)
    return _all("answered without VAD", right, len(turns))


def in_one_session(turns: Sequence[Turn]) -> Finding:
    """Every turn is answered, and the last of a session no later than its first measured one."""
    met, told = answered(turns)
    growth_ms = []
    for _, group in groupby(turns, key=lambda turn: turn.session_id):
        waits = _values("response_latency_ms", [turn for turn in group if turn.turn_index])
        if len(waits) > 1:
            growth_ms.append(waits[-1] - waits[0])
    if not growth_ms:
        return Finding(False, f"{told}; sessions too short to grow")
    grown_ms = median(growth_ms)
    return Finding(met and grown_ms < 50, f"{told}; last wait {grown_ms:+.0f} ms")


def cold_and_warm(turns: Sequence[Turn]) -> Finding:
    """Sessions of two turns, all answered."""
    met, told = answered(turns)
    longest = max((turn.turn_index for turn in turns), default=0) + 1
    sessions = len({turn.session_id for turn in turns})
    return Finding(met and longest == 2, f"{told}; {sessions} sessions of {longest}")


def in_every_language(turns: Sequence[Turn]) -> Finding:
    """Every turn is answered and written down, in six languages or as far as the run came."""
    met, told = answered(turns)
    written = sum(turn.transcript_done_ns is not None for turn in turns)
    spoken = len({turn.utterance for turn in turns})
    return Finding(met and written == len(turns), f"{told} and written down; {spoken} languages")


def _all(what: str, right: int, count: int) -> Finding:
    return Finding(0 < right == count, f"{right} of {count} {what}")


def _share(turns: Sequence[Turn], outcome: str) -> float:
    return Counter(turn.outcome for turn in turns)[outcome] / len(turns) if turns else 0.0


def _cut_off(turns: Sequence[Turn]) -> float:
    return sum(turn.cut_off for turn in turns) / len(turns) if turns else 0.0


def _values(metric: str, turns: Sequence[Turn]) -> list[float]:
    values = (METRICS[metric].measure(turn) for turn in turns)
    return [value for value in values if value is not None]
