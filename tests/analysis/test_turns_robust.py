"""A long conversation whose record was damaged: what was not touched stays as it was."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.attribution import Attribution
from bench.analysis.tables import turns_arrow, turns_table
from bench.analysis.turns import assemble_session
from bench.dialects.base import Kind


class Conversation:
    """Turns of every sort in one session, and which turns each row has to do with."""

    def __init__(self, trace):
        self.trace = trace
        self.of = [set() for _ in trace.rows]
        turns = [
            self.answered,
            self.silent,
            self.answered,
            self.cut_off,
            self.unheard,
            self.late_transcript,
            self.answered,
            self.held_back,
            self.answered,
        ]
        for number, say in enumerate(turns):
            begun = len(trace.rows)
            say(number, 1_000 + 30_000 * number)
            for row in trace.rows[begun:]:
                # A row has to do with the turn under way, and with the one its id names.
                name = row.item_id or row.response_id
                named = {int(name.split("_")[1])} if name else set()
                self.of.append({number} | named)
        trace.closed(1_000_000)
        self.of.append(set())
        self.turns = {t.turn_index: t for t in assemble_session(trace.rows).turns}
        assert list(self.turns) == list(range(len(turns)))

    def answered(self, turn, begin):
        self.trace.clean_turn(turn, begin)

    def silent(self, turn, begin):
        """Heard and never answered."""
        self.trace.utterance(turn, begin)
        self.trace.speech(f"item_{turn}", (begin + 420, begin), (begin + 2540, begin + 2500))
        self.trace.ended(turn, begin + 17_000, "watchdog")

    def unheard(self, turn, begin):
        self.trace.utterance(turn, begin)
        self.trace.ended(turn, begin + 17_000, "watchdog")

    def cut_off(self, turn, begin):
        """Taken in its pause, answered, interrupted and answered again."""
        trace, first, second = self.trace, f"resp_{turn}_a", f"resp_{turn}_b"
        trace.utterance(turn, begin, pauses=((800, 1500),))
        trace.speech(f"item_{turn}_a", (begin + 420, begin), (begin + 1340, begin + 1300))
        trace.add(Kind.RESPONSE_CREATED, begin + 1350, response_id=first)
        trace.delta(first, begin + 1500, 100, 10)
        started = begin + 1620
        trace.add(Kind.SPEECH_STARTED, started, server_ms=begin + 1200, item_id=f"item_{turn}_b")
        trace.done(first, begin + 1630, "cancelled", reason="turn_detected")
        trace.stop(f"item_{turn}_b", begin + 2540, begin + 2500)
        trace.reply(second, begin + 2560, begin + 2900)
        trace.ended(turn, begin + 3400)

    def late_transcript(self, turn, begin):
        """The transcript of the turn before the one before comes in this one."""
        self.trace.utterance(turn, begin)
        self.trace.speech(f"item_{turn}", (begin + 420, begin), (begin + 2540, begin + 2500))
        self.trace.transcript(f"item_{turn - 4}", begin + 2550)
        self.trace.reply(f"resp_{turn}", begin + 2560, begin + 2900)
        self.trace.ended(turn, begin + 3400)

    def held_back(self, turn, begin):
        """The server says nothing until it answers."""
        self.trace.utterance(turn, begin)
        self.trace.speech(f"item_{turn}", (begin + 2890, begin), (begin + 2895, begin + 2500))
        self.trace.reply(f"resp_{turn}", begin + 2896, begin + 2900)
        self.trace.ended(turn, begin + 3400)


@pytest.fixture(scope="module")
def conversation(new_trace):
    return Conversation(new_trace())


@st.composite
def damage(draw, conversation):
    """Rows with some lost, some twice, in any order; and the turns that have to do with a loss."""
    rows = conversation.trace.rows
    some = st.sets(st.integers(0, len(rows) - 1), max_size=12)
    begin = draw(st.integers(0, len(rows)))
    stretch = range(begin, min(begin + draw(st.integers(0, 40)), len(rows)))
    lost = draw(some) | set(stretch) if draw(st.booleans()) else draw(some)
    kinds = draw(st.sets(st.sampled_from(sorted({row.kind for row in rows}))))
    turns = draw(st.sets(st.sampled_from(sorted(conversation.turns)), max_size=3))
    lost |= {i for i, row in enumerate(rows) if row.kind in kinds and conversation.of[i] & turns}
    kept = [row for i, row in enumerate(rows) if i not in lost]
    if kept:
        kept += draw(st.lists(st.sampled_from(kept), max_size=12))
    touched = set().union(*(conversation.of[i] for i in lost))
    return draw(st.permutations(kept)), touched


@given(data=st.data())
def test_turns_that_lost_nothing_stay_as_they_were(conversation, data):
    rows, touched = data.draw(damage(conversation))
    found = {turn.turn_index: turn for turn in assemble_session(rows).turns}
    for index, turn in conversation.turns.items():
        if index not in touched:
            assert found[index] == turn


def lose(rows, *kinds):
    return [row for row in rows if row.kind not in kinds]


def silent_then_answered(new_trace):
    """A turn heard and never answered; the rows of one that was, after it."""
    trace = new_trace()
    trace.utterance(0, 1000)
    trace.speech("item_0", (1420, 1000), (3540, 3500))
    trace.ended(0, 18_000, "watchdog")
    first = len(trace.rows)
    trace.clean_turn(1, 20_000)
    return trace.rows[:first], trace.rows[first:]


def test_a_reply_to_a_turn_that_was_lost_goes_to_no_other(new_trace):
    silent, answered = silent_then_answered(new_trace)
    rest = lose(answered, "utterance", "speech_started", "speech_stopped", "committed")
    assembly = assemble_session([*silent, *rest])
    assert [(turn.outcome, turn.response_id) for turn in assembly.turns] == [("no_reply", None)]
    reasons = {left.kind: left.reason for left in assembly.unattributed}
    lost = "response after lost rows, to an item of an earlier turn"
    assert reasons["response_created"] == lost
    assert reasons["response_done"] == "of a response that belongs to no turn"
    assert assembly.lost == 4


def test_a_late_reply_is_taken_when_nothing_was_lost(new_trace):
    trace = new_trace()
    trace.utterance(0, 1000)
    trace.speech("item_0", (1420, 1000), (3540, 3500))
    trace.ended(0, 18_000, "watchdog")
    trace.utterance(1, 19_000)
    trace.reply("resp_0", 19_100, 19_200)
    first, second = assemble_session(trace.rows).turns
    assert (first.response_id, second.response_id) == ("resp_0", None)


def test_in_a_turn_under_way_lost_rows_do_not_lose_the_reply(golden):
    turn = assemble_session(lose(golden["clean"], "committed", "item_added")).turns[0]
    assert (turn.outcome, turn.response_id) == ("ok", "resp_0")


@pytest.mark.parametrize("unplaced", [False, True])
def test_speech_after_the_end_of_a_turn_is_not_of_it(new_trace, unplaced):
    _, answered = silent_then_answered(new_trace)
    trace = new_trace()
    trace.utterance(0, 1000)
    trace.ended(0, 18_000, "watchdog")
    after = [row._replace(seq=row.seq + 100) for row in lose(answered, "utterance")]
    if unplaced:  # a server that states no positions
        after = [row._replace(server_ms=None) for row in after]
    assembly = assemble_session([*trace.rows, *after])
    (turn,) = assembly.turns
    assert (turn.speech_started_ns, turn.speech_stopped_ns, turn.transcript_done_ns) == (None,) * 3
    kinds = {left.kind for left in assembly.unattributed}
    assert kinds >= {"speech_started", "speech_stopped", "committed", "input_transcript_done"}


def once(rows):
    return sorted(set(rows), key=lambda row: row.seq)


@given(data=st.data())
def test_every_row_is_in_a_turn_or_listed(conversation, data):
    rows = once(data.draw(damage(conversation))[0])
    attribution = Attribution()
    attribution.take_all(rows)
    given_kinds = Counter(row.kind for row in rows)
    left = Counter()
    for (kind, _), listed in attribution.left.items():
        left[kind] += listed.count
    turns = attribution.turns
    responses = [response for turn in turns for response in turn.responses]
    taken = {
        "utterance": len(turns),
        "turn_ended": sum(turn.ended_ns is not None for turn in turns),
        "speech_started": sum(len(turn.starts) for turn in turns),
        "speech_stopped": sum(len(turn.stops) for turn in turns),
        "input_transcript_done": sum(len(turn.transcripts) for turn in turns),
        "response_created": len(responses),
        "response_done": sum(response.done_ns is not None for response in responses),
        "output_audio_delta": sum(len(response.deltas) for response in responses),
    }
    for kind, amount in taken.items():
        assert amount + left[kind] == given_kinds[kind], kind


@given(data=st.data())
def test_lost_rows_are_counted(conversation, data):
    rows = data.draw(damage(conversation))[0]
    numbers = {row.seq for row in rows}
    gaps = max(numbers) - min(numbers) + 1 - len(numbers) if numbers else 0
    assert assemble_session(rows).lost == gaps


@given(data=st.data())
def test_any_order_on_the_wire_is_survived(conversation, data):
    rows = data.draw(st.permutations(conversation.trace.rows))
    rows = [row._replace(seq=seq) for seq, row in enumerate(rows)]
    turns = assemble_session(rows).turns
    assert sorted(turn.turn_index for turn in turns) == sorted(conversation.turns)


ONCE = {
    Kind.SPEECH_STARTED,
    Kind.SPEECH_STOPPED,
    Kind.COMMITTED,
    Kind.INPUT_TRANSCRIPT_DONE,
    Kind.RESPONSE_CREATED,
    Kind.RESPONSE_DONE,
    Kind.UTTERANCE,
    Kind.TURN_ENDED,
}


@given(data=st.data())
def test_an_event_sent_again_counts_once(conversation, data):
    rows = conversation.trace.rows
    again = data.draw(
        st.sets(st.sampled_from([i for i, row in enumerate(rows) if row.kind in ONCE]))
    )
    sent = [row for i, row in enumerate(rows) for row in [row] * (2 if i in again else 1)]
    sent = [row._replace(seq=seq) for seq, row in enumerate(sent)]
    assembly = assemble_session(sent)
    assert {turn.turn_index: turn for turn in assembly.turns} == conversation.turns
    assert sum(left.count for left in assembly.unattributed) == len(again)


def test_different_rows_of_one_number_count_both_in_whatever_order(golden):
    rows = golden["clean"]
    double = rows[-5]._replace(at_ns=rows[-5].at_ns + 1, item_id="item_other")
    assembly = assemble_session([*rows, double])
    assert assembly == assemble_session([double, *rows])
    assert "recorded twice" not in {left.reason for left in assembly.unattributed}


VALUE = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
NAMES = ["turn", "utterance", "duration_ms", "speech_start_ms", "speech_end_ms", "pauses"]
NAMES += ["watchdog_s", "trusted", "reason", "by", "code", "status", "error_code", "transcript"]
SAID = st.dictionaries(st.sampled_from(NAMES), VALUE)


@given(data=st.data())
def test_a_detail_may_say_anything(golden, data):
    rows = golden[data.draw(st.sampled_from(sorted(golden)))]
    index = data.draw(st.sampled_from([i for i, row in enumerate(rows) if row.detail]))
    said = json.loads(rows[index].detail) | data.draw(SAID)
    detail = data.draw(st.just(json.dumps(said)) | st.text(max_size=5))
    damaged = [*rows[:index], rows[index]._replace(detail=detail), *rows[index + 1 :]]
    turns = assemble_session(damaged).turns
    assert len(turns_arrow(turns_table(turns))) == len(turns)
