"""Turns arrivals of a reply's audio into what a listener has heard of it. Pure.

The player has no buffer: a delta sounds as soon as it has come and the one before is over.
"""

from __future__ import annotations

from typing import NamedTuple

_MS = 1_000_000


class Cut(NamedTuple):
    """An item that was silenced: `heard_ms` of its audio had sounded by then."""

    item_id: str
    heard_ms: int


class _Heard:
    """What of one item sounds without a gap from `begin_ns` on, and what did before."""

    __slots__ = ("before_ns", "begin_ns", "end_ns")

    def __init__(self, begin_ns: int) -> None:
        self.before_ns = 0
        self.begin_ns = begin_ns
        self.end_ns = begin_ns

    def until(self, now_ns: int) -> int:
        """Audio heard by `now_ns`, in ns."""
        return self.before_ns + min(max(now_ns - self.begin_ns, 0), self.end_ns - self.begin_ns)


class Playback:
    """The player of one listener. Instants are monotonic ns, given in order."""

    __slots__ = ("_item", "_item_id", "_items", "began_ns", "end_ns")

    def __init__(self, now_ns: int) -> None:
        self.began_ns: int | None = None
        """Arrival of the first audio."""
        self.end_ns = now_ns
        """When everything that came so far has sounded."""
        self._items: dict[str | None, _Heard] = {}
        self._item_id: str | None = None
        self._item: _Heard | None = None

    def take(self, item_id: str | None, at_ns: int, audio_ms: float) -> None:
        """Queue audio that arrived at `at_ns`."""
        end_ns = self.end_ns
        item = self._item
        if item is None or at_ns > end_ns or item_id != self._item_id:
            if self.began_ns is None:
                self.began_ns = at_ns
            end_ns = max(at_ns, end_ns)
            item = self._begin(item_id, end_ns)
        self.end_ns = item.end_ns = end_ns + int(audio_ms * _MS)

    def _begin(self, item_id: str | None, begin_ns: int) -> _Heard:
        """Go on with an item after a gap, or after another one."""
        item = self._items.get(item_id)
        if item is None:
            item = self._items[item_id] = _Heard(begin_ns)
        else:
            item.before_ns += item.end_ns - item.begin_ns
            item.begin_ns = item.end_ns = begin_ns
        self._item_id, self._item = item_id, item
        return item

    def heard_ms(self, now_ns: int) -> float:
        """Audio heard by `now_ns`, of all items."""
        return sum(item.until(now_ns) for item in self._items.values()) / _MS

    def silence(self, now_ns: int) -> list[Cut]:
        """Stop: what has not sounded by `now_ns` never will. The items that lost something."""
        cuts = []
        for item_id, item in self._items.items():
            if item.end_ns <= now_ns:
                continue
            heard_ns = item.until(now_ns)
            item.before_ns, item.begin_ns, item.end_ns = heard_ns, now_ns, now_ns
            if item_id is not None:
                cuts.append(Cut(item_id, heard_ns // _MS))
        self.end_ns = min(self.end_ns, now_ns)
        return cuts
