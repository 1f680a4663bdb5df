"""Keeps Python's garbage collector out of a run's way, and counts what it does all the same."""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

YOUNG = (1_000, 4)
"""Allocations before a young collection, and young ones before a middle one: each is short,
as it looks at what was made since the one before and no further."""

NEVER = 2**30
"""Middle collections before a full one, which would look at everything at once."""

GROWTH_BYTES = 256_000_000
"""Memory that may be taken by cycles nobody collects, before a full collection after all."""


class Collector:
    """The collector of this process, from `start` to `stop` of a run.

    `on_pause(begin_ns, end_ns)` is called after each collection, on the thread that made it.
    """

    def __init__(self, on_pause: Callable[[int, int], None]) -> None:
        self._on_pause = on_pause
        self._usual = gc.get_threshold()
        self._begin_ns = 0
        self._counts = [0, 0, 0]
        self._total_ns = [0, 0, 0]
        self._worst_ns = [0, 0, 0]
        self._found = 0
        self._rss_bytes: int | None = None

    def start(self) -> None:
        """Look at everything once, and not again while the run lasts."""
        self._usual = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*YOUNG, NEVER)
        gc.callbacks.append(self._note)

    def settle(self) -> None:
        """Never look again at what lives by now, as when all sessions are open; takes no time."""
        gc.freeze()

    def tend(self, rss_bytes: int) -> None:
        """Collect fully, for once, when this process has grown by GROWTH_BYTES."""
        if self._rss_bytes is None:
            self._rss_bytes = rss_bytes
        elif rss_bytes - self._rss_bytes > GROWTH_BYTES:
            gc.collect()
            self._rss_bytes = None  # the next reading says what is left

    def stop(self) -> None:
        """Leave the collector as it was, and free what the run left behind."""
        if self._note in gc.callbacks:
            gc.callbacks.remove(self._note)
            gc.set_threshold(*self._usual)
            gc.unfreeze()
            gc.collect()

    def _note(self, phase: str, info: dict[str, int]) -> None:
        now_ns = monotonic_ns()
        if phase == "start":
            self._begin_ns = now_ns
            return
        generation, took_ns = info["generation"], now_ns - self._begin_ns
        self._counts[generation] += 1
        self._total_ns[generation] += took_ns
        self._worst_ns[generation] = max(self._worst_ns[generation], took_ns)
        self._found += info["collected"]
        self._on_pause(self._begin_ns, now_ns)

    def facts(self) -> dict[str, Any]:
        """`collector` of a worker in run.json: pauses by generation, 2 being full ones."""
        return {
            "generations": [
                {"count": count, "total_ms": total / 1e6, "worst_ms": worst / 1e6}
                for count, total, worst in zip(
                    self._counts, self._total_ns, self._worst_ns, strict=True
                )
            ],
            "objects_found": self._found,
        }
