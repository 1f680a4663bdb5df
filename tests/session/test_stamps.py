"""An arrival is stamped by the kernel, on our clock, and never after we read it."""

from __future__ import annotations

import socket
import struct
import time

from hypothesis import given
from hypothesis import strategies as st

from bench.session.stamps import (
    ANCILLARY_BYTES,
    SO_TIMESTAMPNS,
    StampClock,
    read_anchor,
)

MS = 1_000_000


def stamp(realtime_ns: int) -> tuple[int, int, bytes]:
    seconds, nanoseconds = divmod(realtime_ns, 10**9)
    return socket.SOL_SOCKET, SO_TIMESTAMPNS, struct.pack("@qq", seconds, nanoseconds)


@given(st.integers(0, 2**62))
def test_without_a_stamp_an_arrival_is_when_it_was_read(read_ns: int) -> None:
    assert StampClock().at_ns([], read_ns) == read_ns


def test_ancillary_data_of_another_kind_is_no_stamp() -> None:
    other = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, b"1234"), (socket.IPPROTO_IP, 8, b"12345678")]
    assert StampClock().at_ns(other, 77) == 77


@given(st.integers(0, 2**61), st.integers(-(10**12), 10**12))
def test_an_arrival_is_never_after_its_reading(realtime_ns: int, shift_ns: int) -> None:
    read_ns = time.monotonic_ns() + shift_ns
    assert StampClock().at_ns([stamp(realtime_ns)], read_ns) <= read_ns


def test_a_stamp_is_mapped_onto_the_monotonic_clock() -> None:
    anchor = read_anchor()
    clock = StampClock()
    read_ns = time.monotonic_ns()
    arrived_ns = clock.at_ns([stamp(anchor.realtime_ns - 5 * MS)], read_ns)
    assert abs(arrived_ns - (anchor.monotonic_ns - 5 * MS)) < 2 * MS


def test_stamps_of_one_clock_keep_their_distance() -> None:
    anchor = read_anchor()
    clock = StampClock()
    read_ns = anchor.monotonic_ns + 1
    first = clock.at_ns([stamp(anchor.realtime_ns - 9_000_123)], read_ns)
    second = clock.at_ns([stamp(anchor.realtime_ns - 2_000_000)], read_ns)
    assert second - first == 7_000_123


def test_the_offset_of_the_clocks_is_read_anew_after_a_second() -> None:
    clock = StampClock()
    anchor = read_anchor()
    clock.at_ns([stamp(anchor.realtime_ns)], anchor.monotonic_ns)
    clock._offset_ns += 500 * MS  # as if the realtime clock had been set since
    soon = anchor.monotonic_ns + 900 * MS
    late = anchor.monotonic_ns + 1_100 * MS
    stale = clock.at_ns([stamp(anchor.realtime_ns)], soon)
    fresh = clock.at_ns([stamp(anchor.realtime_ns)], late)
    assert 480 * MS < fresh - stale < 520 * MS


def test_an_anchor_reads_both_clocks_at_one_instant() -> None:
    before, before_real = time.monotonic_ns(), time.time_ns()
    anchor = read_anchor()
    after, after_real = time.monotonic_ns(), time.time_ns()
    assert before <= anchor.monotonic_ns <= after
    assert before_real - MS <= anchor.realtime_ns <= after_real + MS


def test_the_kernel_stamps_a_segment_when_it_came_not_when_it_was_read() -> None:
    clock = StampClock()
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert clock.enable(client)
        peer, _ = server.accept()
        with peer:
            sent_ns = time.monotonic_ns()
            peer.sendall(b"x")
            time.sleep(0.05)
            _, ancillary, _, _ = client.recvmsg(10, ANCILLARY_BYTES)
            read_ns = time.monotonic_ns()
    arrived_ns = clock.at_ns(ancillary, read_ns)
    assert ancillary
    assert arrived_ns <= read_ns - 40 * MS
    assert arrived_ns >= sent_ns - 2 * MS


def test_a_socket_that_cannot_be_stamped_says_so() -> None:
    sock = socket.socket()
    sock.close()
    assert not StampClock().enable(sock)
