"""How far the time to first audio that is reported lies from what the target did.

Truth is the target's own: it notes the instant just before it sends a reply's first audio. What
the caller is late with the frame in which its speech ends, the target would hear later: that
counts as an error too. Both on one host, hence on one clock.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bench.analysis.statistics import distribution
from tests.benchmarks.benchmark import Benchmark
from tests.benchmarks.duty import Mark
from tests.benchmarks.reading import Window
from tests.benchmarks.table import Section
from tests.benchmarks.trial import Outcome, Trial

SHARES = (0.01, 0.5, 0.9)
MEDIAN_LIMIT_MS = 0.3
P99_LIMIT_MS = 2.0
_CHUNK_MS = 20


def ttfa_errors(
    turns: pa.Table,
    appends: pa.Table,
    truth: pa.Table,
    *,
    audio_starts_ns: dict[str, int],
    numbers: dict[str, int],
    window: Window,
    chunk_ms: int = _CHUNK_MS,
) -> list[float]:
    """Measured less true time to first audio in ms, of the turns whose truth lies in the window.

    `numbers` are what the target calls the sessions; a response's id ends in the turn's number.
    """
    first = truth.filter(pa.array(truth["mark"].to_numpy() == Mark.FIRST_AUDIO))
    columns = (first[name].to_pylist() for name in ("session", "turn", "sent_ns"))
    sent_ns = {(session, turn): at for session, turn, at in zip(*columns, strict=True)}
    late_ns = _Lateness(appends)
    errors = []
    for row in turns.to_pylist():
        zero_ns = audio_starts_ns.get(row["session_id"])
        number = numbers.get(row["session_id"])
        if zero_ns is None or row["response_id"] is None or row["first_audio_ns"] is None:
            continue
        true_ns = sent_ns.get((number, int(row["response_id"].rpartition("_")[2])))
        index = -(-(row["speech_end_ns"] - zero_ns) // (chunk_ms * 1_000_000)) - 1
        heard_late_ns = late_ns.of(row["session_id"], index)
        if true_ns is None or heard_late_ns is None:
            continue
        if window.from_ns <= true_ns < window.to_ns:
            errors.append((row["first_audio_ns"] - true_ns + heard_late_ns) / 1e6)
    return errors


class _Lateness:
    """How late each frame was, by session and index, without an object for each."""

    def __init__(self, appends: pa.Table) -> None:
        frames = appends.filter(appends["sent_ns"].is_valid()).combine_chunks()
        ids = frames["session_id"].combine_chunks()
        codes = ids.indices.to_numpy().astype(np.int64)
        self._codes = {name: code for code, name in enumerate(ids.dictionary.to_pylist())}
        keys = (codes << 32) + frames["index"].to_numpy()
        late_ns = frames["sent_ns"].to_numpy() - frames["due_ns"].to_numpy()
        order = np.argsort(keys)
        self._keys, self._late_ns = keys[order], late_ns[order]

    def of(self, session_id: str, index: int) -> int | None:
        """In ns; None for a frame that was never sent."""
        code = self._codes.get(session_id)
        if code is None:
            return None
        key = (code << 32) + index
        place = int(np.searchsorted(self._keys, key))
        if place == len(self._keys) or self._keys[place] != key:
            return None
        return int(self._late_ns[place])


def errors_of(outcome: Outcome) -> list[float]:
    """Of a trial of rtbench."""
    assert outcome.turns is not None
    return ttfa_errors(
        outcome.turns,
        outcome.appends,
        outcome.truth,
        audio_starts_ns=outcome.session_instants("audio_started"),
        numbers=outcome.session_numbers(),
        window=outcome.window,
    )


def measure_accuracy(benchmark: Benchmark) -> Section:
    """Errors at shares of the level, with kernel stamps and without."""
    section = Section("|measured - true| time to first audio, of sessions one core carries")
    for share in SHARES:
        sessions = max(round(benchmark.level * share), 1)
        for scenario, stamps in (("callers.py", "kernel"), ("unstamped_callers.py", "no")):
            benchmark.say(f"  {share:.0%}: {sessions} sessions, {stamps} stamps")
            seconds = 24 if share < 0.1 else 12
            outcome = benchmark.run(Trial(sessions, scenario=scenario, seconds=seconds))
            errors = [] if outcome is None else errors_of(outcome)
            sizes = distribution([abs(error) for error in errors])
            where = f"{share:.0%}, {sessions:,} sessions, {stamps} stamps"
            what = f"{where}, N {len(errors):,}: median"
            p50, p99 = sizes.p50.value, sizes.p99.value
            if share == max(SHARES) and stamps == "kernel":
                section.ask_at_most(what, p50, MEDIAN_LIMIT_MS, " ms", 3)
                section.ask_at_most(f"{where}: p99", p99, P99_LIMIT_MS, " ms", 3)
            else:
                section.tell(what, p50, " ms", 3)
                section.tell(f"{where}: p99", p99, " ms", 3)
            section.figures[f"{share:g} {stamps}"] = {"n": len(errors), "p50": p50, "p99": p99}
    return section
