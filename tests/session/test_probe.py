"""One try at the target, and a look at this host, each told in a line with its mend."""

from __future__ import annotations

import socket

import pytest
from rich.console import Console
from websockets.frames import Opcode

from bench.dialects.base import Endpoint, Proxy
from bench.dialects.openai import OPENAI
from bench.problem import Problem
from bench.session import doctor
from bench.session.probe import Check, check_host, probe_target
from bench.session.target import target_endpoint

from .loopback import Peer, listener, read_head, upgrade_response


def refusal(response: bytes, timeout_s: float = 5.0) -> str:
    def script(sock: socket.socket) -> None:
        with sock:
            read_head(sock)
            sock.sendall(response)

    with listener(script) as port:
        endpoint = OPENAI.endpoint(
            f"ws://127.0.0.1:{port}?k=SECRET", "m", {"OPENAI_API_KEY": "SECRET"}
        )
        with pytest.raises(Problem) as caught:
            probe_target(endpoint, OPENAI, timeout_s)
    text = str(caught.value)
    assert text.startswith(f"ws://127.0.0.1:{port}/v1/realtime: ")
    assert "SECRET" not in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_accepted_names_the_variable_to_set(status: int) -> None:
    text = refusal(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
    assert f"(http_{status})" in text
    assert "OPENAI_API_KEY" in text


def test_a_path_that_is_not_there_points_at_the_path() -> None:
    text = refusal(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    assert "check the path of --host" in text


def test_what_is_no_websocket_server_points_at_the_host() -> None:
    assert "check --host" in refusal(b"220 smtp\r\n\r\n")


def test_nobody_listening_points_at_serve() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Problem, match="rtbench serve"):
        probe_target(OPENAI.endpoint(f"ws://127.0.0.1:{port}", "m", {}), OPENAI, 1)


def test_a_target_that_lets_us_in_is_left_politely() -> None:
    closing = []

    def script(sock: socket.socket) -> None:
        with sock:
            head = read_head(sock)
            sock.sendall(upgrade_response(head))
            closing.extend(Peer(sock, head).frames(1))

    with listener(script) as port:
        probe_target(OPENAI.endpoint(f"ws://127.0.0.1:{port}", "m", {}), OPENAI, 5)
    assert [frame.opcode for frame in closing] == [Opcode.CLOSE]


def test_the_host_is_looked_at_from_four_sides() -> None:
    checks = check_host()
    assert [check.name for check in checks] == [
        "cores",
        "open files",
        "timer jitter",
        "kernel receive stamps",
    ]
    for check in checks:
        assert check.found
        assert check.advice
    assert checks[3].fine
    assert checks[3].found == "yes"


@pytest.mark.parametrize("fine", [True, False])
def test_the_doctor_prints_a_line_each_and_the_mend_of_what_is_not_fine(
    monkeypatch: pytest.MonkeyPatch, fine: bool
) -> None:
    checks = [Check("cores", True, "2"), Check("clock", fine, "[odd]", "wind it")]
    monkeypatch.setattr(doctor, "check_host", lambda: checks)
    monkeypatch.setattr(doctor, "probe_target", lambda *_: None)
    console = Console(width=120)
    with console.capture() as printed:
        assert doctor.examine("ws://h", console) is fine
    lines = printed.get().splitlines()
    assert lines[0] == "ok   cores: 2"
    assert lines[1] == ("ok   clock: [odd]" if fine else "warn clock: [odd]")
    assert ("     wind it" in lines) is not fine
    assert lines[-1] == "ok   target: ws://h/v1/realtime accepts a session"


def test_the_doctor_counts_a_target_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "check_host", list)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    console = Console(width=200)
    with console.capture() as printed:
        assert doctor.examine(f"ws://127.0.0.1:{port}", console) is False
    assert "warn target: " in printed.get()


def test_the_doctor_sends_no_key_unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "check_host", list)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setattr(doctor, "probe_target", lambda *_: pytest.fail("connected"))
    with pytest.raises(Problem, match="unencrypted") as caught:
        doctor.examine("ws://target.example", Console())
    assert "sk-secret" not in str(caught.value)


def test_the_doctor_refuses_what_is_no_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "check_host", list)
    with pytest.raises(Problem, match="--host"):
        doctor.examine("nonsense", Console())


def test_a_key_from_elsewhere_names_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(sock: socket.socket) -> None:
        with sock:
            read_head(sock)
            sock.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")

    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    monkeypatch.setenv("MY_TOKEN", "SECRET")
    with listener(script) as port:
        endpoint = target_endpoint(
            OPENAI,
            f"ws://127.0.0.1:{port}",
            "m",
            headers=["X-Team: ${MY_TOKEN}", "Authorization: ${MY_TOKEN}"],
        )
        with pytest.raises(Problem, match="set MY_TOKEN to a key that the target accepts"):
            probe_target(endpoint, OPENAI, 5)


@pytest.mark.parametrize(
    ("answer", "mend"),
    [
        (b"HTTP/1.1 407 No\r\n\r\n", r"\(proxy_407\); give HTTPS_PROXY a user that it accepts"),
        (b"HTTP/1.1 503 No\r\n\r\n", r"\(proxy_503\); check the proxy in HTTPS_PROXY"),
    ],
)
def test_a_proxy_that_refuses_points_at_its_variable(answer: bytes, mend: str) -> None:
    def script(sock: socket.socket) -> None:
        with sock:
            read_head(sock)
            sock.sendall(answer)

    with listener(script) as port:
        endpoint = Endpoint("wss://voice.example/x", (), proxy=Proxy("127.0.0.1", port))
        with pytest.raises(Problem, match=mend):
            probe_target(endpoint, OPENAI, 5)


def test_a_proxy_that_is_not_there_points_at_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    endpoint = Endpoint("wss://voice.example/x", (), proxy=Proxy("127.0.0.1", port))
    with pytest.raises(Problem, match=r"\(refused\); check the proxy in HTTPS_PROXY"):
        probe_target(endpoint, OPENAI, 5)
