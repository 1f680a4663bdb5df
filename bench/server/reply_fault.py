"""Turns a fault that strikes a reply into what goes over the wire, or is done to it."""

from __future__ import annotations

from bench.server.outbox import Effect, End, Fate, Outbox, Trickle
from bench.server.output import Output
from bench.server.profiles.fault import Fault

HUGE_BYTES = 20 * 1024 * 1024

_TRICKLE_BYTES_PER_S = 2_000.0

_EFFECTS: dict[str, Effect] = {
    "close_1000": End(1000),
    "close_1001": End(1001),
    "close_1006": Fate.DROP,
    "close_1008": End(1008, "policy violation"),
    "close_1011": End(1011, "internal error"),
    "close_1013": End(1013, "try again later"),
    "close_4000": End(4000, "application error"),
    "half_open": Fate.FALL_SILENT,
    "slow_reader": Fate.STOP_READING,
    "trickle": Trickle(_TRICKLE_BYTES_PER_S),
}


class ReplyFault:
    """A fault that waits for its moment among the deltas of one output."""

    def __init__(self, fault: Fault, outbox: Outbox, output: Output) -> None:
        self._fault = fault
        self._outbox = outbox
        self._output = output
        self._struck = False

    def strike(self, index: int, offset_ms: float, due_ns: int) -> int:
        """Strike if delta `index`, `offset_ms` after the first, is where; the deltas it sent.

        Without a time of its own a fault strikes halfway through the deltas.
        """
        after_ms = self._fault.after_ms
        halfway = index >= self._output.deltas // 2
        if self._struck or not (halfway if after_ms is None else offset_ms >= after_ms):
            return 0
        self._struck = True
        return self._do(index, due_ns)

    def _do(self, index: int, due_ns: int) -> int:
        outbox, kind = self._outbox, self._fault.kind
        if kind in _EFFECTS:
            outbox.act(due_ns, _EFFECTS[kind])
        elif kind == "unknown_event":
            outbox.put(due_ns, "response.mood.changed", mood="puzzled")
        elif kind == "malformed_json":
            outbox.put_text(due_ns, '{"type":"response.output_audio.delta","delta":')
        elif kind == "huge_frame":
            outbox.put(due_ns, "response.mood.changed", mood="x" * HUGE_BYTES)
        elif kind == "server_error_event":
            error = {
                "type": "server_error",
                "code": "server_error",
                "message": "The server had an error while processing your request.",
                "param": None,
                "event_id": None,
            }
            outbox.put(due_ns, "error", error=error)
        elif kind == "duplicate":
            self._output.send(index, due_ns)
        elif kind == "reorder" and index + 1 < self._output.deltas:
            self._output.send(index + 1, due_ns)
            self._output.send(index, due_ns)
            return 2
        return 0
