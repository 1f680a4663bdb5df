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
    """When the audio of one item sounds: `past_ns` of it already has, the rest in `spans`."""

    __slots__ = ("past_ns", "spans")

    def __init__(self) -> None:
        self.past_ns = 0
        self.spans: list[tuple[int, int]] = []

    def until(self, now_ns: int) -> int:
        """Audio heard by `now_ns`, in ns."""
        return self.past_ns + sum(
            min(max(now_ns - begin_ns, 0), end_ns - begin_ns) for begin_ns, end_ns in self.spans
        )

    def settle(self, now_ns: int) -> None:
        """Fold into one number what has sounded by `now_ns`."""
        self.past_ns += sum(end - begin for begin, end in self.spans if end <= now_ns)
        self.spans = [span for span in self.spans if span[1] > now_ns]


class Playback:
    """The player of one listener. Instants are monotonic ns, given in order."""

    __slots__ = ("_begin_ns", "_item", "_item_id", "_items", "began_ns", "end_ns")

    def __init__(self, now_ns: int) -> None:
        self.began_ns: int | None = None
        """Arrival of the first audio."""
        self.end_ns = now_ns
        """When everything that came so far has sounded."""
        self._items: dict[str | None, _Heard] = {}
        self._item_id: str | None = None
        self._item: _Heard | None = None
        self._begin_ns = now_ns  # since when the latest item sounds without a gap

    def take(self, item_id: str | None, at_ns: int, audio_ms: float) -> None:
        """Queue audio that arrived at `at_ns`."""
        end_ns = self.end_ns
        if self._item is None or at_ns > end_ns or item_id != self._item_id:
            if self.began_ns is None:
                self.began_ns = at_ns
            end_ns = max(at_ns, end_ns)
            self._begin(item_id, at_ns, end_ns)
        self.end_ns = end_ns + int(audio_ms * _MS)

    def _begin(self, item_id: str | None, at_ns: int, begin_ns: int) -> None:
        """Go on with an item after a gap, or after another one."""
        self._close_span()
        item = self._items.get(item_id)
        if item is None:
            item = self._items[item_id] = _Heard()
        else:
            item.settle(at_ns)
        self._item_id, self._item, self._begin_ns = item_id, item, begin_ns

    def _close_span(self) -> None:
        """Write down until when the latest item sounds, as far as is known."""
        if self._item is None or self.end_ns == self._begin_ns:
            return
        spans, begin_ns = self._item.spans, self._begin_ns
        if spans and spans[-1][1] == begin_ns:  # it was written down a moment ago
            begin_ns = spans.pop()[0]
        spans.append((begin_ns, self.end_ns))
        self._begin_ns = self.end_ns

    def heard_ms(self, now_ns: int) -> float:
        """Audio heard by `now_ns`, of all items."""
        self._close_span()
        return sum(item.until(now_ns) for item in self._items.values()) / _MS

    def silence(self, now_ns: int) -> list[Cut]:
        """Stop: what has not sounded by `now_ns` never will. The items that lost something."""
        self._close_span()
        cuts = []
        for item_id, item in self._items.items():
            heard_ns = item.until(now_ns)
            if any(end_ns > now_ns for _, end_ns in item.spans) and item_id is not None:
                cuts.append(Cut(item_id, heard_ns // _MS))
            item.past_ns, item.spans = heard_ns, []
        self.end_ns = min(self.end_ns, now_ns)
        self._item = None
        return cuts
