"""What pages link to, name and count is there; nothing that there is goes unmentioned.

That each scenario has its row is for tests/scenarios to say, and dialects for tests/dialects.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer

from bench.cli import app
from bench.load.config_schema import run_arguments
from bench.reference import walk_commands
from bench.server.profiles.fault import FAULTS
from tests.docs.pages import ROOT, anchors, code_spans, links, pages

PAGES = [str(page.relative_to(ROOT)) for page in pages()]
COMMANDS = dict(walk_commands(typer.main.get_command(app)))
GENERATED = {"bench/COMMANDS.md", "reports/GLOSSARY.md"}
WRITTEN = sorted(set(PAGES) - GENERATED)
OF_LOCUST = {"--processes", "--tags", "--csv", "--html", "--help", "--headless"}
OTHER_PROGRAMS = ("build.py", "mypy", "pip")
NAMED = re.compile(r"[\w./-]+/[\w.-]+\.(?:py|toml|md|yaml)")


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for link in links(ROOT / page):
        target, _, anchor = link.partition("#")
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), link
        if anchor:
            assert anchor in anchors(path), link


@pytest.mark.parametrize("page", PAGES)
def test_every_named_file_is_there(page: str) -> None:
    """From the page's folder, the root, or among the packages."""
    places = ((ROOT / page).parent, ROOT, ROOT / "bench")
    for span in code_spans(ROOT / page):
        if NAMED.fullmatch(span) and not span.startswith("reports/"):
            assert any((place / span).exists() for place in places), span


@pytest.mark.parametrize("page", PAGES)
def test_every_option_in_a_sentence_is_one(page: str) -> None:
    flags = OF_LOCUST | {flag for flag, _ in run_arguments()}
    root = typer.main.get_command(app)
    for command in (root, *COMMANDS.values()):
        flags.update(flag for each in command.params for flag in each.opts)
    for span in code_spans(ROOT / page):
        for flag in re.findall(r"(?<![\w-])--[a-z][\w-]*", span):
            assert flag in flags or span.startswith(OTHER_PROGRAMS), span


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_told_of_by_hand_too(name: str) -> None:
    assert any(f"rtbench {name}" in read(page) for page in WRITTEN)


@pytest.mark.parametrize("flag", [flag for flag, _ in run_arguments()])
def test_every_option_of_a_run_stands_among_those_it_belongs_to(flag: str) -> None:
    table = read("scenarios/README.md").partition("## Options of a run")[2].partition("\n## ")[0]
    assert table.count(f"`{flag}`") == 1


def test_numbers_of_things_are_right() -> None:
    clips = len(json.loads(read("audio_fixtures/manifest.json"))["clips"])
    scenarios = len(list((ROOT / "scenarios").glob("*.py")))
    said = {
        "README.md": f"come with the {clips} clips",
        "bench/README.md": f"{len(FAULTS)} kinds of trouble",
    }
    for page, words in said.items():
        assert words in read(page)
    assert scenarios == 16
    assert "[Sixteen scenarios]" in read("README.md")


def test_no_page_tells_how_it_came_to_be() -> None:
    for page in PAGES:
        assert not re.search(r"(?i)/work/|\bissue #?\d|\bhelper\b", read(page)), page


def test_pages_are_found() -> None:
    assert {"README.md", "CONTRIBUTING.md", "reports/README.md", *GENERATED} <= set(PAGES)
    assert Path(PAGES[0]).suffix == ".md"


@pytest.mark.parametrize("page", ["bench/README.md", "bench/session/README.md"])
def test_every_module_on_the_map_is_there(page: str) -> None:
    """In the first column of tables that tell what each turns into what."""
    tables = re.findall(r"(?m)^\| (?:where|package) \| .*\n\|[-|]+\n((?:\|.*\n)+)", read(page))
    named = [name for table in tables for row in table.splitlines() for name in names(row)]
    assert len(named) > 12
    for name in named:
        assert list((ROOT / "bench").rglob(f"{name.rstrip('/')}*")), name


def names(row: str) -> list[str]:
    return re.findall(r"`([\w/]+)(?:\.py)?`", row.split("|")[1])
