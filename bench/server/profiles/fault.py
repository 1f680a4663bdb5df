"""Turns a line such as close_1011:0.1@turn=1 into what goes wrong, how often and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.problem import Problem, suggest
from bench.server.profiles.reading import check_range, show

Stage = Literal["connection", "turn"]

FAULTS: Mapping[str, tuple[Stage, str]] = {
    "refuse": ("connection", "resets the TCP connection as soon as it is accepted"),
    "http_401": ("connection", "answers the upgrade with 401, as for a wrong key"),
    "http_403": ("connection", "answers the upgrade with 403, as for a key without the right"),
    "http_429": ("connection", "answers the upgrade with 429, as over a rate limit"),
    "http_500": ("connection", "answers the upgrade with 500"),
    "http_503": ("connection", "answers the upgrade with 503, as when overloaded"),
    "hang_handshake": ("connection", "accepts the connection and never answers the upgrade"),
    "error_before_session": (
        "connection",
        "sends an error event in place of session.created, then closes with 1008",
    ),
    "beta_disabled": (
        "connection",
        "sends the error beta_api_shape_disabled, then closes with 4000",
    ),
    "close_1000": ("turn", "closes with 1000 in the midst of the reply"),
    "close_1001": ("turn", "closes with 1001, as a server that goes away"),
    "close_1006": ("turn", "resets the TCP connection without a close frame"),
    "close_1008": ("turn", "closes with 1008, as for a broken policy"),
    "close_1011": ("turn", "closes with 1011, as after an error within the server"),
    "close_1013": ("turn", "closes with 1013: try again later"),
    "close_4000": ("turn", "closes with 4000, a code of the application"),
    "half_open": ("turn", "falls silent for good, the connection left open"),
    "no_reply": ("turn", "hears the turn and never answers it"),
    "no_vad": ("turn", "never says that speech started or stopped"),
    "audio_less": ("turn", "completes the response without any audio"),
    "reorder": ("turn", "swaps neighbouring events of the reply"),
    "duplicate": ("turn", "sends events of the reply twice"),
    "unknown_event": ("turn", "mixes in events of a type that no protocol names"),
    "malformed_json": ("turn", "mixes in a text frame that is not JSON"),
    "huge_frame": ("turn", "sends a frame of 20 MB"),
    "trickle": ("turn", "sends the bytes of the reply a few at a time"),
    "slow_reader": ("turn", "stops reading what the client sends for a while"),
    "rate_limit_error": ("turn", "fails the response with rate_limit_exceeded"),
    "server_error_event": ("turn", "sends an error event of type server_error"),
    "transcription_failed": ("turn", "fails the transcription of what was said"),
}
"""Every kind: whether it strikes a connection or a turn, and what the server does then."""

_FORM = "write KIND, KIND:SHARE or KIND:SHARE@turn=1,after_ms=300"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, in a `share` (0 to 1) of the connections or turns that it can strike.

    `turn` limits it to one turn of each session, counted from 0. `after_ms` is how long it
    waits: a connection's from its acceptance, a turn's from the first audio delta or, for a
    reply without one, from when that was due; None leaves the moment to the kind.

    Raises:
        Problem: the kind is unknown, a number is out of its range, or a fault of connections
            names a turn.
    """

    kind: str
    share: float = 1.0
    after_ms: float | None = None
    turn: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise Problem(f"kind {show(self.kind)} is unknown; {suggest(self.kind, FAULTS)}")
        check_range("share", self.share, 0, 1)
        if self.after_ms is not None:
            check_range("after_ms", self.after_ms, 0)
        if self.turn is not None:
            if self.stage == "connection":
                raise Problem(f"turn {self.turn} cannot be: {self.kind} comes first; leave it out")
            check_range("turn", self.turn, 0)

    @property
    def stage(self) -> Stage:
        """What it strikes."""
        return FAULTS[self.kind][0]


def parse_fault(text: str) -> Fault:
    """The fault that `KIND`, `KIND:SHARE` or `KIND:SHARE@turn=1,after_ms=300` describes.

    Raises:
        Problem: it is none of these, or a part of it is out of its range.
    """
    head, at, places = text.partition("@")
    kind, colon, share_text = head.partition(":")
    share, after_ms, turn = 1.0, None, None
    try:
        if colon:
            share = _number("share", share_text)
        named: set[str] = set()
        for place in places.split(",") if at else ():
            key, _, number = place.partition("=")
            if key.strip() in named:
                raise Problem(f"{key.strip()} is there twice; {_FORM}")
            named.add(key.strip())
            match key.strip():
                case "turn":
                    turn = _whole("turn", number)
                case "after_ms":
                    after_ms = _number("after_ms", number)
                case other:
                    raise Problem(f"{show(other)} is no known key; {_FORM}")
        return Fault(kind.strip(), share, after_ms, turn)
    except Problem as problem:
        raise Problem(f"fault {show(text)}: {problem}") from None


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Problem(f"{key} {show(text)} is no number; {_FORM}") from None


def _whole(key: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Problem(f"{key} {show(text)} is no whole number; {_FORM}") from None
