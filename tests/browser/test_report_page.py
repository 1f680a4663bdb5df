from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.pages import CONTRASTS, CUT_TEXTS, OVERLAPS, opened, sideways, write_page
from tests.report import synthetic

pytestmark = pytest.mark.browser


def test_the_page_asks_for_nothing_but_itself_and_complains_of_nothing(
    browser: Browser, run60: Path
) -> None:
    with opened(browser, run60) as tab:
        tab.page.mouse.wheel(0, 20_000)
        tab.page.wait_for_timeout(200)
        fetched = [url for url in tab.requests if not url.startswith("data:")]
        assert fetched == [(run60 / "report.html").as_uri()]
        assert tab.complaints == []


def test_every_figure_is_visible(browser: Browser, run60: Path) -> None:
    with opened(browser, run60) as tab:
        drawings = tab.page.query_selector_all("figure svg")
        assert len(drawings) == 11
        for drawing in drawings:
            box = drawing.bounding_box()
            assert box is not None
            assert box["width"] > 700
            assert box["height"] > 200
            assert drawing.is_visible()


def test_no_text_of_a_figure_is_cut_at_its_edge(browser: Browser, run60: Path) -> None:
    with opened(browser, run60) as tab:
        cut = tab.page.evaluate(CUT_TEXTS)
        assert cut == []


def test_no_two_texts_of_a_figure_overlap(browser: Browser, run60: Path) -> None:
    with opened(browser, run60) as tab:
        overlaps = tab.page.evaluate(OVERLAPS)
        assert overlaps == []


def test_the_headline_is_read_without_scrolling(browser: Browser, run60: Path) -> None:
    ttfa = json.loads((run60 / "summary.json").read_text())["metrics"]["ttfa_ms"]
    with opened(browser, run60) as tab:
        shown = tab.page.inner_text("#result")
        assert "VALID" in shown
        for which in ("p50", "p95"):
            assert f"{ttfa[which]['value']:,.0f}".replace(",", "\u202f") in shown
        for selector in (".banner", ".heads", ".lead"):
            box = tab.page.query_selector(selector).bounding_box()
            assert box["y"] + box["height"] < 900


def test_a_phone_needs_no_sideways_scroll(browser: Browser, run60: Path) -> None:
    with opened(browser, run60, width=360) as tab:
        tab.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert sideways(tab.page) == 0
        boxes = tab.page.query_selector_all(".drawing")
        assert all(box.evaluate("b => b.scrollWidth > b.clientWidth") for box in boxes)


def test_strings_from_outside_never_widen_a_phone(browser: Browser, tmp_path: Path) -> None:
    folder = synthetic.write_run(tmp_path / "run", sessions=2)
    long = "x" * 300

    def lengthen(run: dict) -> None:
        run |= {"run_id": long, "target": long, "model": long, "command": long}
        run["options"] = {long: long}

    def spoil(summary: dict) -> None:
        summary["validity"] = {"valid": False, "reasons": [long]}
        summary["errors"] = [
            {"class": long, "message": long, "count": 1, "first_s": 1, "last_s": 1}
        ]
        summary["unattributed"] = {"count": 1, "examples": [{"kind": long}]}
        summary["by_utterance"] = {long: {"turns": 3, "metrics": {}}}

    synthetic.edit_json(folder / "run.json", lengthen)
    synthetic.edit_json(folder / "summary.json", spoil)
    write_page(folder)
    with opened(browser, folder, width=360) as tab:
        assert sideways(tab.page) == 0
        assert tab.complaints == []


def background(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out(browser: Browser, run60: Path, scheme: str) -> None:
    with opened(browser, run60, color_scheme=scheme) as tab:
        assert tab.page.evaluate(CONTRASTS) == []


def test_the_page_follows_the_colour_scheme(browser: Browser, run60: Path) -> None:
    with opened(browser, run60, color_scheme="light") as tab:
        light = background(tab.page)
    with opened(browser, run60, color_scheme="dark") as tab:
        dark = background(tab.page)
        tab.page.emulate_media(media="print", color_scheme="dark")
        printed = background(tab.page)
    assert light != dark
    assert printed == light


def test_nothing_needs_javascript(browser: Browser, run60: Path) -> None:
    with opened(browser, run60, java_script_enabled=False) as tab:
        shown = tab.page.content()
        assert "Time to first audio" in shown
        assert tab.page.locator("figure svg").count() == 11
        assert tab.page.locator("figure svg").first.is_visible()
        tab.page.locator("summary").first.click()
        assert tab.page.locator("details table").first.is_visible()


def test_it_prints_on_a4(browser: Browser, run60: Path) -> None:
    with opened(browser, run60) as tab:
        tab.page.emulate_media(media="print")
        tab.page.set_viewport_size(
            {"width": 688, "height": 1000}
        )  # A4 less its margins, at 96 dpi
        assert sideways(tab.page) == 0
        assert tab.page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
