"""Pages name all that is in the files they describe, and what they copy from them is right."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from bench import cli
from bench.analysis.metrics import METRICS
from tests.docs.pages import ROOT
from tests.gate.made_runs import make_run

FORMATS = (ROOT / "bench/README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", sessions=3, turns=4)


def chapter(title: str) -> str:
    """Of the page on formats, from a heading to the next as high."""
    level = title.partition(" ")[0]
    assert f"\n{title}\n" in FORMATS
    return re.split(rf"\n#{{2,{len(level)}}} ", FORMATS.partition(f"\n{title}\n")[2])[0]


def unnamed(names: Any, text: str) -> list[str]:
    said = set(re.findall(r"\w+", text))
    return [name for name in names if name not in said]


def test_every_column_of_turns_is_named(run: Path) -> None:
    columns = set(pq.read_schema(run / "turns.parquet").names) - METRICS.keys()
    assert len(columns) > 30
    assert unnamed(columns, chapter("### turns.parquet")) == []


@pytest.mark.parametrize("name", ["run.json", "summary.json"])
def test_every_key_is_named(run: Path, name: str) -> None:
    keys = json.loads((run / name).read_text(encoding="utf-8"))
    assert len(keys) > 10
    assert unnamed(keys, chapter(f"### {name}")) == []


def test_what_a_report_gives_other_programs_is_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTBENCH_CONFIG", "off")
    monkeypatch.chdir(tmp_path)
    words = [
        "rtbench",
        "report",
        str(run),
        "--csv",
        "a.csv",
        "--json",
        "a.json",
        "--html",
        "a.html",
    ]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert not left.value.code
    text = chapter("## The report")
    with Path("a.csv").open(encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file))
    ends = ("censored", "enough", "low", "high", "low_censored", "high_censored")
    of_percentiles = {f"{p}_{end}" for p in ("p50", "p95", "p99") for end in ends}
    assert unnamed(set(columns) - of_percentiles, text) == []
    told = json.loads(Path("a.json").read_text(encoding="utf-8"))
    assert unnamed([*told, *told["runs"][0]], text) == []


def test_clips_stand_in_their_table_as_in_the_manifest() -> None:
    folder = ROOT / "audio_fixtures"
    rows = re.findall(
        r"(?m)^\| `(\w+)` \| (\w+) \| ([\d–]+|none) \|",  # noqa: RUF001
        (folder / "README.md").read_text(encoding="utf-8"),
    )
    clips = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["clips"]
    assert rows == [(each["id"], each["category"], span(each)) for each in clips]


def span(clip: dict[str, Any]) -> str:
    if clip["speech_end_ms"] is None:
        return "none"
    return f"{clip['speech_start_ms']}–{clip['speech_end_ms']}"  # noqa: RUF001


def test_every_field_of_a_clip_is_named() -> None:
    text = (ROOT / "audio_fixtures/README.md").read_text(encoding="utf-8")
    schema = json.loads((ROOT / "audio_fixtures/manifest.schema.json").read_text("utf-8"))
    fields = schema["$defs"]["ClipEntry"]["properties"]
    assert len(fields) > 15
    assert unnamed(fields, text.partition("## manifest.json")[2]) == []
