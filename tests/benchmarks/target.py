"""Turns a timetable into a Realtime server so light that it leaves the machine to the load.

It accepts sessions, answers the opening exchange, and from a session's first append on sends
the messages of `tests.benchmarks.duty` at their instants, whatever the caller says: what comes
in is thrown away unread. Instants of sending are kept and written to a file at the end.

    python -m tests.benchmarks.target [--port 0] [--tls] [--truth FILE.parquet]
"""

from __future__ import annotations

import argparse
import base64
import gc
import hashlib
import heapq
import json
import select
import signal
import socket
import ssl
import sys
import tempfile
from array import array
from collections import deque
from pathlib import Path
from time import monotonic_ns

from websockets.frames import Frame, Opcode

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.codec import PCM16
from bench.server.certificate import ensure_certificate
from bench.session.timer import DeadlineTimer
from tests.benchmarks.duty import PERIOD_MS, REPLY, Duty, Step, script, text_of

MANNERS = ("never_reads", "huge", "trickle")
"""What `--odd` makes of the first caller: its socket is never read; it gets a message of 20 MB
each second besides; it gets a byte each second and nothing else."""

_MS = 1_000_000
_DRAIN_MS = 250
_DRAIN_STEPS = 50
_SENDS_PER_LOOK = 64
_TURNS_KEPT = 4
_HUGE_BYTES = 20_000_000
_WANT_WRITE = (BlockingIOError, ssl.SSLWantWriteError)
_WANT_READ = (BlockingIOError, ssl.SSLWantReadError)
_CLOSE_BYTES = (8, 8 + 22)
"""Of a masked close frame, bare and in a TLS record: known by what appends do not add up to."""

_unread = memoryview(bytearray(1 << 20))


def server_frame(text: bytes) -> bytes:
    """One unmasked text frame."""
    return Frame(Opcode.TEXT, text).serialize(mask=False)


class Turns:
    """The frames of each turn by its number, made once and shared by all sessions."""

    def __init__(self, steps: list[Step]) -> None:
        self.at_ns = [round(step.at_ms * _MS) for step in steps]
        self.marks = [step.mark for step in steps]
        self._steps = steps
        self._frames: dict[int, list[bytes]] = {}
        self.frames(0)

    def frames(self, number: int) -> list[bytes]:
        """Frames of turn `number`, in the order of `at_ns`."""
        frames = self._frames.get(number)
        if frames is None:
            frames = [server_frame(text_of(step, number)) for step in self._steps]
            self._frames[number] = frames
            self._frames.pop(number - _TURNS_KEPT, None)
        return frames


class Session:
    """One connection."""

    __slots__ = (
        "base_ns",
        "buffer",
        "frame_bytes",
        "manner",
        "number",
        "queue",
        "read_bytes",
        "sock",
        "stage",
        "step",
        "turn",
    )

    def __init__(self, sock: socket.socket, number: int, stage: str) -> None:
        self.sock = sock
        self.number = number
        self.stage = stage
        self.buffer = b""
        self.base_ns = 0
        self.turn = self.step = 0
        self.frame_bytes = 1
        self.read_bytes = 0
        self.queue: deque[bytes | memoryview] = deque()
        self.manner = ""


class Target:
    """All connections and the one timetable of their messages."""

    def __init__(
        self, listening: socket.socket, turns: Turns, options: argparse.Namespace
    ) -> None:
        self.truth = array("q")  # session, turn, mark, instant; again and again
        self.odd: int | None = None
        self.over = False
        self._listening = listening
        self._turns = turns
        self._options = options
        self._context = _server_context() if options.tls else None
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
            sock = self._context.wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
            )
            stage = "tls"
        session = Session(sock, self._accepted, stage)
        self._accepted += 1
        self._sessions[sock.fileno()] = session
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _serve_ready(self, session: Session, mask: int) -> None:
        try:
            if mask & select.EPOLLOUT:
                self._flush(session)
            if session.stage == "tls":
                session.sock.do_handshake()  # type: ignore[attr-defined]
                session.stage = "head"
            if session.stage != "audio" and mask & ~select.EPOLLOUT:
                data = session.sock.recv(65_536)
                if not data:
                    self._forget(session)
                    return
                session.buffer += data
                self._open(session)
        except _WANT_READ:
            pass
        except OSError:
            self._forget(session)

    def _open(self, session: Session) -> None:
        """Go on with the opening exchange as far as what has come allows."""
        if session.stage == "head":
            head, blank, session.buffer = session.buffer.partition(b"\r\n\r\n")
            if not blank:
                session.buffer = head
                return
            self._send(session, _upgrade(head))
            self._send(session, server_frame(_session_event("created", session.number)))
            session.stage = "setup"
        while session.stage == "setup":
            text_start, end = _frame_bounds(session.buffer)
            if end > len(session.buffer):
                return
            if session.buffer[0] & 0x0F != Opcode.TEXT:
                self._forget(session)
                return
            if b'"session.update"' in _unmask(session.buffer, text_start, 64):
                self._send(session, server_frame(_session_event("updated", session.number)))
                session.buffer = session.buffer[end:]
            else:
                self._start(session, end, end - text_start)

    def _start(self, session: Session, frame_bytes: int, text_bytes: int) -> None:
        """Begin the timetable: the first append is here, its audio began a chunk ago."""
        chunk_ms = round((text_bytes - 60) * 3 / 4 / PCM16.bytes_for(10)) * 10
        session.stage = "audio"
        session.base_ns = monotonic_ns() - chunk_ms * _MS
        session.frame_bytes = frame_bytes + (0 if self._context is None else 22)
        session.read_bytes = len(session.buffer) % frame_bytes
        session.buffer = b""
        if self.odd is None and self._options.odd:
            self.odd, session.manner = session.number, self._options.odd
        self._epoll.modify(session.sock.fileno(), 0)
        if session.manner != "never_reads":
            self._ring.append(session)
        first_ns = session.base_ns + self._turns.at_ns[0]
        if session.manner in {"huge", "trickle"}:
            first_ns = session.base_ns + 1000 * _MS
        if not self._options.mute:
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
            step = session.step
            mark = marks[step]
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
                self._huge = server_frame(text.encode())
            self._send(session, self._huge)

    def _send(self, session: Session, frame: bytes) -> None:
        """Send at once; what the kernel does not take waits in order."""
        if not session.queue:
            try:
                taken = session.sock.send(frame)
            except _WANT_WRITE:
                taken = 0
            except OSError:
                self._forget(session)
                return
            if taken == len(frame):
                return
            session.queue.append(memoryview(frame)[taken:])
            self._watch(session)
            return
        session.queue.append(frame)

    def _flush(self, session: Session) -> None:
        while session.queue:
            piece = session.queue[0]
            try:
                taken = session.sock.send(piece)
            except _WANT_WRITE:
                return
            if taken < len(piece):
                session.queue[0] = memoryview(piece)[taken:]
                return
            session.queue.popleft()
        self._watch(session)

    def _watch(self, session: Session) -> None:
        mask = 0 if session.stage == "audio" else select.EPOLLIN
        if session.queue:
            mask |= select.EPOLLOUT
        self._epoll.modify(session.sock.fileno(), mask)

    # throwing away

    def _drain_due(self) -> None:
        """Empty the sockets of a share of the sessions: each one's turn comes every 250 ms."""
        now_ns = monotonic_ns()
        if now_ns < self._drain_ns:
            return
        self._drain_ns = now_ns + _DRAIN_MS * _MS // _DRAIN_STEPS
        ring = self._ring
        for _ in range(-(-len(ring) // _DRAIN_STEPS)):
            session = ring.popleft()
            if session.stage != "over" and self._drain(session):
                ring.append(session)

    def _drain(self, session: Session) -> bool:
        """Have the kernel drop what has come, without copying it; False when that was the end."""
        try:
            # The plain socket's own method, below TLS too: nothing that comes is wanted.
            size = socket.socket.recv_into(session.sock, _unread, len(_unread), socket.MSG_TRUNC)
        except BlockingIOError:
            return True
        except OSError:
            size = 0
        session.read_bytes += size
        if size == 0:
            self._forget(session)
            return False
        if session.read_bytes % session.frame_bytes in _CLOSE_BYTES:
            self._send(session, Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=False))
            self._forget(session)
            return False
        return True

    def _forget(self, session: Session) -> None:
        if session.stage == "over":
            return
        session.stage = "over"
        fd = session.sock.fileno()
        self._epoll.unregister(fd)
        del self._sessions[fd]
        session.sock.close()


def _upgrade(head: bytes) -> bytes:
    key = next(
        line.partition(b":")[2].strip()
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key:")
    )
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def _session_event(what: str, number: int) -> bytes:
    session = {"type": "realtime", "object": "realtime.session", "id": session_id(number)}
    event = {"type": f"session.{what}", "event_id": f"event_{what}", "session": session}
    return json.dumps(event).encode()


def session_id(number: int) -> str:
    """What session number `number` is called in its `session.created`."""
    return f"sess_{number:06d}"


def _frame_bounds(data: bytes) -> tuple[int, int]:
    """Where the text of the masked frame that `data` begins with starts, and where it ends.

    Beyond the end of `data` while its head is not in.
    """
    if len(data) < 14:
        return 0, len(data) + 1
    size, start = data[1] & 0x7F, 6
    if size == 126:
        size, start = int.from_bytes(data[2:4], "big"), 8
    elif size == 127:
        size, start = int.from_bytes(data[2:10], "big"), 14
    return start, start + size


def _unmask(data: bytes, start: int, count: int) -> bytes:
    mask = data[start - 4 : start]
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(data[start : start + count]))


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ensure_certificate(certificate_directory()))
    return context


def certificate_directory() -> Path:
    """Where the target's certificate is; a client trusts it by SSL_CERT_FILE."""
    return Path(tempfile.gettempdir()) / "rtbench-benchmark-tls"


def reply_deltas(duty: Duty) -> list[str]:
    """The reply's audio, recorded speech, Base64, cut to deltas."""
    utterance = Catalogue.open(default_directory()).get(REPLY)
    chunks = PCM16.chunks(utterance.pcm, duty.delta_ms)
    count = duty.reply_ms // duty.delta_ms
    return [base64.b64encode(chunks[i % len(chunks)]).decode() for i in range(count)]


def write_truth(path: Path, truth: array[int], odd: int | None) -> None:
    """Write (session, turn, mark, sent_ns) rows; the odd session's id goes into the metadata."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = np.frombuffer(truth, np.int64).reshape(-1, 4)
    names = ("session", "turn", "mark", "sent_ns")
    table = pa.table({name: rows[:, i] for i, name in enumerate(names)})
    if odd is not None:
        table = table.replace_schema_metadata({"odd": session_id(odd)})
    pq.write_table(table, path)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--truth", type=Path, help="where instants go at the end")
    parser.add_argument("--mute", action="store_true", help="send nothing after the opening")
    parser.add_argument("--odd", choices=MANNERS, default="", help="treat the first caller so")
    parser.add_argument("--rcvbuf", type=int, help="bytes of the receive buffers")
    options = parser.parse_args()
    duty = Duty()
    turns = Turns(script(duty, reply_deltas(duty)))
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if options.rcvbuf:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.rcvbuf)
        listening.bind(("127.0.0.1", options.port))
        listening.listen(4096)
        listening.setblocking(False)
        target = Target(listening, turns, options)

        def end(*_: object) -> None:
            target.over = True

        signal.signal(signal.SIGTERM, end)
        gc.collect()
        gc.freeze()
        gc.disable()  # nothing here makes cycles
        scheme = "wss" if options.tls else "ws"
        print(f"listening on {scheme}://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        target.serve()
    if options.truth:
        write_truth(options.truth, target.truth, target.odd)
    sys.exit(0)


if __name__ == "__main__":
    main()
