"""What a reader of the benchmark's table is told."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.results import add_results, page, read_results
from tests.benchmarks.table import WIDTH, Section, markdown_table, ratio, text_table


def section() -> Section:
    made = Section("Sessions", figures={"levels": {"main": 1_430}})
    made.ask_at_least("one core", 1_430, 1_200)
    made.ask_at_most("p99 lateness", 2.5, 2, " ms", 2)
    made.ask_at_least("never measured", None, 5)
    made.tell("CPU", 17.31, " µs", 1)
    return made


def test_text_says_what_was_measured_asked_and_met() -> None:
    lines = text_table([section()]).splitlines()
    assert lines[0].split() == ["Sessions", "measured", "asked"]
    assert lines[2].split() == ["one", "core", "1,430", "≥", "1,200", "met"]
    assert lines[3].split() == ["p99", "lateness", "2.50", "ms", "≤", "2.00", "ms", "MISSED"]
    assert lines[4].split() == ["never", "measured", "-", "≥", "5", "?"]
    assert lines[5].split() == ["CPU", "17.3", "µs"]
    assert max(map(len, lines)) <= WIDTH


def test_limits_are_part_of_what_is_asked() -> None:
    made = Section("")
    made.ask_at_least("", 5, 5)
    made.ask_at_most("", 5, 5)
    assert [row.met for row in made.rows] == [True, True]


def test_page_has_a_row_for_each_figure() -> None:
    text = markdown_table([section()])
    assert "| one core | 1,430 | ≥ 1,200 | met |" in text
    assert "| CPU | 17.3 µs |  |  |" in text


def test_ratio_of_what_is_missing_is_missing() -> None:
    assert ratio(6, 4) == 1.5
    assert ratio(None, 4) is None
    assert ratio(6, None) is None


def test_results_keep_what_was_not_measured_again(tmp_path: Path) -> None:
    before = read_results(tmp_path / "none.json")
    assert before == {"levels": {}, "steps": {}}
    first = add_results(before, {"a": [section()]}, {"main": 1_430, "other": 10})
    other = Section("Other")
    second = add_results(first, {"b": [other]}, {"main": None, "other": 20})
    assert second["levels"] == {"main": 1_430, "other": 20}
    assert list(second["steps"]) == ["a", "b"]
    text = page(second)
    assert "| one core | 1,430 | ≥ 1,200 | met |" in text
    assert "Machine: " in text
