"""The pages that are made from the code are up to date, and leave nothing out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.analysis.glossary import glossary
from bench.analysis.measures import RATES
from bench.analysis.metrics import METRICS
from bench.analysis.outcomes import OUTCOMES
from bench.load.config_schema import run_arguments
from bench.reference import command_reference

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"reports/GLOSSARY.md": glossary, "bench/COMMANDS.md": command_reference}


@pytest.mark.parametrize(("page", "made"), PAGES.items(), ids=PAGES)
def test_is_what_the_code_says(page: str, made: Callable[[], str]) -> None:
    assert (ROOT / page).read_text(encoding="utf-8") == made(), "run `make docs`"


@pytest.mark.parametrize("name", sorted({*METRICS, *RATES, *OUTCOMES}))
def test_the_glossary_has_a_row_for_each_name(name: str) -> None:
    rows = [line for line in glossary().splitlines() if line.startswith("|")]
    assert any(f"`{name}`" in row.split("|")[1] for row in rows)


def test_no_option_is_without_a_word() -> None:
    rows = [line for line in command_reference().splitlines() if line.startswith("| `")]
    assert len(rows) > len(run_arguments()) + 50
    for row in rows:
        assert len(row.replace("\\|", "").split("|")[2].strip()) > 5, row


def test_every_option_of_a_run_is_there_with_its_default() -> None:
    page = command_reference()
    for flag, keywords in run_arguments():
        assert f"| `{flag}" in page
        if keywords.get("action") != "store_true":
            assert "Default: " in keywords["help"], flag
