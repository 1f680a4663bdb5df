"""Whole messages come in with their stamp, whole frames go out in order, and an end has a name."""

from __future__ import annotations

import _socket
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from bench.dialects.base import Endpoint
from bench.session.frames import text_frame
from bench.session.inbox import Message
from bench.session.opening import open_transport
from bench.session.stamps import StampClock
from bench.session.tls import client_context
from bench.session.transport import FLUSHED_FRAMES, Closed, Transport

from .loopback import (
    Peer,
    close_frame,
    connected,
    frame,
    listener,
    read_head,
    read_to_end,
    receive,
    set_send_buffer,
    until,
    upgrade_response,
    wait_readable,
)

CERTIFICATE = Path(__file__).with_name("localhost.pem")


def test_a_message_is_stamped_on_arrival_and_on_reading() -> None:
    with connected() as (transport, peer):
        before_ns = time.monotonic_ns()
        peer.send(frame(b"hello"))
        time.sleep(0.03)
        (message,) = receive(transport)
        assert message.data == b"hello"
        assert before_ns - 2_000_000 <= message.at_ns <= message.read_ns - 20_000_000
        assert message.read_ns <= time.monotonic_ns()


def test_reading_when_nothing_has_come_gives_nothing() -> None:
    with connected() as (transport, _):
        assert transport.receive() == []
        assert transport.open


def test_messages_of_one_read_keep_their_order() -> None:
    with connected() as (transport, peer):
        peer.send(*(frame(b"%d" % n) for n in range(50)))
        assert [m.data for m in receive(transport, 50)] == [b"%d" % n for n in range(50)]


def test_a_fragmented_message_is_one_and_a_ping_may_come_between() -> None:
    with connected() as (transport, peer):
        peer.send(
            frame(b"one ", fin=False),
            frame(b"alive?", Opcode.PING),
            frame(b"two ", Opcode.CONT, fin=False),
            frame(b"", Opcode.CONT, fin=False),
        )
        assert wait_readable(transport, 5)
        assert transport.receive() == []
        peer.send(frame(b"three", Opcode.CONT), frame(b"next"))
        assert [m.data for m in receive(transport, 2)] == [b"one two three", b"next"]
        (pong,) = peer.frames(1)
        assert (pong.opcode, bytes(pong.data)) == (Opcode.PONG, b"alive?")


def test_a_fragmented_message_is_stamped_by_its_last_fragment() -> None:
    with connected() as (transport, peer):
        peer.send(frame(b"one ", fin=False))
        assert wait_readable(transport, 5)
        assert transport.receive() == []
        time.sleep(0.02)
        sent_ns = time.monotonic_ns()
        peer.send(frame(b"two", Opcode.CONT))
        (message,) = receive(transport)
        assert message.at_ns >= sent_ns - 2_000_000


def test_a_binary_message_counts_as_text() -> None:
    with connected() as (transport, peer):
        peer.send(frame(b'{"type":"x"}', Opcode.BINARY))
        assert [m.data for m in receive(transport)] == [b'{"type":"x"}']


def test_text_that_is_no_utf8_is_passed_on() -> None:
    with connected() as (transport, peer):
        peer.send(frame(b"\xff\xfe"))
        assert [m.data for m in receive(transport)] == [b"\xff\xfe"]


def test_an_empty_message_is_a_message() -> None:
    with connected() as (transport, peer):
        peer.send(frame(b""), frame(b"x"))
        assert [m.data for m in receive(transport, 2)] == [b"", b"x"]


def test_a_long_message_is_put_together() -> None:
    with connected() as (transport, peer):
        text = b"some words of text " * 100_000
        peer.sock.settimeout(0)
        data = memoryview(frame(text))
        messages = []
        while not messages:
            with suppress(BlockingIOError):
                data = data[peer.sock.send(data) :]
            assert wait_readable(transport, 5)
            messages = transport.receive()
        assert messages[0].data == text


@settings(max_examples=20)
@given(texts=st.lists(st.binary(max_size=400), min_size=1, max_size=6), data=st.data())
def test_messages_cut_anywhere_come_whole(texts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frame(text) for text in texts)
    with connected() as (transport, peer):
        found = []
        while stream:
            size = data.draw(st.integers(1, len(stream)))
            peer.send(stream[:size])
            stream = stream[size:]
            assert wait_readable(transport, 5)
            found += transport.receive()
        assert [bytes(m.data) for m in found] == texts


def test_a_ping_is_answered() -> None:
    with connected() as (transport, peer):
        peer.send(frame(b"42", Opcode.PING))
        assert wait_readable(transport, 5)
        assert transport.receive() == []
        (pong,) = peer.frames(1)
        assert (pong.opcode, bytes(pong.data)) == (Opcode.PONG, b"42")
        assert transport.open


def test_frames_arrive_in_the_order_sent() -> None:
    with connected() as (transport, peer):
        for n in range(100):
            assert transport.send(text_frame(b"%d" % n), n)
        assert peer.texts(100) == [b"%d" % n for n in range(100)]
        assert not transport.congested


class TestEnds:
    """How a connection can end, and what is said of it."""

    def test_the_server_closes_with_a_code_and_a_reason(self) -> None:
        with connected() as (transport, peer):
            peer.send(frame(b"last words"), close_frame(4000, "beta_api_shape_disabled"))
            assert [m.data for m in receive_any(transport)] == [b"last words"]
            assert not transport.open
            (answer,) = peer.frames(1)
            assert answer.opcode is Opcode.CLOSE
            peer.close()
            read_to_end(transport)
            assert transport.closed == Closed("server", 4000, "beta_api_shape_disabled")

    def test_the_server_closes_without_a_code(self) -> None:
        with connected() as (transport, peer):
            peer.send(frame(b"", Opcode.CLOSE))
            peer.close()
            read_to_end(transport)
            assert transport.closed == Closed("server", 1005, "")

    def test_the_server_says_why_and_resets(self) -> None:
        with connected() as (transport, peer):
            peer.send(close_frame(1008, "session limit reached"))
            receive_any(transport)
            peer.reset()
            time.sleep(0.01)
            transport.send(text_frame(b"x"))
            read_to_end(transport)
            assert transport.closed == Closed("server", 1008, "session limit reached")

    def test_the_server_says_why_and_never_hangs_up(self) -> None:
        with connected() as (transport, peer):
            peer.send(close_frame(1001, "going away"))
            receive_any(transport)
            assert transport.closed is None
            transport.drop()
            assert transport.closed == Closed("server", 1001, "going away")

    def test_the_server_drops_tcp(self) -> None:
        with connected() as (transport, peer):
            peer.send(frame(b"last words"))
            peer.close()
            assert [m.data for m in read_to_end(transport)] == [b"last words"]
            closed = transport.closed
            assert closed is not None
            assert (closed.by, closed.code) == ("network", 1006)
            assert not transport.open

    def test_the_server_drops_tcp_inside_a_message(self) -> None:
        with connected() as (transport, peer):
            peer.send(frame(b"x" * 500)[:100])
            peer.close()
            assert read_to_end(transport) == []
            closed = transport.closed
            assert closed is not None
            assert closed.by == "network"
            assert closed.reason

    def test_the_connection_is_reset(self) -> None:
        with connected() as (transport, peer):
            peer.reset()
            read_to_end(transport)
            closed = transport.closed
            assert closed is not None
            assert closed.by == "network"
            assert "reset" in closed.reason

    def test_sending_into_a_broken_connection_says_so_and_does_not_raise(self) -> None:
        with connected() as (transport, peer):
            peer.reset()
            time.sleep(0.01)
            results = [transport.send(text_frame(b"x"), n) for n in range(3)]
            assert not any(results)
            assert not transport.congested
            closed = transport.closed
            assert closed is not None
            assert closed.by == "network"

    def test_we_close_and_the_server_agrees(self) -> None:
        with connected() as (transport, peer):
            transport.start_closing()
            assert not transport.open
            (asked,) = peer.frames(1)
            assert asked.opcode is Opcode.CLOSE
            peer.send(close_frame(1000, ""))
            peer.close()
            read_to_end(transport)
            assert transport.closed == Closed("client", 1000, "")

    def test_we_close_and_the_server_does_not_answer(self) -> None:
        with connected() as (transport, _):
            transport.start_closing()
            transport.start_closing()
            assert transport.closed is None
            transport.drop()
            assert transport.closed == Closed("client", None, "dropped")

    def test_messages_that_come_while_we_close_are_still_read(self) -> None:
        with connected() as (transport, peer):
            transport.start_closing()
            peer.send(frame(b"late"))
            assert [m.data for m in receive(transport)] == [b"late"]

    def test_a_frame_against_the_protocol_ends_it_with_a_reason(self) -> None:
        with connected() as (transport, peer):
            peer.send(text_frame(b"masked, as only clients do"))
            assert wait_readable(transport, 5)
            assert transport.receive() == []
            assert not transport.open
            (close,) = peer.frames(1)
            assert close.opcode is Opcode.CLOSE
            peer.close()
            read_to_end(transport)
            closed = transport.closed
            assert closed is not None
            assert closed.by == "network"
            assert "mask" in closed.reason

    def test_dropping_closes_the_socket_and_can_be_repeated(self) -> None:
        with connected() as (transport, peer):
            assert transport.drop() == []
            assert transport.fileno() == -1
            assert transport.drop() == []
            peer.sock.settimeout(5)
            assert peer.sock.recv(10) == b""


def receive_any(transport: Transport) -> list[Message]:
    assert wait_readable(transport, 5)
    return transport.receive()


class TestCongestion:
    """A peer that does not read, or reads little."""

    TEXT = b"%04d" + b"x" * 4_000

    def test_frames_queue_in_order_and_go_when_there_is_room(self) -> None:
        with connected(receive_buffer=4_096, send_buffer=4_096) as (transport, peer):
            sent = [transport.send(text_frame(self.TEXT % n), n) for n in range(40)]
            assert transport.congested
            taken = sent.index(False)
            assert not any(sent[taken:])
            assert transport.flush() == []
            done: list[int] = []
            texts: list[bytes] = []
            while len(texts) < 40:
                texts += peer.texts(1)
                done += transport.flush()
            assert [int(text[:4]) for text in texts] == list(range(40))
            assert done == list(range(taken, 40))
            assert not transport.congested
            assert transport.send(text_frame(b"after"), 40)
            assert peer.texts(1) == [b"after"]

    def test_a_control_frame_waits_its_turn_and_has_no_index(self) -> None:
        with connected(receive_buffer=4_096, send_buffer=4_096) as (transport, peer):
            n = 0
            while transport.send(text_frame(self.TEXT % n), n):
                n += 1
            assert not transport.send(text_frame(b"control"))
            assert not transport.send(text_frame(b"paced"), n + 1)
            done: list[int] = []
            texts: list[bytes] = []
            while len(texts) < n + 3:
                texts += peer.texts(1)
                done += transport.flush()
            assert texts[-2:] == [b"control", b"paced"]
            assert done == [n, n + 1]

    def test_a_drop_gives_back_the_frames_that_never_went(self) -> None:
        with connected(receive_buffer=4_096, send_buffer=4_096) as (transport, _):
            sent = [transport.send(text_frame(self.TEXT % n), n) for n in range(30)]
            transport.send(text_frame(b"control"))
            lost = transport.drop()
            assert lost == [n for n, gone in enumerate(sent) if not gone]
            assert not transport.congested

    def test_a_break_keeps_the_frames_that_wait_for_the_drop(self) -> None:
        with connected(receive_buffer=4_096, send_buffer=4_096) as (transport, peer):
            sent = [transport.send(text_frame(self.TEXT % n), n) for n in range(30)]
            peer.reset()
            time.sleep(0.01)
            assert transport.flush() == []
            assert transport.closed is not None
            assert transport.flush() == []
            assert transport.drop() == [n for n, gone in enumerate(sent) if not gone]

    def test_a_ping_is_answered_behind_what_waits(self) -> None:
        with connected(receive_buffer=4_096, send_buffer=4_096) as (transport, peer):
            n = 0
            while transport.send(text_frame(self.TEXT % n), n):
                n += 1
            peer.send(frame(b"alive?", Opcode.PING))
            receive_any(transport)
            frames = []
            while len(frames) < n + 2:
                frames += peer.frames(1)
                transport.flush()
            assert frames[-1].opcode is Opcode.PONG


def test_a_closing_handshake_goes_behind_what_waits() -> None:
    with connected(receive_buffer=4_096, send_buffer=4_096) as (transport, peer):
        n = 0
        while transport.send(text_frame(b"x" * 4_000), n):
            n += 1
        transport.start_closing()
        frames = []
        while len(frames) < n + 2:
            frames += peer.frames(1)
            transport.flush()
        assert frames[-1].opcode is Opcode.CLOSE


def test_stamps_can_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StampClock, "enable", lambda *_: False)
    with connected() as (transport, peer):
        assert not transport.kernel_stamps
        peer.send(frame(b"x"))
        (message,) = receive(transport)
        assert message.at_ns == message.read_ns


def test_a_frame_that_tls_refuses_breaks_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a broken record: the caller hears of an end, not of an exception."""

    class Broken:
        def encrypt(self, _: bytes) -> bytes:
            raise ssl.SSLError("protocol is shutdown")

    with connected() as (transport, _):
        monkeypatch.setattr(transport, "_tls", Broken())
        assert not transport.send(text_frame(b"x"), 0)
        assert not transport.congested
        assert not transport.open
        assert transport.closed is not None
        assert transport.closed.by == "network"


class Narrow:
    """A socket that takes only as many bytes as there is room for."""

    def __init__(self) -> None:
        self.room = 0
        self.taken = bytearray()

    def send(self, data: bytes | memoryview) -> int:
        if not self.room:
            raise BlockingIOError
        piece = bytes(data[: self.room])
        self.room -= len(piece)
        self.taken += piece
        return len(piece)

    def fileno(self) -> int:
        return 7

    def close(self) -> None:
        """Nothing is held."""


def narrow_transport() -> tuple[Transport, Narrow]:
    sock = Narrow()
    protocol = ClientProtocol(parse_uri("ws://host/"), state=State.OPEN)
    transport = Transport(
        cast("_socket.socket", sock), protocol, StampClock(), None, kernel_stamps=False
    )
    return transport, sock


def test_a_flush_sends_so_many_frames_and_the_next_goes_on() -> None:
    transport, sock = narrow_transport()
    count = 2 * FLUSHED_FRAMES + 5
    frames = [text_frame(b"%03d" % n) for n in range(count)]
    assert not any(transport.send(data, n) for n, data in enumerate(frames))
    sock.room = 1_000_000
    done: list[int] = []
    for size in (FLUSHED_FRAMES, FLUSHED_FRAMES, 5):
        assert transport.congested
        found = transport.flush()
        assert len(found) == size
        done += found
    assert done == list(range(count))
    assert not transport.congested
    assert transport.flush() == []
    assert sock.taken == b"".join(frames)


def test_frames_without_an_index_count_in_a_flush() -> None:
    transport, sock = narrow_transport()
    for n in range(FLUSHED_FRAMES + 1):
        transport.send(text_frame(b"%03d" % n))
    sock.room = 1_000_000
    assert transport.flush() == []
    assert transport.congested
    assert transport.flush() == []
    assert not transport.congested


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(0, 90)),
            st.tuples(st.just("room"), st.integers(0, 300)),
            st.tuples(st.just("flush"), st.just(0)),
        ),
        max_size=60,
    )
)
def test_whatever_room_there_is_frames_go_whole_once_and_in_order(
    steps: list[tuple[str, int]],
) -> None:
    transport, sock = narrow_transport()
    frames: list[bytes] = []
    done: list[int] = []
    for what, size in steps:
        if what == "send":
            number = len(frames)
            frames.append(text_frame(b"x" * size))
            if transport.send(frames[-1], number):
                assert len(done) == number, "it overtook another"
                done.append(number)
        elif what == "room":
            sock.room = size
        else:
            done += transport.flush()
        assert transport.congested == (len(done) < len(frames))
        stream = b"".join(frames)
        assert stream.startswith(sock.taken)
        assert len(b"".join(frames[: len(done)])) <= len(sock.taken) <= len(stream)
    assert done == list(range(len(done)))
    assert transport.drop() == list(range(len(done), len(frames)))


@pytest.fixture
def _trusted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    client_context.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    yield
    client_context.cache_clear()


@contextmanager
def connected_by_tls() -> Iterator[tuple[Transport, Peer]]:
    """As `connected`, with little room in the sockets below."""
    peers: list[Peer] = []

    def accept(sock: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        tls = context.wrap_socket(sock, server_side=True)
        head = read_head(tls)
        peers.append(Peer(tls, head))
        tls.sendall(upgrade_response(head))

    with listener(accept, receive_buffer=4_096) as port:
        entrance = Endpoint(f"wss://localhost:{port}/", ())
        transport = open_transport(entrance, StampClock(), 5)
    (peer,) = peers
    set_send_buffer(transport, 4_096)
    try:
        yield transport, peer
    finally:
        transport.drop()
        peer.close()


@pytest.mark.usefixtures("_trusted")
def test_half_a_record_goes_on_before_anything_else() -> None:
    """Records are numbered: one out of order, or one sent twice, ends a TLS connection."""
    texts = [b"%02d" % n + b"x" * (100_000 + n) for n in range(6)]
    with connected_by_tls() as (transport, peer):
        sent = [transport.send(text_frame(text), n) for n, text in enumerate(texts)]
        assert not any(sent)
        assert transport._rest is not None
        assert 0 < len(transport._rest) < len(texts[0]), "the first was not begun"
        peer.send(frame(b"alive?", Opcode.PING))
        assert receive_any(transport) == []
        transport.send(text_frame(b"control"))
        done: list[int] = []
        frames: list[Frame] = []

        def read() -> bool:
            done.extend(transport.flush())
            with suppress(ssl.SSLWantReadError):
                peer._protocol.receive_data(peer.sock.recv(65_536))
            frames.extend(cast("list[Frame]", peer._protocol.events_received()))
            return len(frames) == len(texts) + 2

        peer.sock.settimeout(0)
        until(read)
        peer.sock.settimeout(5)
        assert [bytes(f.data) for f in frames] == [*texts, b"alive?", b"control"]
        assert frames[-2].opcode is Opcode.PONG
        assert done == list(range(len(texts)))
        assert not transport.congested
        assert transport.send(text_frame(b"after"), 99)
        assert peer.texts(1) == [b"after"]


@pytest.mark.usefixtures("_trusted")
def test_frames_lost_inside_a_record_are_told() -> None:
    with connected_by_tls() as (transport, peer):
        transport.send(text_frame(b"x" * 100_000), 0)
        transport.send(text_frame(b"control"))
        transport.send(text_frame(b"y"), 1)
        peer.reset()
        assert wait_readable(transport, 5)
        transport.receive()
        assert transport.flush() == []
        assert not transport.open
        assert transport.drop() == [0, 1]


@pytest.mark.parametrize("reads", [1, 3])
def test_reading_on_after_the_end_tells_nothing_new(reads: int) -> None:
    with connected() as (transport, peer):
        peer.send(frame(b"cut off")[:4])
        peer.close()
        read_to_end(transport)
        closed = transport.closed
        for _ in range(reads):
            assert transport.receive() == []
        assert transport.closed == closed


def test_a_very_long_message_comes_without_the_middle_of_its_base64() -> None:
    text = b'{"delta":"%s"}' % (b"ABCD" * 500_000)
    stream = memoryview(frame(text) + frame(b"next"))
    with connected() as (transport, peer):
        peer.sock.settimeout(0)
        messages: list[Message] = []
        while len(messages) < 2:
            with suppress(BlockingIOError):
                stream = stream[peer.sock.send(stream) :]
            assert wait_readable(transport, 5)
            messages += transport.receive()
        long, after = messages
        assert long.elided_bytes > 1_000_000
        assert len(long.data) + long.elided_bytes == len(text)
        assert (after.data, after.elided_bytes) == (b"next", 0)
        assert not transport.stirred


@pytest.mark.usefixtures("_trusted")
def test_a_record_that_found_no_room_at_all_is_not_made_anew() -> None:
    with connected_by_tls() as (transport, peer):
        sock = transport._sock

        class Full:
            """No room once, as when the frame before has just filled it."""

            send = staticmethod(Narrow().send)
            close = sock.close

        transport._sock = cast("_socket.socket", Full())
        assert not transport.send(text_frame(b"first"), 0)
        assert not transport.send(text_frame(b"second"), 1)
        assert transport.flush() == []
        transport._sock = sock
        assert transport.flush() == [0, 1]
        assert peer.texts(2) == [b"first", b"second"]
