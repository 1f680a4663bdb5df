"""Keeps Python's garbage collector out of a run's way, and counts what it does all the same."""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

YOUNG = 1_000
"""More objects made than freed, before a young collection: what it looks at stays little."""

NEVER = 2**30
"""Young collections before one that looks further back."""

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
        gc.set_threshold(YOUNG, NEVER, NEVER)
        gc.callbacks.append(self._note)

    def tend(self, rss_bytes: int) -> None:
        """Look once at what was made since this was last called, and never again; every second.

        The threshold alone would not do. Python counts objects made less objects freed, and old
        ones freed make up for young ones: at a thousand callers, each turn of which takes the
        place of one before, tens of thousands would be young before a collection came.

        Everything is looked at after all, for once, when this process has grown by GROWTH_BYTES.
        """
        if self._rss_bytes is None:
            self._rss_bytes = rss_bytes
        if rss_bytes - self._rss_bytes > GROWTH_BYTES:
            gc.unfreeze()
            gc.collect()
            self._rss_bytes = None  # the next reading says what is left
        else:
            gc.collect(0)
        gc.freeze()

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
