"""What `rtbench compare` and `check` say of input that will not do: a clear line, an exit code."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.gate.made_runs import make_run
from tests.gate.said import Say

BOTH = pytest.mark.parametrize("command", ["compare", "check"])


def judging(command: str, baseline: Path, candidate: Path) -> tuple[object, ...]:
    """The arguments that compare a candidate with a baseline."""
    if command == "compare":
        return "compare", baseline, candidate
    return "check", candidate, "--baseline", baseline


def without_raw_files(source: Path, target: Path) -> Path:
    """A run as a baseline is kept: what is derived alone."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("[ae]*.parquet"))
    return target


@BOTH
def test_unlike_plans_are_refused_by_field(rtbench: Say, runs: Path, command: str) -> None:
    arguments = judging(command, runs / "base", runs / "unlike")
    told = rtbench(*arguments)
    assert (told.code, told.out) == (2, "")
    assert "unlike plans" in told.err
    assert "vad_silence_ms (200 and 500)" in told.err
    assert "num_users" not in told.err
    assert "--despite vad_silence_ms" in told.err
    assert rtbench(*arguments, "--despite", "vad_silence_ms").code == 0


@pytest.mark.parametrize(
    ("command", "kind"),
    [("compare", "events"), ("check", "events"), ("compare", "appends"), ("check", "appends")],
)
def test_a_truncated_part_makes_a_run_invalid(
    rtbench: Say, runs: Path, tmp_path: Path, command: str, kind: str
) -> None:
    cut = make_run(tmp_path / "cut", ended=False)  # whose parts are kept
    (part,) = (cut / "parts").glob(f"*.{kind}.parquet")
    part.write_bytes(part.read_bytes()[:-100])
    for pair in ((cut, runs / "same"), (runs / "same", cut)):
        told = rtbench(*judging(command, *pair))
        assert (told.code, told.err) == (3, "")
        assert told.out.startswith("INVALID: ")
        assert told.says(f"{kind}.parquet: cannot be read")
        assert told.says("delete it to go on without")


@BOTH
@pytest.mark.parametrize("name", ["turns.parquet", "summary.json"])
def test_a_truncated_table_of_a_baseline_is_invalid(
    rtbench: Say, runs: Path, tmp_path: Path, command: str, name: str
) -> None:
    stored = without_raw_files(runs / "base", tmp_path / "b")
    path = stored / name
    path.write_bytes(path.read_bytes()[:500])
    told = rtbench(*judging(command, stored, runs / "same"))
    assert told.code == 3
    assert told.says(f"{name}: cannot be read")


def test_a_column_that_is_not_there_is_named(rtbench: Say, runs: Path, tmp_path: Path) -> None:
    stored = without_raw_files(runs / "base", tmp_path / "b")
    turns = pq.read_table(stored / "turns.parquet")
    pq.write_table(turns.drop_columns(["failed"]), stored / "turns.parquet")
    told = rtbench("compare", stored, runs / "same")
    assert told.code == 3
    assert told.says("has no column failed")


@BOTH
@pytest.mark.parametrize("side", ["baseline", "candidate"])
def test_an_older_schema_is_refused_by_version(
    rtbench: Say, runs: Path, tmp_path: Path, command: str, side: str
) -> None:
    shutil.copytree(runs / "base", tmp_path / "old")
    path = tmp_path / "old" / "run.json"
    path.write_text(path.read_text("utf-8").replace('"schema_version": 1', '"schema_version": 0'))
    pair = (path.parent, runs / "same") if side == "baseline" else (runs / "same", path.parent)
    told = rtbench(*judging(command, *pair))
    assert (told.code, told.out) == (2, "")
    assert "schema_version 0 is not 1, the one this version of rtbench reads" in told.err


@BOTH
@pytest.mark.parametrize("side", ["baseline", "candidate"])
def test_a_run_without_turns_is_invalid(rtbench: Say, runs: Path, command: str, side: str) -> None:
    pair = [runs / "same", runs / "empty"]
    told = rtbench(*judging(command, *(pair[::-1] if side == "baseline" else pair)))
    assert (told.code, told.err) == (3, "")
    assert told.out.startswith("INVALID: ")
    assert told.says("empty: No turn was measured")


@BOTH
def test_a_run_that_left_no_record_is_invalid(
    rtbench: Say, runs: Path, tmp_path: Path, command: str
) -> None:
    shutil.copytree(runs / "same", tmp_path / "bare", ignore=shutil.ignore_patterns("*.parquet"))
    told = rtbench(*judging(command, runs / "base", tmp_path / "bare"))
    assert told.code == 3
    assert told.says("events.parquet: is missing, and there are no parts to make it from")


@BOTH
def test_an_invalid_baseline_is_invalid_too(rtbench: Say, runs: Path, command: str) -> None:
    told = rtbench(*judging(command, runs / "late", runs / "same"))
    assert told.code == 3
    assert told.says("late: Frames left late")


def test_invalid_comes_before_unlike_plans_and_a_wrong_limits_file(
    rtbench: Say, runs: Path
) -> None:
    assert rtbench("compare", runs / "late", runs / "unlike").code == 3
    assert rtbench("check", runs / "late", "--limits", "nosuch.yaml").code == 3
    assert rtbench("check", runs / "late").code == 3


@pytest.mark.parametrize(
    ("sentence", "mend"),
    [
        ("tfa_ms p95 < 900", "did you mean ttfa_ms?"),
        ("cutoff rate < 2%", "did you mean cut_off?"),
        ("ttfa_ms p950 < 900", "did you mean p95?"),
        ("cut_off rate < 2", "did you mean 2%?"),
        ("ttfa_ms p95 = 900", "write MEASURE STATISTIC < NUMBER"),
    ],
)
def test_a_typo_in_limits_is_one_line_with_file_line_and_mend(
    rtbench: Say, runs: Path, sentence: str, mend: str
) -> None:
    Path("limits.yaml").write_text(f"# ours\n- {sentence}\n", encoding="utf-8")
    told = rtbench("check", runs / "same", "--limits", "limits.yaml")
    assert (told.code, told.out) == (2, "")
    where = re.escape(f"rtbench: limits.yaml, line 2: {sentence!r}: ")
    assert re.fullmatch(where + f".*{re.escape(mend)}.*\n", told.err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "{same}"), "nothing to check the run against"),
        (("check", "{same}", "--limits", "nosuch"), "nosuch: cannot be read"),
        (("check", "{same}", "--baseline", "nosuch"), "neither the folder of a run nor"),
        (("check", "nosuch"), "nosuch/run.json: cannot be read"),
        (("check", "."), "run.json: cannot be read"),
        (("compare", "{same}"), "compared with what"),
        (("compare", "{same}", "{base}", "--metric", "tfa_ms"), "did you mean ttfa_ms"),
        (("compare", "{same}", "{base}", "--json", "{same}"), "cannot be written"),
        (("plan", "{same}", "--detect", "lots"), "is no share"),
        (("plan", "{same}", "--detect", "0%"), "above 0%"),
        (("baseline", "show", "nosuch"), "baseline 'nosuch'"),
        (("baseline", "promote", "{same}", "--name", "../x"), "is not a plain folder name"),
        (("baseline", "promote", "{unlike}", "{same}"), "unlike plans"),
    ],
)
def test_problem_is_one_line_and_exit_code_2(
    rtbench: Say, runs: Path, arguments: tuple[str, ...], message: str
) -> None:
    filled = [
        part.format(same=runs / "same", base=runs / "base", unlike=runs / "unlike")
        for part in arguments
    ]
    told = rtbench(*filled)
    assert told.code == 2
    assert message in told.err
    assert told.err.startswith("rtbench: ")
    assert told.err.count("\n") == 1
