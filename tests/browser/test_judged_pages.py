"""The page of a judged run, and that of several runs, as a browser shows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from bench.report.comparison import ComparedRun, compare
from bench.report.comparison_page import render_comparison
from bench.report.data import ReportData
from bench.report.judgement import Judgement, LimitLine, Line
from bench.report.page import render_page
from tests.browser.pages import CONTRASTS, CUT_TEXTS, OVERLAPS, opened, sideways
from tests.report import synthetic

pytestmark = pytest.mark.browser

WHY = "a reason that is told in a whole sentence, which takes some room: 1 200 of each run"
TEST = Line(
    *("ttfa_ms", "Time to first audio, ms", "p95", "380-400", "812", "790"),
    *("-2.7% (-4.0, -1.4)", "3.1%"),
    *("REGRESSION", WHY),
)
LIMIT = LimitLine(
    *("ttfa_ms p95 < 900", "400", "812", "790 to 850", "INCONCLUSIVE", WHY),
    *("Time to first audio, p95", "< 900 ms"),
)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = synthetic.write_run(tmp_path_factory.mktemp("runs") / "judged")
    judgement = Judgement(
        verdict="INCONCLUSIVE",
        sentence="run against main",
        reasons=(WHY, WHY),
        notes=(WHY,),
        baseline="main",
        tests=(TEST, TEST._replace(verdict="PASS"), TEST._replace(verdict="INCONCLUSIVE")),
        limits=(LIMIT, LIMIT._replace(verdict="PASS"), LIMIT._replace(verdict="LIMIT BROKEN")),
        meaning=WHY,
    )
    page = render_page(ReportData.load(folder, judgement))
    (folder / "report.html").write_text(page, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several")
    runs = []
    for number in range(5):
        path = synthetic.write_run(folder / str(number), seed=number, sessions=4)
        data = ReportData.load(path)
        data.run["options"] = {"codec": "g711_ulaw", "vad_silence_ms": 100 * number}
        data.run["run_id"] = f"run-{number}"
        invalid = (WHY,) if number == 3 else ()
        runs.append(ComparedRun(path, data.run, data.summary, data.turns, invalid, (LIMIT,)))
    runs[0].run["options"]["codec"] = "pcm16"
    (folder / "report.html").write_text(render_comparison(compare(runs)), encoding="utf-8")
    return folder


@pytest.fixture(params=["judged", "several"])
def folder(request: pytest.FixtureRequest) -> Path:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Path)
    return found


def test_nothing_is_asked_for_and_nothing_complained_of(browser: Browser, folder: Path) -> None:
    with opened(browser, folder) as tab:
        fetched = [url for url in tab.requests if not url.startswith("data:")]
        assert fetched == [(folder / "report.html").as_uri()]
        assert tab.complaints == []


@pytest.mark.parametrize("width", [360, 768, 1100])
def test_no_page_is_wider_than_the_window(browser: Browser, folder: Path, width: int) -> None:
    with opened(browser, folder, width=width) as tab:
        assert sideways(tab.page) == 0


def test_texts_of_figures_are_whole_and_apart(browser: Browser, several: Path) -> None:
    with opened(browser, several) as tab:
        assert tab.page.evaluate(CUT_TEXTS) == []
        assert tab.page.evaluate(OVERLAPS) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_told_from_its_ground(browser: Browser, folder: Path, scheme: str) -> None:
    with opened(browser, folder, color_scheme=scheme) as tab:
        assert tab.page.evaluate(CONTRASTS) == []


def test_the_verdict_is_read_without_scrolling(browser: Browser, judged: Path) -> None:
    with opened(browser, judged) as tab:
        box = tab.page.query_selector(".banner strong").bounding_box()
        assert box["y"] + box["height"] < 300
        assert "INCONCLUSIVE" in tab.page.inner_text(".banner")
