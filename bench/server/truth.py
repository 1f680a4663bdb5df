"""Turns what the server did, and when, into lines of a log that tests can trust.

Every `_ns` but `heard_ns` is the monotonic clock right after the event's bytes were handed to
the transport; `heard_ns` is the arrival of the append whose audio completed the silence.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from bench.problem import Problem


class SegmentTruth(msgspec.Struct, tag_field="kind", tag="segment"):
    """One stretch of speech that voice activity detection heard to its end.

    Written with `speech_stopped`: not when a commit, a clear or the session's end came sooner.
    `voice_end_ms` is where the server believes that the voice ended. `onset_arrivals` and
    `arrivals` say when audio around its start and its end came, as pairs: where an append ends
    on the session's audio clock, in ms, and monotonic ns. Who knows where speech truly ended
    reads there when that moment reached the server.
    """

    session_id: str
    item_id: str
    audio_start_ms: int
    speech_started_ns: int | None = None
    audio_end_ms: int | None = None
    voice_end_ms: int | None = None
    heard_ns: int | None = None
    speech_stopped_ns: int | None = None
    onset_arrivals: list[tuple[float, int]] = []
    arrivals: list[tuple[float, int]] = []


class ResponseTruth(msgspec.Struct, tag_field="kind", tag="response"):
    """One response; written when it ends.

    `item_id` is the caller's item it answers, null for a response the client asked for, whose
    `audio_end_ms`, `heard_ns` and `speech_stopped_ns` are null too. `reply_delay_ms` is as
    drawn; `status` is the protocol's, or "disconnected" when the session ended first; `fault` is
    what was to go wrong with it.
    """

    session_id: str
    response_id: str
    reply_delay_ms: float
    item_id: str | None = None
    audio_end_ms: int | None = None
    heard_ns: int | None = None
    speech_stopped_ns: int | None = None
    response_created_ns: int | None = None
    first_audio_ns: int | None = None
    last_audio_ns: int | None = None
    deltas: int = 0
    status: str = "in_progress"
    fault: str | None = None

    def audio_written(self, at_ns: int) -> None:
        """Take the instant at which a delta of audio was written."""
        if self.first_audio_ns is None:
            self.first_audio_ns = at_ns
        self.last_audio_ns = at_ns
        self.deltas += 1


Truth = SegmentTruth | ResponseTruth
Record = Callable[[Truth], None]
"""Takes one finished line."""


class TruthLog:
    """The ground-truth log of a server, JSON lines, each written at once."""

    def __init__(self, path: Path) -> None:
        """Start the log anew; what stood in `path` is gone.

        Raises:
            Problem: the file cannot be written.
        """
        try:
            path.write_bytes(b"")
            # Several processes may write: each line goes behind whatever the others wrote.
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise Problem(
                f"--truth {path}: cannot be written ({error.strerror}); name a file in a "
                "folder that exists"
            ) from None

    def write(self, line: Truth) -> None:
        """Add one line."""
        self._file.write(msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
