"""Turns what is recorded, value by value, into columns that become Arrow tables without a loop.

A table made from rows takes milliseconds of the interpreter at a time, and frames that are due
meanwhile leave late. Here each value costs one append when it is recorded, and a table is a few
calls on whole columns. Strings that repeat are kept as their place among those of the batch.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.runs.event import APPEND_SCHEMA, EVENT_SCHEMA

# What stands for None in a column of numbers, until the table is made. No host has been up for
# minus 292 years, no turn is the minus first, and no server can say NaN in JSON.
_NO_INT = -(2**63)
_NO_TURN = -1
_NO_FLOAT = math.nan


class EventColumns:
    """Events of one batch, by column."""

    def __init__(self) -> None:
        self._session = array("i")
        self._seq = array("q")
        self._turn = array("i")
        self._direction = array("i")
        self._kind = array("i")
        self._type = array("i")
        self._at_ns = array("q")
        self._read_ns = array("q")
        self._size_bytes = array("q")
        self._audio_ms = array("d")
        self._silence_ms = array("d")
        self._item = array("i")
        self._response = array("i")
        self._server_ms = array("d")
        self._detail = array("i")
        self._words: dict[str, int] = {}  # few: directions, kinds, types
        self._texts: dict[str | None, int] = {None: 0}  # many: ids, details

    def __len__(self) -> int:
        return len(self._seq)

    def __getstate__(self) -> dict[str, Any]:
        return _lent(self)

    def add(self, session: int, row: tuple[Any, ...]) -> None:
        """Take in a row of session number `session`: the values of an EventRow."""
        (
            _,
            seq,
            turn_index,
            direction,
            kind,
            wire_type,
            at_ns,
            read_ns,
            size_bytes,
            audio_ms,
            silence_ms,
            item_id,
            response_id,
            server_ms,
            detail,
        ) = row
        words, texts = self._words, self._texts
        self._session.append(session)
        self._seq.append(seq)
        self._turn.append(_NO_TURN if turn_index is None else turn_index)
        self._direction.append(words.setdefault(direction, len(words)))
        self._kind.append(words.setdefault(kind, len(words)))
        self._type.append(words.setdefault(wire_type, len(words)))
        self._at_ns.append(at_ns)
        self._read_ns.append(_NO_INT if read_ns is None else read_ns)
        self._size_bytes.append(_NO_INT if size_bytes is None else size_bytes)
        self._audio_ms.append(_NO_FLOAT if audio_ms is None else audio_ms)
        self._silence_ms.append(_NO_FLOAT if silence_ms is None else silence_ms)
        self._item.append(texts.setdefault(item_id, len(texts)))
        self._response.append(texts.setdefault(response_id, len(texts)))
        self._server_ms.append(_NO_FLOAT if server_ms is None else server_ms)
        self._detail.append(texts.setdefault(detail, len(texts)))

    def details(self, kind: str) -> list[str | None]:
        """The `detail` of each event of a kind, in the order they were recorded."""
        texts = list(self._texts)
        return [texts[self._detail[place]] for place in self._places(kind)]

    def count(self, kind: str) -> int:
        """How many events are of a kind."""
        return len(self._places(kind))

    def _places(self, kind: str) -> NDArray[np.intp]:
        word = self._words.get(kind, -1)  # of a kind that never came, as no code is
        return np.flatnonzero(np.asarray(self._kind) == word)

    def table(self, session_ids: Sequence[str]) -> pa.Table:
        """Rows of EVENT_SCHEMA; `session_ids` by session number."""
        words = pa.array(list(self._words), pa.string())
        texts = pa.array(list(self._texts), pa.string())
        return pa.table(
            [
                _sessions(np.asarray(self._session), session_ids),
                _whole(self._seq),
                _integers(self._turn, _NO_TURN),
                _dictionary(self._direction, words),
                _dictionary(self._kind, words),
                _dictionary(self._type, words),
                _whole(self._at_ns),
                _integers(self._read_ns, _NO_INT),
                _integers(self._size_bytes, _NO_INT),
                _floats(self._audio_ms),
                _floats(self._silence_ms),
                texts.take(_whole(self._item)),
                texts.take(_whole(self._response)),
                _floats(self._server_ms),
                texts.take(_whole(self._detail)),
            ],
            schema=EVENT_SCHEMA,
        )


class AppendColumns:
    """Frames of one batch, by column, in the order they went out.

    `unsent` has those never handed to the kernel: session, index, due and, where it was tried,
    when they were first offered.
    """

    def __init__(self) -> None:
        self.session = array("i")
        self.index = array("q")
        self.due_ns = array("q")
        self.sent_ns = array("q")
        self.offered_ns: dict[int, int] = {}
        """By place in the columns; only of frames that had to wait for room in the socket."""
        self.unsent: list[tuple[int, int, int, int | None]] = []

    def __getstate__(self) -> dict[str, Any]:
        return _lent(self)

    def lateness_ms(self) -> NDArray[np.float64]:
        """How late each frame was offered to the kernel; one that waited was offered before."""
        offered_ns = np.array(self.sent_ns, np.int64)
        for place, instant_ns in self.offered_ns.items():
            offered_ns[place] = instant_ns
        return (offered_ns - np.asarray(self.due_ns, np.int64)) / 1e6

    def table(self, session_ids: Sequence[str]) -> pa.Table:
        """Rows of APPEND_SCHEMA by session and index, so that neighbours differ little."""
        unsent = np.array([row[:3] for row in self.unsent], np.int64).reshape(-1, 3)
        session = np.concatenate([np.asarray(self.session, np.int64), unsent[:, 0]])
        index = np.concatenate([np.asarray(self.index, np.int64), unsent[:, 1]])
        due_ns = np.concatenate([np.asarray(self.due_ns, np.int64), unsent[:, 2]])
        sent_ns = np.concatenate([np.asarray(self.sent_ns, np.int64), unsent[:, 2]])
        missing = np.arange(len(session)) >= len(self.session)
        offered_ns = np.full(len(session), _NO_INT, np.int64)
        for place, instant_ns in self.offered_ns.items():
            offered_ns[place] = instant_ns
        for place, (*_, tried_ns) in enumerate(self.unsent, len(self.session)):
            if tried_ns is not None:
                offered_ns[place] = tried_ns
        order = np.lexsort((index, session))
        offered_ns = offered_ns[order]
        return pa.table(
            [
                _sessions(session[order], session_ids),
                pa.array(index[order]),
                pa.array(due_ns[order]),
                pa.array(sent_ns[order], mask=missing[order]),
                pa.array(offered_ns, mask=offered_ns == _NO_INT),
            ],
            schema=APPEND_SCHEMA,
        )


def _lent(columns: EventColumns | AppendColumns) -> dict[str, Any]:
    """What is pickled: views of the columns, which leave the pickle out of band, uncopied.

    Megabytes copied in one go would keep the interpreter from the engine for milliseconds.
    """
    values = vars(columns).items()
    return {name: np.asarray(v) if isinstance(v, array) else v for name, v in values}


def _whole(values: array[int]) -> pa.Array:
    return pa.array(np.asarray(values))


def _integers(values: array[int], missing: int) -> pa.Array:
    column = np.asarray(values)
    return pa.array(column, mask=column == missing)


def _floats(values: array[float]) -> pa.Array:
    column = np.asarray(values)
    return pa.array(column, mask=np.isnan(column))


def _sessions(numbers: NDArray[np.integer[Any]], session_ids: Sequence[str]) -> pa.Array:
    """Ids by number, and of those only the ones that occur: a run may have begun thousands."""
    used, codes = np.unique(numbers, return_inverse=True)
    ids = pa.array([session_ids[number] for number in used], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), ids)


def _dictionary(codes: array[int], words: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(_whole(codes), words)
