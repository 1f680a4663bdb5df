"""Carries the sessions of the light target: their opening, what is due to them, their end."""

from __future__ import annotations

import heapq
import json
import select
import socket
import ssl
from array import array
from collections import deque
from dataclasses import dataclass, field
from time import monotonic_ns

from websockets.frames import Opcode

from bench.session.timer import DeadlineTimer
from tests.benchmarks import wire
from tests.benchmarks.duty import PERIOD_MS, Turns

MANNERS = ("never_reads", "huge", "trickle")
"""What the first caller can be made of: its socket is never read; it gets a message of 20 MB
each second; it gets a byte each second. The latter two get nothing else."""

_MS = 1_000_000
_DRAIN_MS = 500
_DRAIN_STEPS = 100
_SENDS_PER_LOOK = 64
_HUGE_BYTES = 20_000_000
_PIECE_BYTES = 262_144
_SMALL_BUFFER_BYTES = 4_096
_TLS_RECORD_BYTES = 22
_CLOSE_BYTES = 8
_WANT_WRITE = (BlockingIOError, ssl.SSLWantWriteError)
_WANT_READ = (BlockingIOError, ssl.SSLWantReadError)

_unread = memoryview(bytearray(1 << 20))


@dataclass(slots=True, eq=False)
class Session:
    """One connection: `stage` goes from tls or head over setup and audio to over."""

    sock: socket.socket
    number: int
    stage: str
    manner: str = ""
    buffer: bytes = b""
    base_ns: int = 0
    """When its audio began: the zero of its timetable."""
    turn: int = 0
    step: int = 0
    frame_bytes: int = 1
    read_bytes: int = 0
    queue: deque[bytes | memoryview] = field(default_factory=deque)
    watched: int = 0


class Switchboard:
    """All connections, and the one timetable of what they are sent."""

    def __init__(
        self,
        listening: socket.socket,
        turns: Turns,
        context: ssl.SSLContext | None,
        *,
        mute: bool = False,
        odd_manner: str = "",
    ) -> None:
        self.truth = array("q")
        """Session, turn, mark and instant, again and again."""
        self.odd: int | None = None
        self.over = False
        self._listening = listening
        self._turns = turns
        self._odd_manner = odd_manner
        self._mute = mute
        self._context = context
        self._epoll = select.epoll()
        self._timer = DeadlineTimer()
        self._sessions: dict[int, Session] = {}
        self._accepted = 0
        self._heap: list[tuple[int, int, Session]] = []
        self._ring: deque[Session] = deque()
        self._drain_ns = monotonic_ns()
        self._huge = b""
        for fd in (listening.fileno(), self._timer.fileno()):
            self._epoll.register(fd, select.EPOLLIN)

    def serve(self) -> None:
        """Until `over`."""
        while not self.over:
            self._send_due()
            self._drain_due()
            next_ns = self._drain_ns
            if self._heap and self._heap[0][0] < next_ns:
                next_ns = self._heap[0][0]
            self._timer.arm(next_ns)
            for fd, mask in self._epoll.poll(-1, 16):
                if fd == self._timer.fileno():
                    self._timer.clear()
                elif fd == self._listening.fileno():
                    self._accept()
                elif fd in self._sessions:
                    self._serve_ready(self._sessions[fd], mask)

    # opening

    def _accept(self) -> None:
        try:
            sock, _ = self._listening.accept()
        except BlockingIOError:
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stage = "head"
        if self._context is not None:
            stage = "tls"
            sock = self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        session = self._sessions[sock.fileno()] = Session(sock, self._accepted, stage)
        self._watch(session)
        self._accepted += 1

    def _serve_ready(self, session: Session, mask: int) -> None:
        try:
            if mask & select.EPOLLOUT:
                self._flush(session)
            elif session.stage == "audio":
                self._forget(session)  # a reset or a hang-up
            elif session.stage == "tls":
                session.sock.do_handshake()  # type: ignore[attr-defined]
                session.stage = "head"
            else:
                data = session.sock.recv(65_536)
                session.buffer += data
                self._open(session) if data else self._forget(session)
        except _WANT_READ:
            pass
        except OSError:
            self._forget(session)

    def _open(self, session: Session) -> None:
        """Go on with the opening exchange as far as what has come allows."""
        if session.stage == "head":
            head, blank, rest = session.buffer.partition(b"\r\n\r\n")
            if not blank:
                return
            session.buffer, session.stage = rest, "setup"
            self._send(session, wire.accept_upgrade(head))
            self._send(session, wire.session_event("created", session.number))
        while session.stage == "setup":
            start, end = wire.frame_bounds(session.buffer)
            if end > len(session.buffer):
                return
            if session.buffer[0] & 0x0F != Opcode.TEXT:
                self._forget(session)
            elif wire.is_update(session.buffer, start):
                self._send(session, wire.session_event("updated", session.number))
                session.buffer = session.buffer[end:]
            else:
                self._start(session, end, wire.append_ms(end - start))

    def _start(self, session: Session, frame_bytes: int, chunk_ms: int) -> None:
        """Begin the timetable: the first append is here, its audio began a chunk ago."""
        session.stage = "audio"
        session.base_ns = monotonic_ns() - chunk_ms * _MS
        session.frame_bytes = frame_bytes
        if self._context is not None:
            session.frame_bytes += _TLS_RECORD_BYTES
        session.read_bytes = len(session.buffer) - frame_bytes
        session.buffer = b""
        first_ns = session.base_ns + self._turns.at_ns[0]
        if self.odd is None and self._odd_manner:
            self.odd, session.manner = session.number, self._odd_manner
        if session.manner == "never_reads":
            session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER_BYTES)
        else:
            self._ring.append(session)
        self._watch(session)
        if not self._mute:
            heapq.heappush(self._heap, (first_ns, session.number, session))

    # sending

    def _send_due(self) -> None:
        heap, at_ns, marks, truth = self._heap, self._turns.at_ns, self._turns.marks, self.truth
        for _ in range(_SENDS_PER_LOOK):
            if not heap or heap[0][0] > monotonic_ns():
                return
            _, number, session = heap[0]
            if session.stage == "over":
                heapq.heappop(heap)
                continue
            if session.manner in {"huge", "trickle"}:
                self._send_oddly(session)
                heapq.heapreplace(heap, (monotonic_ns() + 1000 * _MS, number, session))
                continue
            step, mark = session.step, marks[session.step]
            frame = self._turns.frames(session.turn)[step]
            if mark is not None:
                truth.extend((number, session.turn, mark, monotonic_ns()))
            self._send(session, frame)
            step += 1
            if step == len(at_ns):
                step = 0
                session.turn += 1
            session.step = step
            next_ns = session.base_ns + session.turn * PERIOD_MS * _MS + at_ns[step]
            heapq.heapreplace(heap, (next_ns, number, session))

    def _send_oddly(self, session: Session) -> None:
        if session.manner == "trickle":
            session.buffer = session.buffer or self._turns.frames(0)[0]
            self._send(session, session.buffer[:1])
            session.buffer = session.buffer[1:]
        elif not session.queue:
            if not self._huge:
                event = {"type": "response.output_audio.delta", "response_id": "resp_huge"}
                text = json.dumps({**event, "item_id": "item_huge", "delta": "A" * _HUGE_BYTES})
                self._huge = wire.server_frame(text.encode())
            session.queue.append(self._huge)
            self._watch(session)

    def _send(self, session: Session, frame: bytes) -> None:
        """Send at once; what the kernel does not take waits in order."""
        if session.queue:
            session.queue.append(frame)
            return
        try:
            taken = session.sock.send(frame)
        except _WANT_WRITE:
            taken = 0
        except OSError:
            self._forget(session)
            return
        if taken < len(frame):
            session.queue.append(memoryview(frame)[taken:])
            self._watch(session)

    def _flush(self, session: Session) -> None:
        """Send a bounded piece of what waits, so that nobody else waits for long."""
        piece = memoryview(session.queue[0])
        with_room = piece[:_PIECE_BYTES]
        try:
            taken = session.sock.send(with_room)
        except _WANT_WRITE:
            return
        if taken < len(piece):
            session.queue[0] = piece[taken:]
            return
        session.queue.popleft()
        if not session.queue:
            self._watch(session)

    def _watch(self, session: Session) -> None:
        """Have what the session waits for wake us: while it only listens, nothing."""
        if session.stage == "over":
            return
        mask = 0 if session.stage == "audio" else select.EPOLLIN
        mask |= select.EPOLLOUT if session.queue else 0
        fd, watched = session.sock.fileno(), session.watched
        session.watched = mask
        if mask and watched:
            self._epoll.modify(fd, mask)
        elif mask:
            self._epoll.register(fd, mask)
        elif watched:
            self._epoll.unregister(fd)  # with a mask of 0 each arrival would still cost the sender

    # throwing away

    def _drain_due(self) -> None:
        """Empty the sockets of a share of the sessions: each one's turn comes every 500 ms."""
        now_ns = monotonic_ns()
        if now_ns < self._drain_ns:
            return
        self._drain_ns = now_ns + _DRAIN_MS * _MS // _DRAIN_STEPS
        for _ in range(-(-len(self._ring) // _DRAIN_STEPS)):
            session = self._ring.popleft()
            if session.stage != "over" and self._drain(session):
                self._ring.append(session)

    def _drain(self, session: Session) -> bool:
        """Have the kernel drop what has come, without copying it; False when that was the end.

        A close frame is known by its size: appends alone add up to a multiple of theirs.
        """
        try:
            # The plain socket's own method, below TLS too: nothing that comes is wanted.
            size = socket.socket.recv_into(session.sock, _unread, len(_unread), socket.MSG_TRUNC)
        except BlockingIOError:
            return True
        except OSError:
            size = 0
        session.read_bytes += size
        over = session.read_bytes % session.frame_bytes
        if size and over not in {_CLOSE_BYTES, _CLOSE_BYTES + _TLS_RECORD_BYTES}:
            return True
        if size:
            self._send(session, wire.CLOSING)
        self._forget(session)
        return False

    def _forget(self, session: Session) -> None:
        if session.stage != "over":
            session.stage = "over"
            if session.watched:
                self._epoll.unregister(session.sock.fileno())
            del self._sessions[session.sock.fileno()]
            session.sock.close()
