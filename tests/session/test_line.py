"""One caller's line: frames on schedule, every one accounted for, and one farewell."""

from __future__ import annotations

import _socket
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from bench.audio.microphone import Microphone
from bench.runs.recorder import Recorder
from bench.session.engine import Engine
from bench.session.frames import text_frame
from bench.session.inbox import Message
from bench.session.line import BLOCKED_LIMIT_S, Line
from bench.session.stalls import Stalls
from bench.session.stamps import StampClock
from bench.session.transport import FLUSHED_FRAMES, Closed, Transport

from .loopback import Peer, close_frame, connected, frame, turn

MS = 1_000_000
CHUNK = 20 * MS


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(select.epoll, Stalls(time.thread_time_ns, time.process_time_ns))
    yield engine
    engine.close()


class Caller:
    """A line with what it was told and what it recorded."""

    def __init__(
        self,
        line: Line,
        peer: Peer,
        recorder: Recorder,
        messages: list[Message],
        farewells: list[Closed],
    ) -> None:
        self.line = line
        self.peer = peer
        self.recorder = recorder
        self.messages = messages
        self.farewells = farewells

    def sent(self) -> dict[int, tuple[int, int]]:
        """Due and sent instants by index of frame."""
        appends = self.recorder.appends
        assert len(set(appends.index)) == len(appends.index), "a frame was recorded twice"
        return {
            index: (due_ns, sent_ns)
            for index, due_ns, sent_ns in zip(
                appends.index, appends.due_ns, appends.sent_ns, strict=True
            )
        }

    def unsent(self) -> dict[int, int]:
        return {index: due_ns for _, index, due_ns, _ in self.recorder.appends.unsent}


@contextmanager
def calling(
    engine: Engine, *, frame_bytes: int = 100, small_buffers: bool = False
) -> Iterator[Caller]:
    size = 4_096 if small_buffers else None
    with connected(receive_buffer=size, send_buffer=size) as (transport, peer):
        recorder = Recorder("w0")
        tone = [text_frame(b"%03d" % n + b"x" * frame_bytes) for n in range(1_000)]
        messages: list[Message] = []
        farewells: list[Closed] = []
        line = Line(
            transport,
            Microphone(tone, 20),
            engine,
            recorder.begin_session(),
            on_message=messages.append,
            on_gone=farewells.append,
        )
        caller = Caller(line, peer, recorder, messages, farewells)
        yield caller
        line.leave()
        assert len(caller.farewells) == 1
        assert line.fileno() == -1


def test_frames_go_out_in_order_and_are_recorded_as_due(engine: Engine) -> None:
    with calling(engine) as caller:
        start_ns = caller.line.start_microphone(0)
        turn(engine, lambda: len(caller.sent()) >= 10)
        caller.line.leave()
        sent = caller.sent()
        assert list(sent) == list(range(len(sent)))
        for index, (due_ns, sent_ns) in sent.items():
            assert due_ns == start_ns + (index + 1) * CHUNK
            assert sent_ns >= due_ns
        texts = [text[:3] for text in caller.peer.texts(len(sent))]
        assert texts == [b"%03d" % n for n in range(len(sent))]
        assert caller.unsent() == {}


def test_the_microphone_starts_in_the_sessions_phase(engine: Engine) -> None:
    with calling(engine) as first, calling(engine) as second:
        phases = [
            caller.line.start_microphone(number) % CHUNK
            for number, caller in enumerate((first, second))
        ]
        assert phases == [0, 12 * MS]


def test_messages_are_passed_on(engine: Engine) -> None:
    with calling(engine) as caller:
        caller.peer.send(frame(b"one"), frame(b"two"))
        turn(engine, lambda: len(caller.messages) == 2)
        assert [m.data for m in caller.messages] == [b"one", b"two"]


def test_a_peer_that_never_reads_congests_its_own_line_only(engine: Engine) -> None:
    with (
        calling(engine, frame_bytes=8_000, small_buffers=True) as stuck,
        calling(engine) as other,
    ):
        stuck.line.start_microphone(0)
        other.line.start_microphone(1)
        turn(engine, lambda: len(other.sent()) >= 20)
        assert stuck.line.congested
        assert not other.line.congested
        late = sorted(sent_ns - due_ns for due_ns, sent_ns in other.sent().values())
        assert late[len(late) // 2] < 10 * MS
        stuck.line.leave()
        sent, unsent = stuck.sent(), stuck.unsent()
        assert len(unsent) > 3
        assert sorted([*sent, *unsent]) == list(range(len(sent) + len(unsent)))
        assert max(sent, default=-1) < min(unsent)
        start_ns = stuck.line.audio_start_ns
        assert start_ns is not None
        for index, due_ns in unsent.items():
            assert due_ns == start_ns + (index + 1) * CHUNK


def test_a_peer_that_reads_late_gets_all_in_order_and_lateness_is_recorded(
    engine: Engine,
) -> None:
    with calling(engine, frame_bytes=8_000, small_buffers=True) as caller:
        caller.line.start_microphone(0)
        turn(engine, lambda: caller.line.microphone.index >= 8)
        assert caller.line.congested
        caller.peer.sock.settimeout(0)
        texts: list[bytes] = []

        def read() -> bool:
            try:
                data = caller.peer.sock.recv(65_536)
            except BlockingIOError:
                return False
            caller.peer._protocol.receive_data(data)
            texts.extend(bytes(e.data) for e in caller.peer._protocol.events_received())
            return len(texts) >= 12

        turn(engine, read)
        numbers = [int(text[:3]) for text in texts]
        assert numbers == list(range(len(numbers)))
        sent = caller.sent()
        lateness = [sent[n][1] - sent[n][0] for n in range(8)]
        assert max(lateness) > 10 * MS
        start_ns = caller.line.audio_start_ns
        assert start_ns is not None
        assert all(due == start_ns + (n + 1) * CHUNK for n, (due, _) in sent.items())


def test_the_server_closes_and_nothing_follows_the_answer(engine: Engine) -> None:
    with calling(engine) as caller:
        caller.line.start_microphone(0)
        turn(engine, lambda: len(caller.sent()) >= 3)
        caller.peer.send(frame(b"last"), close_frame(4000, "enough"))
        turn(engine, lambda: caller.line.gone)  # though the server keeps its TCP open
        stopped = time.monotonic() + 0.06
        turn(engine, lambda: time.monotonic() > stopped)
        sent = len(caller.sent())
        frames = caller.peer.frames(sent + 1)
        assert [f.opcode for f in frames] == [Opcode.TEXT] * sent + [Opcode.CLOSE]
        assert caller.farewells == [Closed("server", 4000, "enough")]
        assert [m.data for m in caller.messages] == [b"last"]
        assert len(engine) == 0


@pytest.mark.parametrize("how", ["close", "reset"])
def test_the_server_drops_tcp(engine: Engine, how: str) -> None:
    with calling(engine) as caller:
        caller.line.start_microphone(0)
        turn(engine, lambda: len(caller.sent()) >= 2)
        getattr(caller.peer, how)()
        turn(engine, lambda: caller.line.gone)
        (farewell,) = caller.farewells
        assert farewell.by == "network"
        assert not caller.line.open
        accounted = sorted([*caller.sent(), *caller.unsent()])
        assert accounted == list(range(caller.line.microphone.index))


def test_hanging_up_stops_the_microphone_and_waits_for_the_answer(engine: Engine) -> None:
    with calling(engine) as caller:
        caller.line.start_microphone(0)
        turn(engine, lambda: len(caller.sent()) >= 2)
        caller.line.hang_up()
        sent = len(caller.sent())
        stopped = time.monotonic() + 0.05
        turn(engine, lambda: time.monotonic() > stopped)
        assert len(caller.sent()) == sent
        assert caller.peer.frames(sent + 1)[-1].opcode is Opcode.CLOSE
        caller.peer.send(close_frame(1000, ""))
        caller.peer.close()
        turn(engine, lambda: caller.line.gone)
        assert caller.farewells == [Closed("client", 1000, "")]


def test_leaving_twice_says_farewell_once(engine: Engine) -> None:
    with calling(engine) as caller:
        caller.line.start_microphone(0)
        caller.line.leave()
        caller.line.leave()
        assert len(caller.farewells) == 1
        assert caller.line.gone
        assert len(engine) == 0
        stopped = time.monotonic() + 0.05
        turn(engine, lambda: time.monotonic() > stopped)
        assert caller.sent() == {}


def test_a_fault_in_what_listens_ends_this_line_only(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with calling(engine) as bad, calling(engine) as good:

        def fail(message: Message) -> None:
            raise ZeroDivisionError(message)

        bad.line._on_message = fail
        good.line.start_microphone(0)
        bad.peer.send(frame(b"x"))
        good.peer.send(frame(b"y"))
        turn(engine, lambda: bad.line.gone and good.messages and len(good.sent()) >= 3)
        assert len(bad.farewells) == 1
        assert good.line.open
    assert "w0-00000 ended by a fault" in caplog.text


def test_a_control_frame_goes_behind_what_waits(engine: Engine) -> None:
    with calling(engine, frame_bytes=8_000, small_buffers=True) as caller:
        caller.line.start_microphone(0)
        turn(engine, lambda: caller.line.congested)
        caller.line.send(text_frame(b"control"))
        caller.line.hang_up()
        laid = caller.line.microphone.index
        caller.peer.sock.settimeout(0)
        frames: list[bytes] = []

        def read() -> bool:
            try:
                data = caller.peer.sock.recv(65_536)
            except BlockingIOError:
                return False
            caller.peer._protocol.receive_data(data)
            frames.extend(bytes(e.data) for e in caller.peer._protocol.events_received())
            return b"\x03\xe8" in frames

        turn(engine, read)
        assert len(frames) == laid + 2
        assert frames[-2:] == [b"control", b"\x03\xe8"]
        assert sorted(caller.sent()) == list(range(laid))


def test_what_came_with_the_upgrade_is_passed_on_once(engine: Engine) -> None:
    with calling(engine) as caller:
        caller.line.take_early()
        assert caller.messages == []
        caller.peer.send(frame(b"x"))
        turn(engine, lambda: caller.messages)
        assert len(caller.messages) == 1
        assert caller.line.kernel_stamps


class Clock:
    """What a line takes for the time of day."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns


class Narrow:
    """A socket that takes only as many bytes as there is room for."""

    def __init__(self) -> None:
        self.room = 0
        self.taken = bytearray()
        self._sock, self._peer = socket.socketpair()
        self._sock.setblocking(False)

    def send(self, data: bytes | memoryview) -> int:
        if not self.room:
            raise BlockingIOError
        piece = bytes(data[: self.room])
        self.room -= len(piece)
        self.taken += piece
        return len(piece)

    def recvmsg(self, *sizes: int) -> object:
        return self._sock.recvmsg(*sizes)

    def fileno(self) -> int:
        return self._sock.fileno()

    def hang_up(self) -> None:
        self._peer.close()

    def close(self) -> None:
        self._sock.close()
        self._peer.close()


class TestWaiting:
    """Frames that the socket has no room for, by a clock of their own."""

    LATE = 3 * MS
    FRAME = text_frame(b"x" * 100)
    START = 20 * MS

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> Clock:
        clock = Clock(5 * MS)
        monkeypatch.setattr("bench.session.line.time", clock)
        return clock

    @pytest.fixture
    def sock(self) -> Iterator[Narrow]:
        sock = Narrow()
        yield sock
        sock.close()

    @pytest.fixture
    def recorder(self) -> Recorder:
        return Recorder("w0")

    @pytest.fixture
    def farewells(self) -> list[Closed]:
        return []

    @pytest.fixture
    def line(
        self,
        engine: Engine,
        clock: Clock,
        sock: Narrow,
        recorder: Recorder,
        farewells: list[Closed],
    ) -> Line:
        """A line whose microphone has begun; nobody turns the engine."""
        protocol = ClientProtocol(parse_uri("ws://host/"), state=State.OPEN)
        line = Line(
            Transport(
                cast("_socket.socket", sock), protocol, StampClock(), None, kernel_stamps=False
            ),
            Microphone([self.FRAME], 20),
            engine,
            recorder.begin_session(),
            on_message=lambda _: None,
            on_gone=farewells.append,
        )
        assert line.start_microphone(0) == self.START
        return line

    def due_ns(self, index: int) -> int:
        return self.START + (index + 1) * CHUNK

    def send_due(self, line: Line, clock: Clock, count: int) -> None:
        """Let `count` more frames fall due, and each be seen a little late."""
        for _ in range(count):
            assert line.next_due_ns is not None
            clock.now_ns = line.next_due_ns + self.LATE
            self.send_one(line)

    def send_one(self, line: Line) -> None:
        assert line.next_due_ns is not None
        line.send_due(line.next_due_ns, line.next_due_ns + line.chunk_ns)

    def frames(self, recorder: Recorder) -> dict[int, tuple[int, int | None, int | None]]:
        """Due, sent and offered of each frame since the last part, by index."""
        rows = recorder.take().append_table().to_pylist()
        found = {row["index"]: (row["due_ns"], row["sent_ns"], row["offered_ns"]) for row in rows}
        assert len(found) == len(rows), "a frame was recorded twice"
        return found

    def test_a_frame_that_waits_is_recorded_as_offered_then_and_sent_later(
        self, line: Line, clock: Clock, sock: Narrow, recorder: Recorder
    ) -> None:
        sock.room = 2 * len(self.FRAME) + 50  # the third is begun
        self.send_due(line, clock, 5)
        assert line.congested
        late = self.LATE
        assert self.frames(recorder) == {
            n: (self.due_ns(n), self.due_ns(n) + late, None) for n in range(2)
        }
        clock.now_ns += 700 * MS
        sock.room = len(self.FRAME)  # the rest of it, and half of the next
        line.on_writable()
        assert self.frames(recorder) == {2: (self.due_ns(2), clock.now_ns, self.due_ns(2) + late)}
        clock.now_ns += 1
        sock.room = 10 * len(self.FRAME)
        line.on_writable()
        batch = recorder.take()
        assert not line.congested
        assert batch.append_table()["sent_ns"].to_pylist() == [clock.now_ns] * 2
        assert batch.append_table()["offered_ns"].to_pylist() == [
            self.due_ns(3) + late,
            self.due_ns(4) + late,
        ]
        assert batch.appends.lateness_ms().tolist() == [late / MS] * 2
        self.send_due(line, clock, 1)
        assert self.frames(recorder) == {5: (self.due_ns(5), self.due_ns(5) + late, None)}
        assert sock.taken == self.FRAME * 6

    def test_many_frames_that_waited_go_by_and_by(
        self, line: Line, clock: Clock, sock: Narrow, recorder: Recorder
    ) -> None:
        count = FLUSHED_FRAMES + 1
        self.send_due(line, clock, count)
        sock.room = 2 * count * len(self.FRAME)
        line.on_writable()
        assert line.congested
        assert list(self.frames(recorder)) == list(range(FLUSHED_FRAMES))
        self.send_due(line, clock, 1)  # behind the one that still waits
        assert self.frames(recorder) == {}
        line.on_writable()
        assert list(self.frames(recorder)) == [count - 1, count]

    def test_a_target_that_takes_nothing_ends_its_session(
        self,
        line: Line,
        clock: Clock,
        sock: Narrow,
        recorder: Recorder,
        farewells: list[Closed],
    ) -> None:
        sock.room = 2 * len(self.FRAME) + 1
        self.send_due(line, clock, 4)
        first_ns = self.due_ns(2) + self.LATE
        clock.now_ns = first_ns + int(BLOCKED_LIMIT_S * 1e9)
        self.send_one(line)
        assert not line.gone, "it has not waited longer than that"
        clock.now_ns += 1
        self.send_one(line)
        assert farewells == [Closed("client", None, "the target took no audio for 30 s")]
        assert not line.open
        assert line.next_due_ns is None
        assert line.audio_end_ns == clock.now_ns
        assert sock.fileno() == -1
        frames = self.frames(recorder)
        owed = (clock.now_ns - self.START) // CHUNK
        assert owed > 1_500
        assert list(frames) == list(range(owed))
        offered = {
            2: first_ns,
            3: first_ns + CHUNK,
            4: clock.now_ns - 1,
            5: clock.now_ns,
        }
        for index, instants in frames.items():
            due_ns = self.due_ns(index)
            if index < 2:
                assert instants == (due_ns, due_ns + self.LATE, None)
            else:
                assert instants == (due_ns, None, offered.get(index))

    def test_a_target_that_takes_the_oldest_frame_keeps_its_session(
        self, line: Line, clock: Clock, sock: Narrow
    ) -> None:
        """However late it always is."""
        self.send_due(line, clock, 2)
        for _ in range(5):
            clock.now_ns += int(BLOCKED_LIMIT_S * 0.6 * 1e9)
            self.send_one(line)
            sock.room = len(self.FRAME)
            line.on_writable()
            clock.now_ns += MS
            self.send_one(line)
            sock.room = len(self.FRAME)
            line.on_writable()
        assert line.congested
        assert line.open

    def test_frames_lost_with_the_connection_are_told_with_when_they_were_offered(
        self,
        line: Line,
        clock: Clock,
        sock: Narrow,
        recorder: Recorder,
        farewells: list[Closed],
    ) -> None:
        sock.room = len(self.FRAME) + 9
        self.send_due(line, clock, 2)
        line.send(text_frame(b"control"))
        self.send_due(line, clock, 2)
        sock.hang_up()
        line.on_readable()
        (farewell,) = farewells
        assert farewell.by == "network"
        late = self.LATE
        assert self.frames(recorder) == {
            0: (self.due_ns(0), self.due_ns(0) + late, None),
            1: (self.due_ns(1), None, self.due_ns(1) + late),
            2: (self.due_ns(2), None, self.due_ns(2) + late),
            3: (self.due_ns(3), None, self.due_ns(3) + late),
        }


def test_a_fault_in_the_microphone_ends_this_line_only(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Even among those that share its instants."""
    with calling(engine) as bad, calling(engine) as good, calling(engine) as other:
        for caller in (good, bad, other):
            caller.line.start_microphone(0)

        class Broken:
            index = 0

            def capture(self) -> bytes:
                raise ZeroDivisionError("no sound")

        bad.line.microphone = Broken()  # type: ignore[assignment]
        turn(engine, lambda: bad.line.gone and min(len(good.sent()), len(other.sent())) >= 3)
        assert bad.sent() == {}
        assert len(bad.farewells) == 1
        assert len(engine) == 2
        for caller in (good, other):
            assert list(caller.sent()) == list(range(len(caller.sent())))
            assert caller.line.open
    assert "ended by a fault" in caplog.text


def test_messages_of_one_read_stop_when_the_line_is_left(engine: Engine) -> None:
    with calling(engine) as caller:
        heard: list[bytes] = []

        def hear(message: Message) -> None:
            heard.append(bytes(message.data))
            if len(heard) == 2:
                caller.line.leave()

        caller.line._on_message = hear
        caller.peer.send(*(frame(b"%d" % n) for n in range(5)))
        turn(engine, lambda: caller.line.gone)
        assert heard == [b"0", b"1"]


def test_a_server_that_breaks_the_protocol_ends_the_line_though_its_tcp_stays(
    engine: Engine,
) -> None:
    with calling(engine) as caller:
        caller.line.start_microphone(0)
        caller.peer.send(text_frame(b"masked, as only clients do"))
        turn(engine, lambda: caller.line.gone)
        (farewell,) = caller.farewells
        assert farewell == Closed("network", None, "incorrect masking")
