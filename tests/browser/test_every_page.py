"""What must hold of each kind of page: that of a run, of a judged one, of several."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser

from bench.report.sections import SECTIONS
from tests.browser.pages import CONTRASTS, CUT_TEXTS, LOST, OVERLAPS, Tabs, opened, sideways

pytestmark = pytest.mark.browser

SCHEMES = ("light", "dark")
A4_WIDTH = 688
"""Pixels at 96 to the inch between the page's margins of 14 mm."""
GRAVE = {"serious", "critical"}

# The inside of a drawing is one image to a screen reader; its texts are looked at by CONTRASTS.
AXE = """async rules => {
    const options = {preload: false, resultTypes: ['violations']};
    if (rules) options.runOnly = rules;
    const found = await axe.run({exclude: [['svg > *']]}, options);
    return {passed: found.passes.length, violations: found.violations.map(
        one => [one.impact, one.id, one.nodes.length, one.nodes[0].html.slice(0, 200)])};
}"""

FIGURES = """figures => figures.map(figure => {
    const svg = figure.querySelector('svg'), box = svg.getBoundingClientRect();
    const id = svg.getAttribute('aria-describedby');
    return {
        title: figure.querySelector('h3').textContent,
        label: svg.getAttribute('aria-label'),
        role: svg.getAttribute('role'),
        description: document.getElementById(id)?.textContent ?? '',
        size: [box.width, box.height],
        drawn: svg.querySelectorAll('path, image').length,
        rows: [...figure.querySelectorAll('details tbody tr')].map(row => row.cells.length),
        columns: figure.querySelectorAll('details thead th').length,
    };
})"""


@pytest.fixture(params=["run60", "judged", "several"])
def folder(request: pytest.FixtureRequest) -> Path:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Path)
    return found


def source(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_it_asks_for_nothing_but_itself_and_complains_of_nothing(tabs: Tabs, folder: Path) -> None:
    tab = tabs.look(folder, unfolded=True)
    tab.page.mouse.wheel(0, 40_000)
    tab.page.wait_for_timeout(200)
    assert tab.fetched == [(folder / "report.html").as_uri()]
    assert tab.complaints == []


def test_no_one_is_kept_from_reading_it(tabs: Tabs, folder: Path) -> None:
    page = tabs.look(folder, unfolded=True).page
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate(AXE, None)
    assert [one for one in found["violations"] if one[0] in GRAVE] == []
    assert found["passed"] > 20


def test_no_one_is_kept_from_reading_it_in_the_dark(tabs: Tabs, folder: Path) -> None:
    page = tabs.look(folder, scheme="dark", unfolded=True).page
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate(AXE, ["color-contrast", "link-in-text-block"])
    assert found == {"passed": found["passed"], "violations": []}
    assert found["passed"] >= 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_text_stands_out_from_what_is_behind_it(
    tabs: Tabs, folder: Path, scheme: str
) -> None:
    assert tabs.look(folder, scheme=scheme, unfolded=True).page.evaluate(CONTRASTS) == []


@pytest.mark.parametrize("width", [360, 768, 1100])
def test_nothing_is_wider_than_the_window(tabs: Tabs, folder: Path, width: int) -> None:
    assert sideways(tabs.look(folder, width=width, unfolded=True).page) == 0


@pytest.mark.parametrize("unfolded", [False, True])
def test_nothing_is_cut_at_the_side_of_a_sheet(tabs: Tabs, folder: Path, unfolded: bool) -> None:
    page = tabs.look(folder, width=A4_WIDTH, media="print", scheme="dark", unfolded=unfolded).page
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert sideways(page) == 0
    assert page.evaluate(LOST) == []


def test_it_prints_on_a4(tabs: Tabs, folder: Path) -> None:
    pdf = tabs.look(folder, media="print").page.pdf(prefer_css_page_size=True)
    sheets = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert 2 <= len(sheets) <= 30
    for width, height in sheets:
        assert (float(width), float(height)) == (
            pytest.approx(595.3, abs=1.5),
            pytest.approx(841.9, abs=1.5),
        )


def test_texts_of_figures_are_whole_and_apart(tabs: Tabs, folder: Path) -> None:
    page = tabs.look(folder).page
    assert page.evaluate(CUT_TEXTS) == []
    assert page.evaluate(OVERLAPS) == []


def test_every_figure_is_told_in_words_and_in_a_table(tabs: Tabs, folder: Path) -> None:
    page = tabs.look(folder, unfolded=True).page
    figures = page.eval_on_selector_all("figure", FIGURES)
    assert len(figures) == source(folder).count("<figure ") >= 2
    for figure in figures:
        assert figure["title"] == figure["label"] != ""
        assert figure["role"] == "img"
        assert re.search(r"\d", figure["description"]), figure["title"]
        assert figure["drawn"] > 0
        assert figure["size"][0] > 700
        assert figure["size"][1] > 100
        assert figure["rows"]
        assert set(figure["rows"]) == {figure["columns"]}


def test_every_section_has_something_to_say(tabs: Tabs, folder: Path, several: Path) -> None:
    page = tabs.look(folder).page
    sections = page.eval_on_selector_all(
        "main > section", "all => all.map(one => [one.id, one.innerText.length])"
    )
    if folder != several:
        assert [anchor for anchor, _ in sections] == [section.anchor for section in SECTIONS]
    assert [anchor for anchor, length in sections if length < 60] == []


def test_nothing_needs_javascript(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, java_script_enabled=False) as tab:
        drawings = tab.page.locator("figure svg")
        assert drawings.count() == source(folder).count("<figure ")
        assert all(drawing.is_visible() for drawing in drawings.all())
        tab.page.locator("figure summary").first.click()
        assert tab.page.locator("figure details table").first.is_visible()
        assert tab.complaints == []
