"""The manifest of a catalogue: what is known of each clip, checked field by field."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MANIFEST_NAME = "manifest.json"
SCHEMA_NAME = "manifest.schema.json"
SCHEMA_VERSION = 1

Confidence = Literal["constructed", "inherited", "high", "medium", "review"]
"""How far labels can be trusted, most first. `constructed`: the clip was put together from
parts of known length. `inherited`: made from a clip that carries the label. `high`: three
methods agree. `medium`: only two could be asked, and they agree. `review`: they disagree."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PauseEntry(_Strict):
    """A silence inside the speech, positions in ms from the clip's first sample."""

    start_ms: int = Field(ge=0)
    end_ms: int = Field(gt=0)
    kind: Literal["natural", "inserted"]


class Expected(_Strict):
    """What a server with usual settings should make of the clip."""

    turns: int = Field(ge=0, description="turns it should cause, said once into silence")
    interrupts: bool | None = Field(
        default=None, description="whether it should stop a reply; null where nobody can say"
    )


class Noise(_Strict):
    """Noise that was mixed in, over the whole clip."""

    kind: Literal["pink", "babble"]
    seed: int
    snr_db: float


class Tail(_Strict):
    """What follows the clip on the line while nobody speaks."""

    mode: Literal["room_tone", "zeros", "loop"] = "room_tone"
    file: str | None = Field(default=None, description="the clip that is looped, with `loop`")


class Annotation(_Strict):
    """Where the labels come from."""

    method: str
    candidates_ms: dict[str, int] = Field(
        default={}, description="end of speech by each method that was asked"
    )
    spread_ms: int | None = Field(default=None, ge=0, description="between the candidates")
    confidence: Confidence
    reviewed_by: str | None = Field(
        default=None, description="who looked at the plot and confirmed the label"
    )

    @property
    def trusted(self) -> bool:
        """Whether latencies measured from the label may count."""
        return self.confidence != "review" or self.reviewed_by is not None


class Source(_Strict):
    """How the audio was made, so that it can be made again."""

    engine: str
    voice: str | None = None
    package_versions: dict[str, str] = {}
    model_sha256: str | None = None
    phonemes: str | None = None
    speed: float | None = None
    seed: int | None = None
    script: str | None = None
    note: str | None = None


class ClipEntry(_Strict):
    """One clip; positions and durations in ms, from its first sample."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    version: int = Field(default=1, ge=1, description="raised when audio or labels change")
    file: str
    sha256_file: str = Field(pattern=r"^[0-9a-f]{64}$")
    sha256_pcm: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="of the samples as little-endian int16"
    )
    sample_rate_hz: Literal[24000] = 24000
    channels: Literal[1] = 1
    encoding: str = "FLAC PCM_16"
    duration_ms: float = Field(gt=0)
    text: str | None = Field(default=None, description="null for sounds and where unknown")
    language: str = Field(default="en", pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$|^zxx$")
    category: str
    speech_start_ms: int | None = Field(default=None, ge=0, description="null: no speech in it")
    speech_end_ms: int | None = Field(default=None, gt=0, description="null: no speech in it")
    pauses: list[PauseEntry] = []
    expected: Expected
    level_dbfs: float = Field(le=0, description="RMS over the speech, pauses left out")
    noise: Noise | None = None
    tail: Tail = Tail()
    derived_from: str | None = None
    annotation: Annotation
    source: Source
    licence: str
    attribution: str | None = None

    @model_validator(mode="after")
    def _labels_lie_inside_the_clip(self) -> ClipEntry:
        start_ms, end_ms = self.speech_start_ms, self.speech_end_ms
        if start_ms is None or end_ms is None:
            if start_ms is not None or end_ms is not None or self.pauses:
                raise ValueError(
                    "speech_start_ms and speech_end_ms are null together or not at all"
                )
            return self
        if not start_ms < end_ms <= self.duration_ms:
            raise ValueError(
                f"speech_start_ms {start_ms} < speech_end_ms {end_ms}"
                f" <= duration_ms {self.duration_ms:g} does not hold"
            )
        for pause in self.pauses:
            if not start_ms <= pause.start_ms < pause.end_ms <= end_ms:
                raise ValueError(
                    f"pause {pause.start_ms}..{pause.end_ms} ms is not inside the speech"
                )
        return self


class Manifest(_Strict):
    """All clips of a catalogue."""

    schema_version: Literal[1]
    clips: list[ClipEntry]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Manifest:
        seen: set[str] = set()
        for clip in self.clips:
            if clip.id in seen:
                raise ValueError(f"id {clip.id!r} stands twice")
            seen.add(clip.id)
        for clip in self.clips:
            if clip.derived_from is not None and clip.derived_from not in seen:
                raise ValueError(f"{clip.id}: derived_from {clip.derived_from!r} is no clip here")
        return self


def manifest_schema() -> dict[str, Any]:
    """JSON Schema of the manifest, as published beside it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rtbench catalogue manifest",
        **Manifest.model_json_schema(),
    }
