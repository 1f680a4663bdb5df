"""Turns a session of the server into one that speaks the beta dialect."""

from __future__ import annotations

import msgspec

from bench.server.beta.translation import DELTA_TYPES, BetaSession
from bench.server.client_event import Append, parse
from bench.server.outbox import Outgoing
from bench.server.refusal import Refusal
from bench.server.responder import Responder

_DELTA_HEADS = {f'{{"type":"{ga}"': f'{{"type":"{beta}"' for ga, beta in DELTA_TYPES.items()}


class BetaResponder:
    """A responder to whom everything is said, and who says everything, in the beta dialect."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._beta = BetaSession(responder.conversation_id)

    def open(self, now_ns: int) -> list[Outgoing]:
        """As `Responder.open`."""
        return self._translate(self._responder.open(now_ns))

    def receive(self, message: bytes | str, now_ns: int) -> list[Outgoing]:
        """As `Responder.receive`."""
        try:
            event = parse(message)
        except Refusal:
            return self._translate(self._responder.receive(message, now_ns))
        if isinstance(event, Append):
            return self._translate(self._responder.receive(event, now_ns))
        try:
            ga = self._beta.to_ga(event)
        except Refusal as refusal:
            # It is refused in the client's own words: they need no translation.
            return self._responder.refuse(refusal, event, now_ns)
        return self._translate(self._responder.receive(ga, now_ns))

    def hear(self, now_ns: int) -> list[Outgoing]:
        """As `Responder.hear`."""
        return self._translate(self._responder.hear(now_ns))

    def advance(self, now_ns: int) -> list[Outgoing]:
        """As `Responder.advance`."""
        return self._translate(self._responder.advance(now_ns))

    def next_due_ns(self) -> int | None:
        """As `Responder.next_due_ns`."""
        return self._responder.next_due_ns()

    def is_idle(self) -> bool:
        """As `Responder.is_idle`."""
        return self._responder.is_idle()

    def close(self) -> None:
        """As `Responder.close`."""
        self._responder.close()

    def _translate(self, events: list[Outgoing]) -> list[Outgoing]:
        return [said for event in events for said in self._translated(event)]

    def _translated(self, event: Outgoing) -> list[Outgoing]:
        text = event.text
        head, _, rest = text.partition('",')
        beta_head = _DELTA_HEADS.get(head + '"')
        if beta_head is not None:
            texts = [f"{beta_head},{rest}"]
        else:
            try:
                ga = msgspec.json.decode(text)
            except msgspec.DecodeError:
                return [event]  # No event at all: a fault, or only an effect.
            texts = [msgspec.json.encode(said).decode() for said in self._beta.to_beta(ga)]
        if not texts:
            return []
        first = [Outgoing(said, event.due_ns) for said in texts[:-1]]
        return [*first, Outgoing(texts[-1], event.due_ns, event.written, event.effect)]
