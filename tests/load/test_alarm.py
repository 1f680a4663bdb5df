"""One line now and then, of the worst, with its cause and what to do."""

from __future__ import annotations

import pytest

from bench.load.alarm import INTERVAL_S, Alarm, Strain
from bench.runs.causes import CAUSES, FEWER_USERS

CALM = Strain("w0", 0.2, 0.3, 12.0, "host")


def line(*strains: Strain) -> str | None:
    return Alarm().line(100.0, strains)


@pytest.mark.parametrize(
    "strain",
    [CALM, Strain("w0", None, None, None, None), Strain("w0", 5.0, 0.9, 50.0, "host")],
)
def test_nothing_is_said_of_a_worker_that_keeps_up(strain: Strain) -> None:
    assert line(strain) is None


def test_late_frames() -> None:
    assert line(CALM, Strain("w1", 7.25, 0.4, 30.0, "collector")) == (
        "rtbench warning: frames of w1 leave late (p99 7.2 ms; a run is invalid above 10), "
        f"owing to garbage collection; {FEWER_USERS}"
    )


def test_late_frames_of_a_busy_process_without_a_stall() -> None:
    said = line(Strain("w1", 7.0, 0.97, None, None))
    assert said is not None
    assert said.endswith(f"owing to {CAUSES['backlog'].words}; {FEWER_USERS}")


def test_late_frames_nobody_can_explain() -> None:
    said = line(Strain("w1", 7.0, 0.4, None, None))
    assert said is not None
    assert said.endswith(f"; {FEWER_USERS}, or use a quieter machine")


def test_a_stall() -> None:
    assert line(Strain("w0", 1.0, 0.4, 74.4, "host")) == (
        f"rtbench warning: w0 stalled for 74 ms, owing to other programs on the processor; "
        f"{CAUSES['host'].mend}"
    )


def test_a_busy_process() -> None:
    said = line(Strain("w0", 1.0, 0.96, None, None))
    assert said == f"rtbench warning: w0 uses 96% of a core; {FEWER_USERS}"


def test_the_worst_of_all_is_said() -> None:
    said = line(
        Strain("w0", 6.0, 0.95, 60.0, "host"),
        Strain("w1", 20.0, 0.5, 60.0, "engine"),
        Strain("w2", 6.0, 0.95, 100.0, "thread"),
    )
    assert said is not None
    assert said.startswith("rtbench warning: frames of w1 leave late (p99 20.0 ms")


def test_at_most_one_line_in_an_interval() -> None:
    alarm = Alarm()
    bad = [Strain("w0", 20.0, 0.5, None, None)]
    assert alarm.line(0.0, [CALM]) is None
    assert alarm.line(1.0, bad) is not None
    assert alarm.line(1.0 + INTERVAL_S - 0.1, bad) is None
    assert alarm.line(1.0 + INTERVAL_S, bad) is not None


def test_a_line_is_one_line() -> None:
    for cause in (*CAUSES, None, "of another version"):
        said = line(Strain("w0", 9.0, 0.95, 80.0, cause))
        assert said is not None
        assert "\n" not in said
