"""The engine keeps every schedule whatever one connection does."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bench.audio.microphone import Microphone
from bench.runs.recorder import Recorder
from bench.session.engine import LAST_READS, READS_PER_LOOK, WRITABLE, Engine
from bench.session.frames import text_frame
from bench.session.inbox import Message
from bench.session.line import Line
from bench.session.stalls import Stalls
from bench.session.transport import Transport

from .loopback import Peer, connected, frame, turn

MS = 1_000_000


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(select.epoll, Stalls(time.thread_time_ns, time.process_time_ns))
    yield engine
    engine.close()


class Caller:
    """A connection over a socket pair; subclasses misbehave."""

    session_id = "w0-00000"

    def __init__(self, engine: Engine) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.next_due_ns: int | None = None
        self.chunk_ns = 5 * MS
        self.sent_ns: list[tuple[int, int]] = []
        self.received = b""
        self.faults: list[Exception] = []
        self.reads = 0
        self.writes = 0
        self.backlog = False
        self.engine = engine
        engine.add(self)

    @property
    def congested(self) -> bool:
        return self.backlog

    def fileno(self) -> int:
        return self.ours.fileno()

    def start(self) -> None:
        self.next_due_ns = time.monotonic_ns() + 5 * MS
        self.engine.start_stream(self)

    def send_due(self, due_ns: int, next_ns: int) -> None:
        self.sent_ns.append((due_ns, time.monotonic_ns()))
        self.next_due_ns = next_ns

    def on_readable(self) -> None:
        self.reads += 1
        self.received += self.ours.recv(65_536)

    def on_writable(self) -> None:
        self.writes += 1
        self.backlog = False

    def on_fault(self, error: Exception) -> None:
        self.faults.append(error)
        self.engine.remove(self)

    def close(self) -> None:
        if self.ours.fileno() >= 0:
            self.engine.remove(self)
        self.ours.close()
        self.theirs.close()


Make = Callable[..., Caller]


@pytest.fixture
def make(engine: Engine) -> Iterator[Make]:
    callers: list[Caller] = []

    def make(kind: type[Caller] = Caller) -> Caller:
        callers.append(kind(engine))
        return callers[-1]

    yield make
    for caller in callers:
        caller.close()


HELD_BACK_MS = 100
"""What no busy machine makes of a median, and streams served one after another would exceed."""


def median_lateness_ms(caller: Caller) -> float:
    late = sorted(sent_ns - due_ns for due_ns, sent_ns in caller.sent_ns)
    assert late[0] >= 0, "sent before it was due"
    return late[len(late) // 2] / MS


def test_what_arrives_is_read(engine: Engine, make: Make) -> None:
    caller, other = make(), make()
    caller.theirs.send(b"hello")
    turn(engine, lambda: caller.received)
    assert caller.received == b"hello"
    assert other.reads == 0
    assert len(engine) == 2


def test_frames_are_due_in_a_row_without_drift(engine: Engine, make: Make) -> None:
    caller = make()
    caller.start()
    turn(engine, lambda: len(caller.sent_ns) >= 20)
    due = [due_ns for due_ns, _ in caller.sent_ns]
    assert [b - a for a, b in pairwise(due)] == [5 * MS] * (len(due) - 1)
    assert median_lateness_ms(caller) < HELD_BACK_MS


def test_an_engine_that_was_held_up_sends_all_that_is_owed(engine: Engine, make: Make) -> None:
    caller = make()
    caller.start()
    time.sleep(0.06)
    engine.step()
    assert len(caller.sent_ns) >= 11


def test_it_is_quiet_while_nothing_is_due(engine: Engine, make: Make) -> None:
    caller = make()
    caller.next_due_ns = time.monotonic_ns() + 60_000 * MS
    engine.start_stream(caller)
    poll = select.poll()
    poll.register(engine.fileno(), select.POLLIN)
    assert poll.poll(10) == []


class Raises(Caller):
    """Raises while it reads."""

    def on_readable(self) -> None:
        super().on_readable()
        raise ZeroDivisionError("reading")


def test_a_connection_whose_reading_raises_is_faulted_and_the_others_go_on(
    engine: Engine, make: Make
) -> None:
    bad, good = make(Raises), make()
    good.start()
    for caller in (bad, good):
        caller.theirs.send(b"x")
    turn(engine, lambda: good.received and bad.faults and len(good.sent_ns) >= 3)
    assert [type(error) for error in bad.faults] == [ZeroDivisionError]
    bad.theirs.send(b"y")
    good.theirs.send(b"z")
    turn(engine, lambda: good.received == b"xz")
    assert bad.reads == 1
    assert len(engine) == 1


class RaisesOnWrite(Caller):
    """Raises while it flushes."""

    def on_writable(self) -> None:
        raise ZeroDivisionError("writing")


def test_a_connection_whose_flushing_raises_is_faulted(engine: Engine, make: Make) -> None:
    bad = make(RaisesOnWrite)
    bad.backlog = True
    engine.watch_backlog(bad)
    turn(engine, lambda: bad.faults)
    assert len(engine) == 0


class RaisesOnSend(Caller):
    """Raises when its frame is due."""

    def send_due(self, due_ns: int, next_ns: int) -> None:
        raise ZeroDivisionError("sending")


def test_a_stream_that_raises_is_ended_and_the_others_go_on(engine: Engine, make: Make) -> None:
    bad, good = make(RaisesOnSend), make()
    bad.start()
    good.start()
    turn(engine, lambda: len(good.sent_ns) >= 5)
    assert [str(fault) for fault in bad.faults] == ["sending"]
    assert bad.next_due_ns is None
    assert len(engine) == 1
    assert median_lateness_ms(good) < HELD_BACK_MS


def test_room_is_watched_for_only_while_frames_wait(engine: Engine, make: Make) -> None:
    caller = make()
    engine.watch_backlog(caller)
    engine.step()
    assert caller.writes == 0
    caller.backlog = True
    engine.watch_backlog(caller)
    engine.watch_backlog(caller)
    turn(engine, lambda: caller.writes)
    for _ in range(3):
        engine.step()
    assert caller.writes == 1
    caller.backlog = True
    engine.watch_backlog(caller)
    turn(engine, lambda: caller.writes == 2)


class Floods(Caller):
    """Takes one byte and a millisecond a read."""

    def on_readable(self) -> None:
        self.reads += 1
        self.received += self.ours.recv(1)
        time.sleep(0.001)


def test_a_burst_of_arrivals_does_not_hold_the_schedule_back(engine: Engine, make: Make) -> None:
    floods = [make(Floods) for _ in range(30)]
    for flood in floods:
        flood.theirs.send(b"x" * 1_000)
    good = make()
    good.start()
    turn(engine, lambda: len(good.sent_ns) >= 20)
    assert median_lateness_ms(good) < HELD_BACK_MS
    counts = [flood.reads for flood in floods]
    assert min(counts) > 0, "some were never read"
    assert max(counts) - min(counts) <= 2


def test_a_step_reads_a_bounded_number(engine: Engine, make: Make) -> None:
    callers = [make() for _ in range(READS_PER_LOOK * 2 + 3)]
    for caller in callers:
        caller.theirs.send(b"x")
    engine.step()
    assert 0 < sum(caller.reads for caller in callers) <= READS_PER_LOOK
    turn(engine, lambda: all(caller.reads for caller in callers), 1)


class Leaves(Caller):
    """Removes itself, and another, while it reads."""

    victim: Caller | None = None

    def on_readable(self) -> None:
        super().on_readable()
        self.engine.remove(self)
        if self.victim is not None:
            self.engine.remove(self.victim)


def test_a_connection_may_remove_itself_and_others_while_it_reads(
    engine: Engine, make: Make
) -> None:
    first, second = make(Leaves), make(Leaves)
    assert isinstance(first, Leaves)
    assert isinstance(second, Leaves)
    first.victim, second.victim = second, first
    for caller in (first, second):
        caller.theirs.send(b"x")
    turn(engine, lambda: not len(engine))
    assert first.reads + second.reads == 1


def test_those_read_last_wait_for_all_others(engine: Engine, make: Make) -> None:
    last = [make() for _ in range(2 * READS_PER_LOOK)]
    first = [make() for _ in range(READS_PER_LOOK)]
    for caller in (*last, *first):
        caller.theirs.send(b"x")
    for caller in last:
        engine.read_last(caller, last=True)
    engine.step()
    assert [caller.reads for caller in first] == [1] * len(first)
    assert sum(caller.reads for caller in last) <= LAST_READS
    turn(engine, lambda: min(caller.reads for caller in last))


def test_those_read_last_are_read_while_the_others_never_fall_silent(
    engine: Engine, make: Make
) -> None:
    last, first = [make() for _ in range(3)], [make(Floods) for _ in range(READS_PER_LOOK)]
    for caller in (*last, *first):
        caller.theirs.send(b"x" * 1_000)
    for caller in last:
        engine.read_last(caller, last=True)
    turn(engine, lambda: min(caller.reads for caller in last))
    assert max(len(caller.received) for caller in first) < 1_000


def test_who_is_read_last_no_more_is_read_with_the_others(engine: Engine, make: Make) -> None:
    caller = make()
    for last in (True, True, False, False):
        engine.read_last(caller, last=last)
    last = [make() for _ in range(2 * READS_PER_LOOK)]
    for other in last:
        engine.read_last(other, last=True)
        other.theirs.send(b"x")
    caller.theirs.send(b"x")
    engine.step()
    assert caller.reads == 1


def test_a_backlog_is_flushed_of_one_that_is_read_last_meanwhile(
    engine: Engine, make: Make
) -> None:
    for before, after in ((False, True), (True, False)):
        caller = make()
        engine.read_last(caller, last=before)
        caller.backlog = True
        engine.watch_backlog(caller)
        engine.read_last(caller, last=after)
        turn(engine, lambda caller=caller: caller.writes)  # type: ignore[misc]
        engine.step()
        assert caller.writes == 1


def test_one_removed_is_not_read_last(engine: Engine, make: Make) -> None:
    caller = make()
    engine.read_last(caller, last=True)
    engine.remove(caller)
    engine.read_last(caller, last=False)
    engine.read_last(caller, last=True)
    engine.add(caller)  # as another one is, whose socket is given the same number
    caller.backlog = True
    engine.watch_backlog(caller)
    turn(engine, lambda: caller.writes)


def test_removing_twice_is_harmless(engine: Engine, make: Make) -> None:
    caller = make()
    engine.remove(caller)
    engine.remove(caller)
    engine.watch_backlog(caller)
    assert len(engine) == 0


def test_closing_gives_all_descriptors_back() -> None:
    before = set(Path("/proc/self/fd").iterdir())
    engine = Engine(select.epoll, Stalls(time.thread_time_ns, time.process_time_ns))
    engine.close()
    assert set(Path("/proc/self/fd").iterdir()) == before


class Watched:
    """An epoll that remembers which sockets it was told to watch for room."""

    def __init__(self, for_room: set[int]) -> None:
        self.for_room = for_room
        self._epoll = select.epoll()
        self.poll = self._epoll.poll
        self.fileno = self._epoll.fileno
        self.close = self._epoll.close

    def register(self, fd: int, mask: int) -> None:
        assert not mask & WRITABLE
        self._epoll.register(fd, mask)

    def modify(self, fd: int, mask: int) -> None:
        assert (fd in self.for_room) != bool(mask & WRITABLE), "told twice"
        self.for_room ^= {fd}
        self._epoll.modify(fd, mask)

    def unregister(self, fd: int) -> None:
        self.for_room.discard(fd)
        self._epoll.unregister(fd)


class Talker:
    """A line that sends numbered frames, and its far end."""

    def __init__(
        self, engine: Engine, opened: tuple[Transport, Peer], number: int, frame_bytes: int
    ) -> None:
        self.transport, self.peer = opened
        self.recorder = Recorder(f"w{number}")
        self.messages: list[Message] = []
        tone = [text_frame(b"%04d" % n + b"x" * frame_bytes) for n in range(1_000)]
        self.line = Line(
            self.transport,
            Microphone(tone, 20),
            engine,
            self.recorder.begin_session(),
            on_message=self.messages.append,
            on_gone=lambda _: None,
        )
        self.line.start_microphone(number)

    def sent(self) -> int:
        return len(self.recorder.appends.index)

    def check(self) -> list[float]:
        """Every frame went out, in order and as scheduled; how late, in ms."""
        appends = self.recorder.appends
        start_ns = self.line.audio_start_ns
        assert start_ns is not None
        count = self.line.microphone.index
        assert list(appends.index) == list(range(count))
        assert list(appends.due_ns) == [start_ns + (n + 1) * 20 * MS for n in range(count)]
        assert not appends.unsent
        assert not appends.offered_ns
        assert [text[:4] for text in self.peer.texts(count)] == [b"%04d" % n for n in range(count)]
        late_ns = np.array(appends.sent_ns) - np.array(appends.due_ns)
        return (late_ns / MS).tolist()


@contextmanager
def in_a_thread(work: Callable[[], None], sock: socket.socket) -> Iterator[None]:
    """Do `work` with `sock` beside the engine, until the block ends."""

    def run() -> None:
        with suppress(OSError):  # it is shut down under it
            work()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        sock.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        assert not thread.is_alive()


def test_twenty_lines_keep_their_schedule_beside_three_that_misbehave() -> None:
    """One takes nothing, one sends 20 MB as fast as it can, one sends a byte now and then."""
    for_room: set[int] = set()
    engine = Engine(lambda: Watched(for_room), Stalls(time.thread_time_ns, time.process_time_ns))
    huge = frame(b'{"type":"response.output_audio.delta","delta":"%s"}' % (b"ABCD" * 5_000_000))
    small = frame(b'{"type":"response.created"}')
    with ExitStack() as stack:
        stack.callback(engine.close)

        def talker(number: int, frame_bytes: int = 1_000, **buffers: int) -> Talker:
            opened = stack.enter_context(connected(**buffers))
            talker = Talker(engine, opened, number, frame_bytes)
            stack.callback(talker.line.leave)
            return talker

        paced = [talker(number) for number in range(20)]
        stuck = talker(20, 8_000, receive_buffer=4_096, send_buffer=4_096)
        floods, trickles = talker(21), talker(22)

        def flood() -> None:
            while True:
                floods.peer.sock.sendall(huge)

        def trickle() -> None:
            while True:
                for byte in small:
                    trickles.peer.sock.sendall(bytes([byte]))
                    time.sleep(0.01)

        lines = [talker.line for talker in (*paced, stuck, floods, trickles)]

        def heard_enough() -> bool:
            assert for_room == {line.fileno() for line in lines if line.congested}
            return (
                min(talker.sent() for talker in (*paced, floods, trickles)) >= 25
                and len(floods.messages) >= 2
                and len(trickles.messages) >= 1
            )

        with (
            in_a_thread(flood, floods.peer.sock),
            in_a_thread(trickle, trickles.peer.sock),
        ):
            turn(engine, heard_enough, 10)
            assert for_room == {stuck.line.fileno()}
            lateness_ms = [late for talker in paced for late in talker.check()]
        assert min(lateness_ms) >= 0
        assert np.median(lateness_ms) < HELD_BACK_MS
        for message in floods.messages:
            assert len(message.data) + message.elided_bytes == 20_000_000 + 49
        assert {bytes(message.data) for message in trickles.messages} == {small[2:]}
        assert stuck.line.congested
        assert len(stuck.recorder.appends.unsent) == 0, "what waits may still go"


def test_room_is_watched_for_no_more_once_a_stuck_peer_has_read() -> None:
    for_room: set[int] = set()
    engine = Engine(lambda: Watched(for_room), Stalls(time.thread_time_ns, time.process_time_ns))
    with ExitStack() as stack:
        stack.callback(engine.close)
        opened = stack.enter_context(connected(receive_buffer=4_096, send_buffer=4_096))
        stuck = Talker(engine, opened, 0, 2_000)
        stack.callback(stuck.line.leave)
        turn(engine, lambda: stuck.line.congested)
        assert for_room == {stuck.line.fileno()}
        stuck.peer.sock.settimeout(0)

        def read() -> bool:
            with suppress(BlockingIOError):
                stuck.peer.sock.recv(65_536)
            assert for_room == ({stuck.line.fileno()} if stuck.line.congested else set())
            return not stuck.line.congested

        turn(engine, read)
        assert for_room == set()
        turn(engine, lambda: stuck.line.congested)
        stuck.line.leave()
        assert for_room == set()


def test_a_stream_that_raises_among_many_due_at_once_is_the_only_one_ended(
    engine: Engine, make: Make
) -> None:
    """They share one slot of the schedule; the fault stands in its middle."""
    callers = [make(RaisesOnSend if n in {3, 4} else Caller) for n in range(9)]
    due_ns = time.monotonic_ns() + 5 * MS
    for caller in callers:
        caller.next_due_ns = due_ns
        engine.start_stream(caller)
    good = [caller for caller in callers if type(caller) is Caller]
    turn(engine, lambda: min(len(caller.sent_ns) for caller in good) >= 4)
    for caller in callers:
        assert len(caller.faults) == (caller not in good)
    for caller in good:
        due = [sent_due_ns for sent_due_ns, _ in caller.sent_ns]
        assert due == [due_ns + n * 5 * MS for n in range(len(due))]
    assert len(engine) == len(good)
