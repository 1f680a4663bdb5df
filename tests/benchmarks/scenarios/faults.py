"""Turns each fault of the embedded server, over five scenarios at once, into a line of a table."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.load.embedded import embedded_server
from bench.server.profiles.fault import FAULTS
from tests.benchmarks.scenarios.demands import Finding
from tests.benchmarks.scenarios.trial import ATTEMPTS, NoRecord, Trial, run_trial, say

SCENARIOS = ("ask", "conversation", "barge_in", "tools", "long_session")
"""Side by side in one process: what befalls one caller must not reach another."""

HEADS = ("fault", "turns", "outcomes", "sessions refused", "lateness p99, ms", "demand", "")
MEANT = frozenset({"ok", "talked_over"})

REFUSALS = {
    "refuse": "closed",
    "http_401": "http_401",
    "http_403": "http_403",
    "http_429": "http_429",
    "http_500": "http_500",
    "http_503": "http_503",
    "hang_handshake": "timeout",
    "error_before_session": "server_error",
    "beta_disabled": "server_error",
}
"""What a session that does not open is called, by fault of the connection."""

OUTCOMES = {
    **{name: {"disconnected"} for name in FAULTS if name.startswith("close_")},
    "half_open": {"server_error", "no_reply", "missed_turn"},
    "no_reply": {"no_reply"},
    "no_vad": {"missed_turn"},
    "trickle": {"server_error", "missed_turn"},
    "slow_reader": {"missed_turn", "audio_less"},
    "audio_less": {"audio_less"},
    "rate_limit_error": {"rate_limited"},
}
"""What a turn that is struck ends as, and those after it where the line is as good as dead; the
other faults are none of the caller's trouble. Where a tool's result is not read any more, the
response that called it was without audio."""

_DIALECTS = {"beta_disabled": "openai-beta"}
_TURNS = {"no_reply": (1, 2), "no_vad": (1, 2), "slow_reader": (0,)}
"""Which turns of a session are struck, where it is not the second alone. For who uses tools that
is the reply to a tool's result, which nobody has to hear and which is never left out; and that a
server has stopped reading shows in the turn after."""

LATENESS_LIMIT_MS = 2.0
LATENESS_GROWTH_MS = 1.0
_SEEDS = range(1, 9)
_OPTIONS = ("--watchdog-s", "3", "--connect-timeout-s", "2")


def judge_turns(fault: str, outcomes: dict[str, Counter[str]]) -> Finding:
    """Whether callers of every kind met a fault of turns by its name, and nothing else.

    `outcomes` has those of each class of callers.
    """
    named = OUTCOMES.get(fault, set())
    wrong = {name for counts in outcomes.values() for name in counts} - named - MEANT
    if wrong:
        return Finding(False, f"unexpected: {', '.join(sorted(wrong))}")
    spared = sorted(user for user, counts in outcomes.items() if named and not named & set(counts))
    if spared or len(outcomes) < len(SCENARIOS):
        return Finding(False, f"not met by {', '.join(spared) or 'all callers'}")
    return Finding(True, " or ".join(sorted(named)) or "none the worse")


def judge_sessions(
    fault: str, refused: Counter[str], outcomes: dict[str, Counter[str]]
) -> Finding:
    """Whether refused sessions are called by the fault's name, and all callers got through."""
    if set(refused) != {REFUSALS[fault]}:
        return Finding(False, f"refused as {', '.join(sorted(refused)) or 'nothing'}")
    wrong = {name for counts in outcomes.values() for name in counts} - MEANT
    if wrong or len(outcomes) < len(SCENARIOS):
        return Finding(False, f"later turns: {', '.join(sorted(wrong)) or 'not of all callers'}")
    return Finding(True, REFUSALS[fault])


def run_faults(
    users: int, seconds: float, only: Sequence[str]
) -> tuple[str, Sequence[str], list[list[str]]]:
    """Title, heads and lines: first without a fault, then each."""
    title = f"Faults over {', '.join(SCENARIOS)}; {users} callers side by side, {seconds:g} s"
    with tempfile.TemporaryDirectory() as scratch:
        calm = _run([], Path(scratch) / "calm", users, seconds)
        limit_ms = max(LATENESS_LIMIT_MS, (_late_ms(calm) or 0.0) + LATENESS_GROWTH_MS)
        rows = [_row("none", calm, judge_turns("none", _outcomes(calm)), limit_ms)]
        say("  ".join(rows[0]))
        for fault in only or FAULTS:
            row: list[str] = []
            for attempt in range(ATTEMPTS):
                row = _line(fault, Path(scratch) / f"{fault}-{attempt}", users, seconds, limit_ms)
                if row[-1] != "MISSED":
                    break
            rows.append(row)
            say("  ".join(row))
    return title, HEADS, rows


def _line(fault: str, folder: Path, users: int, seconds: float, limit_ms: float) -> list[str]:
    try:
        trial = _strike(fault, folder, users, seconds)
    except NoRecord as problem:
        return [fault, "0", "-", "-", "-", str(problem), "MISSED"]
    if fault in REFUSALS:
        finding = judge_sessions(fault, _refused(trial), _outcomes(trial))
    else:
        finding = judge_turns(fault, _outcomes(trial))
    return _row(fault, trial, finding, limit_ms)


def _strike(fault: str, folder: Path, users: int, seconds: float) -> Trial:
    """Strike half of the connections, or the second turn of each session.

    Where a seed strikes the very first connection, by which a run finds out whether there is a
    server, another is taken.
    """
    if fault not in REFUSALS:
        struck = [f"--fault={fault}@turn={turn}" for turn in _TURNS.get(fault, (1,))]
        return _run(struck, folder, users, seconds)
    problem = NoRecord("no seed lets a run begin")
    for seed in _SEEDS:
        try:
            seeded = [f"--fault={fault}:0.5", f"--seed={seed}"]
            place = folder.with_name(f"{folder.name}-{seed}")
            return _run(seeded, place, users, seconds, _DIALECTS.get(fault, "openai"))
        except NoRecord as why:
            problem = why
    raise problem


def _run(
    server_options: list[str], folder: Path, users: int, seconds: float, dialect: str = "openai"
) -> Trial:
    options = (*_OPTIONS, "--dialect", dialect)
    with embedded_server(*server_options) as server:
        return run_trial(
            SCENARIOS, server.url, folder, users=users, seconds=seconds, options=options
        )


def _row(fault: str, trial: Trial, finding: Finding, limit_ms: float) -> list[str]:
    late_ms = _late_ms(trial)
    told = finding.told
    if "Traceback" in trial.said:
        finding, told = Finding(False, ""), f"{told}; a traceback"
    if late_ms is None or late_ms > limit_ms:
        finding, told = Finding(False, ""), f"{told}; lateness over {limit_ms:.1f} ms"
    return [
        fault,
        str(len(trial.turns)),
        _counts(Counter(turn.outcome for turn in trial.turns)),
        _counts(_refused(trial)),
        "-" if late_ms is None else f"{late_ms:.2f}",
        told,
        "met" if finding.met else "MISSED",
    ]


def _outcomes(trial: Trial) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for turn in trial.turns:
        found.setdefault(trial.users[turn.session_id], Counter())[turn.outcome] += 1
    return found


def _refused(trial: Trial) -> Counter[str]:
    classes: Iterable[str | None] = (session.failed_class for session in trial.record.sessions)
    return Counter(name for name in classes if name is not None)


def _late_ms(trial: Trial) -> float | None:
    late_ms: float | None = trial.summary["pacing"]["lateness_ms"]["p99"]["value"]
    return late_ms


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common()) or "-"
