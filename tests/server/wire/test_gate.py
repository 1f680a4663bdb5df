from __future__ import annotations

import json
from typing import Any

import pytest

from bench.server.refusal import Refusal
from bench.server.wire.client_secret import ClientSecrets
from bench.server.wire.gate import Admission, Gate
from bench.server.wire.http import HttpAnswer, Request

SECRET = b"shared by the workers"
NOW_S = 1_700_000_000.5
UPGRADE = (
    ("host", "localhost"),
    ("upgrade", "websocket"),
    ("connection", "keep-alive, Upgrade"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
)


def describe_session(session: dict[str, Any]) -> dict[str, Any]:
    if "speed" in session:
        raise Refusal("unknown_parameter", "Unknown parameter: 'session.speed'.", "session.speed")
    return {"type": "realtime", "object": "realtime.session", "id": "sess_1"} | session


def gate(key: str | None = None, secret: bytes = SECRET) -> Gate:
    return Gate(
        api_key=key,
        secret=secret,
        metrics=lambda: "rtbench_server_sessions_open 3\n",
        describe_session=describe_session,
    )


def upgrade(target: str, *headers: tuple[str, str]) -> Request:
    return Request("GET", target, (*UPGRADE, *headers))


def admitted(target: str, *headers: tuple[str, str], key: str | None = None) -> Admission:
    found = gate(key).decide(upgrade(target, *headers), NOW_S)
    assert isinstance(found, Admission), found
    return found


def refused(
    request: Request, key: str | None = None, now_s: float = NOW_S
) -> tuple[int, dict[str, Any]]:
    found = gate(key).decide(request, now_s)
    assert isinstance(found, HttpAnswer), found
    assert found.body.count(b"\n") == 1
    error = json.loads(found.body)["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert error["type"] == "invalid_request_error"
    return found.status, error


def answered(method: str, target: str, body: bytes = b"", **options: Any) -> HttpAnswer:
    headers = tuple(options.pop("headers", ()))
    found = gate(options.get("key")).decide(Request(method, target, headers, body), NOW_S)
    assert isinstance(found, HttpAnswer)
    return found


def test_a_plain_client_is_admitted() -> None:
    found = admitted("/v1/realtime?model=fast-1")
    assert found == Admission("ga", "fast-1", "realtime", None, None)


@pytest.mark.parametrize(
    ("target", "headers", "dialect", "model", "intent"),
    [
        ("/v1/realtime?model=a%2Fb", [], "ga", "a/b", "realtime"),
        ("/v1/realtime?intent=transcription", [], "ga", None, "transcription"),
        ("/v1/realtime?intent=transcription&model=m", [], "ga", "m", "transcription"),
        ("/v1/realtime?model=m&intent=conversation", [], "ga", "m", "realtime"),
        ("/v1/realtime?model=m", [("openai-beta", "realtime=v1")], "beta", "m", "realtime"),
        ("/v1/realtime?model=m", [("openai-beta", "a=b, realtime=v1")], "beta", "m", "realtime"),
        ("/v1/realtime?model=m", [("openai-beta", "assistants=v2")], "ga", "m", "realtime"),
        (
            "/v1/realtime?model=m",
            [("sec-websocket-protocol", "realtime, openai-beta.realtime-v1")],
            "beta",
            "m",
            "realtime",
        ),
        ("/openai/v1/realtime?model=mine", [], "ga", "mine", "realtime"),
        ("/openai/realtime?api-version=2&deployment=mine", [], "beta", "mine", "realtime"),
        ("/openai/realtime?api-version=2&intent=transcription", [], "beta", None, "transcription"),
    ],
)
def test_addresses_and_their_dialects(
    target: str, headers: list[tuple[str, str]], dialect: str, model: str | None, intent: str
) -> None:
    found = admitted(target, *headers)
    assert (found.dialect, found.model, found.intent) == (dialect, model, intent)


@pytest.mark.parametrize(
    ("offered", "answer"),
    [
        ("realtime, openai-insecure-api-key.k", "realtime"),
        ("openai-beta.realtime-v1", None),
        ("something", None),
    ],
)
def test_only_realtime_is_spoken(offered: str, answer: str | None) -> None:
    found = admitted("/v1/realtime?model=m", ("sec-websocket-protocol", offered))
    assert found.subprotocol == answer


@pytest.mark.parametrize(
    ("target", "status", "param"),
    [
        ("/", 404, None),
        ("/v1/realtime/x?model=m", 404, None),
        ("//[?model=m", 404, None),
        ("http://localhost/v1/realtime?model=m", 404, None),
        ("/v1/realtime", 400, "model"),
        ("/v1/realtime?model=", 400, "model"),
        ("/v1/realtime?deployment=m", 400, "model"),
        ("/v1/realtime?call_id=rtc_1", 400, "call_id"),
        ("/openai/v1/realtime?deployment=m", 400, "model"),
        ("/openai/realtime?api-version=2", 400, "deployment"),
        ("/openai/realtime?deployment=m", 400, "api-version"),
    ],
)
def test_wrong_addresses_are_refused(target: str, status: int, param: str | None) -> None:
    found, error = refused(upgrade(target))
    assert (found, error["param"]) == (status, param)


AZURE = "/openai/v1/realtime?model=m"


@pytest.mark.parametrize(
    ("target", "headers", "enters"),
    [
        ("/v1/realtime?model=m", [("authorization", "Bearer sesame")], True),
        ("/v1/realtime?model=m", [("authorization", "bearer  sesame ")], True),
        ("/v1/realtime?model=m", [("api-key", "sesame")], True),
        (
            "/v1/realtime?model=m",
            [("sec-websocket-protocol", "realtime, openai-insecure-api-key.sesame")],
            True,
        ),
        (AZURE, [("api-key", "sesame")], True),
        (AZURE + "&api-key=sesame", [], True),
        ("/openai/realtime?api-version=2&deployment=m&api-key=sesame", [], True),
        ("/v1/realtime?model=m&api-key=sesame", [], False),
        ("/v1/realtime?model=m", [], False),
        ("/v1/realtime?model=m", [("authorization", "Bearer other")], False),
        ("/v1/realtime?model=m", [("authorization", "Bearer s\xe9same")], False),
        ("/v1/realtime?model=m", [("authorization", "Basic sesame")], False),
        ("/v1/realtime?model=m", [("authorization", "sesame")], False),
        ("/v1/realtime?model=m", [("authorization", "Bearer ek_sesame")], False),
        (AZURE + "&api-key=other", [("api-key", "another")], False),
        ("/v1/realtime", [], False),  # it learns nothing about the query
    ],
)
def test_a_key_opens(target: str, headers: list[tuple[str, str]], enters: bool) -> None:
    if enters:
        admitted(target, *headers, key="sesame")
    else:
        status, error = refused(upgrade(target, *headers), key="sesame")
        assert (status, error["code"], error["param"]) == (401, "invalid_api_key", None)
        assert "sesame" not in json.dumps(error)


def test_a_key_beyond_ascii_opens() -> None:
    header = ("authorization", "Bearer " + "schlüssel".encode().decode("latin-1"))
    admitted("/v1/realtime?model=m", header, key="schlüssel")


def test_a_plain_get_is_told_to_upgrade() -> None:
    found = answered("GET", "/v1/realtime?model=m")
    assert found.status == 426
    assert ("Upgrade", "websocket") in found.headers


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("POST", "/v1/realtime?model=m", "GET"),
        ("GET", "/v1/realtime/client_secrets", "POST"),
        ("POST", "/healthz", "GET"),
        ("PUT", "/metrics", "GET"),
    ],
)
def test_other_methods_are_refused(method: str, target: str, allowed: str) -> None:
    found = answered(method, target)
    assert found.status == 405
    assert ("Allow", allowed) in found.headers


def test_health_and_metrics_need_no_key() -> None:
    health = answered("GET", "/healthz", key="sesame")
    assert (health.status, health.body) == (200, b"ok")
    metrics = answered("GET", "/metrics?x=y", key="sesame")
    assert (metrics.status, metrics.body) == (200, b"rtbench_server_sessions_open 3\n")
    assert metrics.headers[0][1].startswith("text/plain; version=0.0.4")


def mint(body: Any, path: str = "/v1/realtime/client_secrets") -> dict[str, Any]:
    headers = [("authorization", "Bearer sesame")]
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = answered("POST", path, data, key="sesame", headers=headers)
    assert found.status == 200, found.body
    minted: dict[str, Any] = json.loads(found.body)
    return minted


@pytest.mark.parametrize("body", [b"", {}, {"session": None}, {"expires_after": None}])
def test_a_client_secret_by_default(body: Any) -> None:
    minted = mint(body)
    assert set(minted) == {"value", "expires_at", "session"}
    assert minted["value"].startswith("ek_")
    assert minted["expires_at"] == int(NOW_S) + 600
    assert minted["session"]["id"] == "sess_1"


@pytest.mark.parametrize(
    "path", ["/v1/realtime/client_secrets", "/openai/v1/realtime/client_secrets"]
)
def test_a_client_secret_opens_any_worker_with_its_settings(path: str) -> None:
    session = {"type": "realtime", "model": "fast-1", "instructions": "Sei höflich."}
    value = mint({"session": session, "expires_after": {"seconds": 10}}, path)["value"]
    for header in [
        ("authorization", f"Bearer {value}"),
        ("sec-websocket-protocol", f"realtime, openai-insecure-api-key.{value}"),
    ]:
        for key in ("sesame", None):
            found = admitted("/v1/realtime", header, key=key)
            assert found.preset == session
            assert found.model == "fast-1"
    named = admitted("/v1/realtime?model=other", ("api-key", value), key="sesame")
    assert named.model == "other"


def test_a_client_secret_may_be_for_transcription() -> None:
    value = mint({"session": {"type": "transcription"}})["value"]
    found = admitted("/v1/realtime", ("api-key", value), key="sesame")
    assert (found.intent, found.model) == ("transcription", None)


def test_a_client_secret_expires_and_cannot_be_made_up() -> None:
    minted = mint({"session": {}, "expires_after": {"anchor": "created_at", "seconds": 7200}})
    value, expires_at_s = minted["value"], minted["expires_at"]
    request = upgrade("/v1/realtime?model=m", ("api-key", value))
    assert isinstance(gate("sesame").decide(request, expires_at_s - 0.5), Admission)
    for key in ("sesame", None):
        assert refused(request, key, now_s=expires_at_s)[0] == 401
        other = ClientSecrets(b"another server").make({}, expires_at_s)
        assert refused(upgrade("/v1/realtime?model=m", ("api-key", other)), key)[0] == 401
        assert refused(upgrade("/v1/realtime?model=m", ("api-key", "ek_é")), key)[0] == 401


@pytest.mark.parametrize("headers", [[], [("api-key", "other")], [("api-key", "ek_x")]])
def test_a_client_secret_needs_the_key(headers: list[tuple[str, str]]) -> None:
    request = Request("POST", "/v1/realtime/client_secrets", tuple(headers), b"{}")
    assert refused(request, "sesame")[0] == 401


def test_a_client_secret_makes_no_other() -> None:
    value = mint({})["value"]
    headers = (("authorization", f"Bearer {value}"),)
    request = Request("POST", "/v1/realtime/client_secrets", headers, b"{}")
    assert refused(request, "sesame")[0] == 401


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_value"),
        (b"[]", "invalid_value"),
        (b"\xff", "invalid_value"),
        (b'{"expires_after":{"seconds":9}}', "invalid_value"),
        (b'{"expires_after":{"seconds":7201}}', "invalid_value"),
        (b'{"expires_after":{"seconds":true}}', "invalid_value"),
        (b'{"expires_after":{"anchor":"now"}}', "invalid_value"),
        (b'{"session":[]}', "invalid_value"),
        (b'{"session":{"speed":9}}', "unknown_parameter"),
    ],
)
def test_a_wrong_order_for_a_client_secret(body: bytes, code: str) -> None:
    status, error = refused(Request("POST", "/v1/realtime/client_secrets", (), body))
    assert (status, error["code"]) == (400, code)


def test_settings_that_fit_no_header_are_refused() -> None:
    noise = " ".join(str(n * n * 7_919 % 104_729) for n in range(10_000))
    body = json.dumps({"session": {"instructions": noise}}).encode()
    status, error = refused(Request("POST", "/v1/realtime/client_secrets", (), body))
    assert (status, error["param"]) == (400, "session")
