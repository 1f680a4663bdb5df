"""A run blames itself where it was the limit, and only there."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from bench.analysis.pacing import Pacing
from bench.analysis.statistics import distribution
from bench.analysis.validity import Judgement, judge_run
from bench.runs.causes import CAUSES, FEWER_USERS

GOOD = distribution([1.0] * 1000)


def worker(**facts: Any) -> dict[str, Any]:
    process = {
        "sending_s": 100.0,
        "busy_s": 0.0,
        "cpu_share": 0.2,
        "cpu_share_peak": 0.3,
        "waited_share": 0.01,
        "stolen_share": 0.0,
        **facts.pop("process", {}),
    }
    stalls = {"total_ms": 0.0, "worst_ms": 0.0, "by_cause": {}, **facts.pop("stalls", {})}
    anchors = [{"monotonic_ns": 0, "realtime_ns": 5}, {"monotonic_ns": 9, "realtime_ns": 14}]
    return {
        "ended": "closed",
        "kernel_stamps": True,
        "clock_anchors": anchors,
        "process": process,
        "stalls": stalls,
        **facts,
    }


def stalled(total_ms: float, worst_ms: float, cause: str = "collector") -> dict[str, Any]:
    tally = {"count": 1, "total_ms": total_ms, "worst_ms": worst_ms}
    return {"total_ms": total_ms, "worst_ms": worst_ms, "by_cause": {cause: tally}}


def judge(
    *workers: dict[str, Any],
    late: Any = GOOD,
    lag: Any = GOOD,
    measured: int = 1,
    **run: Any,
) -> Judgement:
    pacing = dataclasses.replace(
        Pacing().result(),
        lateness_ms=late,
        frames_due=late.n + late.missing,
    )
    named = {f"w{number}": facts for number, facts in enumerate(workers or (worker(),))}
    return judge_run({"ended_at": "x", "workers": named, **run}, pacing, lag, measured)


def late(ms: float) -> Any:
    return distribution([1.0] * 900 + [ms] * 100)


def test_a_run_that_kept_up_is_valid_and_warns_of_nothing() -> None:
    assert judge() == Judgement([], [])
    assert judge().to_json() == {"valid": True, "reasons": [], "warnings": []}


def test_folders_that_tell_nothing_of_their_effort_are_judged_by_their_frames() -> None:
    assert judge({"ended": "closed"}) == Judgement([], [])
    (reason,) = judge({"ended": "closed"}, late=late(15.25)).reasons
    assert reason == (
        f"Frames left late: p99 lateness is 15.2 ms, limit 10 ms; {FEWER_USERS}, "
        "or use a quieter machine."
    )


def test_frames_late_name_what_most_of_it_was_owing_to() -> None:
    facts = worker(stalls=stalled(60.0, 20.0, "host"))
    (reason,) = judge(facts, late=late(15.25)).reasons
    assert reason.startswith("Frames left late: p99 lateness is 15.2 ms, limit 10 ms, mostly ")
    assert CAUSES["host"].words in reason
    assert reason.endswith(f"{CAUSES['host'].mend}.")
    unknown = worker(stalls=stalled(60.0, 20.0, "of another version"))
    assert "mostly owing to of another version." in judge(unknown, late=late(15.25)).reasons[0]


def test_what_helps_is_said_once() -> None:
    facts = worker(stalls=stalled(1500.0, 400.0, "host"))
    judged = judge(facts, late=late(15.25), lag=late(6.0))
    mends = [CAUSES["host"].mend in said for said in (*judged.reasons, *judged.warnings)]
    assert mends == [True, False, False]
    assert judged.reasons[1] == "Worker w0 stalled for 1.5% of the time, limit 1%."


@pytest.mark.parametrize(("own_ms", "cause"), [(50.0, "host"), (5.0, "backlog")])
def test_catching_up_is_owing_to_what_went_before(own_ms: float, cause: str) -> None:
    facts = worker(stalls=stalled(own_ms, own_ms, "host"))
    facts["stalls"]["by_cause"]["backlog"] = {"count": 1, "total_ms": 100.0, "worst_ms": 100.0}
    (reason,) = judge(facts, late=late(15.25)).reasons
    assert CAUSES[cause].words in reason


def test_between_warning_and_limit_a_lag_is_a_warning() -> None:
    judged = judge(late=late(7.0), lag=late(6.0))
    assert judged.reasons == []
    assert [warning.partition(",")[0] for warning in judged.warnings] == [
        "Frames left late: p99 lateness is 7.0 ms",
        "Received events lay unread: p99 client lag is 6.0 ms",
    ]
    assert (
        judge(lag=late(10.5))
        .reasons[0]
        .startswith("Received events lay unread: p99 client lag is 10.5 ms, limit 10 ms")
    )


def test_frames_never_sent() -> None:
    assert judge(late=distribution([1.0] * 90, missing=10)).reasons == [
        "Frames were never sent: 10 of 100 due (10.0%), limit 1%."
    ]
    assert judge(late=distribution([1.0] * 99, missing=1)).reasons == []


def test_a_busy_process_is_a_reason_once_frames_were_late() -> None:
    busy = worker(process={"busy_s": 12.0, "cpu_share_peak": 0.97})
    said = f"Worker w1 used over 90% of a core for 12% of the time, limit 5%; {FEWER_USERS}."
    assert judge(worker(), busy) == Judgement([], [said])
    assert judge(worker(), busy, late=late(6.0)).reasons == [said]


@pytest.mark.parametrize(
    "process",
    [
        {"busy_s": 4.0, "sending_s": 10.0},  # a burst, such as a ramp
        {"busy_s": 30.0, "sending_s": 1000.0},
        {"busy_s": 30.0, "sending_s": 0.0},
    ],
)
def test_a_passing_burst_is_no_reason(process: dict[str, float]) -> None:
    assert judge(worker(process=process), late=late(6.0)).reasons == []


def test_a_process_with_little_room_left_is_a_warning() -> None:
    judged = judge(worker(process={"cpu_share_peak": 0.82}))
    assert judged.reasons == []
    (warning,) = judged.warnings
    assert warning == (
        "Worker w0 used up to 82% of a core over five seconds, worth a look above 75%; "
        f"{FEWER_USERS}."
    )


def test_stalls_that_add_up_are_a_reason() -> None:
    (reason,) = judge(worker(), worker(stalls=stalled(1500.0, 400.0))).reasons
    assert reason.startswith("Worker w1 stalled for 1.5% of the time, limit 1%, mostly owing to")
    assert CAUSES["collector"].words in reason


def test_one_accident_in_a_short_run_is_a_warning() -> None:
    short = worker(process={"sending_s": 10.0}, stalls=stalled(150.0, 150.0))
    judged = judge(short)
    assert judged.reasons == []
    assert judged.warnings[0].startswith(
        "Worker w0 stalled for 150 ms at one time, worth a look above 50 ms"
    )


def test_short_stalls_that_add_up_to_little_are_a_warning() -> None:
    judged = judge(worker(stalls=stalled(500.0, 12.0)))
    assert judged.reasons == []
    assert judged.warnings[0].startswith("Worker w0 stalled for 0.5% of the time, invalid above")
    assert judge(worker(stalls=stalled(150.0, 12.0))).warnings == []


def test_a_machine_in_use_is_a_warning() -> None:
    judged = judge(
        worker(process={"waited_share": 0.08, "stolen_share": 0.06}),
        environment={"load_average": [3.4, 1.0, 1.0], "cores": 2},
    )
    assert judged.reasons == []
    assert [re.split(r"[:;,]", warning)[0] for warning in judged.warnings] == [
        "The machine was busy when the run began",
        "Worker w0 waited for a processor for 8% of the time",
        "Worker w0 ran on a host whose hypervisor took its processors away for 6% of the time",
    ]
    calm = {"load_average": [1.9, 9.0, 9.0], "cores": 2}
    assert judge(environment=calm).warnings == []
    unknown = worker(process={"waited_share": None, "stolen_share": None})
    assert judge(unknown).warnings == []


def test_missing_kernel_stamps_are_a_warning_unknown_ones_are_not() -> None:
    (warning,) = judge(worker(), worker(kernel_stamps=False)).warnings
    assert warning.startswith("Worker w1 had no receive stamps from the kernel")
    assert judge(worker(kernel_stamps=None)).warnings == []


def test_a_clock_set_during_the_run_is_a_warning() -> None:
    step_ns = 12_000_000
    anchors = [
        {"monotonic_ns": 100, "realtime_ns": 10**18},
        {"monotonic_ns": 100 + 10**10, "realtime_ns": 10**18 + 10**10 - step_ns},
    ]
    (warning,) = judge(worker(clock_anchors=anchors)).warnings
    assert warning.startswith("Worker w0 ran while its host's clock was set, by 12.0 ms")


def test_endings() -> None:
    killed = judge(worker(), worker(ended=None), ended_at=None)
    assert killed.reasons == [
        "The run did not end properly: ended_at is missing from run.json.",
        "Worker w1 did not end properly: its last records may be missing.",
    ]
    assert judge(workers={}).reasons == ["No worker handed in its records."]
    assert judge(workers={"w0": None}).reasons == [
        "Worker w0 did not end properly: its last records may be missing."
    ]
    assert judge(measured=0).reasons == [
        "No turn was measured: each was cold, in warm-up or unreviewed, or none was begun.",
    ]


def test_every_sentence_ends_as_one() -> None:
    bad = worker(
        process={"busy_s": 50.0, "waited_share": 0.5, "stolen_share": 0.5},
        stalls=stalled(5000.0, 900.0),
        kernel_stamps=False,
        ended=None,
    )
    judged = judge(bad, late=distribution([20.0] * 50, missing=50), lag=late(30.0), measured=0)
    assert len(judged.reasons) == 7
    for sentence in (*judged.reasons, *judged.warnings):
        assert re.fullmatch(r"[A-Z].*[^.]\.", sentence)
        assert "  " not in sentence


@pytest.mark.parametrize(
    ("spending", "said"),
    [
        (
            {"max_usd": 1.0, "spent_usd": 1.01, "cut_short": "spent"},
            "The run was cut short: $1.01 were spent, limit --max-usd 1; raise it.",
        ),
        (
            {"max_usd": 0.5, "spent_usd": 0.46, "cut_short": "held"},
            (
                "No sessions were begun towards the end: $0.46 were spent, limit --max-usd 0.5; "
                "raise it."
            ),
        ),
        ({"max_usd": 0.5, "spent_usd": 0.2, "cut_short": None}, None),
        ({"max_usd": None, "spent_usd": 9.0, "cut_short": None}, None),
        (None, None),
    ],
)
def test_a_run_that_spent_all_it_might_says_so(
    spending: dict[str, Any] | None, said: str | None
) -> None:
    assert judge(spending=spending) == Judgement([], [] if said is None else [said])
