"""Turns committed speech into the events of its transcription, when they are due."""

from __future__ import annotations

from functools import partial
from typing import Any

from bench.server.agenda import Agenda
from bench.server.conversation import Entry
from bench.server.outbox import Outbox

_TYPE = "conversation.item.input_audio_transcription"
_MS = 1_000_000
_WORDS_PER_DELTA = 3


class Transcription:
    """Tells a session's client what was said, as far as it was recognised."""

    def __init__(self, outbox: Outbox, agenda: Agenda) -> None:
        self._outbox = outbox
        self._agenda = agenda

    def begin(self, entry: Entry, now_ns: int, delay_ms: float, *, fails: bool) -> None:
        """Tell of `entry` after `delay_ms`; that it failed where nothing is known, or `fails`."""
        tell = self._fail if fails or entry.text is None else self._complete
        self._agenda.plan(now_ns + round(delay_ms * _MS), partial(tell, entry))

    def _complete(self, entry: Entry, due_ns: int) -> None:
        text = entry.text or ""
        place: dict[str, Any] = {"item_id": entry.id, "content_index": 0}
        words = text.split(" ")
        for at in range(0, len(words), _WORDS_PER_DELTA):
            some = " ".join(words[at : at + _WORDS_PER_DELTA])
            delta = f" {some}" if at else some
            self._outbox.put(due_ns, f"{_TYPE}.delta", **place, delta=delta)
        entry.item["content"][0]["transcript"] = text
        billed = {"type": "duration", "seconds": round(entry.audio_ms / 1000, 3)}
        self._outbox.put(due_ns, f"{_TYPE}.completed", **place, transcript=text, usage=billed)

    def _fail(self, entry: Entry, due_ns: int) -> None:
        # "" would claim that nothing was said.
        error = {
            "type": "server_error",
            "code": "transcription_failed",
            "message": "This server recognises its catalogue's utterances only.",
            "param": None,
        }
        place: dict[str, Any] = {"item_id": entry.id, "content_index": 0}
        self._outbox.put(due_ns, f"{_TYPE}.failed", **place, error=error)
