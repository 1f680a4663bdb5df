"""Opens report pages in a browser and looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from bench.report.data import ReportData
from bench.report.page import render_page


class Opened:
    """A page in the browser, with every request and every complaint it made."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @property
    def fetched(self) -> list[str]:
        """Addresses that were asked for, but for what the page itself holds."""
        return [url for url in self.requests if not url.startswith("data:")]


def write_page(folder: Path) -> Path:
    path = folder / "report.html"
    path.write_text(render_page(ReportData.load(folder)), encoding="utf-8")
    return path


@contextmanager
def opened(
    browser: Browser, folder: Path, *, width: int = 1100, **options: object
) -> Iterator[Opened]:
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    try:
        tab = Opened(context.new_page())
        tab.page.goto((folder / "report.html").as_uri(), wait_until="load")
        yield tab
    finally:
        context.close()


class Tabs:
    """Pages that stay open: to load one anew takes longer than to look at it anew."""

    def __init__(self, browser: Browser) -> None:
        self._context = browser.new_context()
        self._tabs: dict[Path, Opened] = {}

    def look(
        self,
        folder: Path,
        *,
        width: int = 1100,
        scheme: str = "light",
        media: str = "screen",
        unfolded: bool = False,
    ) -> Opened:
        """The page of `folder`, at its top and as it is shown this way."""
        if folder not in self._tabs:
            self._tabs[folder] = Opened(self._context.new_page())
            self._tabs[folder].page.goto((folder / "report.html").as_uri(), wait_until="load")
        tab = self._tabs[folder]
        tab.page.emulate_media(color_scheme=scheme, media=media)
        tab.page.set_viewport_size({"width": width, "height": 900})
        tab.page.evaluate(UNFOLD, unfolded)
        tab.page.evaluate("scrollTo(0, 0)")
        return tab

    def close(self) -> None:
        self._context.close()


UNFOLD = "open => document.querySelectorAll('details').forEach(one => one.open = open)"


def sideways(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    return page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")


LOST = """() => [...document.querySelectorAll('body *:not(svg *)')].filter(element => {
    if (element.closest('.unseen') || !element.checkVisibility()) return false;
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    const hides = style.overflowX !== 'visible' && element.scrollWidth > element.clientWidth + 1;
    return hides || box.right > innerWidth + 1 || box.left < -1;
}).map(element => element.outerHTML.slice(0, 120))"""
"""Elements that would be cut at the side of a sheet of paper, where nothing can be scrolled."""

CUT_TEXTS = """[...document.querySelectorAll('figure svg')].flatMap(svg => {
    const frame = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('text')].filter(text => {
        const box = text.getBoundingClientRect();
        return box.left < frame.left - 1 || box.right > frame.right + 1
            || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
    }).map(text => text.textContent);
})"""
"""Texts of figures that stand out of their figure."""

OVERLAPS = """[...document.querySelectorAll('figure svg')].flatMap(svg => {
    const texts = [...svg.querySelectorAll('text')].map(
        text => [text.textContent, text.getBoundingClientRect()]);
    return texts.flatMap(([a, one], i) => texts.slice(i + 1).filter(([b, two]) =>
        Math.min(one.right, two.right) - Math.max(one.left, two.left) > 1 &&
        Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top) > 4
    ).map(([b]) => a + ' | ' + b));
})"""
"""Pairs of texts of a figure of which one lies on the other."""

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
"""Texts whose contrast is below 4.5."""
