from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic_ns
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bench.problem import Problem
from bench.server.app import ServerSettings, run_server, serve_until
from bench.server.profiles.profile import Profile
from bench.server.profiles.tuning import tune

MODEL = "/v1/realtime?model=fast-1"
# A reply of 1.4 s in a tenth of one.
QUICK = tune(Profile(), reply_delay_ms=80.0, speed=20.0)


@asynccontextmanager
async def serving(**fields: Any) -> AsyncIterator[str]:
    stop = asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    settings = ServerSettings(port=0, on_ready=ready.set_result, **{"profile": QUICK} | fields)
    server = asyncio.create_task(serve_until(stop, settings))
    try:
        done, _ = await asyncio.wait({server, ready}, return_when=asyncio.FIRST_COMPLETED)
        if server in done:
            await server
        yield await ready
    finally:
        stop.set()
        await asyncio.gather(server, return_exceptions=True)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await test()

    asyncio.run(bounded())


async def say(client: ClientConnection, samples: Any) -> None:
    audio = samples.astype("<i2").tobytes()
    for place in range(0, len(audio), 4_800):
        text = b64encode(audio[place : place + 4_800]).decode()
        await client.send(json.dumps({"type": "input_audio_buffer.append", "audio": text}))


async def until(client: ClientConnection, kind: str) -> list[tuple[int, dict[str, Any]]]:
    seen = []
    async for message in client:
        seen.append((monotonic_ns(), json.loads(message)))
        if seen[-1][1]["type"] == kind:
            break
    return seen


def at(seen: list[tuple[int, dict[str, Any]]], kind: str) -> list[int]:
    return [at_ns for at_ns, event in seen if event["type"] == kind]


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_turn_over_a_socket_and_its_truth(
    compression: str | None, short_words: Any, tmp_path: Path, check_event: Callable[[str], Any]
) -> None:
    async def test() -> None:
        truth = tmp_path / "truth.jsonl"
        async with (
            serving(truth=truth) as url,
            connect(url + MODEL, compression=compression) as client,
        ):
            await say(client, short_words)
            seen = await until(client, "response.done")
            for _, event in seen:
                check_event(json.dumps(event))
            await asyncio.sleep(0.02)
            segment, response = map(json.loads, truth.read_text().splitlines())
        stopped = next(e for _, e in seen if e["type"] == "input_audio_buffer.speech_stopped")
        session = seen[0][1]["session"]["id"]
        assert segment["kind"] == "segment"
        assert response["kind"] == "response"
        assert segment["session_id"] == response["session_id"] == session
        assert segment["item_id"] == response["item_id"] == stopped["item_id"]
        assert segment["audio_end_ms"] == response["audio_end_ms"] == stopped["audio_end_ms"]
        assert response["response_id"] == seen[-1][1]["response"]["id"]
        assert (response["status"], response["reply_delay_ms"]) == ("completed", 80.0)
        deltas = at(seen, "response.output_audio.delta")
        assert response["deltas"] == len(deltas)
        stamps = ["heard", "speech_stopped", "response_created", "first_audio", "last_audio"]
        instants = [response[f"{name}_ns"] for name in stamps]
        assert instants == sorted(instants)
        delay_ms = (response["first_audio_ns"] - response["speech_stopped_ns"]) / 1e6
        assert 80.0 <= delay_ms < 130.0
        # Written before it can be read, and read soon after.
        assert 0 <= deltas[0] - response["first_audio_ns"] < 50e6
        assert 0 <= deltas[-1] - response["last_audio_ns"] < 50e6

    run(test)


def test_sessions_are_apart(short_words: Any) -> None:
    async def test() -> None:
        async with serving() as url, connect(url + MODEL) as one, connect(url + MODEL) as two:
            await say(one, short_words)
            seen = await until(one, "response.done")
            greeting = json.loads(await two.recv())
            assert greeting["session"]["id"] != seen[0][1]["session"]["id"]
            await two.send('{"type":"nonsense"}')
            assert json.loads(await two.recv())["type"] == "error"

    run(test)


def test_a_broken_message_leaves_the_session_open() -> None:
    async def test() -> None:
        async with serving() as url, connect(url + MODEL) as client:
            await client.recv()
            for message in ("{", "[1]", '{"type":"x"}'):
                await client.send(message)
                assert json.loads(await client.recv())["type"] == "error"
            await client.send('{"type":"session.update","session":{}}')
            assert json.loads(await client.recv())["type"] == "session.updated"

    run(test)


async def refusal(url: str, **options: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url, **options):
            pass
    response = caught.value.response
    return response.status_code, (response.body or b"").decode()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404),
        ("/v1/realtime/x?model=m", 404),
        ("//[?model=m", 404),
        ("/v1/realtime", 400),
        ("/v1/realtime?model=", 400),
        ("/v1/realtime?model=m&call_id=rtc_1", 400),
    ],
)
def test_wrong_addresses_are_refused_in_one_line(path: str, status: int) -> None:
    async def test() -> None:
        async with serving() as url:
            found, body = await refusal(url + "/" if path == "/" else url + path)
            assert found == status
            assert body.count("\n") == 1

    run(test)


@pytest.mark.parametrize(
    ("headers", "subprotocols", "enters"),
    [
        ({"Authorization": "Bearer sesame"}, None, True),
        ({"Authorization": "bearer sesame"}, None, True),
        ({}, ["realtime", "openai-insecure-api-key.sesame"], True),
        ({}, None, False),
        ({"Authorization": "Bearer other"}, None, False),
        ({"Authorization": "sesame"}, None, False),
        ({}, ["realtime", "openai-insecure-api-key.other"], False),
    ],
)
def test_a_key_opens(
    headers: dict[str, str], subprotocols: list[Any] | None, enters: bool
) -> None:
    async def test() -> None:
        async with serving(api_key="sesame") as url:
            options = {"additional_headers": headers, "subprotocols": subprotocols}
            if enters:
                async with connect(url + MODEL, **options) as client:
                    assert client.subprotocol == ("realtime" if subprotocols else None)
                    assert json.loads(await client.recv())["type"] == "session.created"
            else:
                status, body = await refusal(url + MODEL, **options)
                assert status == 401
                assert "sesame" not in body

    run(test)


def test_the_key_shows_nowhere() -> None:
    assert "sesame" not in repr(ServerSettings(api_key="sesame"))


def test_stopping_says_going_away_and_logs_what_was_cut_off(
    short_words: Any, tmp_path: Path
) -> None:
    async def test() -> None:
        truth = tmp_path / "truth.jsonl"
        slow = tune(Profile(), reply_delay_ms=60_000.0)
        async with serving(truth=truth, profile=slow) as url:
            client = await connect(url + MODEL)
            await say(client, short_words)
            await until(client, "rate_limits.updated")
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1001
        lines = [json.loads(line) for line in truth.read_text().splitlines()]
        assert [line["kind"] for line in lines] == ["segment", "response"]
        assert lines[1]["status"] == "disconnected"
        assert lines[1]["first_audio_ns"] is None

    run(test)


def test_a_client_that_vanishes_in_a_turn_harms_nobody(short_words: Any) -> None:
    async def test() -> None:
        async with serving() as url:
            client = await connect(url + MODEL)
            await say(client, short_words)
            await until(client, "response.output_audio.delta")
            client.transport.abort()
            await asyncio.sleep(0.1)
            async with connect(url + MODEL) as other:
                assert json.loads(await other.recv())["type"] == "session.created"

    run(test)


def test_strangers_who_speak_no_websocket_harm_nobody(capsys: Any) -> None:
    async def test() -> None:
        async with serving() as url:
            port = int(url.rpartition(":")[2])
            for greeting in (b"", b"\x16\x03\x01\x00", b"GET / HTTP/1.1\r\n\r\n"):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(greeting)
                writer.write_eof()
                await reader.read()
                writer.close()
                await writer.wait_closed()
            async with connect(url + MODEL) as client:
                assert json.loads(await client.recv())["type"] == "session.created"

    run(test)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])
def test_a_reachable_host_needs_a_key(host: str) -> None:
    with pytest.raises(Problem, match="RTBENCH_SERVER_KEY"):
        asyncio.run(serve_until(asyncio.Event(), ServerSettings(host=host)))


def test_a_taken_port_is_a_clear_problem() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Problem, match=f"--port {port}: something on 127.0.0.1 uses it"):
            asyncio.run(serve_until(asyncio.Event(), ServerSettings(port=port)))


def test_a_truth_file_that_cannot_be_written_is_a_clear_problem(tmp_path: Path) -> None:
    settings = ServerSettings(port=0, truth=tmp_path / "none/truth.jsonl")
    with pytest.raises(Problem, match="--truth"):
        asyncio.run(serve_until(asyncio.Event(), settings))


def test_localhost_is_one_address() -> None:
    async def test() -> None:
        async with serving(host="localhost") as url:
            assert url.startswith("ws://localhost:")
            async with connect(url + MODEL) as client:
                await client.recv()

    run(test)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_quietly(number: int) -> None:
    program = (
        "from bench.server.app import *\n"
        "run_server(ServerSettings(port=0, on_ready=lambda url: print(url, flush=True)))\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    url = server.stdout.readline().strip()

    async def leave() -> int | None:
        async with connect(url + MODEL) as client:
            await client.recv()
            os.kill(server.pid, number)
            with pytest.raises(ConnectionClosed):
                await client.recv()
            return client.close_code

    code = asyncio.run(leave())
    out, errors = server.communicate(timeout=10)
    assert (code, server.returncode, out, errors) == (1001, 0, "", "")


def test_run_server_raises_problems_too() -> None:
    with pytest.raises(Problem, match="RTBENCH_SERVER_KEY"):
        run_server(ServerSettings(host="0.0.0.0"))


def test_health_and_counts_are_told_over_http() -> None:
    def get(url: str, path: str) -> str:
        with urllib.request.urlopen(url.replace("ws://", "http://") + path, timeout=5) as answer:
            return str(answer.read().decode())

    async def test() -> None:
        async with serving(vad="energy") as url, connect(url + MODEL) as client:
            await client.send('{"type":"response.create"}')
            await until(client, "response.done")
            assert await asyncio.to_thread(get, url, "/healthz") == "ok"
            counts = await asyncio.to_thread(get, url, "/metrics")
            told = dict(line.split() for line in counts.splitlines() if not line.startswith("#"))
            assert told["rtbench_server_sessions_open"] == "1"
            assert told["rtbench_server_responses_total"] == "1"
            assert told["rtbench_server_faults_total"] == "0"
            assert int(told["rtbench_server_messages_out_total"]) > 10

    run(test)
