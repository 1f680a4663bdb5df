"""Turns a run's events, which lie by time, into sessions of rows, whatever the run's length.

Tables of events come in pieces. A first look at all of them finds where each session's rows lie;
then blocks of sessions are gathered, each from the pieces that hold them, so that no more than a
block is in memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.analysis.clock import worker_of
from bench.analysis.rows import Row, fold_rows
from bench.runs.event import EventRow

INDEX_COLUMNS = ("session_id", "at_ns")
"""What SessionIndex looks at."""

BLOCK_ROWS = 500_000
"""Events gathered at a time: some 150 MB. More are gathered only for a session that has more."""

_FOLD_ROWS = 100_000
"""Events made into Python rows at a time."""


class Pieces(Protocol):
    """A table of events in pieces of a moderate size, as a file has them."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def read(self, number: int, columns: Sequence[str]) -> pa.Table:
        """Those columns of a piece."""
        ...


class Block(NamedTuple):
    """Sessions to gather together, and the pieces to look for them in."""

    session_ids: list[str]
    pieces: range


@dataclass(slots=True)
class _Place:
    rows: int
    first: int
    last: int


class SessionIndex:
    """Where each session's rows lie, and from when until when each worker recorded."""

    def __init__(self) -> None:
        self.spans: dict[str, tuple[int, int]] = {}
        """First and last instant of each worker, on its own clock."""
        self._places: dict[str, _Place] = {}
        self._pieces = 0

    def add(self, piece: pa.Table) -> None:
        """Take in the next piece."""
        words, codes = _encoded(piece.column("session_id"))
        amounts = np.bincount(codes, minlength=len(words)).tolist()
        for session_id, rows in zip(words, amounts, strict=True):
            if rows:
                place = self._places.setdefault(session_id, _Place(0, self._pieces, self._pieces))
                place.rows += rows
                place.last = self._pieces
        self._pieces += 1
        self._span([worker_of(word) for word in words], codes, piece.column("at_ns").to_numpy())

    def _span(
        self, workers: list[str], codes: NDArray[np.int64], at_ns: NDArray[np.int64]
    ) -> None:
        for worker in sorted(set(workers)):
            is_own = np.array([name == worker for name in workers])
            own_ns = at_ns if is_own.all() else at_ns[is_own[codes]]
            if len(own_ns):
                low, high = int(own_ns.min()), int(own_ns.max())
                before = self.spans.get(worker, (low, high))
                self.spans[worker] = min(before[0], low), max(before[1], high)

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[Block]:
        """Every session once, in the order in which their workers began them."""
        gathered: list[str] = []
        amount = 0
        for session_id in sorted(self._places, key=_number):
            place = self._places[session_id]
            if gathered and amount + place.rows > rows:
                yield self._block(gathered)
                gathered, amount = [], 0
            gathered.append(session_id)
            amount += place.rows
        if gathered:
            yield self._block(gathered)

    def _block(self, session_ids: list[str]) -> Block:
        places = [self._places[session_id] for session_id in session_ids]
        first, last = min(p.first for p in places), max(p.last for p in places)
        return Block(session_ids, range(first, last + 1))


def _number(session_id: str) -> tuple[str, int, str]:
    """Sorts `w0-2` before `w0-10`."""
    return worker_of(session_id), len(session_id), session_id


def gather(block: Block, pieces: Pieces) -> Iterator[tuple[str, list[Row]]]:
    """Each session of a block with its rows in recorded order, runs of deltas folded."""
    found = []
    codes = []
    place_of = {session_id: place for place, session_id in enumerate(block.session_ids)}
    for number in block.pieces:
        piece = pieces.read(number, EventRow._fields)
        words, word_codes = _encoded(piece.column("session_id"))
        places = np.array([place_of.get(word, -1) for word in words], dtype=np.int64)[word_codes]
        is_wanted = places >= 0
        if is_wanted.any():
            found.append(piece if is_wanted.all() else piece.filter(pa.array(is_wanted)))
            codes.append(places[is_wanted])
    if found:
        yield from _sessions(block.session_ids, pa.concat_tables(found), np.concatenate(codes))


def _sessions(
    session_ids: list[str], events: pa.Table, codes: NDArray[np.int64]
) -> Iterator[tuple[str, list[Row]]]:
    # Each piece brought a dictionary of its own; rows of several cannot be taken together.
    events = events.unify_dictionaries().combine_chunks()
    order = np.lexsort((events.column("seq").to_numpy(), codes))
    codes = codes[order]
    ends = np.append(np.flatnonzero(np.diff(codes)) + 1, len(order))
    begin = 0
    while begin < len(order):
        # As many whole sessions as fit, and one in any case.
        next_end, fitting = np.searchsorted(ends, [begin, begin + _FOLD_ROWS], side="right")
        end = int(ends[max(fitting - 1, next_end)])
        some = codes[begin:end]
        rows, begins = fold_rows(events.take(pa.array(order[begin:end])), some)
        borders = [0, *(np.flatnonzero(np.diff(some[begins])) + 1).tolist(), len(rows)]
        for first, last in itertools.pairwise(borders):
            yield session_ids[some[begins[first]]], rows[first:last]
        begin = end


def _encoded(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """Words, and for each row the place of its own among them."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    chunks = column.unify_dictionaries().chunks
    words = chunks[0].dictionary.to_pylist() if chunks else []
    codes = [chunk.indices.to_numpy().astype(np.int64) for chunk in chunks]
    return words, np.concatenate([np.empty(0, np.int64), *codes])
