from __future__ import annotations

from pathlib import Path

import pytest

from bench.problem import Problem
from bench.report.delivery import STDOUT, deliver


def test_a_file_is_made_with_its_folder(tmp_path: Path) -> None:
    deliver("one\n", tmp_path / "a" / "b.md")
    deliver("two\n", tmp_path / "a" / "b.md", append=True)
    assert (tmp_path / "a" / "b.md").read_bytes() == b"one\ntwo\n"


def test_a_dash_is_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    deliver("text\n", STDOUT)
    assert capsys.readouterr().out == "text\n"


def test_half_a_character_is_shown_as_what_it_is(tmp_path: Path) -> None:
    deliver("x\ud800", tmp_path / "f")
    assert (tmp_path / "f").read_text("utf-8") == "x\\ud800"


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for target in (tmp_path, tmp_path / "file" / "below"):
        with pytest.raises(Problem, match=rf"{target}: cannot be written"):
            deliver("x", target)
