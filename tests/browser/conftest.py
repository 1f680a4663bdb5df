from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from bench.report.comparison import ComparedRun, compare
from bench.report.comparison_page import render_comparison
from bench.report.data import ReportData
from bench.report.judgement import Judgement, LimitLine, Line
from bench.report.page import render_page
from tests.browser.pages import Tabs, write_page
from tests.report import synthetic
from tests.report.telling_runs import interrupt, record

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
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
PHONE = {"user": "Telephone", "codec": "pcmu", "chunk_ms": 40, "detection": "none"}


# While playwright is there, asyncio takes its loop for one that runs: it must be gone before
# the next test of another folder.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail(
            f"no browser on PATH ({', '.join(BROWSERS)}): install one, "
            "on Debian with `apt-get install chromium`",
            pytrace=False,
        )
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def tabs(browser: Browser) -> Iterator[Tabs]:
    opened = Tabs(browser)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def run60(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 60 turns and its page, which no test may change."""
    folder = synthetic.write_run(tmp_path_factory.mktemp("runs") / "run60")
    write_page(folder)
    return folder


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judged run of two kinds of callers, with a barge-in, recordings and errors; its page."""
    folder = synthetic.write_run(
        tmp_path_factory.mktemp("runs") / "judged", callers=(synthetic.CALLER, PHONE)
    )
    interrupt(folder, "w0-00000", 3)
    record(folder, [("w0-00000", 3, "barge_in"), ("w0-00002", 2, "random")])
    error = {"class": "http_503", "message": WHY, "count": 9, "first_s": 1.5, "last_s": 20.25}
    synthetic.edit_json(folder / "summary.json", lambda summary: summary.update(errors=[error]))
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


@pytest.fixture(scope="session")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of five runs side by side, one of them invalid."""
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
