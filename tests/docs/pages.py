"""Takes Markdown pages apart: fenced blocks, command lines in them, code in sentences, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("rtbench", "locust", "make", "python")

_FENCE = re.compile(r"(?ms)^```(\w*)[^\n]*\n(.*?)^```")
_VARIABLE = re.compile(r"\w+=\S*")


class Block(NamedTuple):
    page: Path
    language: str
    text: str


class Line(NamedTuple):
    """A command that a reader would type; `words` begin with the program."""

    page: Path
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {shlex.join(self.words)}"


def pages() -> list[Path]:
    """Every page that people write or `make docs` makes; not what benchmarks leave."""
    found = [*ROOT.glob("*.md"), *(ROOT / ".github").rglob("*.md")]
    for folder in ("audio_fixtures", "bench", "reports", "scenarios", "tests"):
        found += (ROOT / folder).rglob("*.md")
    left_out = {"RESULTS.md", "CHANGELOG.md"}
    return sorted(
        page
        for page in found
        if page.name not in left_out and "node_modules" not in page.parts and _is_ours(page)
    )


def _is_ours(page: Path) -> bool:
    """Runs and baselines on this machine are not."""
    parts = page.relative_to(ROOT).parts
    return parts[0] != "reports" or len(parts) == 2


def blocks(page: Path) -> Iterator[Block]:
    for language, text in _FENCE.findall(page.read_text(encoding="utf-8")):
        yield Block(page, language, text)


def prose(page: Path) -> str:
    """The page without its blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def code_spans(page: Path) -> list[str]:
    """Code within sentences, on one line."""
    return [" ".join(each.split()) for each in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose(page))]


def command_lines(page: Path) -> Iterator[Line]:
    """Every line of its blocks that calls one of PROGRAMS, without comment and environment."""
    for block in blocks(page):
        if block.language in {"sh", "console", "yaml", ""}:
            for typed in block.text.replace("\\\n", " ").splitlines():
                yield from _commands(page, typed)


def _commands(page: Path, typed: str) -> Iterator[Line]:
    typed = re.sub(r"^\s*(- )?(run: )?|^\s*\$ ", "", typed)
    typed = re.sub(r"\$\{\{.*?\}\}|\$\w+", "ws://127.0.0.1:9", typed)
    for part in re.split(r"&&|\|\||;|\|(?= )", typed):
        try:
            words = shlex.split(part, comments=True)
        except ValueError:  # a sentence or a figure: no shell would take it
            continue
        while words and _VARIABLE.fullmatch(words[0]):
            del words[0]
        if words and words[0] in PROGRAMS:
            yield Line(page, tuple(words))


def links(page: Path) -> Iterator[str]:
    """Where its links and pictures lead, but to other sites."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" not in target:
            yield target


def anchors(page: Path) -> set[str]:
    """What can stand behind a # to one of its headings, as GitHub makes it."""
    titles = re.findall(r"(?m)^#+ (.+)$", prose(page))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
