"""A caller's session against a scripted server, over a real socket and in real time.

The clip lasts 300 ms and its speech ends at 200 ms.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.audio.catalogue import Catalogue
from bench.dialects.base import Kind, Proxy, Transcription
from bench.problem import Problem
from bench.session import call as call_module
from bench.session.engine import Engine
from bench.session.line import Line
from bench.session.refusal import ConnectError
from bench.session.turn_state import TurnEnd

from .loopback import close_frame, frame, listener, read_head, upgrade_response
from .scripted import KEY, SETTINGS, Call, Caller, Killed, Script, Stage, server

MS = 1_000_000
CHUNK = 20 * MS


@pytest.fixture
def stage(clip_folder: Callable[..., Path]) -> Iterator[Stage]:
    with Stage(Catalogue.open(clip_folder())) as stage:
        yield stage
        assert len(stage.engine) == 0, "a session was left behind"


def answers(call: Call) -> None:
    """Sets a session up and answers once the speech is over, and again after a second one."""
    call.set_up()
    for number in range(3):
        call.hear(15)
        call.reply(f"resp_{number}")
    call.listen_to_the_end()


def never_answers(call: Call) -> None:
    call.set_up()
    call.listen_to_the_end()


def check_appends(stage: Stage, caller: Caller, *, until_ns: int) -> int:
    """Every frame due by `until_ns` is recorded once, on the exact schedule; how many."""
    appends = stage.recorder.appends
    start_ns = caller.row("audio_started").at_ns
    number = caller.session.record.number
    rows = [
        (index, due_ns, sent_ns)
        for session, index, due_ns, sent_ns in zip(
            appends.session, appends.index, appends.due_ns, appends.sent_ns, strict=True
        )
        if session == number
    ]
    unsent = [(index, due_ns) for n, index, due_ns in appends.unsent if n == number]
    due = sorted([(index, due_ns) for index, due_ns, _ in rows] + unsent)
    assert due == [(k, start_ns + (k + 1) * CHUNK) for k in range(len(due))]
    assert all(sent_ns >= due_ns for _, due_ns, sent_ns in rows)
    owed = (until_ns - start_ns) // CHUNK
    assert abs(len(due) - owed) <= 1
    return len(rows)


def test_open_say_wait_close_is_told_in_order(stage: Stage) -> None:
    with server(answers) as (port, _):
        caller = stage.caller(port)
        session = caller.session
        assert session.ended
        assert session.kernel_stamps is None
        session.open()
        assert not session.ended
        assert session.kernel_stamps
        turn = session.say("hello")
        assert turn.ended is None
        assert turn.wait() is turn
        assert (turn.ended, turn.index, turn.utterance) == (TurnEnd.DONE, 0, "hello")
        session.close()
        assert session.ended
    assert caller.note_kinds() == [
        "connect_started",
        "connected",
        "audio_started",
        "utterance",
        "turn_ended",
        "audio_ended",
        "closed",
    ]
    rows = caller.rows
    assert [row.seq for row in rows] == list(range(len(rows)))
    kinds = [row.kind for row in rows]
    assert kinds[:6] == [
        "connect_started",
        "connected",
        "session_created",
        "session_update",
        "session_updated",
        "audio_started",
    ]
    assert [row.direction for row in rows[2:5]] == ["in", "out", "in"]
    assert caller.noted("connect_started") == [
        {"url": f"ws://127.0.0.1:{port}/v1/realtime", "user": "Caller"}
    ]
    assert caller.noted("audio_started") == [{"chunk_ms": 20, "codec": "pcm16"}]
    assert caller.noted("turn_ended") == [{"turn": 0, "reason": "done"}]
    assert caller.noted("closed") == [{"by": "client", "code": 1000, "reason": ""}]
    assert caller.row("session_created").turn_index is None
    assert caller.row("response_done").turn_index == 0


def test_an_utterance_is_noted_with_its_labels_on_the_audio_clock(stage: Stage) -> None:
    with server(answers) as (port, _):
        caller = stage.caller(port, watchdog_s=4.5)
        caller.session.open()
        caller.session.say("hello").wait()
        caller.session.close()
    row = caller.row("utterance")
    assert row.audio_ms is not None
    assert row.audio_ms % 20 == 0
    assert row.at_ns == caller.row("audio_started").at_ns + row.audio_ms * MS
    assert row.turn_index == 0
    assert json.loads(row.detail or "") == {
        "turn": 0,
        "kind": "speech",
        "expects": "reply",
        "detection": "server_vad",
        "modality": "audio",
        "utterance": "hello",
        "category": "command",
        "text": "Hello.",
        "duration_ms": 300,
        "speech_start_ms": 40,
        "speech_end_ms": 200,
        "pauses": [[80, 120]],
        "watchdog_s": 4.5,
        "trusted": True,
    }


def test_the_server_hears_every_frame_and_the_clip_where_the_record_says(stage: Stage) -> None:
    with server(answers) as (port, calls):
        caller = stage.caller(port)
        caller.session.open()
        caller.rest(0.05)
        caller.session.say("hello").wait()
        caller.session.close()
    sent = check_appends(stage, caller, until_ns=caller.row("audio_ended").at_ns)
    (call,) = calls
    assert len(call.audio) == sent
    audio = np.frombuffer(b"".join(map(base64.b64decode, call.audio)), "<i2")
    position_ms = caller.row("utterance").audio_ms
    assert position_ms is not None
    assert position_ms >= 20
    start = int(position_ms) * 24
    assert np.array_equal(audio[start : start + 7_200], stage.catalogue.get("hello").pcm)
    assert not audio[:start].any()
    assert not audio[start + 7_200 :].any()


def test_what_on_turn_is_given_begins_with_the_utterance_and_ends_with_its_end(
    stage: Stage,
) -> None:
    with server(answers) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        for _ in range(2):
            caller.session.say("hello").wait()
        caller.session.close()
    assert len(caller.ended_turns) == 2
    for rows in caller.ended_turns:
        kinds = [row.kind for row in rows]
        assert kinds[0] == "utterance"
        assert kinds[-1] == "turn_ended"
        assert kinds.count("response_done") == 1


def test_two_utterances_wait_for_each_other(stage: Stage) -> None:
    with server(answers) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        first = caller.session.say("hello")
        second = caller.session.say("hello")
        assert first.ended is TurnEnd.DONE
        assert second.ended is None
        second.wait()
        caller.session.close()
    kinds = [kind for kind in caller.note_kinds() if kind in {"utterance", "turn_ended"}]
    assert kinds == ["utterance", "turn_ended"] * 2
    assert [detail["turn"] for detail in caller.noted("turn_ended")] == [0, 1]


def test_waiting_for_an_old_turn_does_not_end_a_newer_one(stage: Stage) -> None:
    with server(answers) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        first = caller.session.say("hello").wait()
        second = caller.session.say("hello")
        first.wait()
        assert first.ended is TurnEnd.DONE
        assert second.ended is None
        assert len(caller.noted("turn_ended")) == 1
        second.wait()
        first.wait()
        second.wait()
        caller.session.close()
    assert [d["reason"] for d in caller.noted("turn_ended")] == ["done", "done"]
    assert len(caller.ended_turns) == 2


def test_no_reply_ends_the_turn_by_the_watchdog_at_its_instant(stage: Stage) -> None:
    with server(never_answers) as (port, _):
        caller = stage.caller(port, watchdog_s=0.15)
        caller.session.open()
        turn = caller.session.say("hello").wait()
        assert turn.ended is TurnEnd.WATCHDOG
        due_ns = caller.row("utterance").at_ns + (200 + 150) * MS
        assert 0 <= caller.row("turn_ended").at_ns - due_ns < 100 * MS
        caller.session.close()
    assert caller.noted("turn_ended") == [{"turn": 0, "reason": "watchdog"}]
    assert len(caller.ended_turns) == 1


def test_the_answer_is_heard_to_its_end(stage: Stage) -> None:
    def talks_long(call: Call) -> None:
        call.set_up()
        call.hear(15)
        call.reply(audio_ms=200)
        call.listen_to_the_end()

    with server(talks_long) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        caller.session.say("hello").wait()
        caller.session.close()
    delta, end = caller.row("output_audio_delta"), caller.row("turn_ended")
    assert delta.audio_ms == 200
    assert 0 <= end.at_ns - (delta.at_ns + 200 * MS) < 100 * MS


SILENT, LOUD = "AAAA" * 640, "AEAA" * 640
DELTA = "response.output_audio.delta"


@pytest.fixture
def put_off(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, int]]:
    """Whenever a session was made to be read last, or no more, how many deltas had come."""
    told: list[tuple[bool, int]] = []

    def read_last(_: Engine, connection: Line, *, last: bool) -> None:
        assert connection.session_id
        told.append((last, stage.recorder.events.count(Kind.OUTPUT_AUDIO_DELTA)))

    monkeypatch.setattr(Engine, "read_last", read_last)
    return told


def begins_a_reply(call: Call, *deltas: str) -> None:
    call.set_up()
    call.hear(15)
    call.send("response.created", response={"id": "r1", "status": "in_progress"})
    for delta in deltas:
        call.send(DELTA, response_id="r1", delta=delta)


def say_hello(stage: Stage, script: Script, **options: Any) -> TurnEnd | None:
    """Call a server that follows `script` and say one thing: how that turn ended."""
    with server(script) as (port, _):
        session = stage.caller(port, **options).session
        session.open()
        turn = session.say("hello").wait()
        session.close()
    return turn.ended


def test_what_comes_of_a_reply_after_its_first_sound_is_read_last(
    stage: Stage, put_off: list[tuple[bool, int]]
) -> None:
    """So is nothing before, not even silence: stamps of what decides a figure come first."""

    def script(call: Call) -> None:
        begins_a_reply(call, SILENT, SILENT, LOUD, LOUD)
        call.send("response.done", response={"id": "r1", "status": "completed"})
        call.listen_to_the_end()

    say_hello(stage, script)
    assert put_off == [(True, 3), (False, 4)]


def test_a_session_is_read_with_the_others_again_when_its_turn_has_ended(
    stage: Stage, put_off: list[tuple[bool, int]]
) -> None:
    def script(call: Call) -> None:
        begins_a_reply(call, LOUD, LOUD)  # and never ends it
        call.listen_to_the_end()

    assert say_hello(stage, script, watchdog_s=0.3) is TurnEnd.WATCHDOG
    assert put_off == [(True, 1), (False, 2)]


def test_a_reply_is_read_with_the_others_until_the_transcript_has_come(
    stage: Stage, put_off: list[tuple[bool, int]]
) -> None:
    def script(call: Call) -> None:
        begins_a_reply(call, LOUD, LOUD)
        done = "conversation.item.input_audio_transcription.completed"
        call.send(done, item_id="item_1", content_index=0, transcript="hello")
        call.send(DELTA, response_id="r1", delta=LOUD)
        call.send("response.done", response={"id": "r1", "status": "completed"})
        call.listen_to_the_end()

    settings = replace(SETTINGS, transcription=Transcription("whisper-1"))
    say_hello(stage, script, settings=settings)
    assert put_off == [(True, 3), (False, 3)]


def test_a_cut_off_in_the_pause_waits_for_the_second_reply(stage: Stage) -> None:
    def interrupts(call: Call) -> None:
        call.set_up()
        call.hear(5)
        call.send("response.created", response={"id": "r1"})
        call.hear(2)
        call.send("response.done", response={"id": "r1", "status": "cancelled"})
        call.hear(8)
        call.reply("r2")
        call.listen_to_the_end()

    with server(interrupts) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        turn = caller.session.say("hello").wait()
        assert turn.ended is TurnEnd.DONE
        caller.session.close()
    done = [row for row in caller.rows if row.kind == "response_done"]
    assert [row.response_id for row in done] == ["r1", "r2"]
    assert caller.row("turn_ended").at_ns > done[1].at_ns


class TestEnds:
    """A turn ends once, whatever ends it."""

    def test_a_lost_connection_ends_the_turn_as_disconnected(self, stage: Stage) -> None:
        def resets(call: Call) -> None:
            call.set_up()
            call.hear(5)
            linger = struct.pack("ii", 1, 0)
            call.ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            call.ws.socket.shutdown(socket.SHUT_RDWR)

        with server(resets) as (port, _):
            caller = stage.caller(port)
            session = caller.session
            session.open()
            turn = session.say("hello").wait()
            assert turn.ended is TurnEnd.DISCONNECTED
            assert session.ended
            turn.wait()
            with pytest.raises(ConnectionError, match="ended"):
                session.say("hello")
            session.close()
        assert caller.note_kinds()[-2:] == ["closed", "turn_ended"]
        assert caller.noted("closed")[0]["by"] == "network"
        assert caller.noted("turn_ended") == [{"turn": 0, "reason": "disconnected"}]
        assert len(caller.ended_turns) == 1
        check_appends(stage, caller, until_ns=caller.row("audio_ended").at_ns)

    def test_a_server_that_closes_says_why(self, stage: Stage) -> None:
        def closes(call: Call) -> None:
            call.set_up()
            call.hear(5)
            call.ws.close(4000, "session expired")

        with server(closes) as (port, _):
            caller = stage.caller(port)
            caller.session.open()
            turn = caller.session.say("hello").wait()
            assert turn.ended is TurnEnd.DISCONNECTED
            caller.session.close()
        assert caller.noted("closed") == [
            {"by": "server", "code": 4000, "reason": "session expired"}
        ]
        assert caller.noted("turn_ended") == [{"turn": 0, "reason": "disconnected"}]

    def test_a_caller_killed_while_it_waits_ends_the_turn_as_stopped(self, stage: Stage) -> None:
        with server(never_answers) as (port, _):
            caller = stage.caller(port)
            caller.session.open()
            turn = caller.session.say("hello")
            caller.kill_next_wait()
            with pytest.raises(Killed):
                turn.wait()
            assert turn.ended is TurnEnd.STOPPED
            with pytest.raises(Killed):
                caller.session.close()
        assert caller.noted("turn_ended") == [{"turn": 0, "reason": "stopped"}]
        assert [detail["by"] for detail in caller.noted("closed")] == ["client"]
        assert len(caller.ended_turns) == 1

    def test_closing_during_a_turn_ends_it_as_stopped(self, stage: Stage) -> None:
        with server(never_answers) as (port, _):
            caller = stage.caller(port)
            caller.session.open()
            turn = caller.session.say("hello")
            caller.session.close()
            caller.session.close()
            assert turn.ended is TurnEnd.STOPPED
            turn.wait()
        assert caller.note_kinds()[-3:] == ["turn_ended", "audio_ended", "closed"]
        assert caller.noted("turn_ended") == [{"turn": 0, "reason": "stopped"}]
        assert len(caller.ended_turns) == 1

    def test_a_server_that_does_not_answer_a_close_is_left(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def deaf(sock: socket.socket) -> None:
            with sock:
                sock.sendall(upgrade_response(read_head(sock)))
                sock.sendall(frame(b'{"type":"session.created"}'))
                sock.sendall(frame(b'{"type":"session.updated"}'))
                while sock.recv(65_536):
                    pass

        monkeypatch.setattr(call_module, "CLOSE_TIMEOUT_S", 0.1)
        with listener(deaf) as port:
            caller = stage.caller(port)
            caller.session.open()
            began = time.monotonic()
            caller.session.close()
            assert 0.08 < time.monotonic() - began < 1
        assert caller.noted("closed") == [{"by": "client", "code": None, "reason": "dropped"}]
        assert caller.noted("turn_ended") == []

    def test_a_session_lost_between_turns_ends_no_turn_again(self, stage: Stage) -> None:
        def leaves(call: Call) -> None:
            call.set_up()
            call.hear(15)
            call.reply(audio_ms=0)
            call.expect("input_audio_buffer.append")

        with server(leaves) as (port, _):
            caller = stage.caller(port)
            caller.session.open()
            caller.session.say("hello").wait()
            while not caller.session.ended or not caller.noted("closed"):
                caller.rest(0.02)
            with pytest.raises(ConnectionError):
                caller.session.say("hello")
        assert caller.noted("turn_ended") == [{"turn": 0, "reason": "done"}]
        assert caller.noted("closed")[0]["by"] == "server"
        assert len(caller.ended_turns) == 1


class TestOpening:
    """A session that does not come about is on record, with the reason."""

    def failure(self, stage: Stage, caller: Caller) -> tuple[str, str]:
        with pytest.raises(ConnectError) as caught:
            caller.session.open()
        assert caller.session.ended
        assert len(stage.engine) == 0
        (detail,) = caller.noted("connect_failed")
        assert detail == {"class": caught.value.kind, "message": str(caught.value)}
        assert caller.noted("audio_started") == []
        assert stage.recorder.appends.index.tolist() == []
        caller.session.close()
        with pytest.raises(ConnectionError):
            caller.session.say("hello")
        return detail["class"], detail["message"]

    def test_nobody_listening(self, stage: Stage) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        caller = stage.caller(port)
        assert self.failure(stage, caller)[0] == "refused"
        assert caller.note_kinds() == ["connect_started", "connect_failed"]

    def test_a_proxy_that_is_not_there(self, stage: Stage) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            proxy = Proxy("127.0.0.1", listening.getsockname()[1], f"Basic {KEY}")
        caller = stage.caller(1)
        call = caller.session._call
        call.plan = replace(call.plan, endpoint=replace(call.plan.endpoint, proxy=proxy))
        kind, message = self.failure(stage, caller)
        assert (kind, message) == ("refused", f"proxy {proxy.name}: Connection refused")
        assert caller.noted("connect_started")[0]["proxy"] == proxy.name

    def test_an_error_instead_of_a_session(self, stage: Stage) -> None:
        def full(call: Call) -> None:
            call.send("error", error={"code": "session_limit_reached", "message": "Full."})
            call.ws.close(1008, "full")

        with server(full) as (port, _):
            caller = stage.caller(port)
            kind, message = self.failure(stage, caller)
        assert (kind, message) == ("server_error", "session_limit_reached: Full.")
        assert caller.note_kinds()[:2] == ["connect_started", "connected"]
        assert sorted(caller.note_kinds()[2:]) == ["closed", "connect_failed"]

    def test_an_error_instead_of_the_update(self, stage: Stage) -> None:
        def refuses(call: Call) -> None:
            call.send("session.created", session={"id": "s"})
            call.expect("session.update")
            call.send("error", error={"type": "invalid_request_error", "message": "No."})
            call.listen_to_the_end()

        with server(refuses) as (port, _):
            caller = stage.caller(port)
            kind, message = self.failure(stage, caller)
        assert (kind, message) == ("server_error", "invalid_request_error: No.")
        assert caller.noted("closed") == [{"by": "client", "code": None, "reason": "dropped"}]

    def test_a_close_before_the_session_was_ready(self, stage: Stage) -> None:
        with server(lambda call: call.ws.close(1011, "oops")) as (port, _):
            caller = stage.caller(port)
            kind, _ = self.failure(stage, caller)
        assert kind == "closed"
        assert caller.noted("closed") == [{"by": "server", "code": 1011, "reason": "oops"}]

    def test_a_close_in_one_read_with_the_update(self, stage: Stage) -> None:
        """Ready and gone at once: no microphone may start on a socket that is closed."""

        def script(sock: socket.socket) -> None:
            with sock:
                head = read_head(sock)
                created = frame(b'{"type":"session.created","session":{"id":"s"}}')
                sock.sendall(upgrade_response(head) + created)
                sock.recv(65_536)
                updated = frame(b'{"type":"session.updated","session":{"id":"s"}}')
                sock.sendall(updated + close_frame(1013, "later"))
                sock.recv(65_536)

        with listener(script) as port:
            caller = stage.caller(port)
            kind, _ = self.failure(stage, caller)
        assert kind == "closed"
        assert caller.noted("closed") == [{"by": "server", "code": 1013, "reason": "later"}]

    @pytest.mark.parametrize("created", [False, True])
    def test_a_server_that_says_nothing_in_time(self, stage: Stage, created: bool) -> None:
        def silent(call: Call) -> None:
            if created:
                call.send("session.created", session={"id": "s"})
            call.listen_to_the_end()

        with server(silent) as (port, _):
            caller = stage.caller(port, connect_s=0.15)
            kind, message = self.failure(stage, caller)
        assert kind == "timeout"
        awaited = "session.updated" if created else "session.created"
        assert message == f"no {awaited} within 0.15 s"
        assert caller.noted("closed") == [{"by": "client", "code": None, "reason": "dropped"}]

    def test_a_caller_killed_while_it_opens_leaves_no_socket(self, stage: Stage) -> None:
        with server(lambda call: call.listen_to_the_end()) as (port, _):
            caller = stage.caller(port)
            caller.kill_next_wait()
            with pytest.raises(Killed):
                caller.session.open()
            assert caller.session.ended
            assert len(stage.engine) == 0
        assert caller.noted("connect_failed") == []
        assert len(caller.noted("closed")) == 1

    def test_what_arrives_with_the_upgrade_is_taken(self, stage: Stage) -> None:
        """The server speaks as soon as it can; whether it shares a segment is up to the host."""
        with server(answers) as (port, _):
            for _ in range(5):
                caller = stage.caller(port)
                caller.session.open()
                created = caller.row("session_created")
                assert created.read_ns is not None
                assert created.at_ns <= created.read_ns
                caller.session.close()


def test_an_unknown_utterance_is_the_users_problem_and_leaves_the_session_open(
    stage: Stage,
) -> None:
    with server(never_answers) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        with pytest.raises(Problem, match="no utterance 'goodbye'"):
            caller.session.say("goodbye")
        assert not caller.session.ended
        assert caller.noted("utterance") == []
        caller.session.close()


def test_junk_from_the_server_is_recorded_and_ends_nothing(stage: Stage) -> None:
    def babbles(call: Call) -> None:
        call.set_up()
        for junk in ("", "[]", '{"type":"response.nonsense"}', b"\xff\xfe", '{"type":' * 9_000):
            call.ws.send(junk)
        call.hear(15)
        call.reply()
        call.listen_to_the_end()

    with server(babbles) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        assert caller.session.say("hello").wait().ended is TurnEnd.DONE
        caller.session.close()
    kinds = [row.kind for row in caller.rows if row.kind in {"malformed", "unknown"}]
    assert sorted(kinds) == ["malformed"] * 4 + ["unknown"]


def test_the_record_holds_no_key(stage: Stage) -> None:
    with server(answers) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        caller.session.say("hello").wait()
        caller.session.close()
    assert KEY not in repr(caller.rows)
    assert KEY not in repr(caller.session._call.plan)


def test_two_callers_of_one_engine_do_not_disturb_each_other(stage: Stage) -> None:
    with server(answers) as (port, calls):
        callers = [stage.caller(port) for _ in range(2)]
        for caller in callers:
            caller.session.open()
        turns = [caller.session.say("hello") for caller in callers]
        assert [turn.wait().ended for turn in turns] == [TurnEnd.DONE] * 2
        for caller in callers:
            caller.session.close()
    for caller in callers:
        check_appends(stage, caller, until_ns=caller.row("audio_ended").at_ns)
        assert caller.noted("turn_ended") == [{"turn": 0, "reason": "done"}]
    phases = [caller.row("audio_started").at_ns % CHUNK for caller in callers]
    assert phases == [0, 12 * MS]
    assert len(calls) == 2
