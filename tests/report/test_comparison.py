"""Several runs: what they are called, in which order, and the page they share."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from bench.report.comparison import ComparedRun, compare
from bench.report.comparison_page import render_comparison
from bench.report.data import ReportData
from bench.report.judgement import LimitLine
from bench.report.wording import ABSENT, NARROW_SPACE

HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}</style>\u202e\x1b[31m\x00"


def bare(name: str, target: str = "ws://a", **options: Any) -> ComparedRun:
    run = {"run_id": name, "options": options, "target": target}
    return ComparedRun(Path(name), run, {}, pd.DataFrame())


def labels(*runs: ComparedRun) -> list[str]:
    return [run.label for run in compare(runs).runs]


def test_runs_are_named_by_what_sets_them_apart_and_ordered_by_its_value() -> None:
    runs = [bare(f"run-{ms}", vad_silence_ms=ms, users=5) for ms in (500, 200, 1000)]
    told = compare(runs)
    assert [run.label for run in told.runs] == [
        f"vad_silence_ms = {ms}" for ms in (200, 500, 1000)
    ]
    assert told.reference.name == "run-500"
    assert told.fields == ("vad_silence_ms",)
    assert [run.settings for run in told.runs] == [("200",), ("500",), ("1000",)]


def test_words_keep_the_order_in_which_they_were_given() -> None:
    codecs = ("pcmu", "", "pcma")
    assert labels(*(bare(codec, codec=codec) for codec in codecs)) == [
        "codec = pcmu",
        "codec = none",
        "codec = pcma",
    ]


def test_two_knobs_order_by_the_one_that_is_a_number() -> None:
    grid = [("pcmu", 40), ("pcm16", 40), ("pcmu", 20)]
    assert labels(*(bare("x", codec=c, chunk_ms=ms) for c, ms in grid)) == [
        "codec = pcmu, chunk_ms = 20",
        "codec = pcmu, chunk_ms = 40",
        "codec = pcm16, chunk_ms = 40",
    ]


def test_flags_are_no_numbers() -> None:
    flags = [bare("a", push=True), bare("b", push=False)]
    assert labels(*flags) == ["push = True", "push = False"]


def test_a_region_is_a_target() -> None:
    assert labels(bare("a", "wss://eu.example"), bare("b", "wss://us.example")) == [
        "target = wss://eu.example",
        "target = wss://us.example",
    ]


def test_runs_that_asked_the_same_go_by_their_names() -> None:
    assert labels(bare("monday"), bare("tuesday")) == ["monday", "tuesday"]


def test_runs_of_one_setting_have_their_names_beside_it() -> None:
    runs = [bare("a", ms=1), bare("b", ms=1), bare("c", ms=2)]
    assert labels(*runs) == ["ms = 1 (a)", "ms = 1 (b)", "ms = 2"]


def test_many_differences_make_no_name() -> None:
    first, second = ({f"knob_{n}": n + add for n in range(4)} for add in (0, 1))
    told = compare([bare("a", **first), bare("b", **second)])
    assert [run.label for run in told.runs] == ["a", "b"]
    assert len(told.fields) == 4


def test_a_long_setting_is_cut() -> None:
    (label, _) = labels(bare("a", text="x" * 500), bare("b", text="y"))
    assert len(label) < 80
    assert label.endswith("…")


@pytest.fixture
def compared(synthetic: ModuleType, tmp_path: Path) -> Callable[..., ComparedRun]:
    """A run as a comparison takes it; `options` go into its run.json."""

    def make(name: str, *, seed: int = 7, invalid: tuple[str, ...] = (), **options: Any) -> Any:
        folder = synthetic.write_run(tmp_path / name, seed=seed, sessions=6)

        def change(run: dict[str, Any]) -> None:
            run["run_id"] = name
            run.setdefault("options", {}).update(options)

        synthetic.edit_json(folder / "run.json", change)
        data = ReportData.load(folder)
        return ComparedRun(folder, data.run, data.summary, data.turns, invalid)

    return make


def rows(page: str, label: str) -> list[list[str]]:
    part = page[page.index(f'aria-label="{label}"') :]
    part = part[: part.index("</table>")]
    found = []
    for row in re.findall(r"<tr>(.*?)</tr>", part, flags=re.DOTALL):
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL)
        found.append(
            [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", cell)).split()) for cell in cells]
        )
    return found


def plain(words: str) -> str:
    return words.replace(NARROW_SPACE, "")


def test_the_table_has_each_runs_own_figures_and_their_difference(
    compared: Callable[..., ComparedRun],
) -> None:
    runs = [
        compared("slow", seed=7, vad_silence_ms=500),
        compared("b", seed=8, vad_silence_ms=200),
    ]
    page = render_comparison(compare(runs))
    head, statistics, *body = rows(page, "Headline figures of each run")
    assert [row[0] for row in body] == [
        "vad_silence_ms = 200",
        "vad_silence_ms = 500 reference",
    ]
    assert head[:4] == ["Run", "Validity", "Turns", "Time to first audio, ms"]
    assert statistics[:2] == ["p50", "p95"]
    place = 3
    values = [
        json.loads((run.folder / "summary.json").read_text())["metrics"]["ttfa_ms"]["p50"]["value"]
        for run in runs
    ]
    assert body[1][place] == f"{values[0]:.0f}"
    number, delta = body[0][place].split(" Δ ")
    assert number == f"{values[1]:.0f}"
    assert plain(delta).startswith("≈")
    assert body[0][1:3] == ["✓ valid", "30"]


def test_the_page_needs_nothing_and_is_the_same_each_time(
    compared: Callable[..., ComparedRun],
) -> None:
    runs = [compared(f"r{ms}", seed=ms, ms=ms) for ms in (1, 2, 3, 4)]
    page = render_comparison(compare(runs))
    assert page == render_comparison(compare(runs))
    assert "<script" not in page
    assert "http://" not in page
    assert "default-src 'none'" in page
    for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        assert re.findall(r"#[0-9a-f]{6}\b", svg) == []
    figures = re.findall(r"<figure.*?</figure>", page, flags=re.DOTALL)
    assert len(figures) == 2
    for figure in figures:
        assert figure.count('<th scope="row">') == 4
    assert figures[1].count("N = 29, p50") == 4
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_an_invalid_run_is_marked_everywhere(compared: Callable[..., ComparedRun]) -> None:
    runs = [compared("a", ms=1), compared("b", ms=2, invalid=("Frames left late.", "b", "c"))]
    page = render_comparison(compare(runs))
    assert "<strong>INVALID</strong> 1 run of 2" in page
    assert "ms = 2: Frames left late. (and 2 more reasons)" in page
    assert rows(page, "Headline figures of each run")[3][1] == "✗ INVALID"
    assert page.count(">INVALID: ms = 2") == 2  # in either figure


def test_a_run_that_cannot_be_read_has_a_row_without_figures(
    compared: Callable[..., ComparedRun],
) -> None:
    damaged = bare("damaged", "wss://a.example")
    page = render_comparison(compare([compared("a"), damaged]))
    row = rows(page, "Headline figures of each run")[3]
    assert row[0] == "target = wss://a.example"
    assert set(row[2:]) == {ABSENT}
    nothing = render_comparison(compare([bare("x", ms=1), bare("y", ms=2)]))
    assert "No run has a figure to show." in nothing


def test_limits_are_held_or_broken_by_run(compared: Callable[..., ComparedRun]) -> None:
    words = ("900", "850 to 1 100", "why", "Time to first audio, p95", "< 900 ms")

    def line(verdict: str) -> LimitLine:
        return LimitLine("ttfa_ms p95 < 900", "400", *words[:2], verdict, *words[2:])

    runs = [
        ComparedRun(run.folder, run.run, run.summary, run.turns, (), limits)
        for run, limits in (
            (compared("a", ms=1), (line("PASS"),)),
            (compared("b", ms=2), (line("LIMIT BROKEN"),)),
            (compared("c", ms=3), ()),
        )
    ]
    head, *body = rows(render_comparison(compare(runs)), "Limits")
    assert head == ["Run", "ttfa_ms p95 < 900"]
    assert [row[1] for row in body] == [
        "✓ held 900 850 to 1 100",
        "✗ broken 900 850 to 1 100",
        ABSENT,
    ]


def test_strings_from_outside_stay_text(compared: Callable[..., ComparedRun]) -> None:
    runs = [
        compared("a", **{HOSTILE: HOSTILE}),
        compared("b", invalid=(HOSTILE,), **{HOSTILE: "2"}),
    ]
    page = render_comparison(compare(runs))
    assert "<script" not in page
    assert "</style>" in page
    assert page.count("</style>") == 1
    for character in "\u202e\x1b\x00":
        assert character not in page


def test_figures_name_all_runs_in_one_way_where_their_names_are_long(
    compared: Callable[..., ComparedRun],
) -> None:
    runs = [
        compared(f"r{n}", vad_silence_ms=200 * n, codec="a_codec_with_a_long_name" * (n % 2))
        for n in (1, 2)
    ]
    page = render_comparison(compare(runs))
    rows_figure, *_ = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert ">200, a_codec_with_a_long_name</text>" in rows_figure
    assert ">400, none</text>" in rows_figure
    assert "vad_silence_ms" not in rows_figure
