"""The run's recordings are chosen from those of its workers, by the figures of the whole run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.problem import Problem
from bench.report.recordings import choose_recordings
from bench.runs.folder import RunFolder

MS = 1_000_000
RUN: dict[str, Any] = {"schema_version": 1, "run_id": "r", "ended_at": "2024-06-01T12:00:00Z"}


class FakeTurn:
    """A measured turn that went well, unless told otherwise; all else is not known of it."""

    def __init__(self, worker: str, index: int, ttfa_ms: float, **more: Any) -> None:
        self.session_id = f"{worker}-00000"
        self.turn_index = index
        self.utterance = "question"
        self.outcome = "ok"
        self.turn_class = "measured"
        self.awaits_audio = True
        self.speech_end_ns = 10_000 * MS
        self.first_audio_ns = self.speech_end_ns + round(ttfa_ms * MS)
        self.first_audible_ns = self.first_audio_ns + 30 * MS
        self.__dict__.update(more)

    def __getattr__(self, name: str) -> None:
        return None


def list_candidates(folder: RunFolder, worker: str, turns: list[Any], count: int = 1) -> None:
    entries = []
    for place, turn in enumerate(turns):
        name = f"{turn.session_id}-turn{turn.turn_index}.flac"
        folder.write_recording(name, f"sound of {worker} {turn.turn_index}".encode())
        entries.append(
            {
                "file": name,
                "session_id": turn.session_id,
                "turn_index": turn.turn_index,
                "ticket": 1.0 - place / 100,
                "zero_ns": 7_000 * MS,
                "zero_ms": 2_000,
                "duration_ms": 6_000.0,
                "sample_rate_hz": 24_000,
            }
        )
    listing = {"count": count, "lost": 2, "recordings": entries}
    folder.write_recording(f"{worker}.candidates.json", json.dumps(listing).encode())


@pytest.fixture
def turns() -> list[Any]:
    return [
        *(FakeTurn("w0", index, ttfa_ms) for index, ttfa_ms in enumerate((500, 510, 900))),
        *(FakeTurn("w1", index, ttfa_ms) for index, ttfa_ms in enumerate((480, 1200, 520))),
        FakeTurn("w1", 3, -50, outcome="cut_off"),
        FakeTurn("w1", 4, 700, turn_class="cold"),
        FakeTurn("w1", 5, 700, outcome="stopped"),
    ]


@pytest.fixture
def folder(tmp_path: Path, turns: list[Any]) -> RunFolder:
    folder = RunFolder.create(tmp_path / "run", RUN)
    for worker in ("w0", "w1"):
        list_candidates(folder, worker, [t for t in turns if t.session_id.startswith(worker)])
    return folder


def index(folder: RunFolder) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(folder.recordings_path.read_text())
    return made


def test_each_class_gets_its_own(folder: RunFolder, turns: list[Any]) -> None:
    choose_recordings(folder, turns)
    chosen = {line["class"]: (line["session_id"], line["turn_index"]) for line in _lines(folder)}
    assert chosen == {
        "worst": ("w1-00000", 1),
        "median": ("w0-00000", 1),
        "random": ("w0-00000", 0),
        "cold": ("w1-00000", 4),
        "cut_off": ("w1-00000", 3),
    }
    assert index(folder)["lost"] == 4


def _lines(folder: RunFolder) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = index(folder)["recordings"]
    return lines


def test_a_line_tells_where_to_listen(folder: RunFolder, turns: list[Any]) -> None:
    choose_recordings(folder, turns)
    assert _lines(folder)[0] == {
        "file": "worst-1-w1-00000-turn1.flac",
        "class": "worst",
        "rank": 1,
        "session_id": "w1-00000",
        "turn_index": 1,
        "utterance": "question",
        "outcome": "ok",
        "ttfa_ms": 1200.0,
        "voice_to_voice_ms": 1230.0,
        "zero_ns": 7_000 * MS,
        "zero_ms": 2_000,
        "speech_end_ms": 3_000.0,
        "first_audible_ms": 4_230.0,
        "duration_ms": 6_000.0,
        "sample_rate_hz": 24_000,
    }


def test_only_what_the_index_lists_is_left(folder: RunFolder, turns: list[Any]) -> None:
    choose_recordings(folder, turns)
    left = {path.name for path in folder.audio_path.iterdir()}
    assert left == {line["file"] for line in _lines(folder)} | {"index.json"}
    worst = folder.audio_path / "worst-1-w1-00000-turn1.flac"
    assert worst.read_bytes() == b"sound of w1 1"


def test_a_report_made_again_changes_nothing(folder: RunFolder, turns: list[Any]) -> None:
    choose_recordings(folder, turns)
    before = {path: path.read_bytes() for path in folder.audio_path.iterdir()}
    choose_recordings(folder, turns[:2])
    assert {path: path.read_bytes() for path in folder.audio_path.iterdir()} == before


def test_while_a_run_lasts_all_stay(folder: RunFolder, turns: list[Any]) -> None:
    folder.write_run(RUN | {"ended_at": None})
    before = sorted(folder.audio_path.iterdir())
    choose_recordings(folder, turns)
    assert sorted(folder.audio_path.iterdir()) == before


def test_a_run_without_recordings_gets_no_folder_of_them(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", RUN)
    choose_recordings(folder, [])
    assert not folder.audio_path.exists()


def test_a_recording_that_never_arrived_is_passed_over(
    folder: RunFolder, turns: list[Any]
) -> None:
    (folder.audio_path / "w1-00000-turn1.flac").unlink()
    choose_recordings(folder, turns)
    assert _lines(folder)[0]["turn_index"] == 2


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"recordings": 3}', '{"recordings": [{"file": "../run.json"}]}'],
)
def test_a_damaged_listing_is_named(folder: RunFolder, content: str) -> None:
    (folder.audio_path / "w1.candidates.json").write_text(content)
    with pytest.raises(Problem, match=r"w1\.candidates\.json: cannot be read"):
        choose_recordings(folder, [])


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".."])
def test_a_recording_stays_in_its_folder(folder: RunFolder, name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        folder.write_recording(name, b"")
