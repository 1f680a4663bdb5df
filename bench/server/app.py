"""Turns WebSocket connections into sessions: the server's only socket, clock and asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import hmac
import ipaddress
import logging
import secrets
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic_ns
from urllib.parse import parse_qs

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from bench.audio.catalogue import Catalogue, default_directory
from bench.problem import Problem
from bench.server.outbox import Outgoing
from bench.server.profile import Profile
from bench.server.responder import Responder
from bench.server.truth import Record, Truth, TruthLog
from bench.server.voices import Voices

KEY_VARIABLE = "RTBENCH_SERVER_KEY"
PATH = "/v1/realtime"

_SUBPROTOCOL = Subprotocol("realtime")
_SUBPROTOCOL_KEY = "openai-insecure-api-key."
# Base64 of the 15 MiB that one append may carry, and its envelope.
_MESSAGE_LIMIT_BYTES = 21 * 1024 * 1024
# A client that reads this much too slowly would be measured by our memory, not by its speed.
_BACKLOG_LIMIT_BYTES = 32 * 1024 * 1024
_CLOSE_TIMEOUT_S = 2.0

logger = logging.getLogger("rtbench.server")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What `rtbench serve` is asked for.

    `port` 0 takes any free one. `truth` is the ground-truth log, started anew. `api_key` comes
    from the environment variable RTBENCH_SERVER_KEY, never from the command line; None lets
    anyone in. `fixtures` is the folder of clips, None the catalogue's own. `on_ready` is called
    once with the base URL, such as ws://127.0.0.1:8765, when connections are accepted.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    profile: Profile = field(default_factory=Profile)
    truth: Path | None = None
    api_key: str | None = field(default=None, repr=False)
    fixtures: Path | None = None
    on_ready: Callable[[str], None] | None = None


def run_server(settings: ServerSettings) -> None:
    """Serve until SIGINT or SIGTERM, then close every session with 1001 and return.

    Raises:
        Problem: the host is not a loopback one and there is no key, the port is taken, or a
            file cannot be read or written.
    """

    async def until_signalled() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await serve_until(stop, settings)

    # A full collection of all that was imported takes 20 ms, and some reply would be so late.
    gc.collect()
    gc.freeze()
    asyncio.run(until_signalled())


async def serve_until(stop: asyncio.Event, settings: ServerSettings) -> None:
    """`run_server` inside a running loop: serve until `stop` is set. It raises the same."""
    if settings.api_key is None and not _is_loopback(settings.host):
        raise Problem(
            f"--host {settings.host} can be reached from elsewhere: set {KEY_VARIABLE} to a key "
            "that clients must bring, or serve on 127.0.0.1"
        )
    catalogue = Catalogue.open(settings.fixtures or default_directory())
    voices = Voices.prepare(catalogue, settings.profile)
    with contextlib.ExitStack() as stack:
        record: Record = _forget
        if settings.truth is not None:
            log = stack.enter_context(contextlib.closing(TruthLog(settings.truth)))
            record = log.write
        server = await _listen(settings, _Sessions(settings.profile, voices, record).handle)
        try:
            if settings.on_ready is not None:
                settings.on_ready(_url(server, settings.host))
            await stop.wait()
        finally:
            server.close()
            await server.wait_closed()


async def _listen(
    settings: ServerSettings, handle: Callable[[ServerConnection], Awaitable[None]]
) -> Server:
    # Strangers' broken handshakes are no news; what goes wrong in a session is logged here.
    quiet = logging.getLogger("rtbench.server.websockets")
    quiet.setLevel(logging.CRITICAL)
    # The name stands for two addresses, and with port 0 they would get two ports.
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    try:
        return await serve(
            handle,
            host,
            settings.port,
            process_request=_Gate(settings.api_key).check,
            select_subprotocol=_select_subprotocol,
            max_size=_MESSAGE_LIMIT_BYTES,
            close_timeout=_CLOSE_TIMEOUT_S,
            logger=quiet,
            server_header="rtbench",
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Problem(
                f"--port {settings.port}: something on {settings.host} uses it already; "
                "choose another, or 0 for any free one"
            ) from None
        reason = error.strerror or str(error)
        raise Problem(
            f"--host {settings.host} --port {settings.port}: cannot listen there ({reason})"
        ) from None


class _Gate:
    """Decides before the upgrade who may come in."""

    def __init__(self, api_key: str | None) -> None:
        self._key = None if api_key is None else api_key.encode()

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        """The refusal, or None to go on."""
        path, _, query_text = request.path.partition("?")
        if path != PATH:
            return connection.respond(404, f"Only {PATH} is served here.\n")
        if self._key is not None and not any(
            hmac.compare_digest(offered.encode(), self._key) for offered in _keys(request)
        ):
            response = connection.respond(401, "Bring the key: Authorization: Bearer KEY.\n")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        query = parse_qs(query_text)
        if "model" not in query:
            return connection.respond(400, f"Name a model: {PATH}?model=NAME.\n")
        if query.get("intent", ["conversation"]) == ["transcription"]:
            return connection.respond(400, "Transcription sessions are not offered.\n")
        return None


def _keys(request: Request) -> list[str]:
    """Keys the client brought, in the header or, as browsers must, in a subprotocol's name."""
    keys = []
    for value in request.headers.get_all("Authorization"):
        scheme, _, key = value.partition(" ")
        if scheme.lower() == "bearer":
            keys.append(key.strip())
    for value in request.headers.get_all("Sec-WebSocket-Protocol"):
        names = [name.strip() for name in value.split(",")]
        keys += [
            name.removeprefix(_SUBPROTOCOL_KEY)
            for name in names
            if name.startswith(_SUBPROTOCOL_KEY)
        ]
    return keys


def _select_subprotocol(
    _connection: ServerConnection, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    return _SUBPROTOCOL if _SUBPROTOCOL in offered else None


class _Sessions:
    """Makes a session of each connection, counted in the order of their arrival."""

    def __init__(self, profile: Profile, voices: Voices, record: Record) -> None:
        self._profile = profile
        self._voices = voices
        self._record = record
        self._ordinals = count()
        # Two runs of the server never give out the same ids.
        self._run = secrets.token_hex(4)

    async def handle(self, connection: ServerConnection) -> None:
        """Serve one connection until it closes."""
        assert connection.request is not None, "the handshake is over"
        ordinal = next(self._ordinals)
        responder = Responder(
            session_id=f"sess_{self._run}{ordinal:06x}",
            ordinal=ordinal,
            model=parse_qs(connection.request.path.partition("?")[2])["model"][0],
            profile=self._profile,
            voices=self._voices,
            record=self._record,
        )
        session = _Session(connection, responder)
        try:
            session.write(responder.open(monotonic_ns()))
            while True:
                message = await connection.recv(decode=False)
                session.write(responder.receive(message, monotonic_ns()))
        except ConnectionClosed:
            pass
        except Exception:
            # The client is told by close code 1011; the cause is ours to see and mend.
            logger.exception("session %s failed", responder.session_id)
            raise
        finally:
            session.end()


class _Session:
    """Writes what one responder says, when it is due.

    One timer of the loop stands for whatever is due next. asyncio wakes up to 1 ms late, as
    epoll counts in milliseconds; the truth log has the instants as they were.
    """

    def __init__(self, connection: ServerConnection, responder: Responder) -> None:
        self._connection = connection
        self._only_this = (connection,)
        self._responder = responder
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_ns: int | None = None

    def write(self, events: list[Outgoing]) -> None:
        """Hand events to the transport, stamp those that matter, and plan what comes next."""
        for event in events:
            if self._connection.state is not State.OPEN:
                return
            # Unlike `send`, this writes at once and in order, whoever calls it.
            broadcast(self._only_this, event.text)
            if event.written is not None:
                event.written(monotonic_ns())
        if events and self._connection.transport.get_write_buffer_size() > _BACKLOG_LIMIT_BYTES:
            self._connection.transport.abort()
        self._plan()

    def end(self) -> None:
        """Stop; what was under way is logged as cut off."""
        if self._timer is not None:
            self._timer.cancel()
        self._responder.close()

    def _plan(self) -> None:
        due_ns = self._responder.next_due_ns()
        if due_ns == self._timer_due_ns:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_due_ns = due_ns
        if due_ns is not None:
            # The loop's clock is time.monotonic, which monotonic_ns counts too.
            self._timer = self._loop.call_at(due_ns / 1e9, self._wake, due_ns)

    def _wake(self, due_ns: int) -> None:
        self._timer = self._timer_due_ns = None
        try:
            # A double of seconds is not exact to the nanosecond: never wake for nothing.
            self.write(self._responder.advance(max(monotonic_ns(), due_ns)))
        except Exception:
            logger.exception("session %s failed", self._responder.session_id)
            self._connection.transport.abort()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _url(server: Server, host: str) -> str:
    port = next(iter(server.sockets)).getsockname()[1]
    return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"


def _forget(_line: Truth) -> None:
    pass
