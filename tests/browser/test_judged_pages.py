"""What only the page of a judged run has, as a browser shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.pages import Tabs

pytestmark = pytest.mark.browser


def test_the_verdict_is_read_without_scrolling(tabs: Tabs, judged: Path) -> None:
    tab = tabs.look(judged)
    box = tab.page.query_selector(".banner strong").bounding_box()
    assert box["y"] + box["height"] < 300
    assert "INCONCLUSIVE" in tab.page.inner_text(".banner")
