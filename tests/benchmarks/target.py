"""Turns a timetable into a Realtime server so light that it leaves the machine to the load.

It accepts sessions, answers the opening exchange, and from a session's first append on sends
the messages of `tests.benchmarks.duty` at their instants, whatever the caller says: what comes
in is thrown away unread. Instants of sending are kept and written to a file at the end.

    python -m tests.benchmarks.target [--port 0] [--tls] [--truth FILE.parquet]
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import gc
import signal
import socket
import ssl
import tempfile
from array import array
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.codec import PCM16
from bench.server.certificate import ensure_certificate
from tests.benchmarks.duty import REPLY, Duty, Turns, script
from tests.benchmarks.switchboard import MANNERS, Switchboard

CERTIFICATE_DIRECTORY = Path(tempfile.gettempdir()) / "rtbench-benchmark-tls"
"""Where the certificate of `--tls` is kept; a client trusts it by SSL_CERT_FILE."""


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ensure_certificate(CERTIFICATE_DIRECTORY))
    return context


def reply_deltas(duty: Duty) -> list[str]:
    """The reply's audio, recorded speech, Base64, cut to deltas."""
    utterance = Catalogue.open(default_directory()).get(REPLY)
    chunks = PCM16.chunks(utterance.pcm, duty.delta_ms)
    count = duty.reply_ms // duty.delta_ms
    return [base64.b64encode(chunks[i % len(chunks)]).decode() for i in range(count)]


def write_truth(path: Path, truth: array[int], odd: int | None) -> None:
    """Write (session, turn, mark, sent_ns) rows; the odd session's number as metadata."""
    rows = np.frombuffer(truth, np.int64).reshape(-1, 4)
    names = ("session", "turn", "mark", "sent_ns")
    table = pa.table({name: rows[:, i] for i, name in enumerate(names)})
    if odd is not None:
        table = table.replace_schema_metadata({"odd": str(odd)})
    pq.write_table(table, path)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--truth", type=Path, help="where instants go at the end")
    parser.add_argument("--mute", action="store_true", help="send nothing after the opening")
    parser.add_argument("--odd", choices=MANNERS, default="", help="treat the first caller so")
    options = parser.parse_args()
    duty = Duty()
    turns = Turns(script(duty, reply_deltas(duty)))
    with socket.create_server(("127.0.0.1", options.port), backlog=4096) as listening:
        listening.setblocking(False)
        with contextlib.suppress(OSError):  # BBR would hold a message back to pace it
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        board = Switchboard(
            listening,
            turns,
            _server_context() if options.tls else None,
            mute=options.mute,
            odd_manner=options.odd,
        )

        def end(*_: object) -> None:
            board.over = True

        signal.signal(signal.SIGTERM, end)
        gc.collect()
        gc.freeze()
        gc.disable()  # nothing here makes cycles
        scheme = "wss" if options.tls else "ws"
        print(f"listening on {scheme}://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        board.serve()
    if options.truth:
        write_truth(options.truth, board.truth, board.odd)


if __name__ == "__main__":
    main()
