"""Turns the page of a run into pictures of its parts, light and dark.

python -m tests.browser.screenshots RUN FOLDER
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import ARGUMENTS, BROWSERS

SCHEMES = ("light", "dark")
PARTS = (
    # name, and of the page: what it begins and ends with
    ("report", "header", "table.metrics tbody tr:nth-child(6)"),
    ("over-time", "#over-time h2", "#figure-over-time figcaption"),
    ("turn", "#turns figure:has(audio) h3", "#turns figure:has(audio) .sound"),
)
WIDTH, MARGIN = 1040, 14
SHARPNESS = 1.5
"""Pixels of a picture to one of the page."""
COLOURS = 96
MOST_BYTES = 400_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder that holds a report.html")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        for scheme in SCHEMES:
            page = browser.new_page(
                viewport={"width": WIDTH, "height": 900},
                color_scheme=scheme,
                device_scale_factor=SHARPNESS,
            )
            page.goto((arguments.run.resolve() / "report.html").as_uri())
            for name, first, last in PARTS:
                top, bottom = edge(page, first, 0), edge(page, last, 1)
                save(page, top, bottom, arguments.folder / f"{name}-{scheme}.png")
        browser.close()


def edge(page: Page, selector: str, share: int) -> float:
    """Where the first of what `selector` names begins (0) or ends (1), in pixels from the top."""
    box = page.locator(selector).first.bounding_box()
    assert box is not None, selector
    return box["y"] + share * box["height"]


def save(page: Page, top: float, end: float, path: Path) -> None:
    """Keep what stands between two heights of the page, in few colours."""
    clip = {"x": 0, "y": max(top - MARGIN, 0), "width": WIDTH, "height": end - top + MARGIN}
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip)))
    few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path}: {few.width} x {few.height}, {size:,} bytes")
    if size > MOST_BYTES:
        raise SystemExit(f"{path}: more than {MOST_BYTES:,} bytes; lower COLOURS or SHARPNESS")


if __name__ == "__main__":
    main()
