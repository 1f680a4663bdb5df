"""What goes over the wire for every fault that a profile can ask for."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from bench.server.app import ServerSettings, serve_until
from bench.server.outbox import Effect, End, Fate, Outgoing, Trickle
from bench.server.profiles.fault import FAULTS, Fault, parse_fault
from bench.server.profiles.profile import Capacity, Profile
from bench.server.profiles.tuning import tune

ASKED = '{"type":"response.create"}'
TEXT = '{"type":"session.update","session":{"output_modalities":["text"]}}'
EFFECTS: dict[str, Effect] = {
    "close_1000": End(1000),
    "close_1001": End(1001),
    "close_1006": Fate.DROP,
    "close_1008": End(1008, "policy violation"),
    "close_1011": End(1011, "internal error"),
    "close_1013": End(1013, "try again later"),
    "close_4000": End(4000, "application error"),
    "half_open": Fate.FALL_SILENT,
    "slow_reader": Fate.STOP_READING,
    "trickle": Trickle(2_000.0),
}


def profile(*faults: str) -> Profile:
    return tune(
        Profile(), reply_delay_ms=10.0, speed=50.0, faults=[parse_fault(text) for text in faults]
    )


def reply(call: Any) -> list[Outgoing]:
    """All that a response says, unchecked: some of it is wrong on purpose."""
    responder, now_ns = call.responder, call.now_ns
    said = list(responder.receive(ASKED, now_ns))
    for event in said:
        if event.written is not None:
            event.written(now_ns)
    for _ in range(300):
        due_ns = responder.next_due_ns()
        if due_ns is None or due_ns > now_ns + 10**10:
            break
        said += responder.advance(due_ns)
    return said


def types_of(events: list[Outgoing]) -> Counter[str]:
    return Counter(json.loads(event.text)["type"] for event in events if event.text)


@pytest.mark.parametrize("kind", sorted(EFFECTS))
def test_a_connection_meets_its_fate_in_the_midst_of_the_reply(
    kind: str, call_with: Callable[..., Any]
) -> None:
    events = reply(call_with(profile(kind)))
    at = next(i for i, event in enumerate(events) if event.effect is not None)
    assert events[at].effect == EFFECTS[kind]
    before, after = types_of(events[:at]), types_of(events[at:])
    assert before["response.output_audio.delta"] == after["response.output_audio.delta"] == 2


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        ("duplicate", "response.output_audio.delta"),
        ("unknown_event", "response.mood.changed"),
        ("huge_frame", "response.mood.changed"),
        ("server_error_event", "error"),
    ],
)
def test_a_reply_has_one_event_more(kind: str, extra: str, call_with: Callable[..., Any]) -> None:
    usual, faulty = types_of(reply(call_with(profile()))), reply(call_with(profile(kind)))
    found = types_of(faulty) - usual
    assert found - Counter({"response.output_audio_transcript.delta": 1}) == Counter({extra: 1})
    assert (max(len(event.text) for event in faulty) > 20_000_000) == (kind == "huge_frame")


def test_events_come_out_of_order(call_with: Callable[..., Any]) -> None:
    def order(*faults: str) -> list[int]:
        texts = [event.text for event in reply(call_with(profile(*faults)))]
        audio = [
            text for text in texts if text.startswith('{"type":"response.output_audio.delta"')
        ]
        return [int(json.loads(text)["event_id"].rsplit("_", 1)[1]) for text in audio]

    # Ids are given as events are made, so the order of the transcript shows it.
    def words(*faults: str) -> str:
        texts = [json.loads(event.text) for event in reply(call_with(profile(*faults)))]
        kind = "response.output_audio_transcript.delta"
        return "".join(event["delta"] for event in texts if event["type"] == kind)

    assert len(order("reorder")) == len(order()) == 4
    assert words() == "Yes, it is."
    assert words("reorder") == "Yes, is. it"


def test_a_message_is_no_json(call_with: Callable[..., Any]) -> None:
    broken = 0
    for event in reply(call_with(profile("malformed_json"))):
        try:
            json.loads(event.text)
        except ValueError:
            broken += 1
    assert broken == 1


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("audio_less", "completed", None), ("rate_limit_error", "failed", "rate_limit_exceeded")],
)
def test_a_response_ends_without_audio(
    kind: str, status: str, code: str | None, call_with: Callable[..., Any]
) -> None:
    call = call_with(profile(kind))
    call.send({"type": "response.create"})
    call.wait(1_000)
    response = call.first("response.done")["response"]
    assert response["status"] == status
    assert response["output"] == []
    assert ((response["status_details"] or {}).get("error") or {}).get("code") == code
    assert not call.when("response.output_audio.delta")


def test_a_turn_is_heard_and_never_answered(
    call_with: Callable[..., Any], short_words: np.ndarray
) -> None:
    call = call_with(profile("no_reply"))
    call.hear(short_words)
    assert call.wait(5_000) == []
    assert call.when("input_audio_buffer.committed")
    assert not call.when("response.created")


def test_speech_is_never_found(call_with: Callable[..., Any], short_words: np.ndarray) -> None:
    call = call_with(profile("no_vad"))
    call.hear(short_words)
    assert [event["type"] for event in call.events] == ["session.created"]


def test_a_transcription_fails(call_with: Callable[..., Any], short_words: np.ndarray) -> None:
    class Known:
        def text(self, _from_ms: float, _to_ms: float) -> str:
            return "Lights off."

        def complete(self, _end_ms: float) -> bool:
            return True

    name = "conversation.item.input_audio_transcription"
    for faults, ending in ((), "completed"), (("transcription_failed",), "failed"):
        call = call_with(profile(*faults), recognise=lambda _samples, _at_ms: Known())
        call.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
        call.hear(short_words)
        call.wait(1_000)
        assert call.first(f"{name}.{ending}")


def test_a_fault_strikes_when_and_where_it_is_told_to(call_with: Callable[..., Any]) -> None:
    call = call_with(profile("close_1011@turn=1,after_ms=0"))
    assert all(event.effect is None for event in reply(call))
    events = reply(call)
    at = next(i for i, event in enumerate(events) if event.effect is not None)
    assert types_of(events[:at])["response.output_audio.delta"] == 0


def test_speech_stopped_is_withheld_until_the_reply_is_near(
    call_with: Callable[..., Any], short_words: np.ndarray
) -> None:
    held = Profile(withhold_speech_stopped_ms=40.0)
    usual, late = call_with(Profile()), call_with(held)
    for call in (usual, late):
        call.hear(short_words)
        call.wait(3_000)
    audio = "response.output_audio.delta"
    assert late.when(audio)[0] == pytest.approx(usual.when(audio)[0], abs=1_000_000)
    assert late.when(audio)[0] - late.when("input_audio_buffer.speech_stopped")[
        0
    ] == pytest.approx(40e6, abs=100_000)


def run_against(behaviour: Profile, test: Callable[[str], Any]) -> None:
    async def bounded() -> None:
        stop = asyncio.Event()
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        settings = ServerSettings(
            port=0, vad="energy", profile=behaviour, on_ready=ready.set_result
        )
        server = asyncio.create_task(serve_until(stop, settings))
        try:
            async with asyncio.timeout(10):
                await test(f"{await ready}/v1/realtime?model=m")
        finally:
            stop.set()
            await server

    asyncio.run(bounded())


@pytest.mark.parametrize(
    "kind", [kind for kind, (stage, _) in FAULTS.items() if stage == "connection"]
)
def test_a_connection_is_refused_as_the_fault_says(kind: str) -> None:
    async def test(url: str) -> None:
        if kind.startswith("http_"):
            with pytest.raises(InvalidStatus) as caught:
                await connect(url)
            assert caught.value.response.status_code == int(kind.removeprefix("http_"))
        elif kind == "refuse":
            with pytest.raises((OSError, InvalidHandshake, EOFError)):
                await connect(url)
        elif kind == "hang_handshake":
            with pytest.raises(TimeoutError):
                await connect(url, open_timeout=0.3)
        else:
            beta = {"OpenAI-Beta": "realtime=v1"} if kind == "beta_disabled" else {}
            client = await connect(url, additional_headers=beta)
            error = json.loads(await client.recv())["error"]
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            told = (error["code"], closed.value.rcvd.code if closed.value.rcvd else None)
            assert (
                told
                == {
                    "error_before_session": ("server_error", 1008),
                    "beta_disabled": ("beta_api_shape_disabled", 4000),
                }[kind]
            )

    run_against(profile(kind), test)


@pytest.mark.parametrize("kind", sorted(EFFECTS))
def test_a_connection_ends_as_the_fault_says(kind: str) -> None:
    async def test(url: str) -> None:
        client = await connect(url, max_queue=None, ping_interval=None, close_timeout=0.2)
        await client.send(ASKED)
        seen: Counter[str] = Counter()
        try:
            async with asyncio.timeout(1.5):
                while True:
                    seen[json.loads(await client.recv())["type"]] += 1
        except TimeoutError:
            ended = None
        except ConnectionClosed as closed:
            ended = closed.rcvd.code if closed.rcvd else 1006
        wanted = {"half_open": None, "slow_reader": None, "trickle": None}
        assert ended == wanted.get(kind, int(kind[-4:]) if kind not in wanted else 0)
        assert seen["response.created"] == 1
        assert (seen["response.done"] == 1) == (kind == "slow_reader")
        client.transport.abort()

    run_against(profile(kind), test)


@pytest.mark.parametrize(
    ("refusal", "status"),
    [("http_429", 429), ("http_503", 503), ("close_1013", 1013), ("close_1008", 1008)],
)
def test_a_full_server_turns_the_next_caller_away(refusal: Any, status: int) -> None:
    full = Profile(capacity=Capacity(knee=0, limit=1, refusal=refusal))

    async def test(url: str) -> None:
        async with connect(url) as first:
            await first.recv()
            if refusal.startswith("http"):
                with pytest.raises(InvalidStatus) as caught:
                    await connect(url)
                assert caught.value.response.status_code == status
                return
            client = await connect(url)
            assert json.loads(await client.recv())["type"] == "error"
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == status

    run_against(full, test)


def test_every_fault_is_one_option() -> None:
    for kind in FAULTS:
        assert parse_fault(kind) == Fault(kind)
