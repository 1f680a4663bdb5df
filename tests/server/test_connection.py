"""Connections over real sockets, on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic_ns
from typing import Any

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.frames import Frame, Opcode

from bench.server import connection as subject
from bench.server.alarm import Alarm
from bench.server.certificate import ensure_certificate
from bench.server.connection import Connection
from bench.server.counters import Count, Counters
from bench.server.outbox import Outgoing
from bench.server.reception import Later, Never, Reception, Reset, Session, Verdict
from bench.server.wire.frames import text_frame
from bench.server.wire.gate import Admission, Gate
from bench.server.wire.http import error_answer

PATH = "/v1/realtime?model=fast-1"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = (
    f"GET {PATH} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
).encode()


class Echo:
    """Greets, and says each message back; a message may be a command for the wire."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.log: list[Any] = []
        self.due_ns: int | None = None
        self.closed = 0
        self.commands: dict[bytes, Callable[[], object]] = {}

    def open(self, now_ns: int) -> list[Outgoing]:
        return [Outgoing("hello", now_ns)]

    def receive(self, message: bytes, now_ns: int) -> list[Outgoing]:
        if message == b"fail":
            raise ZeroDivisionError
        if message.startswith(b"in "):
            self.due_ns = now_ns + int(float(message[3:]) * 1e6)
            return []
        if message in self.commands:
            self.commands[message]()
        return [Outgoing(message.decode(), now_ns)]

    def advance(self, now_ns: int) -> list[Outgoing]:
        assert self.due_ns is not None
        self.log.append(now_ns - self.due_ns)
        due_ns, self.due_ns = self.due_ns, None
        return [Outgoing("now", due_ns)]

    def next_due_ns(self) -> int | None:
        return self.due_ns

    def close(self) -> None:
        self.closed += 1


class House:
    """A listening server and all that tests look at in it."""

    def __init__(self, reception: Reception, counters: Counters, port: int) -> None:
        self.reception = reception
        self.counters = counters
        self.port = port
        self.url = f"ws://127.0.0.1:{port}{PATH}"
        self.sessions: list[Echo] = []

    async def emptied(self) -> None:
        while self.reception.connections:
            await asyncio.sleep(0.002)


Admit = Callable[[House, Connection], Verdict]


def admit_echo(house: House, connection: Connection) -> Session:
    house.sessions.append(Echo(connection))
    return house.sessions[-1]


@asynccontextmanager
async def serving(
    admit: Admit = admit_echo, tls: ssl.SSLContext | None = None
) -> AsyncIterator[House]:
    loop = asyncio.get_running_loop()
    counters = Counters()
    gate = Gate(
        api_key=None,
        secret=b"s",
        metrics=counters.exposition,
        describe_session=lambda session: session,
    )

    def give(_admission: Admission, connection: Connection) -> Verdict:
        return admit(house, connection)

    alarm = Alarm(loop)
    reception = Reception(gate.decide, give, counters.row(0), alarm)
    server = await loop.create_server(lambda: Connection(reception), "127.0.0.1", 0, ssl=tls)
    house = House(reception, counters, server.sockets[0].getsockname()[1])
    try:
        yield house
    finally:
        server.close()
        for connection in list(reception.connections):
            connection.drop()
        await house.emptied()
        alarm.close()
        # Each session was told once that it is over.
        assert [session.closed for session in house.sessions] == [1] * len(house.sessions)
        assert counters.total(Count.SESSIONS_OPEN) == 0


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[None]]], None]:
    def run_test(test: Callable[[], Awaitable[None]]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(10):
                await test()

        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(bounded())

    return run_test


async def raw(house: House) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that is past the handshake and has read the greeting."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(UPGRADE)
    await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(7) == text_frame(b"hello")
    return reader, writer


async def leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def masked(opcode: Opcode, data: bytes) -> bytes:
    return Frame(opcode, data).serialize(mask=True)


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_messages_come_and_go(run: Any, compression: str | None) -> None:
    async def test() -> None:
        async with serving() as house:
            async with connect(house.url, compression=compression, max_size=None) as client:
                assert await client.recv() == "hello"
                for text in ("", "é", "x" * 200, "y" * 70_000, "z" * 3_000_000):
                    await client.send(text)
                    assert await client.recv() == text
                await client.send(["pie", "", "ces"])
                assert await client.recv() == "pieces"
                pong = await client.ping()
                await pong
            assert client.close_code == 1000
            assert client.protocol.extensions == []
            await house.emptied()

    run(test)


def test_what_is_counted(run: Any) -> None:
    async def test() -> None:
        async with serving() as house, connect(house.url) as client:
            await client.recv()
            await client.send("four")
            await client.recv()
            total = house.counters.total
            assert (total(Count.SESSIONS), total(Count.SESSIONS_OPEN)) == (1, 1)
            assert (total(Count.MESSAGES_IN), total(Count.BYTES_IN)) == (1, 10)
            assert (total(Count.MESSAGES_OUT), total(Count.BYTES_OUT)) == (2, 13)

    run(test)


def test_due_events_come_soon_after_their_instant_and_never_before(run: Any) -> None:
    async def test() -> None:
        async with serving() as house, connect(house.url) as client:
            await client.recv()
            for delay_ms in ("0", "0.3", "1.7", "5.1"):
                await client.send(f"in {delay_ms}")
                assert await client.recv() == "now"
            assert all(0 <= late_ns < 50e6 for late_ns in house.sessions[0].log)
            # The last plan counts: an hour is called off by a moment.
            await client.send("in 3600000")
            await client.send("in 1")
            assert await client.recv() == "now"

    run(test)


def test_stamps_follow_the_write_and_events_keep_their_order(run: Any) -> None:
    async def test() -> None:
        stamps: list[int] = []

        def admit(house: House, connection: Connection) -> Session:
            session = Echo(connection)
            house.sessions.append(session)
            session.open = lambda now_ns: [  # type: ignore[method-assign]
                Outgoing("1", now_ns),
                Outgoing("2", now_ns, stamps.append),
                Outgoing("3", now_ns),
                Outgoing("4", now_ns, lambda _: connection.end(4000, "enough")),
                Outgoing("5", now_ns),
            ]
            return session

        async with serving(admit) as house:
            before_ns = monotonic_ns()
            async with connect(house.url) as client:
                got = [await client.recv() for _ in range(4)]
                with pytest.raises(ConnectionClosed):
                    await client.recv()
            assert got == ["1", "2", "3", "4"]
            assert (client.close_code, client.close_reason) == (4000, "enough")
            assert before_ns < stamps[0] < monotonic_ns()

    run(test)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (masked(Opcode.BINARY, b"\0"), 1003),
        (masked(Opcode.TEXT, b"\xff"), 1007),
        (text_frame(b"unmasked"), 1002),
        (b"\x81\xff" + (22 << 20).to_bytes(8, "big") + b"x" * 300_000, 1009),
    ],
    ids=["binary", "not UTF-8", "unmasked", "too long"],
)
def test_breaches_are_closed_with_their_code(run: Any, sent: bytes, code: int) -> None:
    async def test() -> None:
        async with serving() as house:
            reader, writer = await raw(house)
            writer.write(sent)
            # The last words arrive though bytes of ours were not read.
            frame = await reader.read()
            assert (frame[0], frame[2:4]) == (0x88, code.to_bytes(2, "big"))
            await leave(writer)
            await house.emptied()

    run(test)


def test_a_close_is_answered_alike(run: Any) -> None:
    async def test() -> None:
        async with serving() as house:
            for data in (b"", b"\x0f\xa0bye"):
                reader, writer = await raw(house)
                writer.write(masked(Opcode.CLOSE, data) + masked(Opcode.TEXT, b"after"))
                assert await reader.read() == bytes((0x88, len(data))) + data
                await leave(writer)

    run(test)


def test_a_failing_session_closes_with_1011(run: Any, caplog: Any) -> None:
    async def test() -> None:
        async with serving() as house, connect(house.url) as client:
            await client.recv()
            await client.send("fail")
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 1011

    run(test)
    assert "ZeroDivisionError" in caplog.text


def test_a_failing_reception_answers_500(run: Any, caplog: Any) -> None:
    def admit(_house: House, _connection: Connection) -> Verdict:
        raise ZeroDivisionError

    async def test() -> None:
        async with serving(admit) as house:
            with pytest.raises(InvalidStatus) as caught:
                await connect(house.url)
            assert caught.value.response.status_code == 500

    run(test)
    assert "ZeroDivisionError" in caplog.text


def test_a_client_that_keeps_its_side_open_is_cut_off(run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(subject, "_CLOSE_TIMEOUT_S", 0.05)

    async def test() -> None:
        async with serving() as house:
            reader, writer = await raw(house)
            house.sessions[0].connection.end(1001, "bye")
            writer.write(masked(Opcode.TEXT, b"still here"))
            assert await reader.read() == b"\x88\x05\x03\xe9bye"
            await house.emptied()
            await leave(writer)

    run(test)


def test_a_client_that_goes_without_a_word(run: Any) -> None:
    async def test() -> None:
        async with serving() as house:
            _, writer = await raw(house)
            await leave(writer)
            await house.emptied()
            assert house.sessions[0].closed == 1

    run(test)


def test_a_handshake_takes_no_longer_than_its_timeout(run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(subject, "_HANDSHAKE_TIMEOUT_S", 0.05)

    async def test() -> None:
        async with serving() as house:
            reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
            writer.write(UPGRADE[:-2])
            assert await reader.read() == b""
            await leave(writer)

    run(test)


def test_pings_keep_a_client_and_their_lack_of_answer_ends_it(run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(subject, "_KEEPALIVE_S", 0.05)

    async def test() -> None:
        async with serving() as house:
            reader, writer = await raw(house)
            for _ in range(3):
                ping = await reader.readexactly(8)
                assert ping[:2] == b"\x89\x06"
                writer.write(masked(Opcode.PONG, ping[2:]))
            await reader.readexactly(8)
            goodbye = await reader.readexactly(4)
            assert (goodbye[0], goodbye[2:]) == (0x88, (1011).to_bytes(2, "big"))
            await leave(writer)

    run(test)


def test_a_client_that_does_not_read_is_cut_off(run: Any) -> None:
    async def test() -> None:
        async with serving() as house:
            reader, writer = await raw(house)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            session = house.sessions[0]
            for _ in range(60):
                session.connection.write_raw(b"x" * (1 << 20))
            await house.emptied()
            assert session.closed == 1
            await leave(writer)
            del reader

    run(test)


def test_drop_resets(run: Any) -> None:
    async def test() -> None:
        async with serving() as house:
            reader, writer = await raw(house)
            house.sessions[0].connection.drop()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            await leave(writer)

    run(test)


def test_silence_leaves_the_socket_until_the_client_goes(run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(subject, "_GLANCE_S", 0.02)

    async def test() -> None:
        async with serving() as house:
            reader, writer = await raw(house)
            session = house.sessions[0]
            session.connection.fall_silent()
            session.connection.write_raw(b"unheard")
            writer.write(masked(Opcode.PING, b"?") + masked(Opcode.TEXT, b"echo"))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.1)
            assert len(house.reception.connections) == 1
            assert session.closed == 1
            await leave(writer)
            await house.emptied()

    run(test)


def test_a_server_that_stops_reading_still_writes(run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(subject, "_GLANCE_S", 0.02)

    async def test() -> None:
        async with serving() as house:
            reader, writer = await raw(house)
            session = house.sessions[0]
            session.commands[b"stop"] = session.connection.stop_reading
            writer.write(masked(Opcode.TEXT, b"stop"))
            assert await reader.readexactly(6) == text_frame(b"stop")
            writer.write(masked(Opcode.TEXT, b"unread"))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.1)
            session.connection.write_raw(text_frame(b"more"))
            assert await reader.readexactly(6) == text_frame(b"more")
            await leave(writer)
            await house.emptied()

    run(test)


def test_a_trickle_takes_its_time_and_holds_back_the_rest(run: Any) -> None:
    async def test() -> None:
        async with serving() as house:
            reader, writer = await raw(house)
            connection = house.sessions[0].connection
            frame = text_frame(b"t" * 198)
            began_ns = monotonic_ns()
            connection.trickle(frame, 2_000)
            writer.write(masked(Opcode.TEXT, b"next"))
            first = await reader.read(1_000)
            assert len(first) < 100
            assert await reader.readexactly(len(frame) - len(first) + 6) == (
                frame[len(first) :] + text_frame(b"next")
            )
            # Pieces of 40 bytes, 20 ms apart, the first at once.
            assert monotonic_ns() - began_ns >= 4 * 19e6
            await leave(writer)

    run(test)


def test_an_answer_in_place_of_a_session(run: Any) -> None:
    def admit(_house: House, _connection: Connection) -> Verdict:
        return error_answer(429, "Full.", code="rate_limit_exceeded")

    async def test() -> None:
        async with serving(admit) as house:
            with pytest.raises(InvalidStatus) as caught:
                await connect(house.url)
            response = caught.value.response
            assert response.status_code == 429
            assert json.loads(response.body or b"")["error"]["message"] == "Full."
            assert house.counters.total(Count.REFUSALS) == 1
            assert house.counters.total(Count.SESSIONS) == 0

    run(test)


def test_a_reset_in_place_of_a_session(run: Any) -> None:
    async def test() -> None:
        async with serving(lambda _house, _connection: Reset()) as house:
            with pytest.raises((ConnectionResetError, InvalidMessage)):
                await connect(house.url)

    run(test)


def test_a_session_may_come_later(run: Any) -> None:
    def admit(house: House, connection: Connection) -> Verdict:
        return Later(0.01, lambda: Later(0.01, lambda: admit_echo(house, connection)))

    async def test() -> None:
        async with serving(admit) as house:
            began_ns = monotonic_ns()
            reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
            # What comes early waits too.
            writer.write(UPGRADE + masked(Opcode.TEXT, b"early"))
            answer = await reader.readuntil(text_frame(b"early"))
            assert answer.startswith(b"HTTP/1.1 101 ")
            assert monotonic_ns() - began_ns >= 18e6
            await leave(writer)

    run(test)


def test_a_client_need_not_wait_for_later(run: Any) -> None:
    decided: list[bool] = []

    def decide() -> Verdict:
        decided.append(True)
        return Never()

    async def test() -> None:
        async with serving(lambda _house, _connection: Later(0.05, decide)) as house:
            _, writer = await asyncio.open_connection("127.0.0.1", house.port)
            writer.write(UPGRADE)
            await asyncio.sleep(0.01)
            await leave(writer)
            await house.emptied()
            await asyncio.sleep(0.06)
            assert decided == []

    run(test)


def test_never_says_nothing(run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(subject, "_HANDSHAKE_TIMEOUT_S", 0.02)

    async def test() -> None:
        async with serving(lambda _house, _connection: Never()) as house:
            reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
            writer.write(UPGRADE)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.1)
            # Patience has a limit in memory, if none in time.
            writer.write(b"x" * 1_000_000)
            await house.emptied()
            await leave(writer)

    run(test)


def test_plain_http(run: Any) -> None:
    async def test() -> None:
        async with serving() as house:
            for request, answer in [
                (b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
                (b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
                (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n"),
                (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
                (b"\x16\x03\x01\x00", b""),
                (b"", b""),
            ]:
                reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
                writer.write(request)
                writer.write_eof()
                assert (await reader.read()).startswith(answer)
                await leave(writer)

    run(test)


def test_over_tls(run: Any, tmp_path: Path) -> None:
    certificate, key = ensure_certificate(tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate, key)
    client_side = ssl.create_default_context(cafile=str(certificate))

    async def exchange(client: ClientConnection) -> None:
        assert await client.recv() == "hello"
        await client.send("x" * 100_000)
        assert await client.recv() == "x" * 100_000

    async def test() -> None:
        async with serving(tls=server_side) as house:
            url = house.url.replace("ws:", "wss:")
            async with connect(url, ssl=client_side) as client:
                await exchange(client)
            async with connect(url, ssl=client_side) as client:
                await exchange(client)
                house.sessions[1].connection.end(4000)
                with pytest.raises(ConnectionClosed):
                    await client.recv()
                assert client.close_code == 4000
            client = await connect(url, ssl=client_side)
            await exchange(client)
            house.sessions[2].connection.drop()
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 1006
            await house.emptied()

    run(test)


def test_connections_leave_nothing_behind(run: Any) -> None:
    async def test() -> None:
        async with serving() as house:
            for _ in range(5):
                async with connect(house.url) as client:
                    await client.recv()
                    await client.send("in 3600000")
            await house.emptied()
            house.sessions.clear()
            gc.collect()
            assert not [o for o in gc.get_objects() if isinstance(o, Connection | Echo)]

    run(test)


def test_nagle_is_off() -> None:
    async def test() -> None:
        async with serving() as house:
            _, writer = await raw(house)
            (connection,) = house.reception.connections
            wire = connection._transport.get_extra_info("socket")
            assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            await leave(writer)

    asyncio.run(test())


@pytest.fixture(autouse=True)
def quiet_loop(caplog: Any) -> Any:
    """The loop itself found nothing to complain of."""
    yield
    assert [r for r in caplog.records if r.name == "asyncio" and r.levelno >= logging.ERROR] == []
