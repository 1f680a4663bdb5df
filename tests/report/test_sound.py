"""What a page holds of its run's recordings, and that it never holds too much."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.problem import Problem
from bench.report.data import ReportData
from bench.report.page import render_page
from bench.report.sound import Recordings, embed, read_recordings
from tests.report.telling_runs import RATE_HZ, record

TURNS = [("w0-00000", 1, "median"), ("w0-00000", 2, "worst"), ("w0-00000", 3, "worst")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return record(tmp_path, TURNS, lost=4)


def content(source: str) -> bytes:
    return base64.b64decode(source.partition(",")[2])


def test_all_that_is_listed_is_known(folder: Path) -> None:
    found = read_recordings(folder)
    assert found.lost == 4
    assert [(r.session_id, r.turn_index, r.turn_class) for r in found.listed] == TURNS
    assert [r.rank for r in found.listed] == [1, 1, 2]
    assert found.listed[0].link == "audio/median-1-w0-00000-turn1.flac"
    assert (found.listed[0].zero_ns, found.listed[0].duration_ms) == (5, 2_000)


def test_a_run_without_recordings_has_none(tmp_path: Path) -> None:
    assert read_recordings(tmp_path) == Recordings((), 0)


def test_a_file_that_is_gone_is_not_offered(folder: Path) -> None:
    (folder / "audio/median-1-w0-00000-turn1.flac").unlink()
    assert [r.turn_class for r in read_recordings(folder).listed] == ["worst", "worst"]


@pytest.mark.parametrize(
    "index",
    ["{", "[]", '{"recordings": 3}', '{"recordings": [{"file": "../run.json"}]}', '{"x": 1}'],
)
def test_a_damaged_index_is_named(folder: Path, index: str) -> None:
    (folder / "audio/index.json").write_text(index)
    with pytest.raises(Problem, match=r"index\.json: cannot be read"):
        read_recordings(folder)


def test_what_fits_is_held_as_it_is(folder: Path) -> None:
    listed = read_recordings(folder).listed
    sounds = embed(folder, listed)
    for recording, sound in zip(listed, sounds, strict=True):
        assert sound.recording == recording
        assert sound.whole
        assert sound.source is not None
        assert sound.source.startswith("data:audio/flac;base64,")
        assert content(sound.source) == (folder / recording.link).read_bytes()


def test_what_is_too_large_is_made_smaller_and_still_sounds_the_same(folder: Path) -> None:
    (recording, *_) = read_recordings(folder).listed
    whole_bytes = (folder / recording.link).stat().st_size
    (sound,) = embed(folder, [recording], sound_bytes=whole_bytes)
    assert not sound.whole
    assert sound.source is not None
    assert sound.source.startswith("data:audio/mpeg;base64,")
    assert len(sound.source) <= whole_bytes
    samples, rate_hz = soundfile.read(io.BytesIO(content(sound.source)))
    assert rate_hz == RATE_HZ
    original, _ = soundfile.read(folder / recording.link)
    assert len(samples) == pytest.approx(len(original), abs=RATE_HZ * 0.1)
    begin, end = RATE_HZ // 5, RATE_HZ // 5 * 4  # away from where one channel ends
    level = np.sqrt(np.mean(samples[begin:end] ** 2, axis=0))
    assert level[0] == pytest.approx(np.sqrt(np.mean(original[begin:end, 0] ** 2)), rel=0.1)
    assert level[1] < 0.01 * level[0]  # the reply has not begun, and the caller is not in it


def test_the_same_recording_gives_the_same_bytes(folder: Path) -> None:
    (recording, *_) = read_recordings(folder).listed
    small = [embed(folder, [recording], sound_bytes=40_000)[0] for _ in range(2)]
    assert not small[0].whole
    assert small[0] == small[1]


@pytest.mark.parametrize("page_bytes", [1_000, 60_000, 150_000, 300_000])
def test_all_together_stay_within_the_page_and_the_last_has_its_share(
    folder: Path, page_bytes: int
) -> None:
    sounds = embed(folder, read_recordings(folder).listed, page_bytes=page_bytes)
    held = [len(sound.source) for sound in sounds if sound.source]
    assert sum(held) <= page_bytes
    assert len(held) == (0 if page_bytes == 1_000 else 3)
    assert max(held, default=0) <= 400_000


def test_what_is_no_sound_is_left_out(folder: Path) -> None:
    (recording, *_) = read_recordings(folder).listed
    (folder / recording.link).write_bytes(b"x" * 5_000)
    (sound,) = embed(folder, [recording], sound_bytes=4_000)
    assert sound.source is None


def test_the_page_lists_all_recordings_and_holds_those_of_its_figures(
    synthetic_run: Callable[..., Path],
) -> None:
    folder = synthetic_run(outcomes={20: "cut_off"})
    heard = ReportData.load(folder).latency_turns.sort_values("ttfa_ms", kind="stable")
    slowest, fastest = heard.iloc[-1], heard.iloc[0]
    turns = [
        (slowest["session_id"], int(slowest["turn_index"]), "worst"),
        (fastest["session_id"], int(fastest["turn_index"]), "random"),
    ]
    page = render_page(ReportData.load(record(folder, turns, lost=2)))
    assert page.count("<audio ") == 1
    figure = page[page.index("The slowest turn</h3>") :]
    figure = figure[: figure.index("</figure>")]
    assert '<audio controls preload="none" src="data:audio/flac;base64,' in figure
    assert "caller left, reply right" in figure
    links = re.findall(r'href="(audio/[^"]+)"', page)
    assert sorted(set(links)) == sorted(f"audio/{p.name}" for p in folder.glob("audio/*.flac"))
    assert "2 recordings in this run" in page
    assert "2 more turns would have been kept" in page
    assert "media-src data:" in page


def test_a_page_without_recordings_says_how_to_get_some(run60: Path) -> None:
    page = render_page(ReportData.load(run60))
    assert "<audio" not in page
    assert "<code>--record 3</code>" in page


def test_names_from_outside_stay_text_in_links(synthetic_run: Callable[..., Path]) -> None:
    folder = record(synthetic_run(), [("w0-00000", 1, "random")])
    hostile = "\"><script>alert(1)<img src=x onerror=a> #?%'.flac"
    index = json.loads((folder / "audio/index.json").read_text())
    (folder / "audio" / index["recordings"][0]["file"]).rename(folder / "audio" / hostile)
    index["recordings"][0] |= {"file": hostile, "class": "<b>", "outcome": "<i>\x1b"}
    (folder / "audio/index.json").write_text(json.dumps(index))
    page = render_page(ReportData.load(folder))
    assert "<script" not in page
    assert "<img" not in page
    assert "<b> 1" not in page
    (link,) = set(re.findall(r'href="(audio/[^"]+)"', page))
    assert not set(link) & set("<>#?' ")
