"""Lets time pass for a call until something is so; every wait here has an end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.session.conversation import Setup
from bench.session.refusal import ConnectError
from bench.session.turn_state import TurnEnd

if TYPE_CHECKING:
    from bench.session.call import Call
    from bench.session.line import Line


def await_setup(call: Call, line: Line, deadline: float) -> None:
    """Wait until the session is ready, until `deadline` of the monotonic clock in s.

    Raises:
        ConnectError: what the server said or did instead, or that it said nothing in time.
    """
    conversation = call.conversation
    while line.gone or conversation.setup is not Setup.READY:
        if conversation.setup is Setup.FAILED:
            raise ConnectError("server_error", str(conversation.setup_error))
        if line.gone:
            raise ConnectError("closed", "the server closed the session before it was ready")
        call.changed.clear()
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not call.changed.wait(left_s):
            created = conversation.setup is Setup.AWAIT_CREATED
            awaited = "session.created" if created else "session.updated"
            limit_s = call.plan.connect_timeout_s
            raise ConnectError("timeout", f"no {awaited} within {limit_s:g} s")


def wait(
    call: Call,
    done: Callable[[], bool],
    keep_up: Callable[[], None],
    *,
    deadline_ns: int | None = None,
    look_every_s: float | None = None,
) -> bool:
    """Wait until `done`, the turn under way going on meanwhile; whether it came to be.

    `keep_up` is called after whatever came. Without a deadline the wait ends with the turn, and
    in any case when the session has. `done` is asked again after each event that matters to the
    turn, and every `look_every_s`. The turn ends as `stopped` if the waiter is killed.
    """
    try:
        while True:
            call.changed.clear()
            call.deliver()
            keep_up()
            if done():
                return True
            now_ns = time.monotonic_ns()
            call.advance(now_ns)
            if done():
                return True
            next_ns = call.conversation.next_ns()
            if next_ns is None and (deadline_ns is None or call.ended):
                return False
            if deadline_ns is not None:
                if now_ns >= deadline_ns:
                    return False
                next_ns = deadline_ns if next_ns is None else min(next_ns, deadline_ns)
            assert next_ns is not None
            wait_s = max(next_ns - now_ns, 0) / 1e9
            call.changed.wait(wait_s if look_every_s is None else min(wait_s, look_every_s))
    except BaseException:
        call.end_turn(TurnEnd.STOPPED)
        raise
