from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.pages import CONTRASTS, CUT_TEXTS, OVERLAPS, opened, sideways, write_page
from tests.report import synthetic

pytestmark = pytest.mark.browser

PHONE = {"user": "Telephone", "codec": "pcmu", "chunk_ms": 40, "detection": "none"}
LONG = "No capacity is left in this region, please come again later. " * 4


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of callers of two kinds, with errors of several kinds."""
    folder = tmp_path_factory.mktemp("runs") / "mixed"
    synthetic.write_run(folder, callers=(synthetic.CALLER, PHONE), outcomes={7: "no_reply"})
    names = ("rate_limit_exceeded", "http_503", "closed_by_network", "server_error")
    errors = [
        {"class": name, "message": f"{LONG}{i}", "count": 9, "first_s": 1.5, "last_s": 20.25}
        for name in names
        for i in range(5)
    ]
    synthetic.edit_json(folder / "summary.json", lambda summary: summary.update(errors=errors))
    write_page(folder)
    return folder


def test_tables_of_settings_and_errors_fit_a_phone_and_a4(browser: Browser, mixed: Path) -> None:
    with opened(browser, mixed, width=360) as tab:
        assert "Telephone, pcmu, 40 ms, none" in tab.page.inner_text("#settings")
        assert sideways(tab.page) == 0
    with opened(browser, mixed, width=688) as tab:
        tab.page.emulate_media(media="print")
        assert sideways(tab.page) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_of_them_can_be_read(browser: Browser, mixed: Path, scheme: str) -> None:
    with opened(browser, mixed, color_scheme=scheme) as tab:
        for trouble in (CONTRASTS, CUT_TEXTS, OVERLAPS):
            assert tab.page.evaluate(trouble) == []
