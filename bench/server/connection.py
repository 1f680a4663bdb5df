"""Turns one TCP connection into an HTTP answer or a session, and its events into frames."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from time import monotonic_ns, time
from typing import cast

from bench.server.alarm import Ring
from bench.server.counters import Count
from bench.server.outbox import Outgoing
from bench.server.reception import Later, Never, Reception, Reset, Session, Verdict
from bench.server.wire.frames import (
    Close,
    FrameReader,
    Message,
    Ping,
    Pong,
    Text,
    Violation,
    close_frame,
    ping_frame,
    pong_frame,
)
from bench.server.wire.handshake import accept_handshake
from bench.server.wire.http import Header, HttpAnswer, HttpExchange
from bench.server.writer import Writer

# Base64 of the 15 MiB that one append may carry, and its envelope.
MESSAGE_LIMIT_BYTES = 21 * 1024 * 1024

_HANDSHAKE_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 2.0
_KEEPALIVE_S = 20.0
# What a client may send before it is told to go on.
_EARLY_LIMIT_BYTES = 64 * 1024
# How often a socket that is not read is asked whether its peer is still there.
_GLANCE_S = 1.0
# The client is told by close code 1011; the cause is ours to see and mend.
_FAILED = "a session failed"

logger = logging.getLogger("rtbench.server")


class _Stage(Enum):
    REQUEST = auto()
    WAITING = auto()  # for a verdict
    OPEN = auto()
    CLOSING = auto()  # our close frame is sent; the client's is awaited
    OVER = auto()  # what still comes is ignored


class Connection(asyncio.Protocol):
    """One client. Its public methods are what a session, or a fault, may do to the wire."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._counts = reception.counts
        self._loop = asyncio.get_running_loop()
        self._stage = _Stage.REQUEST
        self._exchange = HttpExchange()
        self._reader = FrameReader(MESSAGE_LIMIT_BYTES)
        self._session: Session | None = None
        self._ring: Ring | None = None
        self._pong_awaited = False
        self._reading = True
        self._early_bytes = 0
        # One at a time: handshake timeout, delayed verdict, keepalive, close timeout or glance.
        self._timer: asyncio.TimerHandle | None = None

    @property
    def session(self) -> Session | None:
        """The session while it is open."""
        return self._session if self._stage is _Stage.OPEN else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = cast(asyncio.Transport, transport)
        self._writer = Writer(self._transport, self._counts)
        self._reception.connections.add(self)
        self._after(_HANDSHAKE_TIMEOUT_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._stage is _Stage.OPEN:
            try:
                self._read(data)
                self._plan()
            except Exception:
                logger.exception(_FAILED)
                self.end(1011)
        elif self._stage is _Stage.REQUEST:
            self._read_request(data)
        elif self._stage is _Stage.WAITING:
            self._early_bytes += len(data)
            if self._early_bytes > _EARLY_LIMIT_BYTES:
                self._transport.abort()
            else:
                self._exchange.feed(data)
        elif self._stage is _Stage.CLOSING and _says_goodbye(self._reader.feed(data)):
            self._transport.close()

    def eof_received(self) -> None:
        """The client will send no more; nothing half-open is kept."""
        self._finish()
        self._after(_CLOSE_TIMEOUT_S, self._transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, or was sent away."""
        self._finish()
        self._stop_timer()
        self._writer.stop()
        self._reception.connections.discard(self)
        self._leave()

    def speak(self, say: Callable[[], list[Outgoing]]) -> None:
        """Write what the session has to say unasked, if it is still open."""
        if self._stage is _Stage.OPEN:
            try:
                self._writer.send(say())
                self._plan()
            except Exception:
                logger.exception(_FAILED)
                self.end(1011)

    def end(self, code: int, reason: str = "") -> None:
        """Begin the closing handshake; a client that does not answer is cut off after 2 s.

        A connection that has no session yet, or has fallen silent, is cut off at once.
        """
        if self._stage is _Stage.OPEN:
            self._writer.write(close_frame(code, reason))
            self._finish(_Stage.CLOSING)
            self._after(_CLOSE_TIMEOUT_S, self._transport.abort)
        elif self._stage is not _Stage.CLOSING:
            self._finish()
            self._transport.abort()

    def drop(self) -> None:
        """Reset the TCP connection: the client loses what it has not read."""
        self._finish()
        self._writer.reset()

    def fall_silent(self) -> None:
        """Neither read nor write any more, as if the network were cut; the socket stays."""
        self._finish()
        self._writer.stop()
        self.stop_reading()

    def stop_reading(self) -> None:
        """Let the client's bytes pile up; writing goes on."""
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()
            self._after(_GLANCE_S, self._glance)

    def write_raw(self, data: bytes) -> None:
        """Write bytes that need not be a frame."""
        self._writer.write(data)

    def trickle(self, data: bytes, bytes_per_s: float) -> None:
        """Write bytes at this rate; whatever is written meanwhile comes behind them."""
        self._writer.trickle(data, bytes_per_s)

    def _read_request(self, data: bytes) -> None:
        request = self._exchange.feed(data)
        if request is None:
            return
        self._stop_timer()
        self._stage = _Stage.WAITING
        if isinstance(request, HttpAnswer):
            self._answer(request)
            return
        try:
            decision = self._reception.decide(request, time())
        except Exception:
            logger.exception("a request failed")
            decision = HttpAnswer(500)
        if isinstance(decision, HttpAnswer):
            self._answer(decision)
            return
        headers = accept_handshake(request, decision.subprotocol)
        self._settle(partial(self._reception.admit, decision, self), headers)

    def _settle(self, decide: Callable[[], Verdict], headers: list[Header]) -> None:
        if self._stage is not _Stage.WAITING:
            return
        try:
            verdict = decide()
        except Exception:
            logger.exception("a client could not be admitted")
            verdict = HttpAnswer(500)
        if isinstance(verdict, HttpAnswer):
            self._answer(verdict)
        elif isinstance(verdict, Reset):
            self.drop()
        elif isinstance(verdict, Later):
            self._after(verdict.delay_s, self._settle, verdict.decide, headers)
        elif not isinstance(verdict, Never):
            self._open(verdict, headers)

    def _answer(self, answer: HttpAnswer) -> None:
        if answer.status >= 400:
            self._counts.add(Count.REFUSALS)
        self._transport.write(self._exchange.answer(answer))
        self._hang_up()

    def _open(self, session: Session, headers: list[Header]) -> None:
        self._session = session
        self._stage = _Stage.OPEN
        self._counts.add(Count.SESSIONS)
        self._counts.add(Count.SESSIONS_OPEN)
        answer, early = self._exchange.switch(headers)
        # It is not needed any more, and a session lives long.
        del self._exchange
        self._transport.write(answer)
        self._after(_KEEPALIVE_S, self._keep_alive)
        try:
            self._writer.send(session.open(monotonic_ns()))
            if early:
                self._read(early)
            self._plan()
        except Exception:
            logger.exception(_FAILED)
            self.end(1011)

    def _read(self, data: bytes) -> None:
        now_ns = monotonic_ns()
        messages = self._reader.feed(data)
        self._counts.received(len(messages), len(data))
        for message in messages:
            if self._stage is not _Stage.OPEN or self._session is None:
                return
            if type(message) is Text:
                events = self._session.receive(message.data, now_ns)
                if events:
                    self._writer.send(events)
            else:
                self._obey(message)

    def _obey(self, message: Message) -> None:
        if isinstance(message, Ping):
            self._writer.write(pong_frame(message.data))
        elif isinstance(message, Pong):
            self._pong_awaited = False
        elif isinstance(message, Close):
            self._writer.write(close_frame(message.code, message.reason))
            self._finish()
            self._transport.close()
            self._after(_CLOSE_TIMEOUT_S, self._transport.abort)
        elif isinstance(message, Violation):
            self._writer.write(close_frame(message.code, message.reason))
            self._hang_up()

    def _plan(self) -> None:
        session, ring = self._session, self._ring
        due_ns = session.next_due_ns() if session and self._stage is _Stage.OPEN else None
        if ring is not None:
            if ring.due_ns == due_ns:
                return
            self._reception.alarm.call_off(ring)
            self._ring = None
        if due_ns is not None:
            self._ring = self._reception.alarm.at(due_ns, self._wake)

    def _wake(self) -> None:
        self._ring = None
        if self._session is None:
            return
        try:
            self._writer.send(self._session.advance(monotonic_ns()))
            self._plan()
        except Exception:
            logger.exception(_FAILED)
            self.end(1011)

    def _keep_alive(self) -> None:
        self._after(_KEEPALIVE_S, self._keep_alive)
        if self._writer.trickling:
            return
        if self._pong_awaited:
            self.end(1011, "keepalive ping timeout")
        else:
            self._pong_awaited = True
            self._writer.write(ping_frame(b"alive?"))

    def _glance(self) -> None:
        """Give up a socket that is not read once its client has left it."""
        if self._writer.has_reader():
            self._after(_GLANCE_S, self._glance)
        else:
            self._transport.abort()

    def _hang_up(self) -> None:
        """Say no more, and read on for a while.

        Closing a socket with bytes unread resets it, and the client would lose our last words.
        """
        self._finish()
        self._after(_CLOSE_TIMEOUT_S, self._transport.abort)
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _finish(self, stage: _Stage = _Stage.OVER) -> None:
        """The session, if any, hears and says nothing any more."""
        self._stage = stage
        self._writer.seal()
        self._plan()
        # It may be the session that is calling: let it return first.
        self._loop.call_soon(self._leave)

    def _leave(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        self._counts.add(Count.SESSIONS_OPEN, -1)
        try:
            session.close()
        except Exception:
            logger.exception("a session failed to close")

    def _after(self, delay_s: float, call: Callable[..., None], *args: object) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(delay_s, call, *args)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _says_goodbye(messages: list[Message]) -> bool:
    return any(isinstance(message, Close | Violation) for message in messages)
