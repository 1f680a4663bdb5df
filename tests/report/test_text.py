from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from bench.report.text import print_summary


def printed(folder: Path, change: Callable[[dict, dict], None] | None = None) -> str:
    run = json.loads((folder / "run.json").read_text())
    summary = json.loads((folder / "summary.json").read_text())
    if change:
        change(run, summary)
    stream = io.StringIO()
    print_summary(run, summary, Path("reports/run/report.html"), Console(file=stream, width=80))
    return stream.getvalue()


def test_the_summary_fits_80_columns_and_is_plain(run60: Path) -> None:
    text = printed(run60)
    assert max(map(len, text.splitlines())) <= 80
    assert text.isascii()
    assert "\x1b" not in text
    for words in (
        "VALID",
        "10 started, 10 opened, 0 failed",
        "60 started: ",
        "58 ok",
        "1 cut_off",
        "1 no_reply",
        "Report: reports/run/report.html",
    ):
        assert words in text


def test_the_summary_says_the_numbers_of_summary_json(run60: Path) -> None:
    ttfa = json.loads((run60 / "summary.json").read_text())["metrics"]["ttfa_ms"]
    line = next(x for x in printed(run60).splitlines() if x.startswith("Time to first audio"))
    p95 = f"{ttfa['p95']['value']:,.0f}".replace(",", " ")
    assert line.split("  ")[0] == "Time to first audio, ms"
    assert f" {ttfa['n']} " in line
    assert f" {ttfa['p50']['value']:.0f} " in line
    assert f" {p95}* " in line
    assert "> 10 000*" in line


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        ({7}, "Left out  1 turn: its clip's label awaits review"),
        (set(range(60)), "Left out  60 turns: their clips' labels await review"),
    ],
)
def test_turns_left_out_for_their_labels_are_counted(
    synthetic_run: Callable[..., Path], turns: set[int], words: str
) -> None:
    text = printed(synthetic_run(unreviewed=frozenset(turns)))
    assert words in text.splitlines()
    assert max(map(len, text.splitlines())) <= 80


def test_nothing_is_said_of_labels_when_all_count(run60: Path) -> None:
    assert "Left out" not in printed(run60)


def test_too_few_values_are_marked_without_colour_too(run60: Path) -> None:
    assert "* too few values" in printed(run60)


def test_an_invalid_run_says_why_first(run60: Path) -> None:
    def spoil(run: dict, summary: dict) -> None:
        reason = "p99 lateness is 42.0 ms, limit 10 ms: frames left rtbench late. " * 3
        summary["validity"] = {"valid": False, "reasons": [reason]}

    lines = printed(run60, spoil).splitlines()
    assert lines[0] == "INVALID"
    assert lines[1].startswith("  - p99 lateness")
    assert max(map(len, lines)) <= 80


def test_a_valid_run_says_what_is_worth_a_look(run60: Path) -> None:
    def spoil(run: dict, summary: dict) -> None:
        warning = "Worker w0 used up to 82% of a core over five seconds. " * 2
        summary["validity"]["warnings"] = [warning]

    lines = printed(run60, spoil).splitlines()
    assert lines[0] == "VALID"
    assert lines[1].startswith("  worth a look: Worker w0 used")
    assert max(map(len, lines)) <= 80


def test_what_the_target_held_back_is_told_where_there_is_some(run60: Path) -> None:
    def spoil(run: dict, summary: dict) -> None:
        held = summary["pacing"]["held_back"]
        held |= {"frames": 1234, "sessions": 3}
        held["held_ms"]["p99"]["value"] = 812.4

    expected = "Held back 1 234 frames of 3 sessions by the target, p99 812 ms"
    assert expected in printed(run60, spoil).splitlines()
    assert "Held back" not in printed(run60)


def test_strings_from_outside_neither_style_nor_steer_the_terminal(run60: Path) -> None:
    def spoil(run: dict, summary: dict) -> None:
        run["target"] = "[red]\x1b[2Jws://" + "x" * 200
        summary["turns"]["outcomes"]["[bold]odd\x07"] = 2
        summary["metrics"]["[link=x]very_long_name_of_a_metric_nobody_knows_ms"] = summary[
            "metrics"
        ]["ttfa_ms"]

    text = printed(run60, spoil)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[red]\\x1b[2J" in text
    assert "[bold]odd" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    "options",
    [
        {"sessions": 0},
        {"sessions": 1, "turns_per_session": 2, "outcomes": dict.fromkeys(range(2), "no_reply")},
    ],
)
def test_a_run_without_audio_says_so(
    synthetic_run: Callable[..., Path], options: dict[str, object]
) -> None:
    text = printed(synthetic_run(**options))
    assert max(map(len, text.splitlines())) <= 80
    assert "VALID" in text
    assert "No measured turn got any audio" in text


def test_a_long_path_stays_in_one_piece(run60: Path) -> None:
    path = Path("/".join(["a-rather-long-name"] * 8)) / "report.html"
    stream = io.StringIO()
    run, summary = (
        json.loads((run60 / name).read_text()) for name in ("run.json", "summary.json")
    )
    print_summary(run, summary, path, Console(file=stream, width=80))
    assert str(path) in stream.getvalue()


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        (
            {"cut_off": {"value": 0.04, "low": 0.01, "high": 0.1, "hits": 2, "n": 50}},
            "2 of 50 (4.0 %)",
        ),
        ({"cut_off": {"value": None, "low": None, "high": None, "hits": 0, "n": 0}}, "-"),
        ({}, "-"),
    ],
)
def test_turns_cut_off_are_counted_among_those_that_could_be(
    run60: Path, rates: dict[str, dict[str, float | None]], words: str
) -> None:
    """Not among all that were started: most of those may have been silence or warm-up."""

    def count(_: dict, summary: dict) -> None:
        summary["rates"] = rates

    assert f"\nCut off   {words}\n" in printed(run60, count)


def test_what_went_wrong_is_told_with_whom_it_could_have_hit(run60: Path) -> None:
    run, summary = (json.loads((run60 / f"{n}.json").read_text()) for n in ("run", "summary"))
    rate = {"value": 0.5, "low": 0.1, "high": 0.9, "hits": 3, "n": 6}
    never = {**rate, "value": 0.0, "hits": 0}
    summary["rates"] = {"false_turn": rate, "cut_off": rate, "failed": never, "odd": rate}
    stream = io.StringIO()
    print_summary(run, summary, None, Console(file=stream, width=80))
    assert "Mishaps   false turns 3 of 6, odd 3 of 6\n" in stream.getvalue()
