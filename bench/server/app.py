"""Turns an address and a profile into a server of Realtime sessions."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Literal

from threadpoolctl import threadpool_limits

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.pieces import caller_pieces
from bench.audio.utterance import Utterance
from bench.problem import Problem
from bench.server.alarm import Alarm
from bench.server.answers import Mind
from bench.server.beta.edge import BetaResponder
from bench.server.certificate import ensure_certificate
from bench.server.connection import Connection
from bench.server.counters import Count, Counters, Row
from bench.server.doomed import HTTP_ANSWERS, Doomed
from bench.server.hearing.energy import EnergyEar
from bench.server.hearing.silero import Silero
from bench.server.outbox import End
from bench.server.profiles.profile import Profile
from bench.server.reception import Later, Never, Reception, Reset, Verdict
from bench.server.reception import Session as Admitted
from bench.server.recognition.index import Recogniser
from bench.server.responder import Responder, describe_session
from bench.server.served import Hearing, Served
from bench.server.session_settings import AnySession, Session, TranscriptionSession
from bench.server.truth import Record, ResponseTruth, Truth, TruthLog
from bench.server.voices import Voices
from bench.server.wire.gate import Admission, Gate
from bench.server.wire.http import error_answer
from bench.server.workers import (
    bind,
    run_loop,
    run_workers,
    serve_connections,
    stop_on_signals,
)

KEY_VARIABLE = "RTBENCH_SERVER_KEY"

Engine = Literal["neural", "energy"]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What `rtbench serve` is asked for.

    `port` 0 takes any free one. `truth` is the ground-truth log, started anew. `api_key` comes
    from the environment, never from the command line; None lets anyone in. `fixtures` is the
    folder of clips, None the catalogue's own. `vad` says which ears listen. With `tls`, a
    folder, the server shows a certificate that it makes and keeps there. `on_ready` is called
    once with the base URL, such as ws://127.0.0.1:8765, when connections are accepted.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    workers: int = 1
    profile: Profile = field(default_factory=Profile)
    vad: Engine = "neural"
    truth: Path | None = None
    api_key: str | None = field(default=None, repr=False)
    fixtures: Path | None = None
    tls: Path | None = None
    on_ready: Callable[[str], None] | None = None


def run_server(settings: ServerSettings) -> int:
    """Serve until SIGINT or SIGTERM, let replies end, close sessions with 1001; the exit code.

    Raises:
        Problem: the host is not a loopback one and there is no key, the port is taken, or a
            file cannot be read or written.
    """
    # Small products in one thread: several threads wait for each other longer than they compute.
    with _House(settings) as house, threadpool_limits(1):

        def work(number: int, bound: socket.socket, ready: Callable[[], None]) -> None:
            async def until_signalled() -> None:
                stop = asyncio.Event()
                stop_on_signals(stop)
                await house.serve(number, bound, stop, ready)

            run_loop(until_signalled())

        return run_workers(settings.workers, settings.host, settings.port, work, house.tell)


async def serve_until(stop: asyncio.Event, settings: ServerSettings) -> None:
    """Serve inside a running loop, by one worker, until `stop` is set.

    Raises:
        Problem: as `run_server`.
    """
    with _House(settings) as house, bind(settings.host, settings.port, shared=False) as bound:
        port = bound.getsockname()[1]
        await house.serve(0, bound, stop, lambda: house.tell(port))


class _House:
    """What all workers share; made before they are."""

    def __init__(self, settings: ServerSettings) -> None:
        if settings.api_key is None and not _is_loopback(settings.host):
            raise Problem(
                f"--host {settings.host} can be reached from elsewhere: set {KEY_VARIABLE} to a "
                "key that clients must bring, or serve on 127.0.0.1"
            )
        self._settings = settings
        catalogue = Catalogue.open(settings.fixtures or default_directory())
        self._voices = Voices.prepare(catalogue, settings.profile)
        self._recognise = Recogniser.of(_clips(catalogue)).recognise
        self._counters = Counters(settings.workers)
        self._secret = secrets.token_bytes(32)
        # Two runs of the server never give out the same ids.
        self._run = secrets.token_hex(4)
        self._tls = None if settings.tls is None else _tls_context(settings.tls)
        self._stack = contextlib.ExitStack()
        self._record: Record = _forget
        if settings.truth is not None:
            log = self._stack.enter_context(contextlib.closing(TruthLog(settings.truth)))
            self._record = log.write

    def __enter__(self) -> _House:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def tell(self, port: int) -> None:
        """Say where the server is."""
        if self._settings.on_ready is not None:
            scheme, host = "ws" if self._tls is None else "wss", self._settings.host
            name = f"[{host}]" if ":" in host else host
            self._settings.on_ready(f"{scheme}://{name}:{port}")

    async def serve(
        self, worker: int, bound: socket.socket, stop: asyncio.Event, ready: Callable[[], None]
    ) -> None:
        """Be worker number `worker` until `stop` is set."""
        hearing = Hearing(Silero()) if self._settings.vad == "neural" else None
        gate = Gate(
            api_key=self._settings.api_key,
            secret=self._secret,
            metrics=self._counters.exposition,
            describe_session=_described,
        )
        alarm = Alarm(asyncio.get_running_loop())
        ordinals = count(worker, self._settings.workers)
        row = self._counters.row(worker)
        reception = Reception(
            decide=gate.decide,
            admit=partial(self._admit, hearing, ordinals, row),
            counts=row,
            alarm=alarm,
        )
        try:
            await serve_connections(
                bound, reception, stop, ready=ready, is_idle=_is_idle, tls=self._tls
            )
        finally:
            alarm.close()

    def _admit(
        self,
        hearing: Hearing | None,
        ordinals: count[int],
        row: Row,
        admission: Admission,
        connection: Connection,
    ) -> Verdict:
        profile, ordinal = self._settings.profile, next(ordinals)
        fault = profile.session_fault(ordinal)
        open_sessions = self._counters.total(Count.SESSIONS_OPEN)
        kind = fault.kind if fault is not None else profile.refusal(open_sessions)
        if kind == "beta_disabled" and admission.dialect != "beta":
            kind = None
        decide = partial(self._seat, hearing, ordinal, row, admission, connection)
        if kind is not None:
            if fault is not None:
                row.add(Count.FAULTS)
            elif kind not in HTTP_ANSWERS:  # which the connection counts
                row.add(Count.REFUSALS)
            decide = partial(self._turn_away, kind, ordinal, connection)
        delay_ms = profile.accept_delay_ms(ordinal) * profile.load_factor(open_sessions)
        return Later(delay_ms / 1000, decide) if delay_ms else decide()

    def _turn_away(self, kind: str, ordinal: int, connection: Connection) -> Verdict:
        if kind == "refuse":
            return Reset()
        if kind == "hang_handshake":
            return Never()
        if kind in HTTP_ANSWERS:
            status, code, message = HTTP_ANSWERS[kind]
            return error_answer(status, message, code=code)

        def end(how: End) -> None:
            asyncio.get_running_loop().call_soon(connection.end, how.code, how.reason)

        return Doomed(kind, self._session_id(ordinal), end)

    def _session_id(self, ordinal: int) -> str:
        return f"sess_{self._run}{ordinal:06x}"

    def _load(self) -> float:
        return self._settings.profile.load_factor(self._counters.total(Count.SESSIONS_OPEN))

    def _seat(
        self,
        hearing: Hearing | None,
        ordinal: int,
        row: Row,
        admission: Admission,
        connection: Connection,
    ) -> Verdict:
        def record(line: Truth) -> None:
            if isinstance(line, ResponseTruth):
                row.add(Count.RESPONSES)
                row.add(Count.FAULTS, line.fault is not None)
            self._record(line)

        served = Served(connection, hearing)
        new_ear = served.new_ear if hearing is not None else _energy_ear
        profile = self._settings.profile
        mind = Mind(profile, self._voices, new_ear, self._recognise, self._load)
        responder = Responder(
            session_id=self._session_id(ordinal),
            ordinal=ordinal,
            session=_first_session(admission),
            mind=mind,
            record=record,
        )
        beta = admission.dialect == "beta"
        served.responder = BetaResponder(responder) if beta else responder
        return served


def _first_session(admission: Admission) -> AnySession:
    session: AnySession = Session(model=admission.model)
    if admission.intent == "transcription":
        session = TranscriptionSession()
    return session.updated(admission.preset) if admission.preset else session


def _described(settings: dict[str, Any]) -> dict[str, Any]:
    session = Session(model=settings.get("model")).updated(settings)
    return describe_session(session, f"sess_{secrets.token_hex(8)}")


def _is_idle(session: Admitted) -> bool:
    return not isinstance(session, Served) or session.responder.is_idle()


def _clips(catalogue: Catalogue) -> list[Utterance]:
    """All that a caller may say: the folder's clips, and the pieces that names are made of."""
    clips = [catalogue.get(name) for name in catalogue]
    return clips + (caller_pieces(catalogue.pieces) if catalogue.pieces else [])


def _energy_ear(start_ms: int) -> EnergyEar:
    return EnergyEar(start_ms=start_ms)


def _tls_context(folder: Path) -> ssl.SSLContext:
    certificate, key = ensure_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _forget(_line: Truth) -> None:
    pass
