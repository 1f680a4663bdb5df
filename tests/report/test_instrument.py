"""What workers told of themselves is shown, and what they did not tell is a dash."""

from __future__ import annotations

import copy
from types import ModuleType
from typing import Any

import pytest

from bench.report.instrument import Table, held_back, tables
from bench.report.wording import ABSENT
from bench.report.wording import NARROW_SPACE as THIN


@pytest.fixture
def run(synthetic: ModuleType) -> dict[str, Any]:
    return copy.deepcopy(synthetic.run_json(10))


def by_heading(table: Table) -> list[dict[str, str]]:
    assert all(len(row) == len(table.columns) for row in table.rows)
    names = [column.heading for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


def test_what_the_run_took_of_each_process(run: dict[str, Any]) -> None:
    workers, effort, _ = tables(run)
    assert [row["Worker"] for row in by_heading(workers)] == ["w0", "w1"]
    assert by_heading(workers)[0]["Kernel receive stamps"] == "yes"
    first, _ = by_heading(effort)
    assert first == {
        "Worker": "w0",
        "CPU": f"7.12{THIN}%",
        "Most in 5 s": f"11.3{THIN}%",
        "Engine": f"6.71{THIN}%",
        "Over 90 %": f"0{THIN}s",
        "Waiting": f"0.41{THIN}%",
        "Memory, MB": "141 / 143",
        "Files": "9 / 8",
        "Collections": "50",
        "Longest, ms": "2.31",
    }


def test_stalls_by_cause_the_costliest_first(run: dict[str, Any]) -> None:
    *_, stalls = tables(run)
    first, second, *_ = by_heading(stalls)
    assert first == {
        "Worker": "w0",
        "Owing to": "garbage collection",
        "Stalls": "1",
        "In all, ms": "17.6",
        "Share of the time": f"0.015{THIN}%",
        "Longest, ms": "17.6",
    }
    assert second["Owing to"] == "other programs on the processor"
    assert f"17.6{THIN}ms at 31.5{THIN}s in w0 (garbage collection)" in stalls.note


def test_a_stall_names_the_session_whose_data_it_was(run: dict[str, Any]) -> None:
    told_by = run["workers"]["w1"]["stalls"] = copy.deepcopy(run["workers"]["w0"]["stalls"])
    told_by["worst"][0] |= {"ms": 412.0, "cause": "engine", "session_id": "w1-00012"}
    *_, stalls = tables(run)
    _, _, told = stalls.note.partition("The longest: ")
    assert told.startswith(f"412{THIN}ms at 31.5{THIN}s in w1 (")
    assert told.partition(";")[0].endswith(", session w1-00012)")


def test_a_worker_without_a_stall_says_so(run: dict[str, Any]) -> None:
    for worker in run["workers"].values():
        worker["stalls"] = {"count": 0, "total_ms": 0, "worst_ms": 0, "by_cause": {}, "worst": []}
    *_, stalls = tables(run)
    assert [row["Owing to"] for row in by_heading(stalls)] == ["none", "none"]
    assert "The longest" not in stalls.note


def test_older_folders_tell_less() -> None:
    old = {"ended": "closed", "kernel_stamps": False}
    (only,) = tables({"workers": {"w0": old, "w1": None}})
    first, second = by_heading(only)
    assert first["Kernel receive stamps"].startswith("no: ")
    assert second["Kernel receive stamps"] == "unknown"
    assert second["Ended"] == "did not report its end"
    assert first["Host"] == ABSENT
    assert tables({}) == []


def test_a_killed_worker_beside_a_good_one_is_dashes(run: dict[str, Any]) -> None:
    run["workers"]["w1"] = {"ended": None}
    _, effort, stalls = tables(run)
    assert set(list(by_heading(effort)[1].values())[1:]) == {ABSENT, f"{ABSENT} / {ABSENT}"}
    assert list(by_heading(stalls)[-1].values()) == ["w1", "not told", *[ABSENT] * 4]


def test_causes_of_another_version_keep_their_name(run: dict[str, Any]) -> None:
    run["workers"]["w0"]["stalls"]["by_cause"] = {
        "new_cause": {"count": 1, "total_ms": 9.0, "worst_ms": 9.0}
    }
    *_, stalls = tables(run)
    assert by_heading(stalls)[0]["Owing to"] == "new_cause"


def test_what_the_target_held_back(synthetic: ModuleType) -> None:
    def said(frames: int, sessions: int, held_ms: list[float], missing: int = 0) -> str:
        spread = synthetic.distribution(held_ms, missing)
        return held_back(
            {"held_back": {"frames": frames, "sessions": sessions, "held_ms": spread}}
        )

    assert held_back({}) == ""
    assert said(0, 0, []) == "The target took every frame at once."
    assert said(2, 1, [5.0, 812.0]).startswith(
        "The target held back 2 frames of 1 session: they waited for room "
        f"(p99 812{THIN}ms, longest 812{THIN}ms). That is a finding about the target"
    )
    assert "longest 5.00" in said(4, 2, [5.0], missing=3)
    assert ", and 3 were never taken. " in said(4, 2, [5.0], missing=3)
    assert "they found no room, and 3 were never taken. " in said(3, 1, [], missing=3)
