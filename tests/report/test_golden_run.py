"""A real run that is kept: its record gives the same figures and the same page every time.

Eight turns of four callers with the embedded server, two of them without a reply, on a machine
so busy that the run is invalid.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bench.report.build import build_report

GOLDEN = Path(__file__).parents[1] / "golden" / "run"
RECORD = ("run.json", "events.parquet", "appends.parquet")
PERCENTILES = ("p50", "p95", "p99")
BUILD = "import sys, pathlib, bench.report.build as b; b.build_report(pathlib.Path(sys.argv[1]))"


class Built(NamedTuple):
    """What was made of the record: its folder, summary.json and the page."""

    folder: Path
    summary: dict[str, Any]
    page: str


def record_in(folder: Path) -> Path:
    """A copy of the record alone; the folder's name is on the page, so it is always the same."""
    copy = folder / "golden"
    copy.mkdir(parents=True)
    for name in RECORD:
        shutil.copy(GOLDEN / name, copy)
    return copy


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = record_in(tmp_path_factory.mktemp("built"))
    _, _, path = build_report(folder)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return Built(folder, summary, path.read_text(encoding="utf-8"))


def differences(kept: Any, found: Any, place: str = "") -> list[str]:
    """Where `found` lacks what was kept, or has something else; more than that it may have."""
    if isinstance(kept, dict) and isinstance(found, dict):
        return [
            line
            for name, value in kept.items()
            for line in differences(value, found.get(name, "nothing"), f"{place}.{name}")
        ]
    if isinstance(kept, float) and isinstance(found, int | float):
        return [] if found == pytest.approx(kept, rel=1e-9) else [f"{place}: {kept}, {found}"]
    return [] if kept == found else [f"{place}: {kept}, {found}"]


def figure(page: str, name: str) -> str:
    start = page.index(f'<figure id="figure-{name}"')
    return page[start : page.index("</figure>", start)]


def section(page: str, anchor: str) -> str:
    start = page.index(f'<section id="{anchor}"')
    return page[start : page.index("</section>", start)]


def rows(part: str) -> list[list[str]]:
    """Texts of the cells of each row; what stands small below a number is left out."""
    part = re.sub(r"<small>.*?</small>", "", part)
    return [
        [
            html.unescape(re.sub(r"<[^>]+>", "", cell)).strip()
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL)
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", part, flags=re.DOTALL)
    ]


def says(text: str, value: float | None) -> bool:
    """Whether a number on the page is `value`, to its last digit, three digits or hundredths."""
    if value is None:
        return text == "\u2013"
    match = re.fullmatch(r"(>?)\s*([\u2212\d\s]*)(?:\.(\d+))?(?:\s(?:ms|%))?", text)
    if match is None:
        return False
    _, whole, decimals = match.groups()
    plain = re.sub(r"\s", "", whole).replace("\u2212", "-")
    shown = float(f"{plain}.{decimals or 0}")
    half = 0.5 * 10 ** -len(decimals or "")
    precise = value == 0 or half <= max(abs(value) / 200, 0.005) or float(value).is_integer()
    return precise and abs(shown - value) <= half + 1e-9


@pytest.mark.parametrize(
    ("text", "value", "is_said"),
    [
        ("1\u202f005", 1005.4, True),
        ("1\u202f005", 1005.6, False),
        (">\u202f10\u202f568\u202fms", 10568.0, True),
        ("\u22123.14", -3.142, True),
        ("78.0", 78.04, True),
        ("78", 77.6, False),
        ("0", 0.0, True),
        ("0", 0.4, False),
        ("\u2013", None, True),
        ("0", None, False),
        ("many", 3.0, False),
    ],
)
def test_a_number_is_read_as_a_reader_does(text: str, value: float | None, is_said: bool) -> None:
    assert says(text, value) == is_said


def test_the_record_is_small_and_tells_nothing_of_the_machine_that_made_it() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < 150_000
    for path in GOLDEN.iterdir():
        assert not re.search(rb"/(home|root|tmp|work|Users)/", path.read_bytes())
    run = json.loads((GOLDEN / "run.json").read_text(encoding="utf-8"))
    assert run["environment"]["host"] == "sample"
    assert {worker["host"] for worker in run["workers"].values()} == {"sample"}


def test_the_record_still_gives_the_figures_that_it_gave(built: Built) -> None:
    kept = json.loads((GOLDEN / "summary.json").read_text(encoding="utf-8"))
    places = ("sessions", "turns", "metrics", "rates", "by_utterance", "pacing", "client_lag_ms")
    for place in places:
        assert differences(kept[place], built.summary[place], place) == []


def test_every_process_makes_the_same_of_it(built: Built, tmp_path: Path) -> None:
    made = ("report.html", "summary.json", "turns.parquet")
    for number, zone in enumerate(("Asia/Tokyo", "America/Lima")):
        folder = record_in(tmp_path / str(number))
        subprocess.run(
            [sys.executable, "-c", BUILD, str(folder)],
            check=True,
            env=os.environ | {"PYTHONHASHSEED": str(number + 1), "TZ": zone},
            timeout=120,
        )
        for name in made:
            assert (folder / name).read_bytes() == (built.folder / name).read_bytes(), name


def test_every_metric_on_the_page_is_that_of_the_summary(built: Built) -> None:
    table = re.findall(r'<table class="metrics.*?</table>', built.page, flags=re.DOTALL)[0]
    names = re.findall(r'<th scope="row"><a href="#define-([^"]+)">', table)
    assert sorted(names) == sorted(built.summary["metrics"])
    shown = dict(zip(names, rows(table[table.index("<tbody>") :]), strict=False))
    for name, spread in built.summary["metrics"].items():
        _, _, *counts, p50, p95, p99, least, most = shown[name]
        for text, which in zip(counts, ("n", "missing", "censored"), strict=True):
            assert says(text, spread[which]), (name, which)
        assert says(least, spread["min"]), name
        assert says(most, spread["max"]), name
        for text, which in zip((p50, p95, p99), PERCENTILES, strict=True):
            assert says(text, spread[which]["value"]), (name, which)
            assert text.startswith(">") == spread[which]["censored"], (name, which)


@pytest.mark.parametrize("name", ["distribution", "percentiles"])
def test_percentiles_of_a_figure_are_those_of_the_summary(built: Built, name: str) -> None:
    heading, *table = rows(figure(built.page, name))
    metrics = {
        "Time to first audio": "ttfa_ms",
        "Voice to voice": "voice_to_voice_ms",
        "Endpointing delay": "endpointing_delay_ms",
        "Response latency": "response_latency_ms",
    }
    assert table
    for row in table:
        cells = dict(zip(heading, row, strict=True))
        spread = built.summary["metrics"][metrics[cells["metric"]]]
        assert cells["N"] == str(spread["n"])
        for which in PERCENTILES:
            text = cells[which].partition(" (")[0]
            assert text.startswith(">") == spread[which]["censored"], (row, which)
            assert says(text, spread[which]["value"]), (row, which)


def test_counts_on_the_page_are_those_of_the_summary(built: Built) -> None:
    turns = built.summary["turns"]
    table = rows(section(built.page, "errors"))[1:]
    shown = {row[0].split()[0]: row[1] for row in table}
    assert shown == {name: str(n) for name, n in turns["outcomes"].items() if n}
    (utterance,) = rows(section(built.page, "utterances"))[2:]
    assert utterance[:2] == ["question", str(turns["measured"])]
    lateness = built.summary["pacing"]["lateness_ms"]
    caption = re.search(r"<figcaption[^>]*>(.*?)</figcaption>", figure(built.page, "pacing"))
    assert caption is not None
    words = caption[1].replace("\u202f", " ")
    assert f"{built.summary['pacing']['frames_sent']:,} frames sent".replace(",", " ") in words
    for which in PERCENTILES:
        text = re.search(rf"{which} ([\d.]+)", words)
        assert text is not None
        assert says(text[1], lateness[which]["value"])


def test_the_page_leads_with_why_the_run_is_invalid(built: Built) -> None:
    assert not built.summary["validity"]["valid"]
    banner = section(built.page, "result")[:2000]
    assert "INVALID" in banner
    for reason in built.summary["validity"]["reasons"]:
        assert html.escape(reason, quote=False) in banner
