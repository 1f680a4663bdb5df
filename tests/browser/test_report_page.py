"""What only the page of a single run has, as a browser shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.pages import Tabs, opened, sideways, write_page
from tests.report import synthetic

pytestmark = pytest.mark.browser


def test_the_headline_is_read_without_scrolling(tabs: Tabs, run60: Path) -> None:
    ttfa = json.loads((run60 / "summary.json").read_text())["metrics"]["ttfa_ms"]
    page = tabs.look(run60).page
    shown = page.inner_text("#result")
    assert "VALID" in shown
    for which in ("p50", "p95"):
        assert f"{ttfa[which]['value']:,.0f}".replace(",", "\u202f") in shown
    for selector in (".banner", ".heads", ".lead"):
        box = page.query_selector(selector).bounding_box()
        assert box["y"] + box["height"] < 900


def test_a_phone_scrolls_drawings_within_their_boxes(tabs: Tabs, run60: Path) -> None:
    boxes = tabs.look(run60, width=360).page.query_selector_all(".drawing")
    assert boxes
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


def test_the_page_follows_the_colour_scheme(tabs: Tabs, run60: Path) -> None:
    light = background(tabs.look(run60, scheme="light").page)
    dark = background(tabs.look(run60, scheme="dark").page)
    printed = background(tabs.look(run60, scheme="dark", media="print").page)
    assert light != dark
    assert printed == light
