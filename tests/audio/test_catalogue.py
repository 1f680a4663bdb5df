"""A catalogue refuses what it cannot vouch for, naming the file, the clip and the mend."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.utterance import Pause
from bench.problem import Problem

ClipFolder = Callable[..., Path]


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(Problem) as caught:
        Catalogue.open(folder)
    text = str(caught.value)
    assert text.startswith(str(folder / "manifest.json"))
    assert "\n" not in text
    return text.removeprefix(str(folder / "manifest.json"))


def clip_refusal(folder: Path, utterance_id: str = "hello") -> str:
    catalogue = Catalogue.open(folder)
    with pytest.raises(Problem) as caught:
        catalogue.get(utterance_id)
    text = str(caught.value)
    assert "\n" not in text
    assert repr(utterance_id) in text
    assert str(folder) in text
    return text


def test_a_whole_catalogue_gives_the_utterance_as_labelled(clip_folder: ClipFolder) -> None:
    catalogue = Catalogue.open(clip_folder())
    utterance = catalogue.get("hello")
    assert (utterance.id, utterance.text, utterance.language) == ("hello", "Hello.", "en")
    assert (utterance.speech_start_ms, utterance.speech_end_ms) == (40, 200)
    assert utterance.pauses == (Pause(80, 120, "natural"),)
    assert utterance.duration_ms == 300
    assert utterance.pcm.dtype == np.int16
    assert utterance.pcm.shape == (7_200,)
    assert list(catalogue) == ["hello"]
    assert "hello" in catalogue
    assert "other" not in catalogue
    assert catalogue.entry("hello").category == "command"


def test_a_clip_is_loaded_once_and_cannot_be_written_to(clip_folder: ClipFolder) -> None:
    catalogue = Catalogue.open(clip_folder())
    assert catalogue.loaded_hashes() == {}
    utterance = catalogue.get("hello")
    assert catalogue.get("hello") is utterance
    assert catalogue.loaded_hashes() == {"hello": utterance.sha256_pcm}
    with pytest.raises(ValueError, match="read-only"):
        utterance.pcm[0] = 1


def test_a_folder_without_manifest_is_refused_with_the_option_to_set(tmp_path: Path) -> None:
    text = refusal(tmp_path)
    assert "No such file" in text
    assert "--fixtures" in text


def test_a_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b'{"schema_version": 1, "\xff": []}')
    assert "UTF-8" in refusal(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "clips: []", '{"clips": [' + "x" * 9_000, "[" * 9_000])
def test_a_manifest_that_is_no_json_is_refused_in_one_short_line(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    message = refusal(tmp_path)
    assert "Invalid JSON" in message
    assert len(message) < 250


@pytest.mark.parametrize("text", ["null", "[]", '"clips"', "1"])
def test_json_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    assert "object" in refusal(tmp_path)


def test_another_schema_version_is_refused(clip_folder: ClipFolder) -> None:
    folder = rewrite(clip_folder(), lambda m: m.update(schema_version=2))
    assert "schema_version 2 is not 1" in refusal(folder)


def test_an_unknown_field_is_named_with_its_place(clip_folder: ClipFolder) -> None:
    text = refusal(clip_folder(speach_end_ms=100))
    assert "clips[0].speach_end_ms" in text
    assert "not permitted" in text


def test_an_unknown_field_of_a_pause_is_named_with_its_place(clip_folder: ClipFolder) -> None:
    pauses = [{"start_ms": 80, "end_ms": 120, "kind": "natural", "depth": 3}]
    assert "clips[0].pauses[0].depth" in refusal(clip_folder(pauses=pauses))


def test_a_missing_field_is_named_with_its_place(clip_folder: ClipFolder) -> None:
    folder = rewrite(clip_folder(), lambda m: m["clips"][0].pop("licence"))
    assert "clips[0].licence: Field required" in refusal(folder)


def test_several_mistakes_are_counted(clip_folder: ClipFolder) -> None:
    assert "(and 1 more)" in refusal(clip_folder(text=1, language=2))


def test_a_value_is_quoted_but_not_at_any_length(clip_folder: ClipFolder) -> None:
    assert "'Not An Id'" in refusal(clip_folder(id="Not An Id"))
    assert len(refusal(clip_folder(id="A" * 5_000))) < 250


@pytest.mark.parametrize(
    "labels",
    [
        {"speech_end_ms": 320},
        {"speech_start_ms": 200},
        {"speech_start_ms": 220},
        {"duration_ms": 199.9},
    ],
)
def test_a_label_outside_the_clip_is_refused(
    clip_folder: ClipFolder, labels: dict[str, float]
) -> None:
    text = refusal(clip_folder(**labels))
    assert "clips[0]" in text
    assert "does not hold" in text


@pytest.mark.parametrize("span", [(20, 60), (180, 220), (100, 100), (120, 80)])
def test_a_pause_outside_the_speech_is_refused(
    clip_folder: ClipFolder, span: tuple[int, int]
) -> None:
    pauses = [{"start_ms": span[0], "end_ms": span[1], "kind": "natural"}]
    text = refusal(clip_folder(pauses=pauses))
    assert f"pause {span[0]}..{span[1]} ms is not inside the speech" in text


@pytest.mark.parametrize(
    "fields", [{"speech_start_ms": -1}, {"duration_ms": "NaN"}, {"sha256_file": "ABC"}]
)
def test_a_value_of_the_wrong_kind_is_named(
    clip_folder: ClipFolder, fields: dict[str, Any]
) -> None:
    assert f"clips[0].{next(iter(fields))}" in refusal(clip_folder(**fields))


def test_an_id_that_stands_twice_is_named(clip_folder: ClipFolder) -> None:
    folder = rewrite(clip_folder(), lambda m: m["clips"].append(m["clips"][0]))
    assert "id 'hello' stands twice" in refusal(folder)


def test_an_unknown_id_is_refused_with_those_there_are(clip_folder: ClipFolder) -> None:
    text = clip_refusal(clip_folder(), "goodbye")
    assert "`rtbench fixtures list` shows all" in text


def test_a_missing_clip_file_is_named(clip_folder: ClipFolder) -> None:
    folder = clip_folder()
    (folder / "hello.flac").unlink()
    text = clip_refusal(folder)
    assert str(folder / "hello.flac") in text
    assert "No such file" in text


@pytest.mark.parametrize("place", [0, 60, -1])
def test_a_clip_with_one_byte_changed_is_refused_with_the_mend(
    clip_folder: ClipFolder, place: int
) -> None:
    folder = clip_folder()
    content = bytearray((folder / "hello.flac").read_bytes())
    content[place] ^= 1
    (folder / "hello.flac").write_bytes(content)
    text = clip_refusal(folder)
    assert "not the file that was labelled" in text
    assert "restore it, or label it anew" in text


@pytest.mark.parametrize("kept", [0, 10, -1])
def test_a_truncated_clip_is_refused(clip_folder: ClipFolder, kept: int) -> None:
    folder = clip_folder()
    content = (folder / "hello.flac").read_bytes()
    (folder / "hello.flac").write_bytes(content[:kept])
    assert "not the file that was labelled" in clip_refusal(folder)


def test_a_labelled_file_that_is_no_audio_is_refused(clip_folder: ClipFolder) -> None:
    content = b"this is no sound"
    folder = clip_folder(sha256_file=hashlib.sha256(content).hexdigest())
    (folder / "hello.flac").write_bytes(content)
    assert "not readable audio" in clip_refusal(folder)


def test_another_sample_rate_is_refused_with_the_right_one(clip_folder: ClipFolder) -> None:
    text = clip_refusal(clip_folder(rate_hz=16_000, shape=(4_800,)))
    assert "16000 Hz" in text
    assert "24000 Hz mono" in text


def test_a_stereo_clip_is_refused(clip_folder: ClipFolder) -> None:
    assert "must be 24000 Hz mono" in clip_refusal(clip_folder(shape=(7_200, 2)))


def test_a_clip_that_decodes_to_other_samples_is_refused(clip_folder: ClipFolder) -> None:
    assert "other samples" in clip_refusal(clip_folder(sha256_pcm="0" * 64))


def test_a_duration_that_is_not_the_clips_is_refused(clip_folder: ClipFolder) -> None:
    text = clip_refusal(clip_folder(duration_ms=302))
    assert "lasts 300 ms" in text
    assert "says 302" in text


def test_one_damaged_clip_leaves_the_others_usable(clip_folder: ClipFolder) -> None:
    def add_missing(manifest: dict[str, Any]) -> None:
        manifest["clips"].append(manifest["clips"][0] | {"id": "gone", "file": "gone.flac"})

    catalogue = Catalogue.open(rewrite(clip_folder(), add_missing))
    with pytest.raises(Problem, match="gone"):
        catalogue.get("gone")
    assert catalogue.get("hello").id == "hello"
    assert list(catalogue.loaded_hashes()) == ["hello"]


DERIVED = [("noise", 700), ("quiet", 0), ("phone", 0)]
"""Clips made from `question`, and how much longer than its their lead is, in ms."""


class TestShippedCatalogue:
    """The clips that come with rtbench."""

    def test_every_clip_verifies(self) -> None:
        catalogue = Catalogue.open(default_directory())
        ids = list(catalogue)
        assert len(ids) >= 40
        for utterance_id in ids:
            spoken = catalogue.get(utterance_id).speech_end_ms is not None
            assert bool(catalogue.get(utterance_id).text) == spoken
        assert sorted(catalogue.loaded_hashes()) == sorted(ids)

    def test_speech_ends_on_the_grid_of_20_ms(self) -> None:
        catalogue = Catalogue.open(default_directory())
        ends = {i: catalogue.get(i).speech_end_ms for i in catalogue}
        assert {i: end for i, end in ends.items() if end is not None and end % 20} == {}

    def test_every_file_is_listed_and_no_other_is_there(self) -> None:
        folder = default_directory()
        clips = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["clips"]
        assert {clip["file"] for clip in clips} == {p.name for p in folder.glob("*.flac")}

    @pytest.mark.parametrize(("utterance_id", "lead_ms"), DERIVED)
    def test_derived_clips_carry_the_labels_of_their_stem_shifted_by_one_lead(
        self, utterance_id: str, lead_ms: int
    ) -> None:
        folder = default_directory()
        clips = {
            clip["id"]: clip
            for clip in json.loads((folder / "manifest.json").read_text("utf-8"))["clips"]
        }
        clip = clips[utterance_id]
        assert clip["derived_from"] == "question"
        stem = clips["question"]
        assert clip["speech_start_ms"] - stem["speech_start_ms"] == lead_ms
        assert clip["speech_end_ms"] - stem["speech_end_ms"] == lead_ms
        assert clip["text"] == stem["text"]
        shifted = [
            {**p, "start_ms": p["start_ms"] + lead_ms, "end_ms": p["end_ms"] + lead_ms}
            for p in stem["pauses"]
        ]
        assert clip["pauses"] == shifted

    @pytest.mark.parametrize(("utterance_id", "lead_ms"), DERIVED)
    def test_derived_clips_hold_the_stems_speech_at_the_lead(
        self, utterance_id: str, lead_ms: int
    ) -> None:
        catalogue = Catalogue.open(default_directory())
        stem = catalogue.get("question").pcm.astype(np.float64)
        derived = catalogue.get(utterance_id).pcm.astype(np.float64)
        size = 1 << (len(stem) + len(derived)).bit_length()
        spectrum = np.fft.rfft(derived, size) * np.conj(np.fft.rfft(stem, size))
        lag = int(np.argmax(np.abs(np.fft.irfft(spectrum, size))))
        assert lag / 24 == pytest.approx(lead_ms, abs=5)

    @pytest.mark.parametrize("utterance_id", ["short", "question", "long", "mid_pause", "quiet"])
    def test_labels_bracket_the_sound(self, utterance_id: str) -> None:
        utterance = Catalogue.open(default_directory()).get(utterance_id)
        level = np.abs(utterance.pcm.astype(np.float64))
        loud = level > level.max() / 30
        start = utterance.speech_start_ms * 24
        end = utterance.speech_end_ms * 24
        assert not loud[: max(start - 30 * 24, 0)].any()
        assert not loud[end + 30 * 24 :].any()
        assert loud[start : start + 120 * 24].any()
        assert loud[end - 200 * 24 : end].any()


def test_headerless_samples_are_refused_as_no_audio(clip_folder: ClipFolder) -> None:
    content = bytes(14_400)
    sha = hashlib.sha256(content).hexdigest()
    folder = clip_folder(file="hello.raw", sha256_file=sha, sha256_pcm=sha)
    (folder / "hello.raw").write_bytes(content)
    assert "not readable audio" in clip_refusal(folder)
