from __future__ import annotations

import random
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Close as PeerClose
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

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
    text_frame,
)

LIMIT = 70_000


def raw(
    first: int, payload: bytes = b"", *, masked: bool = True, size: int | None = None
) -> bytes:
    """A frame as RFC 6455 has it; `size` overrides the length it claims."""
    claimed = len(payload) if size is None else size
    mask_bit = 0x80 if masked else 0
    if claimed < 126:
        header = bytes((first, mask_bit | claimed))
    elif claimed < 1 << 16:
        header = struct.pack("!BBH", first, mask_bit | 126, claimed)
    else:
        header = struct.pack("!BBQ", first, mask_bit | 127, claimed)
    if not masked:
        return header + payload
    mask = b"\x11\xa2\x33\xc4"
    return header + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def read(data: bytes, limit: int = LIMIT) -> list[Message]:
    return FrameReader(limit).feed(data)


# Frames of every kind, whole and broken, in orders that may or may not be allowed.
frames = st.builds(
    raw,
    st.sampled_from(
        [0x81, 0x81, 0x81, 0x01, 0x00, 0x80, 0x89, 0x8A, 0x88, 0x82, 0xC1, 0x83, 0x09]
    ),
    st.one_of(
        st.binary(max_size=8),
        st.text(max_size=60).map(str.encode),
        st.integers(120, 135).map(lambda n: b"x" * n),
        st.sampled_from([65_535, 65_536, LIMIT]).map(lambda n: b"y" * n),
        st.just(b"\x03\xe8bye"),
    ),
    masked=st.sampled_from([True] * 15 + [False]),
)


@given(st.lists(frames, max_size=8).map(b"".join), st.randoms(use_true_random=False))
def test_any_cut_gives_the_same_messages(data: bytes, chance: random.Random) -> None:
    reader = FrameReader(LIMIT)
    found = []
    place = 0
    while place < len(data):
        step = chance.choice([1, 2, 3, 7, 50, 5_000, 100_000])
        found += reader.feed(data[place : place + step])
        place += step
    assert found == read(data)


@given(st.lists(frames, max_size=8).map(b"".join))
def test_nothing_follows_the_end(data: bytes) -> None:
    kinds = [type(message) for message in read(data)]
    assert not {Close, Violation} & set(kinds[:-1])


def peer() -> ClientProtocol:
    """websockets' client, past its handshake."""
    return ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=None)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("text"), st.text(max_size=200)),
            st.tuples(st.just("long"), st.integers(120, LIMIT).map(lambda n: "z" * n)),
            st.tuples(st.just("parts"), st.text(max_size=50)),
            st.tuples(st.just("ping"), st.text(max_size=30)),
            st.tuples(st.just("pong"), st.text(max_size=30)),
        ),
        max_size=6,
    ),
    st.one_of(
        st.just((None, "")), st.tuples(st.sampled_from([1000, 1001, 3999]), st.text(max_size=30))
    ),
)
def test_what_the_peer_sends_arrives(
    script: list[tuple[str, str]], goodbye: tuple[int | None, str]
) -> None:
    client = peer()
    expected: list[Message] = []
    for kind, text in script:
        data = text.encode()
        if kind in {"text", "long"}:
            client.send_text(data)
            expected.append(Text(data))
        elif kind == "parts":
            # Between characters and within them, with a control frame in between.
            client.send_text(data[:1], fin=False)
            client.send_ping(b"between")
            client.send_continuation(data[1:2], fin=False)
            client.send_continuation(data[2:], fin=True)
            expected += [Ping(b"between"), Text(data)]
        elif kind == "ping":
            client.send_ping(data)
            expected.append(Ping(data))
        else:
            client.send_pong(data)
            expected.append(Pong(data))
    if goodbye[0] is None:
        client.send_close()
    else:
        client.send_close(*goodbye)
    expected.append(Close(*goodbye))
    assert read(b"".join(client.data_to_send())) == expected


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_the_peer_reads_what_is_written(size: int) -> None:
    client = peer()
    payload = b"a" * size
    client.receive_data(text_frame(payload) + ping_frame(b"1") + pong_frame(b"2"))
    client.receive_data(close_frame(4000, "no more"))
    found = client.events_received()
    assert [(f.opcode, bytes(f.data)) for f in found[:3]] == [
        (Opcode.TEXT, payload),
        (Opcode.PING, b"1"),
        (Opcode.PONG, b"2"),
    ]
    assert client.close_rcvd == PeerClose(4000, "no more")


def test_a_close_without_a_code_and_one_with_a_long_reason() -> None:
    client = peer()
    client.receive_data(close_frame(None))
    assert client.close_rcvd is not None
    assert client.close_rcvd.code == 1005
    client = peer()
    client.receive_data(close_frame(1011, "é" * 100))
    assert client.close_rcvd == PeerClose(1011, "é" * 61)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (raw(0x81, b"{}", masked=False), 1002),
        (raw(0xC1, b"{}"), 1002),
        (raw(0xA1, b"{}"), 1002),
        (raw(0x91, b"{}"), 1002),
        (raw(0x83), 1002),
        (raw(0x87), 1002),
        (raw(0x8B), 1002),
        (raw(0x8F), 1002),
        (raw(0x09, b"fragmented ping"), 1002),
        (raw(0x08), 1002),
        (raw(0x89, b"x" * 126), 1002),
        (raw(0x88, b"\x03\xe8" + b"x" * 124), 1002),
        (raw(0x80, b"of nothing"), 1002),
        (raw(0x01, b"a") + raw(0x81, b"b"), 1002),
        (raw(0x01, b"a") + raw(0x01, b"b"), 1002),
        (raw(0x81, size=1 << 63), 1002),
        (raw(0x82, b"\x00\x01"), 1003),
        (raw(0x02, b"\x00\x01"), 1003),
        (raw(0x81, b"\xff"), 1007),
        (raw(0x81, b"\xed\xa0\x80"), 1007),
        (raw(0x01, b"\xc3") + raw(0x80, b"("), 1007),
        (raw(0x88, b"\x03\xe8\xff"), 1007),
        (raw(0x81, size=LIMIT + 1), 1009),
        (raw(0x01, b"x" * LIMIT) + raw(0x00, size=1), 1009),
        (raw(0x88, b"\x03"), 1002),
        *((raw(0x88, code.to_bytes(2, "big")), 1002) for code in (0, 999, 1004, 1005, 1006)),
        *((raw(0x88, code.to_bytes(2, "big")), 1002) for code in (1015, 1016, 2999, 5000, 65_535)),
    ],
)
def test_breaches_have_their_codes(data: bytes, code: int) -> None:
    messages = read(raw(0x81, b"before") + data + raw(0x81, b"after"))
    assert messages[0] == Text(b"before")
    assert [type(message) for message in messages[1:]] == [Violation]
    assert isinstance(messages[1], Violation)
    assert messages[1].code == code


@pytest.mark.parametrize("code", [*range(1000, 1004), *range(1007, 1015), 3000, 4000, 4999])
def test_registered_and_own_close_codes_pass(code: int) -> None:
    assert read(raw(0x88, code.to_bytes(2, "big") + b"so")) == [Close(code, "so")]


def test_a_message_as_long_as_the_limit_passes() -> None:
    assert read(raw(0x81, b"x" * LIMIT)) == [Text(b"x" * LIMIT)]
    halves = raw(0x01, b"x" * (LIMIT // 2)) + raw(0x80, b"x" * (LIMIT // 2))
    assert read(halves) == [Text(b"x" * LIMIT)]


def test_too_long_is_known_from_the_header() -> None:
    header = raw(0x81, size=1 << 40)
    assert [type(message) for message in read(header)] == [Violation]


def test_many_fragments_cost_what_they_hold() -> None:
    reader = FrameReader(1 << 20)
    reader.feed(raw(0x01, b"a"))
    piece = raw(0x00, b"a") * 1_000
    tracemalloc.start()
    for _ in range(100):
        assert reader.feed(piece) == []
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 300_000
    assert reader.feed(raw(0x80)) == [Text(b"a" * 100_001)]


@given(st.lists(frames, max_size=6).map(b"".join))
def test_what_another_server_refuses_is_refused(data: bytes) -> None:
    server = ServerProtocol(state=State.OPEN, max_size=LIMIT)
    server.receive_data(data)
    if server.parser_exc is not None:
        assert isinstance(read(data)[-1], Violation)
