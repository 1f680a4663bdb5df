from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.analysis.finding import INVALID, PASS, REGRESSION
from bench.gate.interleaved import AB_NAME, block_name, is_ab, judge_ab
from bench.problem import Problem
from tests.gate.made_runs import make_run

BLOCKS = 24


def make_ab(folder: Path, *, slower_ms: float = 0.0, late: tuple[int, ...] = ()) -> Path:
    """Blocks whose host slows down by 12 ms over the job, as no stored baseline could know."""
    folder.mkdir()
    facts = {"schema_version": 1, "a": "ws://a", "b": "ws://b", "blocks": BLOCKS}
    (folder / AB_NAME).write_text(json.dumps(facts), encoding="utf-8")
    for number in range(BLOCKS):
        name = block_name(number)
        make_run(
            folder / name,
            seed=number,
            sessions=5,
            turns=5,
            reply_ms=300 + 12 * number / BLOCKS + (slower_ms if name[-1] == "b" else 0.0),
            late_ms=30 if number in late else 0.3,
        )
    return folder


def test_blocks_go_a_b_b_a() -> None:
    assert [block_name(number) for number in (0, 1, 2, 3, 4, 9)] == [
        *("01-a", "02-b", "03-b", "04-a", "05-a", "10-b"),
    ]


def test_like_builds_pass_although_the_host_slows_down(tmp_path: Path) -> None:
    decision = judge_ab(make_ab(tmp_path / "ab"))
    assert decision.verdict == PASS
    assert decision.gate is not None
    first = decision.gate.findings[0]
    assert (first.sessions, first.n_baseline, first.n_candidate) == (12, 240, 240)


def test_a_slower_build_is_a_regression_of_the_right_size(tmp_path: Path) -> None:
    decision = judge_ab(make_ab(tmp_path / "ab", slower_ms=30))
    assert decision.verdict == REGRESSION
    assert decision.gate is not None
    first = decision.gate.findings[0]
    assert first.effect == pytest.approx(30 / (first.baseline or 0), rel=0.15)


def test_pair_with_an_invalid_block_is_left_out_and_told(tmp_path: Path) -> None:
    decision = judge_ab(make_ab(tmp_path / "ab", late=(3,)))
    assert decision.gate is not None
    assert decision.gate.findings[0].sessions == 11
    assert any("left out blocks 3 and 4: Frames left late" in note for note in decision.notes)


def test_too_many_pairs_lost_are_invalid(tmp_path: Path) -> None:
    decision = judge_ab(make_ab(tmp_path / "ab", late=(0, 2, 4, 6)))
    assert decision.verdict == INVALID
    assert decision.exit_code() == 3


def test_blocks_that_are_not_there_are_lost(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    facts = {"schema_version": 1, "a": "ws://a", "b": "ws://b", "blocks": 2}
    (tmp_path / "ab" / AB_NAME).write_text(json.dumps(facts), encoding="utf-8")
    assert is_ab(tmp_path / "ab")
    assert judge_ab(tmp_path / "ab").verdict == INVALID


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"schema_version": 2}', '{"schema_version": 1}']
)
def test_damaged_note_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / AB_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(Problem, match=r"ab\.json"):
        judge_ab(tmp_path)
