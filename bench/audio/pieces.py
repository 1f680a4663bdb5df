"""Turns the bank of recorded pieces into sentences nobody recorded, and callers who have names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.audio.manifest import Source
from bench.audio.mistake import first_mistake
from bench.audio.recording import read_recording
from bench.audio.utterance import SAMPLES_PER_MS, Utterance
from bench.audio.wording import Wording
from bench.problem import Problem

PIECES_FOLDER = "pieces"
BANK_NAME = "pieces.json"
SCHEMA_VERSION = 1

CALLER, ASSISTANT = "caller", "assistant"

EDGE_MS = 5
"""What a piece holds before and after the sound that counts as speech; it fades there."""

_LEAD_MS, _TAIL_MS, _GRID_MS = 300, 100, 20
"""Of an introduction: as in the clips, its speech ends where a packet does."""

_GAP_MS = 80


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Recording(_Strict):
    """One voice: its file, and where in it each piece starts and ends, in ms."""

    file: str
    sha256_file: str = Field(pattern=r"^[0-9a-f]{64}$")
    source: Source
    pieces: dict[str, tuple[int, int]]

    @model_validator(mode="after")
    def _pieces_are_stretches_of_their_own(self) -> Recording:
        for text, (start_ms, end_ms) in self.pieces.items():
            if not 0 <= start_ms < end_ms - 2 * EDGE_MS:
                raise ValueError(f"piece {text!r} from {start_ms} to {end_ms} ms is none")
        if len({text.casefold() for text in self.pieces}) < len(self.pieces):
            raise ValueError("two pieces differ in capitals only")
        return self


class Bank(_Strict):
    """Content of `pieces.json`."""

    schema_version: Literal[1]
    carrier: str
    names: dict[Literal["first", "middle", "last"], list[str]]
    voices: dict[str, Recording]

    @model_validator(mode="after")
    def _callers_can_say_their_names(self) -> Bank:
        wanted = {self.carrier, *(name for names in self.names.values() for name in names)}
        caller = self.voices.get(CALLER)
        missing = wanted - set(caller.pieces if caller else ())
        if missing:
            raise ValueError(f"voice {CALLER!r} lacks {min(missing)!r}")
        if set(self.names) != {"first", "middle", "last"} or not all(self.names.values()):
            raise ValueError("names have a first, a middle and a last list, none empty")
        return self


class SpokenPiece(NamedTuple):
    """Where a piece lies in what was spoken, in ms from its first sample."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """Pieces said one after another: `pcm` int16 at 24 kHz, shape (n,)."""

    pcm: NDArray[np.int16]
    spans: tuple[SpokenPiece, ...]


class Pieces:
    """The bank of one folder; each voice is read and verified when it is first asked for."""

    def __init__(self, directory: Path, bank: Bank) -> None:
        self._directory = directory
        self._bank = bank
        self._audio: dict[str, NDArray[np.int16]] = {}
        self._wordings: dict[str, Wording] = {}
        self._spans = {
            voice: {text.casefold(): span for text, span in recording.pieces.items()}
            for voice, recording in bank.voices.items()
        }

    @classmethod
    def open(cls, directory: Path) -> Pieces:
        """Read and check `directory`/pieces.json.

        Raises:
            Problem: there is none, it is no JSON, or a field is missing or wrong.
        """
        path = directory / BANK_NAME
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise Problem(
                f"{path}: cannot be read ({error.strerror}); restore the folder of pieces"
            ) from None
        except UnicodeDecodeError as error:
            raise Problem(f"{path}: is not UTF-8 text (byte {error.start}); restore it") from None
        try:
            return cls(directory, Bank.model_validate_json(text))
        except ValidationError as error:
            raise Problem(f"{path}: {first_mistake(error)}") from None

    @property
    def voices(self) -> dict[str, Path]:
        """The file of each voice."""
        return {
            voice: self._directory / recording.file
            for voice, recording in self._bank.voices.items()
        }

    @property
    def carrier(self) -> str:
        """What a caller says before the name."""
        return self._bank.carrier

    @property
    def names(self) -> list[str]:
        """All single names, first ones first."""
        return [name for group in self._name_groups() for name in group]

    @property
    def name_count(self) -> int:
        """How many whole names can be put together."""
        first, middle, last = self._name_groups()
        return len(first) * len(middle) * len(last)

    def name_of(self, number: int) -> str:
        """A first, a middle and a last name; each number from 0 to `name_count` - 1 has its own.

        Raises:
            Problem: there are not so many names.
        """
        if not 0 <= number < self.name_count:
            raise Problem(
                f"{self._directory / BANK_NAME}: no name {number}; "
                f"names are numbered from 0 to {self.name_count - 1}"
            )
        first, middle, last = self._name_groups()
        rest, last_index = divmod(number, len(last))
        first_index, middle_index = divmod(rest, len(middle))
        return f"{first[first_index]} {middle[middle_index]} {last[last_index]}"

    def has(self, voice: str, text: str) -> bool:
        """Whether a voice of the bank says exactly this text, in any capitals."""
        return text.casefold() in self._spans.get(voice, {})

    def wording(self, voice: str) -> Wording:
        """What turns any text into pieces that the voice has.

        Raises:
            Problem: no such voice.
        """
        if voice not in self._wordings:
            self._wordings[voice] = Wording(self._recording(voice).pieces)
        return self._wordings[voice]

    def check(self, voice: str) -> None:
        """Read the file of a voice now, so that nothing is wrong with it later.

        Raises:
            Problem: no such voice, or its file is missing or not the one that was made.
        """
        self._load(voice)

    def pcm(self, voice: str, text: str) -> NDArray[np.int16]:
        """Samples of one piece, shape (n,), read-only, whole milliseconds long.

        Raises:
            Problem: no such voice or piece, or the voice's file is not the one that was made.
        """
        audio = self._load(voice)
        span = self._spans[voice].get(text.casefold())
        if span is None:
            raise Problem(f"{self._directory / BANK_NAME}: voice {voice!r} has no piece {text!r}")
        return audio[span[0] * SAMPLES_PER_MS : span[1] * SAMPLES_PER_MS]

    def speak(self, voice: str, tokens: Sequence[str], gap_ms: int = _GAP_MS) -> Spoken:
        """Pieces one after another with silence between them, none before or after.

        Raises:
            Problem: as `pcm`.
        """
        gap = np.zeros(gap_ms * SAMPLES_PER_MS, np.int16)
        parts: list[NDArray[np.int16]] = []
        spans: list[SpokenPiece] = []
        at_ms = 0
        for text in tokens:
            if parts:
                parts.append(gap)
                at_ms += gap_ms
            piece = self.pcm(voice, text)
            parts.append(piece)
            end_ms = at_ms + len(piece) // SAMPLES_PER_MS
            spans.append(SpokenPiece(text, at_ms, end_ms))
            at_ms = end_ms
        return Spoken(np.concatenate([np.zeros(0, np.int16), *parts]), tuple(spans))

    def _name_groups(self) -> tuple[list[str], list[str], list[str]]:
        return self._bank.names["first"], self._bank.names["middle"], self._bank.names["last"]

    def _recording(self, voice: str) -> Recording:
        if voice not in self._bank.voices:
            known = ", ".join(self._bank.voices)
            raise Problem(f"{self._directory / BANK_NAME}: no voice {voice!r}; there is {known}")
        return self._bank.voices[voice]

    def _load(self, voice: str) -> NDArray[np.int16]:
        if voice not in self._audio:
            recording = self._recording(voice)
            path = self._directory / recording.file
            audio = read_recording(path, f"voice {voice!r}", recording.sha256_file)
            last_ms = max((end_ms for _, end_ms in recording.pieces.values()), default=0)
            if last_ms * SAMPLES_PER_MS > len(audio):
                raise Problem(f"{path}: voice {voice!r} ends before its last piece, {last_ms} ms")
            self._audio[voice] = audio
        return self._audio[voice]


def introduction(pieces: Pieces, number: int) -> Utterance:
    """A caller telling a name, id `name_000` and so on; its labels follow from how it was made.

    Raises:
        Problem: no such number, or the caller's file is not the one that was made.
    """
    name = pieces.name_of(number)
    text = f"{pieces.carrier} {name}."
    spoken = pieces.speak(CALLER, [pieces.carrier, *name.split()])
    return _utterance(f"name_{number:03}", text, "name", spoken.pcm)


def caller_pieces(pieces: Pieces) -> list[Utterance]:
    """What every introduction consists of: the carrier, then the names, each alone."""
    categories = {pieces.carrier: "name_carrier", **dict.fromkeys(pieces.names, "name")}
    return [
        _utterance(
            f"piece_{text.lower().replace(' ', '_')}", text, category, pieces.pcm(CALLER, text)
        )
        for text, category in categories.items()
    ]


def _utterance(
    utterance_id: str, text: str, category: str, speech: NDArray[np.int16]
) -> Utterance:
    """Speech between silences, so much before it that it ends on the packet grid."""
    speech_ms = len(speech) // SAMPLES_PER_MS - 2 * EDGE_MS
    start_ms = _LEAD_MS + -(_LEAD_MS + speech_ms) % _GRID_MS
    lead = np.zeros((start_ms - EDGE_MS) * SAMPLES_PER_MS, np.int16)
    tail = np.zeros((_TAIL_MS - EDGE_MS) * SAMPLES_PER_MS, np.int16)
    pcm: NDArray[np.int16] = np.concatenate([lead, speech, tail])
    pcm.flags.writeable = False
    return Utterance(
        id=utterance_id,
        text=text,
        language="en",
        category=category,
        pcm=pcm,
        speech_start_ms=start_ms,
        speech_end_ms=start_ms + speech_ms,
        pauses=(),
        trusted=True,
        sha256_pcm=hashlib.sha256(pcm.astype("<i2").tobytes()).hexdigest(),
    )
