"""Turns a seed and a few settings into the behaviour of every turn, the same on every run."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, get_args

from bench.problem import Problem, suggest
from bench.server.profiles.delay import Delay
from bench.server.profiles.fault import Fault
from bench.server.profiles.pace import Pace
from bench.server.profiles.reading import check_range

Refusal = Literal["http_429", "http_503", "close_1013", "close_1008"]
REFUSALS: tuple[Refusal, ...] = get_args(Refusal)

_FARTHEST_SEED = 2**63 - 1

_NONE = Delay(0.0)
_REPLY, _TRANSCRIPT = Delay(300.0), Delay(200.0)


@dataclass(frozen=True, slots=True)
class Delays:
    """How long each stage takes.

    `accept`: connection accepted to its handshake answered. `speech_started`,
    `speech_stopped`: voice activity detection has decided to the event written.
    `response_created`: committed item to `response.created`. `reply`: `speech_stopped` written
    (after a `response.create`: `response.created` written) to the first audio delta.
    `transcript`: committed item to the outcome of its transcription. `tool_reply`: as `reply`,
    for the answer to a tool's output; None for the reply's own.
    """

    accept: Delay = _NONE
    speech_started: Delay = _NONE
    speech_stopped: Delay = _NONE
    response_created: Delay = _NONE
    reply: Delay = _REPLY
    transcript: Delay = _TRANSCRIPT
    tool_reply: Delay | None = None


@dataclass(frozen=True, slots=True)
class Stall:
    """A `share` (0 to 1) of replies stands still `after_ms` after its first delta.

    Raises:
        Problem: a number is out of its range.
    """

    share: float
    after_ms: float
    lasts: Delay

    def __post_init__(self) -> None:
        check_range("share", self.share, 0, 1)
        check_range("after_ms", self.after_ms, 0)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a reply's audio leaves: deltas of `delta_ms`, `speed` times faster than real time.

    They leave in bursts of `burst`, each but the first late by `jitter`, after
    `leading_silence_ms` of digital silence at the start of the reply's audio.

    Raises:
        Problem: a number is out of its range.
    """

    delta_ms: int = 100
    speed: float = 5.0
    burst: int = 1
    jitter: Delay = _NONE
    leading_silence_ms: int = 40
    stall: Stall | None = None

    def __post_init__(self) -> None:
        check_range("delta_ms", self.delta_ms, 10)
        if not self.speed:
            raise Problem("speed 0 would never end; give 1 for real time, 5 for five times faster")
        check_range("speed", self.speed, 0.001)
        check_range("burst", self.burst, 1)
        check_range("leading_silence_ms", self.leading_silence_ms, 0)


@dataclass(frozen=True, slots=True)
class Capacity:
    """Delays grow from `knee` open sessions on, to `growth` times at `limit`, which is full.

    `refusal` is how a full server turns a connection away.

    Raises:
        Problem: a number is out of its range, or the refusal is unknown.
    """

    knee: int
    limit: int
    growth: float = 1.0
    refusal: Refusal = "http_429"

    def __post_init__(self) -> None:
        check_range("knee", self.knee, 0)
        check_range("limit", self.limit, 1)
        if self.limit < self.knee:
            raise Problem(f"limit {self.limit} is below the knee {self.knee}; give more")
        check_range("growth", self.growth, 1)
        if self.refusal not in REFUSALS:
            raise Problem(
                f"refusal {self.refusal!r} is unknown; {suggest(self.refusal, REFUSALS)}"
            )


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn draws, delays in milliseconds; `Delays` says between what.

    `held_back_ms` is how much later still `speech_stopped` is written, None unless the profile
    withholds it; the first delta is then due as much sooner after it. `stall_ms` is how long
    the reply's delivery stands still, None if it does not.
    """

    speech_started_ms: float
    speech_stopped_ms: float
    response_created_ms: float
    reply_delay_ms: float
    transcript_delay_ms: float
    tool_reply_delay_ms: float
    held_back_ms: float | None
    stall_ms: float | None
    fault: Fault | None
    pace: Pace = field(compare=False, repr=False)

    def offset_ms(self, index: int) -> float:
        """How long after the reply's first delta its delta `index`, from 0, is due."""
        return self.pace.offset_ms(index)


@dataclass(frozen=True, slots=True)
class Profile:
    """How the server behaves; everything drawn follows from `seed`.

    With `withhold_speech_stopped_ms`, `speech_stopped` is written only that long before the
    reply's first delta. `session_s` is the lifetime of a session. Of `faults`, the first that
    strikes a connection or a turn is its only one.

    Each stage of each turn is drawn from a stream of its own. So a draw depends on neither time
    nor other sessions, and changing one stage moves no other.

    Raises:
        Problem: a number is out of its range.
    """

    seed: int = 1
    session_s: float = 3_600.0
    withhold_speech_stopped_ms: float | None = None
    delays: Delays = Delays()
    delivery: Delivery = Delivery()
    capacity: Capacity | None = None
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        check_range("seed", self.seed, -_FARTHEST_SEED, _FARTHEST_SEED)
        check_range("session_s", self.session_s, 0)
        if self.withhold_speech_stopped_ms is not None:
            check_range("withhold_speech_stopped_ms", self.withhold_speech_stopped_ms, 0)

    def turn(self, session: int, turn: int) -> Turn:
        """Draw of the `turn`-th response of the `session`-th connection, both from 0."""
        name, delays = f"{self.seed}/{session}/{turn}", self.delays
        reply_ms = _draw(delays.reply, name, "reply")
        tool_reply = delays.tool_reply
        tool_ms = reply_ms if tool_reply is None else _draw(tool_reply, name, "tool_reply")
        withheld_ms = self.withhold_speech_stopped_ms
        stall_ms = self._stall_ms(name)
        return Turn(
            speech_started_ms=_draw(delays.speech_started, name, "speech_started"),
            speech_stopped_ms=_draw(delays.speech_stopped, name, "speech_stopped"),
            response_created_ms=_draw(delays.response_created, name, "response_created"),
            reply_delay_ms=reply_ms,
            transcript_delay_ms=_draw(delays.transcript, name, "transcript"),
            tool_reply_delay_ms=tool_ms,
            held_back_ms=None if withheld_ms is None else max(reply_ms - withheld_ms, 0.0),
            stall_ms=stall_ms,
            fault=self._turn_fault(name, turn) if self.faults else None,
            pace=self._pace(name, stall_ms),
        )

    def accept_delay_ms(self, session: int) -> float:
        """How long the `session`-th connection waits for the answer to its handshake."""
        return _draw(self.delays.accept, f"{self.seed}/{session}", "accept")

    def session_fault(self, session: int) -> Fault | None:
        """What goes wrong as the `session`-th connection is made, or None."""
        name = f"{self.seed}/{session}"
        return self._strike(name, lambda fault: fault.stage == "connection")

    def load_factor(self, open_sessions: int) -> float:
        """How many times longer delays take while so many sessions are open, 1 or more."""
        capacity = self.capacity
        if capacity is None or open_sessions <= capacity.knee:
            return 1.0
        if open_sessions >= capacity.limit:
            return capacity.growth
        beyond = (open_sessions - capacity.knee) / (capacity.limit - capacity.knee)
        return 1.0 + (capacity.growth - 1.0) * beyond

    def refusal(self, open_sessions: int) -> Refusal | None:
        """How one more connection is turned away while so many are open, or None."""
        capacity = self.capacity
        full = capacity is not None and open_sessions >= capacity.limit
        return capacity.refusal if capacity is not None and full else None

    def _turn_fault(self, name: str, turn: int) -> Fault | None:
        return self._strike(
            name, lambda fault: fault.stage == "turn" and fault.turn in {None, turn}
        )

    def _strike(self, name: str, may: Callable[[Fault], bool]) -> Fault | None:
        # Two of a kind are drawn apart; one of another kind moves neither.
        met: Counter[str] = Counter()
        for fault in self.faults:
            met[fault.kind] += 1
            if may(fault) and _strikes(fault, f"{name}/{met[fault.kind]}"):
                return fault
        return None

    def _stall_ms(self, name: str) -> float | None:
        stall = self.delivery.stall
        if stall is None:
            return None
        rng = _stream(name, "stall")
        fate = rng.random()
        return stall.lasts.draw(rng) if fate < stall.share else None

    def _pace(self, name: str, stall_ms: float | None) -> Pace:
        delivery = self.delivery
        return Pace(
            delivery.delta_ms / delivery.speed,
            delivery.burst,
            delivery.jitter,
            0.0 if delivery.stall is None else delivery.stall.after_ms,
            stall_ms or 0.0,
            partial(_stream, name, "jitter"),
        )


def _stream(name: str, stage: str) -> random.Random:
    return random.Random(f"{name}/{stage}")  # noqa: S311 - repeatable on purpose


def _draw(delay: Delay, name: str, stage: str) -> float:
    # A stream costs more than all else of a turn, and a constant needs none.
    constant_ms = delay.constant_ms
    return delay.draw(_stream(name, stage)) if constant_ms is None else constant_ms


def _strikes(fault: Fault, name: str) -> bool:
    return fault.share >= 1.0 or _stream(name, fault.kind).random() < fault.share
