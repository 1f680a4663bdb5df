"""What holds for any loss, duplication and reordering of a session's rows."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.metrics import METRICS
from bench.analysis.outcomes import OUTCOMES
from bench.analysis.turns import assemble_session
from bench.dialects.base import Kind


@st.composite
def mishandled(draw, traces):
    """Rows of a golden trace: some lost, some twice, in any order; seq as it was."""
    rows = traces[draw(st.sampled_from(sorted(traces)))]
    kept = draw(st.lists(st.sampled_from(range(len(rows))), max_size=2 * len(rows)))
    lost = draw(st.sets(st.sampled_from(range(len(rows))), max_size=4))
    some = st.just([row for i, row in enumerate(rows) if i not in lost])
    return draw(some | st.just([rows[i] for i in kept]) | some.flatmap(st.permutations))


def noted(rows):
    return {json.loads(row.detail)["turn"] for row in rows if row.kind == "utterance"}


@given(data=st.data())
def test_never_raises_and_never_invents_a_turn(golden, data):
    rows = data.draw(mishandled(golden))
    turns = assemble_session(rows).turns
    assert [turn.turn_index for turn in turns] == sorted(noted(rows))
    assert all(turn.outcome in OUTCOMES for turn in turns)


@given(data=st.data())
def test_identity_holds_where_all_three_exist(golden, data):
    for turn in assemble_session(data.draw(mishandled(golden))).turns:
        ttfa, delay, latency = (
            METRICS[name].measure(turn)
            for name in ("ttfa_ms", "endpointing_delay_ms", "response_latency_ms")
        )
        if None not in (ttfa, delay, latency):
            assert math.isclose(ttfa, delay + latency, abs_tol=1e-6)


@given(data=st.data())
def test_order_and_repetition_do_not_matter(golden, data):
    rows = data.draw(mishandled(golden))
    once = sorted(set(rows), key=lambda row: row.seq)
    given, expected = assemble_session(rows), assemble_session(once)
    repeated = [left for left in given.unattributed if left.reason == "recorded twice"]
    assert sum(left.count for left in repeated) == len(rows) - len(once)
    others = [left for left in given.unattributed if left not in repeated]
    assert replace(given, unattributed=others) == expected


@given(data=st.data())
def test_rows_of_one_turn_give_the_turn_of_the_whole_session(golden, data):
    rows = sorted(set(data.draw(mishandled(golden))), key=lambda row: row.seq)
    for turn in assemble_session(rows).turns:
        begin = next(
            i
            for i, row in enumerate(rows)
            if row.kind == "utterance" and json.loads(row.detail)["turn"] == turn.turn_index
        )
        assert assemble_session(rows[begin:]).turns[0] == turn


CHANGED_AFTERWARDS = {("two_turns", 0), ("late_stop", 0), ("talked_over", 0)}


def test_read_live_a_turn_is_what_it_will_be(golden):
    """At its end a turn is known, unless something of it comes later still."""
    for name, rows in golden.items():
        for turn in assemble_session(rows).turns:
            own = [i for i, row in enumerate(rows) if row.turn_index == turn.turn_index]
            live = assemble_session(rows[own[0] : own[-1] + 1]).turns[0]
            if (name, turn.turn_index) not in CHANGED_AFTERWARDS:
                assert live == turn, name


KINDS = (
    "note note ended started stopped stopped committed transcript created created delta delta "
    "done error closed again again"
)
EVENTS = st.tuples(
    st.sampled_from(KINDS.split()),
    st.integers(0, 4),  # which item, or which of the responses created so far
    st.integers(-300, 4000),  # ms since the event before
    st.none() | st.integers(-35_000, 3_000),  # ms by which the server's position differs
)


@given(events=st.lists(EVENTS, max_size=40))
def test_any_server_whatever_gives_live_what_it_gives_afterwards(new_trace, events):
    trace = new_trace()
    ms, turns, responses, begins = 1000, 0, 0, []
    for what, which, pause_ms, off_ms in events:
        ms = max(0, ms + pause_ms)
        server_ms = None if off_ms is None else ms + off_ms
        item, response = f"item_{which}", f"resp_{max(0, responses - which)}"
        match what:
            case "note":
                begins.append(len(trace.rows))
                trace.utterance(turns, ms, pauses=((500, 900),))
                turns += 1
            case "ended":
                trace.ended(turns - 1, ms, ["done", "watchdog", "stopped", "", "?"][which])
            case "started":
                trace.add(Kind.SPEECH_STARTED, ms, item_id=item, server_ms=server_ms)
            case "stopped":
                trace.add(Kind.SPEECH_STOPPED, ms, item_id=item, server_ms=server_ms)
            case "committed":
                trace.add(Kind.COMMITTED, ms, item_id=f"own_{len(trace.rows)}")
            case "transcript":
                trace.transcript(item, ms)
            case "created":
                responses += 1
                trace.add(Kind.RESPONSE_CREATED, ms, response_id=f"resp_{responses}")
            case "delta":
                trace.delta(response, ms, 100, which * 30)
            case "done":
                trace.done(response, ms, ["completed", "cancelled", "failed", "", "?"][which])
            case "error":
                trace.add(Kind.ERROR, ms, detail={"code": ["x", "rate_limit"][which % 2]})
            case "closed":
                trace.closed(ms, ["client", "server", "network", "", "?"][which])
            case "again":
                row = trace.rows[-1 - which]
                # Whose a repeated commit was, only the rows before the turn can tell.
                if row.kind not in {Kind.UTTERANCE, Kind.COMMITTED}:
                    trace.rows.append(row._replace(seq=len(trace.rows), at_ns=trace.ns(ms)))
    whole = assemble_session(trace.rows).turns
    assert len(whole) == turns
    for begin, turn in zip(begins, whole, strict=True):
        assert assemble_session(trace.rows[begin:]).turns[0] == turn
