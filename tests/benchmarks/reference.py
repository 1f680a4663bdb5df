"""What reference clients have in common: their options, what they say, and their record.

They are written the way such clients are written, and made no worse than that: no compression,
no pings, a schedule corrected for drift, connections spread like those of rtbench.
"""

from __future__ import annotations

import argparse
from array import array
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.codec import PCM16
from bench.runs.event import APPEND_SCHEMA
from tests.benchmarks.duty import PERIOD_MS, UTTERANCE

SESSION_UPDATE = {
    "type": "session.update",
    "session": {
        "type": "realtime",
        "audio": {"input": {"turn_detection": {"type": "server_vad"}}},
    },
}
_SCHEMA = pa.schema(
    [APPEND_SCHEMA.field(name) for name in ("session_id", "index", "due_ns", "sent_ns")]
)


def read_options(description: str | None) -> argparse.Namespace:
    """What every client is told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--url", required=True)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--rate", type=float, default=100, help="sessions begun per second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--chunk-ms", type=int, default=20)
    parser.add_argument("--out", type=Path, required=True, help="where appends.parquet goes")
    return parser.parse_args()


def spoken_chunks(chunk_ms: int) -> list[bytes]:
    """One period of a caller: the utterance, then silence; PCM16."""
    pcm = Catalogue.open(default_directory()).get(UTTERANCE).pcm
    silence = np.zeros(PERIOD_MS * PCM16.rate_hz // 1000 - len(pcm), np.int16)
    return PCM16.chunks(np.concatenate([pcm, silence]), chunk_ms)


class Pen:
    """Keeps when frames were due and sent, and writes the table that rtbench writes."""

    def __init__(self) -> None:
        self._rows = array("q")

    def append(self, session: int, index: int, due_ns: int, sent_ns: int) -> None:
        """Note a frame that the library has taken."""
        self._rows.extend((session, index, due_ns, sent_ns))

    def write(self, path: Path) -> None:
        """What is read of APPEND_SCHEMA."""
        rows = np.frombuffer(self._rows, np.int64).reshape(-1, 4)
        used, codes = np.unique(rows[:, 0], return_inverse=True)
        names = pa.array([f"s-{number:05d}" for number in used], pa.string())
        ids = pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), names)
        columns = [ids, *(pa.array(rows[:, i]) for i in (1, 2, 3))]
        pq.write_table(pa.table(columns, schema=_SCHEMA), path)
