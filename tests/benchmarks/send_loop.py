"""The limit of Python: one loop over sockets that sends finished frames, and nothing else.

It parses nothing and receives nothing; let the target be mute.
"""

import json
import socket
from time import monotonic_ns, sleep

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from bench.audio.codec import PCM16
from bench.dialects.openai import OPENAI
from bench.session.frames import FrameStore
from tests.benchmarks.reference import SESSION_UPDATE, Pen, read_options

_SLEEP_NS = 100_000
"""Shorter waits are spun through: a sleep is about as late as this."""


def open_session(url: str) -> socket.socket:
    """A blocking socket whose session is set up."""
    uri = parse_uri(url)
    sock = socket.create_connection((uri.host, uri.port), 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    protocol = ClientProtocol(uri)
    protocol.send_request(protocol.connect())
    sock.sendall(b"".join(protocol.data_to_send()))
    _await_text(sock, b"session.created")
    sock.sendall(Frame(Opcode.TEXT, json.dumps(SESSION_UPDATE).encode()).serialize(mask=True))
    _await_text(sock, b"session.updated")
    sock.settimeout(None)  # with one, Python polls before each send
    return sock


def _await_text(sock: socket.socket, text: bytes) -> None:
    received = b""
    while text not in received:
        data = sock.recv(65_536)
        if not data:
            raise ConnectionError("the target closed the session")
        received += data


def main() -> None:
    """Open all, send until the time is over, write the record."""
    options = read_options(__doc__)
    frames = FrameStore(OPENAI, PCM16, options.chunk_ms, -65).tone
    socks = [open_session(options.url) for _ in range(options.sessions)]
    pen = Pen()
    append = pen.append
    chunk_ns = options.chunk_ms * 1_000_000
    phases = [number * chunk_ns // len(socks) for number in range(len(socks))]
    callers = list(zip(range(len(socks)), socks, phases, strict=True))
    start_ns = monotonic_ns() + chunk_ns
    for index in range(int(options.seconds * 1e9) // chunk_ns):
        frame = frames[index % len(frames)]
        round_ns = start_ns + index * chunk_ns
        for number, sock, phase_ns in callers:
            due_ns = round_ns + phase_ns
            while (early_ns := due_ns - monotonic_ns()) > 0:
                if early_ns > _SLEEP_NS:
                    sleep((early_ns - _SLEEP_NS) / 1e9)
            sock.send(frame)
            append(number, index, due_ns, monotonic_ns())
    pen.write(options.out)


if __name__ == "__main__":
    main()
