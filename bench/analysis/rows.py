"""Turns an ordered table of events into rows, deltas recorded one after another into one row.

Most rows are deltas, and while a reply is under way the next one decides nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.analysis.moments import Delta
from bench.dialects.base import Kind
from bench.runs.event import EventRow

DELTA_RUN = "delta_run"
_NO_TEXT = -(2**63)


class DeltaRun(NamedTuple):
    """Audio and text deltas of one response, recorded in a row with none lost between them.

    It takes the place of their rows; the columns that all rows have are those of EventRow.
    """

    session_id: str
    seq: int
    """Of the first."""
    last_seq: int
    kind: str
    """DELTA_RUN."""
    at_ns: int
    """The latest arrival."""
    response_id: str
    audio: list[Delta]
    text_count: int
    first_text_ns: int | None


Row: TypeAlias = EventRow | DeltaRun


def fold_rows(events: pa.Table, codes: NDArray[np.int64]) -> tuple[list[Row], NDArray[np.int64]]:
    """Rows of whole sessions in the order given, and where in `events` each of them begins.

    `events` has the columns of EventRow, each session in one piece ordered by `seq`; `codes`
    tells for each row which session it is of.
    """
    audio, joined = _joined(events, codes)
    begins = np.flatnonzero(~joined)
    firsts = events.take(pa.array(begins))
    columns = [_values(firsts.column(name)) for name in EventRow._fields]
    rows: list[Row] = list(map(EventRow._make, zip(*columns, strict=True)))
    _put_runs(rows, begins, events, audio)
    return rows, begins


def _joined(
    events: pa.Table, codes: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows are audio deltas, and which go on with the run of the row before them.

    Rows that share a number stay apart: whether they are one is told by all of their columns.
    """
    seq = events.column("seq").to_numpy()
    audio = _flags(pc.equal(events.column("kind"), Kind.OUTPUT_AUDIO_DELTA.value))
    delta = audio | _flags(pc.equal(events.column("kind"), Kind.OUTPUT_TRANSCRIPT_DELTA.value))
    of = events.column("response_id")
    same_session = codes[1:] == codes[:-1]
    follows = same_session & (seq[1:] == seq[:-1] + 1) & _flags(pc.equal(of[1:], of[:-1]))
    tie = same_session & (seq[1:] == seq[:-1])
    alone = np.append(tie, False) | np.append(False, tie)
    delta &= ~alone
    return audio, np.append(False, follows & delta[1:] & delta[:-1])


def _put_runs(
    rows: list[Row], begins: NDArray[np.int64], events: pa.Table, audio: NDArray[np.bool_]
) -> None:
    """Replace each of `rows` that others go on with by the run of them all."""
    ends = np.append(begins[1:], len(audio))
    places = np.flatnonzero(ends - begins > 1)
    if not len(places):
        return
    at_ns = events.column("at_ns").to_numpy()
    pieces = events.select(Delta._fields).filter(pa.array(audio)).columns
    deltas = list(map(Delta._make, zip(*map(_values, pieces), strict=True)))
    audio_before = np.append(0, np.cumsum(audio))
    texts = np.flatnonzero(np.append(~audio, True))  # in a run whatever is no audio
    begin, end = begins[places], ends[places]
    first_text = texts[np.searchsorted(texts, begin)]
    text_ns = np.where(first_text < end, at_ns[np.minimum(first_text, end - 1)], _NO_TEXT)
    columns = (
        places,
        end - begin,
        np.maximum.reduceat(at_ns, begins)[places],
        audio_before[begin],
        audio_before[end],
        text_ns,
    )
    for place, count, latest_ns, first, last, first_text_ns in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        row = rows[place]
        rows[place] = DeltaRun(
            row.session_id,
            row.seq,
            row.seq + count - 1,
            DELTA_RUN,
            latest_ns,
            row.response_id,
            deltas[first:last],
            count - (last - first),
            None if first_text_ns == _NO_TEXT else first_text_ns,
        )


def _flags(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    flags: NDArray[np.bool_] = column.fill_null(False).to_numpy()
    return flags


def _values(column: pa.ChunkedArray) -> list[Any]:
    # Few distinct strings: one object each instead of one per row.
    if not pa.types.is_dictionary(column.type):
        return list(column.to_pylist())
    values: list[Any] = []
    for chunk in column.chunks:
        words = chunk.dictionary.to_pylist()
        values += [None if code is None else words[code] for code in chunk.indices.to_pylist()]
    return values
