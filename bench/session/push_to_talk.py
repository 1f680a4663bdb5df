"""Turns a line into one whose microphone is closed while nobody speaks."""

from __future__ import annotations

from bench.session.line import Line


class PushToTalkLine(Line):
    """Sends frames of utterances only; the audio clock goes on, and its other frames are none."""

    __slots__ = ()

    def send_due(self, due_ns: int, next_ns: int) -> None:
        """Send the frame due if somebody speaks in it."""
        if self.microphone.speaking:
            super().send_due(due_ns, next_ns)
        else:
            self.next_due_ns = next_ns
            self.microphone.capture()

    def _stop_microphone(self, now_ns: int) -> None:
        while (
            self.next_due_ns is not None
            and self.next_due_ns <= now_ns
            and not self.microphone.speaking
        ):
            self.next_due_ns += self.chunk_ns
            self.microphone.capture()
        super()._stop_microphone(now_ns)
