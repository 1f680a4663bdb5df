"""A reference client as people write it: Locust's idiom, gevent and websocket-client."""

from gevent import monkey

monkey.patch_all()

import base64  # noqa: E402 - after patching
import json  # noqa: E402
from time import monotonic, monotonic_ns  # noqa: E402

import gevent  # noqa: E402
import websocket  # noqa: E402

from tests.benchmarks.reference import (  # noqa: E402
    SESSION_UPDATE,
    Pen,
    read_options,
    spoken_chunks,
)


class Caller:
    """One session: a greenlet that speaks, and one that receives."""

    def __init__(self, url: str, number: int, pen: Pen) -> None:
        self.ws = websocket.create_connection(url)
        self.number = number
        self.pen = pen
        self.stamps: list[tuple[str, int]] = []
        self.ws.recv()
        self.ws.send(json.dumps(SESSION_UPDATE))
        self.ws.recv()
        gevent.spawn(self.receive)

    def receive(self) -> None:
        """Parse and stamp whatever comes."""
        while True:
            event = json.loads(self.ws.recv())
            self.stamps.append((event["type"], monotonic_ns()))

    def speak(self, chunks: list[bytes], chunk_ms: int) -> None:
        """Send a chunk each `chunk_ms`, on a schedule that does not drift."""
        start_ns, index = monotonic_ns(), 0
        while True:
            due_ns = start_ns + (index + 1) * chunk_ms * 1_000_000
            gevent.sleep(max(due_ns - monotonic_ns(), 0) / 1e9)
            audio = base64.b64encode(chunks[index % len(chunks)]).decode()
            self.ws.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            self.pen.append(self.number, index, due_ns, monotonic_ns())
            index += 1


def main() -> None:
    """Spread the sessions, let them speak, write the record."""
    options = read_options(__doc__)
    chunks, pen = spoken_chunks(options.chunk_ms), Pen()

    def call(number: int) -> None:
        Caller(options.url, number, pen).speak(chunks, options.chunk_ms)

    start_s = monotonic()
    for number in range(options.sessions):
        gevent.sleep(max(start_s + number / options.rate - monotonic(), 0))
        gevent.spawn(call, number)
    gevent.sleep(max(start_s + options.seconds - monotonic(), 0))
    pen.write(options.out)  # leaving the process ends the sessions


if __name__ == "__main__":
    main()
