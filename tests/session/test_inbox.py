"""Whatever a server sends and however it is cut, the inbox agrees with websockets' own parser."""

from __future__ import annotations

import base64
import json
import random
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from bench.session import inbox as module
from bench.session.inbox import KEPT_BYTES, LONG_BYTES, Inbox, Message

from .loopback import close_frame, frame

LIMIT_BYTES = 400
READ_BYTES = 65_536
"""What a socket gives at most in one read."""

TEXT, CONT, PING = Opcode.TEXT, Opcode.CONT, Opcode.PING
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def open_protocol(limit_bytes: int) -> ClientProtocol:
    return ClientProtocol(parse_uri("ws://host/"), state=State.OPEN, max_size=limit_bytes)


def raw_frame(
    payload: bytes,
    opcode: int = TEXT,
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = False,
    form: int = 0,
    announced: int | None = None,
) -> bytes:
    """A frame by its bits: `form` 126 or 127 takes a longer length than is needed."""
    length = len(payload) if announced is None else announced
    size = form or (length if length < 126 else 126 if length < 2**16 else 127)
    head = bytes([fin << 7 | reserved << 4 | opcode, masked << 7 | size])
    if size >= 126:
        head += length.to_bytes(2 if size == 126 else 8, "big")
    return head + (bytes(4) if masked else b"") + payload


class End(NamedTuple):
    """What is left of a connection: what there is to answer, and how it stands."""

    answers: list[tuple[Opcode, bytes]]
    state: State
    said: object
    sent: object
    said_first: bool | None
    code: int | None
    fault: str


def end_of(protocol: ClientProtocol) -> End:
    server = ServerProtocol(state=State.OPEN, max_size=None)
    server.receive_data(b"".join(protocol.data_to_send()))
    assert server.parser_exc is None
    frames = [event for event in server.events_received() if isinstance(event, Frame)]
    return End(
        [(answer.opcode, bytes(answer.data)) for answer in frames],
        protocol.state,
        protocol.close_rcvd,
        protocol.close_sent,
        protocol.close_rcvd_then_sent,
        protocol.close_code,
        repr(protocol.parser_exc),
    )


def by_websockets(stream: bytes, *, eof: bool) -> tuple[list[bytes], End]:
    """What websockets alone makes of it."""
    protocol = open_protocol(LIMIT_BYTES)
    protocol.receive_data(stream)
    texts: list[bytes] = []
    pieces: list[bytes] = []
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        if event.opcode in (TEXT, Opcode.BINARY, CONT):
            pieces.append(bytes(event.data))
            if event.fin:
                texts.append(b"".join(pieces))
                pieces.clear()
    if eof:
        protocol.receive_eof()
    return texts, end_of(protocol)


def by_inbox(reads: Iterable[bytes], *, eof: bool) -> tuple[list[Message], End]:
    protocol = open_protocol(LIMIT_BYTES)
    inbox = Inbox(protocol, LIMIT_BYTES)
    messages: list[Message] = []
    for number, data in enumerate(reads):
        before = protocol.state, protocol.close_rcvd, protocol.parser_exc, len(protocol.writes)
        inbox.stirred = False
        found = inbox.feed(data, 10 * number, 10 * number + 1)
        assert all(m.at_ns == 10 * number and m.read_ns == 10 * number + 1 for m in found)
        after = protocol.state, protocol.close_rcvd, protocol.parser_exc, len(protocol.writes)
        assert inbox.stirred or before == after, "nobody would look"
        messages += found
    if eof:
        inbox.end()
        assert inbox.stirred
    return messages, end_of(protocol)


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    ends = sorted({place % (len(stream) + 1) for place in places} | {0, len(stream)})
    return [stream[a:b] for a, b in pairwise(ends)]


payloads = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([0, 1, 124, 125, 126, 127, LIMIT_BYTES - 1, LIMIT_BYTES]).map(
        lambda size: b"x" * size
    ),
    st.text(max_size=5).map(str.encode),
)
controls = st.builds(
    raw_frame, st.binary(max_size=125), st.sampled_from([Opcode.PING, Opcode.PONG])
)
whole = st.builds(
    raw_frame,
    payloads,
    st.sampled_from([TEXT, TEXT, TEXT, Opcode.BINARY]),
    form=st.sampled_from([0, 0, 126, 127]),
)


@st.composite
def fragmented(draw: st.DrawFn) -> bytes:
    """A message in pieces, with control frames between them; too long, now and then."""
    pieces = draw(st.lists(st.binary(max_size=150), min_size=2, max_size=5))
    stream = b""
    for number, piece in enumerate(pieces):
        opcode = CONT if number else draw(st.sampled_from([TEXT, Opcode.BINARY]))
        form = draw(st.sampled_from([0, 0, 126, 127]))
        stream += raw_frame(piece, opcode, fin=number == len(pieces) - 1, form=form)
        stream += b"".join(draw(st.lists(controls, max_size=1)))
    return stream


closes = st.one_of(
    st.builds(close_frame, st.sampled_from([1000, 1008, 4000]), st.text(max_size=9)),
    st.binary(max_size=6).map(lambda data: raw_frame(data, Opcode.CLOSE)),  # most break a rule
)
anything = st.builds(
    raw_frame,
    st.binary(max_size=140),
    st.integers(0, 15),
    fin=st.booleans(),
    reserved=st.sampled_from([0, 0, 0, 1, 2, 4]),
    masked=st.sampled_from([False, False, True]),
    form=st.sampled_from([0, 126, 127]),
)
oversize = st.builds(
    raw_frame,
    st.binary(max_size=9),
    st.sampled_from([TEXT, Opcode.BINARY, CONT, PING]),
    fin=st.booleans(),
    announced=st.sampled_from([LIMIT_BYTES + 1, 65_535, 65_536, 2**40, 2**63, 2**64 - 1]),
)
good = st.one_of(whole, whole, whole, controls, fragmented())
bad = st.one_of(closes, anything, oversize, st.binary(max_size=20))
streams = st.builds(
    lambda before, between, after: b"".join([*before, *between, *after]),
    st.lists(good, max_size=6),
    st.lists(bad, max_size=2),
    st.lists(good, max_size=3),
)
PINGED = (
    raw_frame(b"one ", fin=False)
    + frame(b"?", PING)
    + raw_frame(b"", CONT, fin=False)
    + raw_frame(b"two", CONT)
    + frame(b"next")
)


@settings(max_examples=400)
@given(streams, st.lists(st.integers(0, 4_000), max_size=12), st.booleans())
@example(PINGED, [], False)
@example(PINGED, list(range(len(PINGED))), True)
@example(frame(b"last") + close_frame(4000, "enough") + frame(b"never"), [9, 12], False)
@example(raw_frame(b"half", fin=False) + close_frame(1000, "") + frame(b"never"), [], True)
@example(raw_frame(b"half", fin=False) + frame(b"not the rest"), [], True)
@example(raw_frame(b"", CONT) + frame(b"never"), [], False)
def test_an_inbox_and_websockets_agree(stream: bytes, places: list[int], eof: bool) -> None:
    texts, end = by_websockets(stream, eof=eof)
    messages, found_end = by_inbox(cut(stream, places), eof=eof)
    assert [bytes(m.data) for m in messages] == texts
    assert not any(m.elided_bytes for m in messages)
    if eof or end.fault == "None":
        assert found_end == end


@settings(max_examples=100)
@given(streams, st.booleans())
def test_a_byte_at_a_time_is_the_same(stream: bytes, eof: bool) -> None:
    texts, end = by_websockets(stream, eof=eof)
    messages, found_end = by_inbox(cut(stream, range(len(stream))), eof=eof)
    assert [bytes(m.data) for m in messages] == texts
    if eof:
        assert found_end == end


@pytest.mark.parametrize(
    "violation",
    [
        pytest.param(raw_frame(b"x", masked=True), id="masked"),
        pytest.param(raw_frame(b"x", reserved=4), id="reserved"),
        pytest.param(raw_frame(b"x", 3), id="opcode"),
        pytest.param(raw_frame(b"x", PING, fin=False), id="cut ping"),
        pytest.param(raw_frame(b"x" * 126, PING), id="long ping"),
        pytest.param(raw_frame(b"x", CONT), id="nothing to go on with"),
        pytest.param(raw_frame(b"", announced=LIMIT_BYTES + 1), id="oversize"),
        pytest.param(raw_frame(b"", announced=2**64 - 1), id="absurd"),
        pytest.param(raw_frame(b"\x03", Opcode.CLOSE), id="half a code"),
        pytest.param(raw_frame(b"\x03\xe8\xff", Opcode.CLOSE), id="reason no UTF-8"),
        pytest.param(close_frame(1000, ""), id="close"),
    ],
)
def test_a_whole_header_is_enough_to_end_and_nothing_follows(violation: bytes) -> None:
    protocol = open_protocol(LIMIT_BYTES)
    inbox = Inbox(protocol, LIMIT_BYTES)
    stream = frame(b"before") + violation + frame(b"after")
    assert [m.data for m in inbox.feed(stream, 1, 2)] == [b"before"]
    assert protocol.state is State.CLOSING
    answers = end_of(protocol).answers
    assert [opcode for opcode, _ in answers] == [Opcode.CLOSE]
    assert inbox.feed(frame(b"again") + frame(b"?", PING), 3, 4) == []
    assert end_of(protocol).answers == []


def test_an_ended_stream_may_be_ended_again() -> None:
    protocol = open_protocol(LIMIT_BYTES)
    inbox = Inbox(protocol, LIMIT_BYTES)
    assert inbox.feed(frame(b"cut off")[:4], 1, 2) == []
    inbox.end()
    inbox.end()
    assert protocol.state is State.CLOSED
    assert "stream ends after" in str(protocol.parser_exc)


def test_a_limit_holds_for_all_fragments_together() -> None:
    half = LIMIT_BYTES // 2
    for more, count in ((0, 1), (1, 0)):
        protocol = open_protocol(LIMIT_BYTES)
        inbox = Inbox(protocol, LIMIT_BYTES)
        stream = raw_frame(b"x" * half, fin=False) + raw_frame(b"y" * (half + more), CONT)
        assert len(inbox.feed(stream, 1, 2)) == count
        assert (protocol.parser_exc is None) == (count == 1)


# very long messages


@contextmanager
def lengths(long_bytes: int, kept_bytes: int) -> Iterator[None]:
    """Call a message long from a few bytes on, so that many can be tried."""
    with (
        mock.patch.object(module, "LONG_BYTES", long_bytes),
        mock.patch.object(module, "KEPT_BYTES", kept_bytes),
    ):
        yield


def take(stream: bytes, read_bytes: int = READ_BYTES, limit: int = 2**26) -> list[Message]:
    inbox = Inbox(open_protocol(limit), limit)
    found: list[Message] = []
    for place in range(0, len(stream), read_bytes):
        found += inbox.feed(stream[place : place + read_bytes], place, place)
    return found


def gap(message: Message, text: bytes) -> tuple[int, int]:
    """From where to where `text` was left out of `message`; it may be moved by what repeats."""
    kept = bytes(message.data)
    assert len(kept) + message.elided_bytes == len(text)
    low, high = 0, len(kept)  # the longest common beginning
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text.startswith(kept[:middle]) else (low, middle - 1)
    assert text.endswith(kept[low:])
    at = message.elided_at
    assert text.startswith(kept[:at])
    assert text.endswith(kept[at:])
    return low, low + message.elided_bytes


def delta(audio: str, **after: str) -> bytes:
    event = {"type": "response.output_audio.delta", "response_id": "r", "delta": audio}
    return json.dumps(event | after, ensure_ascii=False).encode()


AUDIO = random.Random(3).randbytes(15_000_001)


@pytest.fixture(scope="module")
def audio() -> str:
    """20 MB of Base64, with padding."""
    text = base64.b64encode(AUDIO).decode()
    assert text.endswith("=")
    return text


@pytest.mark.parametrize("read_bytes", [1_400, 16_384, READ_BYTES - 7, READ_BYTES])
def test_20_mb_of_audio_keep_their_ends_and_their_length(audio: str, read_bytes: int) -> None:
    text = delta(audio, item_id="behind")
    before, message, after = take(frame(b"a") + frame(text) + frame(b"b"), read_bytes)
    assert (before.data, after.data) == (b"a", b"b")
    assert message.elided_bytes > 0
    assert message.elided_bytes % 8 == 0
    assert 2 * KEPT_BYTES <= len(message.data) <= 2 * KEPT_BYTES + 2 * READ_BYTES
    begin, end = gap(message, text)
    assert begin >= KEPT_BYTES - 8
    assert len(text) - end >= KEPT_BYTES - 8
    event = json.loads(message.data)
    assert event["item_id"] == "behind"
    decoded = base64.b64decode(event["delta"], validate=True)
    assert len(decoded) + message.elided_bytes // 4 * 3 == len(AUDIO)
    head = (begin - len(delta(""))) // 4 * 3  # what stands around the audio is a few bytes more
    assert decoded[:head] == AUDIO[:head]
    assert decoded[-KEPT_BYTES // 2 :] == AUDIO[-KEPT_BYTES // 2 :]


def test_a_long_message_never_needs_its_whole_length(audio: str) -> None:
    stream = frame(delta(audio))
    reads = [stream[place : place + READ_BYTES] for place in range(0, len(stream), READ_BYTES)]
    inbox = Inbox(open_protocol(2**26), 2**26)
    tracemalloc.start()
    try:
        found = [message for data in reads for message in inbox.feed(data, 1, 2)]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 1
    assert peak_bytes < 6 * LONG_BYTES


def test_fragments_need_no_more_than_their_bytes() -> None:
    """Of a message without end, in the smallest of fragments."""
    inbox = Inbox(open_protocol(2**26), 2**26)
    inbox.feed(raw_frame(b"x", fin=False), 1, 2)
    empty = raw_frame(b"", CONT, fin=False) * 1_000
    tracemalloc.start()
    try:
        inbox.feed(empty, 1, 2)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10):
            assert inbox.feed(empty, 1, 2) == []
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 10_000
    assert [m.data for m in inbox.feed(raw_frame(b"y", CONT), 1, 2)] == [b"xy"]


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("place", ["LONG_BYTES", "KEPT_BYTES", "2 * KEPT_BYTES"])
def test_a_message_is_whole_up_to_a_length(place: str, more: int) -> None:
    size = {"LONG_BYTES": LONG_BYTES, "KEPT_BYTES": KEPT_BYTES}.get(place, 2 * KEPT_BYTES) + more
    text = bytes(random.Random(size).choices(BASE64, k=size))
    (message,) = take(frame(text))
    gap(message, text)
    assert (message.elided_bytes > 0) == (size > LONG_BYTES)
    if not message.elided_bytes:
        assert message.data == text


def test_a_long_message_of_one_read_is_whole() -> None:
    text = b"A" * (LONG_BYTES + 5)
    (message,) = take(frame(text), len(text) + 100)
    assert (message.data, message.elided_bytes) == (text, 0)


@pytest.mark.parametrize("odd", [" ", '\\"', "é", "-", "_", "=", "\\n", "\\/", "\\u00e9", "."])
def test_what_is_not_base64_is_kept(odd: str) -> None:
    """As a sign of a text that somebody might read."""
    text = b'{"text":"%s"}' % (("A" * 500 + odd) * 1_000).encode()
    (message,) = take(frame(text))
    assert message.data == text
    assert message.elided_bytes == 0


def test_only_one_gap_is_made() -> None:
    first, second = ("".join(map(chr, random.Random(n).choices(BASE64, k=600_000))) for n in "12")
    text = delta(first, more=second)
    (message,) = take(frame(text))
    begin, end = gap(message, text)
    assert text.index(first.encode()) < begin
    assert end < text.index(b'"more"')
    assert json.loads(message.data)["more"] == second


def test_text_before_the_audio_is_kept_whole() -> None:
    transcript = "one two three " * 30_000
    text = b'{"transcript":"%s","delta":"%s"}' % (transcript.encode(), b"B" * 600_000)
    (message,) = take(frame(text))
    assert message.elided_bytes > 0
    event = json.loads(message.data)
    assert event["transcript"] == transcript
    assert set(event["delta"]) == {"B"}
    assert len(event["delta"]) + message.elided_bytes == 600_000


@pytest.mark.parametrize("escape", ["\\n", "\\/", "\\u00e9", "\\ud83d\\ude00"])
def test_an_escape_is_never_torn(escape: str) -> None:
    """Its tail alone would pass for Base64: `nAAA`, `00e9AAA`."""
    with lengths(64, 16):
        for before in range(80):
            text = b'{"text":"%s%s%s"}' % (b"B" * before, escape.encode(), b"A" * 200)
            (message,) = take(frame(text), 16)
            kept = json.loads(message.data)["text"]
            whole_text = json.loads(text)["text"]
            assert len(kept) + message.elided_bytes == len(whole_text)
            assert kept.strip("AB") in (whole_text.strip("AB"), "")
            assert set(kept) <= set(whole_text)


words = st.one_of(
    st.text("ABCxyz019+/", max_size=300),
    st.text(max_size=20),
    st.integers(0, 300).map(lambda size: "A" * size),
)


@settings(max_examples=300)
@given(
    fields=st.lists(words, min_size=1, max_size=4),
    read_bytes=st.integers(1, 64),
    ascii_only=st.booleans(),
    around=st.lists(st.sampled_from([frame(b"x"), frame(b"?", PING), PINGED]), max_size=2),
)
def test_long_messages_of_any_text_stay_valid_json(
    fields: list[str], read_bytes: int, ascii_only: bool, around: list[bytes]
) -> None:
    event = {f"f{number}": field for number, field in enumerate(fields)}
    text = json.dumps(event, ensure_ascii=ascii_only).encode()
    beside = b"".join(around)
    with lengths(100, 32):
        message, *rest = take(frame(text) + beside, read_bytes)
    assert [m.data for m in rest] == [m.data for m in take(beside)]
    gap(message, text)
    assert message.elided_bytes % 8 == 0
    if len(text) <= 100:
        assert message.elided_bytes == 0
    kept = json.loads(message.data)
    assert list(kept) == list(event)
    changed = [name for name in event if kept[name] != event[name]]
    assert len(changed) == (message.elided_bytes > 0)
    for name in changed:
        assert len(kept[name]) == len(event[name]) - message.elided_bytes
    if changed:
        assert len(message.data) >= 2 * 32


@settings(max_examples=100)
@given(st.integers(1, 400), st.integers(1, 64))
def test_a_stream_that_ends_inside_a_long_message_says_so(size: int, read_bytes: int) -> None:
    with lengths(100, 32):
        protocol = open_protocol(2**20)
        inbox = Inbox(protocol, 2**20)
        stream = frame(b"A" * 400)[:size]
        for place in range(0, size, read_bytes):
            assert inbox.feed(stream[place : place + read_bytes], 1, 2) == []
        inbox.end()
    assert isinstance(protocol.parser_exc, EOFError)
    assert (protocol.state, protocol.close_rcvd, protocol.writes) == (State.CLOSED, None, [b""])
