from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.server.outbox import End
from bench.server.profiles.profile import Profile


@pytest.mark.parametrize(
    ("session_s", "told"), [(3_600.0, "60 minutes"), (90.0, "1.5 minutes"), (60.0, "1 minutes")]
)
def test_a_session_is_told_of_its_end_before_it(
    call_with: Callable[..., Any], session_s: float, told: str
) -> None:
    call = call_with(Profile(session_s=session_s))
    opened_ns = call.at_ns[0] - call.WRITE_NS
    assert call.responder.next_due_ns() == opened_ns + round(session_s * 1e9)
    assert call.wait(session_s * 1_000 - 1) == []
    assert call.effects == []
    (expired,) = call.wait(2)
    assert expired["error"]["code"] == "session_expired"
    assert expired["error"]["event_id"] is None
    assert told in expired["error"]["message"]
    assert call.effects == [End(1001, "session expired")]
    assert call.responder.next_due_ns() is None


def test_the_end_comes_after_what_was_due_before_it(call_with: Callable[..., Any]) -> None:
    call = call_with(Profile(session_s=60.0))
    call.wait(55_000)
    call.send({"type": "response.create"})
    # The caller of `advance` may be late: everything comes at once, in its order.
    call.now_ns += 30_000_000_000
    seen = call.wait(0)
    due_ns = call.due_ns[-len(seen) :]
    assert due_ns == sorted(due_ns)
    assert seen[-1]["type"] == "error"


def test_a_response_under_way_is_cut_off_by_the_end(call_with: Callable[..., Any]) -> None:
    call = call_with(Profile(session_s=60.0))
    call.wait(59_900)
    call.send({"type": "response.create"})
    call.wait(100)
    assert call.effects
    call.responder.close()
    assert [response.status for response in call.responses] == ["disconnected"]


def test_nothing_the_client_does_prolongs_a_session(call_with: Callable[..., Any]) -> None:
    call = call_with(Profile(session_s=60.0))
    for _ in range(5):
        call.wait(11_999)
        call.update(instructions="Stay.")
        call.append(bytes(960))
    call.wait(5)
    assert len(call.effects) == 1
