"""Joins where a server is reached and how its events look into a dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from bench.dialects.address import Address
from bench.dialects.base import HANDSHAKE, CodecName, Kind, ServerEvent, SessionSettings
from bench.dialects.sent import event_text
from bench.problem import Problem

_AUDIO = "<Base64 audio>"


class Shape(Protocol):
    """How a client's events look."""

    def session_update(self, settings: SessionSettings) -> dict[str, Any]:
        """As `Dialect.session_update`."""

    def client_event(self, kind: Kind, **fields: Any) -> dict[str, Any]:
        """As `Dialect.client_event`."""


class Server:
    """A dialect put together of an address, a shape and a reader."""

    def __init__(
        self,
        name: str,
        *,
        key_variable: str | None,
        address: Address,
        shape: Shape,
        parse: Callable[[bytes | bytearray], ServerEvent],
        default_model: str = "gpt-realtime",
        default_voice: str | None = None,
        input_codecs: tuple[CodecName, ...] = ("pcm16", "pcmu", "pcma"),
        output_codecs: tuple[CodecName, ...] = ("pcm16", "pcmu", "pcma"),
        awaits: frozenset[Kind] = HANDSHAKE,
        unsent: frozenset[Kind] = frozenset(),
        commit_answers: bool = False,
    ) -> None:
        self.name = name
        self.key_variable = key_variable
        self.default_model = default_model
        self.default_voice = default_voice
        self.input_codecs = input_codecs
        self.output_codecs = output_codecs
        self.awaits = awaits
        self.unsent = unsent
        self.commit_answers = commit_answers
        self.parse = parse  # called for every message: no method of ours in between
        self.endpoint = address.endpoint
        self._shape = shape

    def session_update(self, settings: SessionSettings) -> dict[str, Any]:
        """As `Dialect.session_update`."""
        self._check(Kind.SESSION_UPDATE)
        for way, codec, known in (
            ("input", settings.input_codec, self.input_codecs),
            ("output", settings.output_codec, self.output_codecs),
        ):
            if codec not in known:
                raise Problem(
                    f"dialect {self.name}: {way} codec {codec!r} is not taken; "
                    f"there are {', '.join(known)}"
                )
        return self._shape.session_update(settings)

    def client_event(self, kind: Kind, **fields: Any) -> dict[str, Any]:
        """As `Dialect.client_event`."""
        self._check(kind)
        return self._shape.client_event(kind, **fields)

    def append_envelope(self) -> tuple[bytes, bytes]:
        """As `Dialect.append_envelope`."""
        event = self.client_event(Kind.APPEND, audio=_AUDIO)
        before, _, after = event_text(event).partition(_AUDIO.encode())
        return before, after

    def _check(self, kind: Kind) -> None:
        if kind in self.unsent:
            raise Problem(
                f"dialect {self.name}: the server takes no {kind}; leave that out of the scenario"
            )
