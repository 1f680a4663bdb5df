"""A cue is done once, after the frame due at its instant and before the next one."""

from __future__ import annotations

from bench.session.cue import Cue
from bench.session.pacer import Pacer, Stream

MS = 1_000_000


class Frames:
    """A stream of a frame every 20 ms that writes down when each was due."""

    chunk_ns = 20 * MS

    def __init__(self, told: list[str], first_ns: int) -> None:
        self.next_due_ns: int | None = first_ns
        self._told = told

    def send_due(self, due_ns: int, next_ns: int) -> None:
        self._told.append(f"frame {due_ns // MS}")
        self.next_due_ns = next_ns

    def on_fault(self, error: Exception) -> None:
        raise error


def paced() -> tuple[Pacer, list[str], list[Exception]]:
    told: list[str] = []
    faults: list[Exception] = []

    def on_fault(stream: Stream, error: Exception) -> None:
        stream.on_fault(error)

    pacer = Pacer(on_fault)
    pacer.add(Frames(told, 20 * MS))
    return pacer, told, faults


def test_it_comes_between_the_frames_around_it_however_late_it_is_looked() -> None:
    for looks_ms in ([20, 40, 60, 80], [80], [39, 41, 80]):
        pacer, told, faults = paced()
        pacer.add(Cue(40 * MS, lambda told=told: told.append("cue"), faults.append))  # type: ignore[misc]
        for now_ms in looks_ms:
            pacer.send_due(now_ms * MS + 1, 100)
        assert told == ["frame 20", "frame 40", "cue", "frame 60", "frame 80"]
        assert faults == []


def test_it_is_not_done_before() -> None:
    pacer, told, faults = paced()
    pacer.add(Cue(40 * MS, lambda: told.append("cue"), faults.append))
    pacer.send_due(40 * MS, 100)
    assert told == ["frame 20", "frame 40"]
    assert pacer.next_due_ns == 40 * MS + 1


def test_several_at_one_instant_are_all_done() -> None:
    pacer, told, faults = paced()
    for name in ("a", "b", "c"):
        pacer.add(Cue(40 * MS, lambda name=name: told.append(name), faults.append))  # type: ignore[misc]
    pacer.send_due(41 * MS, 3)
    pacer.send_due(41 * MS, 3)
    assert told == ["frame 20", "frame 40", "a", "b", "c"]


def test_what_it_raises_is_told_and_holds_up_nobody() -> None:
    pacer, told, faults = paced()

    def fail() -> None:
        raise ValueError("cue")

    pacer.add(Cue(20 * MS, fail, faults.append))
    pacer.send_due(41 * MS, 100)
    assert told == ["frame 20", "frame 40"]
    assert [str(fault) for fault in faults] == ["cue"]
    assert pacer.next_due_ns == 60 * MS
