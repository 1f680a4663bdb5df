"""The bank says what it lists, refuses what it cannot vouch for, and gives callers names."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bench.audio.annotate import Span, find_edges
from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.pieces import PIECES_FOLDER, Pieces, SpokenPiece, caller_pieces, introduction
from bench.audio.utterance import Utterance
from bench.fixtures.verification import verify
from bench.problem import Problem

PER_MS = 24
SHIPPED = default_directory() / PIECES_FOLDER
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def shipped() -> Pieces:
    return Pieces.open(SHIPPED)


@pytest.fixture
def bank_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a bank of one voice, each piece 100 ms of its own level; `change` spoils it."""

    def write(change: Change = lambda bank: None) -> Path:
        texts = ["My name is", "Anna", "Maria", "Stone", "Brown"]
        levels = np.repeat(np.arange(1, 6, dtype=np.int16) * 1_000, 100 * PER_MS)
        path = tmp_path / "caller.flac"
        soundfile.write(path, levels, 24_000, subtype="PCM_16")
        bank = {
            "schema_version": 1,
            "carrier": "My name is",
            "names": {"first": ["Anna"], "middle": ["Maria"], "last": ["Stone", "Brown"]},
            "voices": {
                "caller": {
                    "file": path.name,
                    "sha256_file": hashlib.sha256(path.read_bytes()).hexdigest(),
                    "source": {"engine": "steps"},
                    "pieces": {text: [i * 100, i * 100 + 100] for i, text in enumerate(texts)},
                }
            },
        }
        change(bank)
        (tmp_path / "pieces.json").write_text(json.dumps(bank), encoding="utf-8")
        return tmp_path

    return write


def refusal(use: Callable[[], object]) -> str:
    with pytest.raises(Problem) as caught:
        use()
    text = str(caught.value)
    assert "\n" not in text
    return text


class TestPieces:
    def test_a_piece_is_the_stretch_that_the_list_names(
        self, bank_folder: Callable[..., Path]
    ) -> None:
        pieces = Pieces.open(bank_folder())
        assert np.array_equal(pieces.pcm("caller", "aNNa"), np.full(2_400, 2_000))
        assert pieces.has("caller", "STONE")
        assert not pieces.has("caller", "An")
        assert not pieces.has("nobody", "Anna")
        with pytest.raises(ValueError, match="read-only"):
            pieces.pcm("caller", "Anna")[0] = 1

    def test_spoken_pieces_lie_where_their_spans_say(
        self, bank_folder: Callable[..., Path]
    ) -> None:
        spoken = Pieces.open(bank_folder()).speak("caller", ["Brown", "anna"], gap_ms=30)
        assert spoken.spans == (SpokenPiece("Brown", 0, 100), SpokenPiece("anna", 130, 230))
        assert len(spoken.pcm) == 230 * PER_MS
        assert set(spoken.pcm[: 100 * PER_MS]) == {5_000}
        assert not spoken.pcm[100 * PER_MS : 130 * PER_MS].any()
        assert set(spoken.pcm[130 * PER_MS :]) == {2_000}

    def test_nothing_to_speak_is_no_audio(self, bank_folder: Callable[..., Path]) -> None:
        spoken = Pieces.open(bank_folder()).speak("caller", [])
        assert (spoken.pcm.dtype, spoken.pcm.shape, spoken.spans) == (np.int16, (0,), ())

    def test_an_unknown_piece_or_voice_is_named(self, bank_folder: Callable[..., Path]) -> None:
        pieces = Pieces.open(bank_folder())
        assert "'caller' has no piece 'Bob'" in refusal(lambda: pieces.pcm("caller", "Bob"))
        assert "no voice 'bob'; there is caller" in refusal(lambda: pieces.pcm("bob", "Anna"))
        assert "no voice 'bob'" in refusal(lambda: pieces.wording("bob"))

    def test_a_voice_is_read_only_when_it_speaks(self, bank_folder: Callable[..., Path]) -> None:
        folder = bank_folder()
        pieces = Pieces.open(folder)
        (folder / "caller.flac").unlink()
        assert str(folder / "caller.flac") in refusal(lambda: pieces.speak("caller", ["Anna"]))

    def test_another_file_than_the_one_made_is_refused(
        self, bank_folder: Callable[..., Path]
    ) -> None:
        folder = bank_folder()
        content = bytearray((folder / "caller.flac").read_bytes())
        content[-1] ^= 1
        (folder / "caller.flac").write_bytes(content)
        assert "sha256_file" in refusal(lambda: Pieces.open(folder).check("caller"))

    def test_a_list_longer_than_its_recording_is_refused(
        self, bank_folder: Callable[..., Path]
    ) -> None:
        folder = bank_folder(lambda b: b["voices"]["caller"]["pieces"].update(Brown=[400, 501]))
        assert "501 ms" in refusal(lambda: Pieces.open(folder).pcm("caller", "Anna"))

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda b: b.update(schema_version=2), "schema_version"),
            (lambda b: b.update(extra=1), "extra"),
            (lambda b: b["voices"].clear(), "voice 'caller' lacks 'Anna'"),
            (lambda b: b["names"]["first"].append("Bob"), "lacks 'Bob'"),
            (lambda b: b["names"]["first"].clear(), "none empty"),
            (lambda b: b["names"].pop("last"), "a last list"),
            (lambda b: b["voices"]["caller"].update(sha256_file="x"), "sha256_file"),
            (lambda b: b["voices"]["caller"]["pieces"].update(Bob=[5, 15]), "'Bob' from 5 to 15"),
            (lambda b: b["voices"]["caller"]["pieces"].update(anna=[0, 99]), "capitals only"),
        ],
    )
    def test_a_wrong_list_is_refused(
        self, change: Change, said: str, bank_folder: Callable[..., Path]
    ) -> None:
        folder = bank_folder(change)
        text = refusal(lambda: Pieces.open(folder))
        assert text.startswith(str(folder / "pieces.json"))
        assert said in text

    @pytest.mark.parametrize(("content", "said"), [(b"{", "Invalid JSON"), (b"\xff", "UTF-8")])
    def test_a_list_that_is_no_json_is_refused(
        self, content: bytes, said: str, tmp_path: Path
    ) -> None:
        (tmp_path / "pieces.json").write_bytes(content)
        assert said in refusal(lambda: Pieces.open(tmp_path))

    def test_a_folder_without_a_list_is_refused(self, tmp_path: Path) -> None:
        assert str(tmp_path / "pieces.json") in refusal(lambda: Pieces.open(tmp_path))


class TestShippedBank:
    @pytest.mark.parametrize("voice", ["caller", "assistant"])
    def test_every_piece_sounds_like_a_word_at_the_level_of_the_clips(
        self, voice: str, shipped: Pieces
    ) -> None:
        texts = [shipped.carrier, *shipped.names] if voice == "caller" else [
            *shipped.names, *"ABCXYZ", "zero", "twenty", "thousand", "Lisbon", "degrees", "the",
        ]  # fmt: skip
        for text in texts:
            pcm = shipped.pcm(voice, text).astype(float) / 32768
            assert 150 <= len(pcm) / PER_MS <= 1_000, text
            assert -24 < 20 * np.log10(np.sqrt(np.mean(pcm**2))) < -22, text
            assert max(abs(pcm[0]), abs(pcm[-1])) < 0.001, f"{text} clicks"

    def test_the_assistant_can_say_what_tools_and_callers_tell_it(self, shipped: Pieces) -> None:
        text = "The weather in Lisbon is sunny and -3.5 degrees, Zoë."
        tokens = shipped.wording("assistant").tokens_of(text)
        assert "".join(token.original for token in tokens) == text
        said = [piece for token in tokens for piece in token.said]
        assert said == [
            "The weather in", "Lisbon", "is", "sunny", "and",
            "minus", "three", "point", "five", "degrees", "Z", "O", "E",
        ]  # fmt: skip
        assert [span.text for span in shipped.speak("assistant", said).spans] == said

    def test_it_has_every_name_in_both_voices_and_every_letter(self, shipped: Pieces) -> None:
        assert len(shipped.names) == 24
        for name in shipped.names:
            assert shipped.has("caller", name)
            assert shipped.has("assistant", name)
        assert all(shipped.has("assistant", letter) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")

    def test_every_number_is_said_in_words(self, shipped: Pieces) -> None:
        wording = shipped.wording("assistant")
        for number in (0, 11, 13, 19, 20, 99, 100, 314, 12_345, 999_999):
            (token,) = wording.tokens_of(str(number))
            assert all(piece.isalpha() and len(piece) > 2 for piece in token.said), token


class TestIntroduction:
    def test_512_callers_have_512_names(self, shipped: Pieces) -> None:
        assert shipped.name_count == 512
        assert len({shipped.name_of(number) for number in range(512)}) == 512
        assert shipped.name_of(0) == "Anna Maria Brown"
        for number in (-1, 512):
            assert "from 0 to 511" in refusal(lambda number=number: shipped.name_of(number))

    def test_a_caller_says_the_carrier_and_the_name(
        self, bank_folder: Callable[..., Path]
    ) -> None:
        utterance = introduction(Pieces.open(bank_folder()), 1)
        assert (utterance.id, utterance.category) == ("name_001", "name")
        assert utterance.text == "My name is Anna Maria Brown."
        speech = utterance.pcm[(utterance.speech_start_ms or 0) * PER_MS :]
        heard = [int(speech[at_ms * PER_MS]) for at_ms in (50, 230, 410, 590)]
        assert heard == [1_000, 2_000, 3_000, 5_000]

    def test_its_labels_are_where_an_envelope_hears_speech(self, shipped: Pieces) -> None:
        for number in range(0, 512, 19):
            utterance = introduction(shipped, number)
            sounds = find_edges(utterance.pcm, [Span(0, utterance.duration_ms)]).sounds
            start_ms, end_ms = utterance.speech_start_ms, utterance.speech_end_ms
            assert start_ms is not None
            assert end_ms is not None
            assert abs(sounds[0].start_ms - start_ms) <= 15, utterance.text
            assert abs(sounds[-1].end_ms - end_ms) <= 15, utterance.text
            assert_shape(utterance)

    def test_what_the_names_consist_of_comes_alone_too(self, shipped: Pieces) -> None:
        alone = caller_pieces(shipped)
        assert [utterance.text for utterance in alone] == [shipped.carrier, *shipped.names]
        assert [utterance.category for utterance in alone] == ["name_carrier"] + ["name"] * 24
        assert alone[0].id == "piece_my_name_is"
        assert len({utterance.id for utterance in alone}) == 25
        for utterance in alone:
            assert_shape(utterance)


def assert_shape(utterance: Utterance) -> None:
    """What holds for every clip that is put together: silence around labels on the grid."""
    start_ms, end_ms = utterance.speech_start_ms, utterance.speech_end_ms
    assert start_ms is not None
    assert end_ms is not None
    assert 300 <= start_ms < 320
    assert end_ms % 20 == 0
    assert utterance.duration_ms == end_ms + 100
    assert not utterance.pcm[: (start_ms - 5) * PER_MS].any()
    assert not utterance.pcm[(end_ms + 5) * PER_MS :].any()
    assert utterance.trusted
    assert utterance.pauses == ()
    assert utterance.sha256_pcm == hashlib.sha256(utterance.pcm.tobytes()).hexdigest()
    assert not utterance.pcm.flags.writeable


class TestCatalogue:
    def test_it_puts_callers_with_names_together_and_lists_none(self) -> None:
        catalogue = Catalogue.open(default_directory())
        utterance = catalogue.get("name_042")
        assert utterance.text == f"My name is {Pieces.open(SHIPPED).name_of(42)}."
        assert catalogue.get("name_042") is utterance
        assert catalogue.loaded_hashes() == {"name_042": utterance.sha256_pcm}
        assert "name_042" not in list(catalogue)
        assert catalogue.get("name_question").text == "What is my name?"
        assert "says nothing of 'name_042'" in refusal(lambda: catalogue.entry("name_042"))

    @pytest.mark.parametrize("name", ["name_512", "name_999"])
    def test_there_are_no_more_than_the_bank_has(self, name: str) -> None:
        catalogue = Catalogue.open(default_directory())
        assert "from 0 to 511" in refusal(lambda: catalogue.get(name))

    @pytest.mark.parametrize("name", ["name_1", "name_0042", "name_", "xname_001"])
    def test_only_three_digits_name_a_caller(self, name: str) -> None:
        catalogue = Catalogue.open(default_directory())
        assert f"no utterance {name!r}" in refusal(lambda: catalogue.get(name))

    def test_without_a_bank_there_are_none(self, clip_folder: Callable[..., Path]) -> None:
        catalogue = Catalogue.open(clip_folder())
        assert "no utterance 'name_001'" in refusal(lambda: catalogue.get("name_001"))


class TestVerification:
    @pytest.fixture
    def folder(self, bank_folder: Callable[..., Path], clip_folder: Callable[..., Path]) -> Path:
        """A catalogue with a bank beside its clip."""
        folder = clip_folder()
        shutil.copytree(
            bank_folder(), folder / PIECES_FOLDER, ignore=shutil.ignore_patterns("clips")
        )
        return folder

    def test_the_files_of_a_bank_are_no_strangers(self, folder: Path) -> None:
        findings = verify(folder)
        assert findings.problems == ()
        assert not any("caller.flac" in warning for warning in findings.warnings)
        (folder / PIECES_FOLDER / "other.flac").touch()
        assert any("other.flac: in no clip" in warning for warning in verify(folder).warnings)

    def test_a_damaged_voice_is_found(self, folder: Path) -> None:
        (folder / PIECES_FOLDER / "caller.flac").write_bytes(b"fLaC")
        (problem,) = verify(folder).problems
        assert "voice 'caller' is not the file" in problem

    def test_a_damaged_list_is_found(self, folder: Path) -> None:
        (folder / PIECES_FOLDER / "pieces.json").write_text("{", encoding="utf-8")
        (problem,) = verify(folder).problems
        assert "Invalid JSON" in problem
