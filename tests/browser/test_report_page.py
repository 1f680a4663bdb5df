from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from bench.report.data import ReportData
from bench.report.page import render_page

pytestmark = pytest.mark.browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


class Opened:
    """A page in the browser, with every request and every complaint it made."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def synthetic() -> ModuleType:
    path = Path(__file__).parents[1] / "report/synthetic.py"
    spec = importlib.util.spec_from_file_location("tests_browser_synthetic", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run60(synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = synthetic.write_run(tmp_path_factory.mktemp("runs") / "run60")
    write_page(folder)
    return folder


def write_page(folder: Path) -> Path:
    path = folder / "report.html"
    path.write_text(render_page(ReportData.load(folder)), encoding="utf-8")
    return path


@contextmanager
def opened(browser: Browser, folder: Path, *, width: int = 1100, **options: object) -> Iterator:
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    try:
        tab = Opened(context.new_page())
        tab.page.goto((folder / "report.html").as_uri(), wait_until="load")
        yield tab
    finally:
        context.close()


def sideways(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


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
        assert len(drawings) == 7
        for drawing in drawings:
            box = drawing.bounding_box()
            assert box is not None
            assert box["width"] > 700
            assert box["height"] > 200
            assert drawing.is_visible()


def test_no_text_of_a_figure_is_cut_at_its_edge(browser: Browser, run60: Path) -> None:
    with opened(browser, run60) as tab:
        cut = tab.page.evaluate(
            """[...document.querySelectorAll('figure svg')].flatMap(svg => {
                const frame = svg.getBoundingClientRect();
                return [...svg.querySelectorAll('text')].filter(text => {
                    const box = text.getBoundingClientRect();
                    return box.left < frame.left - 1 || box.right > frame.right + 1
                        || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
                }).map(text => text.textContent);
            })"""
        )
        assert cut == []


def test_no_two_texts_of_a_figure_overlap(browser: Browser, run60: Path) -> None:
    with opened(browser, run60) as tab:
        overlaps = tab.page.evaluate(
            """[...document.querySelectorAll('figure svg')].flatMap(svg => {
                const texts = [...svg.querySelectorAll('text')].map(
                    text => [text.textContent, text.getBoundingClientRect()]);
                return texts.flatMap(([a, one], i) => texts.slice(i + 1).filter(([b, two]) =>
                    Math.min(one.right, two.right) - Math.max(one.left, two.left) > 1 &&
                    Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top) > 4
                ).map(([b]) => a + ' | ' + b));
            })"""
        )
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


def test_strings_from_outside_never_widen_a_phone(
    browser: Browser, synthetic: ModuleType, tmp_path: Path
) -> None:
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


CONTRASTS = """() => {
    const channel = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const parse = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const behind = element => {
        for (let e = element; e; e = e.parentElement) {
            const colour = parse(getComputedStyle(e).backgroundColor);
            if (colour.length < 4 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
    };
    const worst = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim()) continue;
        const style = getComputedStyle(element);
        const ink = parse(element.closest('svg') ? style.fill : style.color);
        const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        if (contrast < 4.5) worst.push(contrast.toFixed(2) + ' ' + element.textContent);
    }
    return worst;
}"""


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
        assert tab.page.locator("figure svg").count() == 7
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
