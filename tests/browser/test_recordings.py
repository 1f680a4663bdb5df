"""Recordings that a page holds play in a browser, with nothing but the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from bench.report.data import ReportData
from tests.browser.pages import CONTRASTS, CUT_TEXTS, OVERLAPS, opened, sideways, write_page
from tests.report import synthetic
from tests.report.telling_runs import hold_back, interrupt, record, turn_at

pytestmark = pytest.mark.browser

SECONDS = 2.0
PLAYED = """() => new Promise((resolve, reject) => {
    const audio = document.querySelector('audio');
    audio.muted = true;
    audio.onerror = () => reject(new Error(audio.error.message));
    audio.ontimeupdate = () => audio.currentTime > 0.2 && resolve(
        [audio.duration, audio.currentTime, audio.currentSrc.slice(0, 16)]);
    audio.play().catch(reject);
})"""


def at_end(folder: Path, place: int, turn_class: str) -> tuple[str, int, str]:
    turns = ReportData.load(folder).latency_turns
    turn = turns[turns["outcome"] == "ok"].sort_values("ttfa_ms", kind="stable").iloc[place]
    return turn["session_id"], int(turn["turn_index"]), turn_class


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = synthetic.write_run(tmp_path / "run", sessions=4)
    return record(
        folder, [at_end(folder, -1, "worst"), at_end(folder, 0, "random")], seconds=SECONDS
    )


def play(page: Page) -> tuple[float, float, str]:
    duration_s, position_s, source = page.evaluate(PLAYED)
    return duration_s, position_s, source


def test_the_file_itself_plays(browser: Browser, folder: Path) -> None:
    write_page(folder)
    with opened(browser, folder) as tab:
        assert tab.page.locator("audio").count() == 1
        assert tab.page.locator("audio").first.is_visible()
        duration_s, position_s, source = play(tab.page)
        assert source == "data:audio/flac;"
        assert duration_s == pytest.approx(SECONDS, abs=0.01)
        assert 0.2 < position_s <= SECONDS
        assert tab.complaints == []
        fetched = [url for url in tab.requests if not url.startswith("data:")]
        assert fetched == [(folder / "report.html").as_uri()]


def test_one_that_was_made_smaller_plays_as_long(browser: Browser, tmp_path: Path) -> None:
    folder = synthetic.write_run(tmp_path / "run", sessions=4)
    record(folder, [at_end(folder, -1, "worst")], seconds=20.0)
    write_page(folder)
    with opened(browser, folder) as tab:
        duration_s, _, source = play(tab.page)
        assert source == "data:audio/mpeg;"
        assert duration_s == pytest.approx(20.0, abs=0.1)
        assert tab.complaints == []


def test_sound_is_offered_without_javascript(browser: Browser, folder: Path) -> None:
    write_page(folder)
    with opened(browser, folder, java_script_enabled=False) as tab:
        box = tab.page.locator("audio").bounding_box()
        assert box is not None
        assert box["width"] > 250
        assert box["height"] >= 32
        assert tab.page.locator("a[href^='audio/']").count() == 3


def test_links_lead_to_the_files(browser: Browser, folder: Path) -> None:
    write_page(folder)
    with opened(browser, folder) as tab:
        targets = tab.page.eval_on_selector_all("a[href^='audio/']", "a => a.map(e => e.href)")
        assert {Path(url.removeprefix("file://")) for url in targets} == {
            *folder.glob("audio/*.flac")
        }


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with barge-ins, frames held back and recordings of all of it."""
    outcomes = {9: "cut_off", 15: "no_reply"}
    folder = synthetic.write_run(
        tmp_path_factory.mktemp("runs") / "eventful", sessions=6, outcomes=outcomes
    )
    interrupt(folder, "w0-00000", 3)
    interrupt(folder, "w1-00003", 5, after_ms=150)
    held_ns = int(turn_at(folder, "w0-00000", 3)["speech_start_ns"])
    hold_back(folder, "w0-00000", held_ns, frames=30, until_ms=700)
    turns = [at_end(folder, -1, "worst"), ("w0-00000", 3, "barge_in"), ("w1-00003", 5, "barge_in")]
    record(folder, turns, seconds=SECONDS)
    write_page(folder)
    return folder


def test_eventful_figures_keep_their_texts_apart_and_whole(
    browser: Browser, eventful: Path
) -> None:
    with opened(browser, eventful) as tab:
        shown = tab.page.locator("#turns").inner_text()
        assert shown.count("It interrupts the reply of turn") == 2
        assert "The target held back 30 frames" in shown
        assert tab.page.evaluate(CUT_TEXTS) == []
        assert tab.page.evaluate(OVERLAPS) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_eventful_figures_can_be_read(browser: Browser, eventful: Path, scheme: str) -> None:
    with opened(browser, eventful, width=360, color_scheme=scheme) as tab:
        assert sideways(tab.page) == 0
        assert tab.page.evaluate(CONTRASTS) == []


def test_a_printed_page_has_no_players(browser: Browser, folder: Path) -> None:
    write_page(folder)
    with opened(browser, folder) as tab:
        tab.page.emulate_media(media="print")
        assert not tab.page.locator("audio").first.is_visible()
