"""Turns an HTTP request into admission to a session, or into the answer it gets instead."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

import msgspec

from bench.server.refusal import Refusal
from bench.server.wire.client_secret import PREFIX, ClientSecrets
from bench.server.wire.handshake import refuse_handshake, select_subprotocol
from bench.server.wire.http import HttpAnswer, Request, error_answer, text_answer

REALTIME_PATH = "/v1/realtime"
AZURE_PATH = "/openai/v1/realtime"
AZURE_PREVIEW_PATH = "/openai/realtime"

_SECRETS_PATHS = ("/v1/realtime/client_secrets", "/openai/v1/realtime/client_secrets")
_SESSION_PATHS = (REALTIME_PATH, AZURE_PATH, AZURE_PREVIEW_PATH)
_SUBPROTOCOL_KEY = "openai-insecure-api-key."
_BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
_BETA_HEADER = "realtime=v1"
# A key must fit a header, and headers have a limit.
_CLIENT_SECRET_LIMIT_BYTES = 16 * 1024

Query = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Admission:
    """A client that may have a session.

    `model` is None where none was named, as transcription allows. `preset` has the session
    settings of the ephemeral key that opened the gate, if one did. `subprotocol` is the one to
    answer with.
    """

    dialect: Literal["ga", "beta"]
    model: str | None
    intent: Literal["realtime", "transcription"]
    preset: dict[str, Any] | None
    subprotocol: str | None


class _ExpiresAfter(msgspec.Struct, forbid_unknown_fields=True):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, msgspec.Meta(ge=10, le=7200)] = 600


class _SecretOrder(msgspec.Struct, forbid_unknown_fields=True):
    expires_after: _ExpiresAfter | None = None
    session: dict[str, Any] | None = None


class Gate:
    """Decides who may come in, by path, key and query.

    `api_key` None lets anyone in. `secret` signs ephemeral keys and is the same in every
    worker. `metrics` gives the Prometheus page. `describe_session` makes a whole session of
    settings a client asked for, as the API shows it; it may raise Refusal.
    """

    def __init__(
        self,
        *,
        api_key: str | None,
        secret: bytes,
        metrics: Callable[[], str],
        describe_session: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        self._key = None if api_key is None else api_key.encode()
        self._secrets = ClientSecrets(secret)
        self._metrics = metrics
        self._describe_session = describe_session

    def decide(self, request: Request, now_s: float) -> Admission | HttpAnswer:
        """Admission to a session, or the whole answer. `now_s` counts seconds since 1970."""
        path, _, query_text = request.target.partition("?")
        query = parse_qs(query_text)
        if path in _SESSION_PATHS:
            return _refuse_method(request, "GET") or self._admit(request, path, query, now_s)
        if path in _SECRETS_PATHS:
            return _refuse_method(request, "POST") or self._give_secret(request, path, now_s)
        if path == "/healthz":
            return _refuse_method(request, "GET") or text_answer("ok")
        if path == "/metrics":
            return _refuse_method(request, "GET") or text_answer(
                self._metrics(), "text/plain; version=0.0.4; charset=utf-8"
            )
        return error_answer(404, f"Only {REALTIME_PATH} is served here.", code="unknown_url")

    def _admit(
        self, request: Request, path: str, query: Query, now_s: float
    ) -> Admission | HttpAnswer:
        keys = _keys(request, path, query)
        ephemeral = [key.decode("latin-1") for key in keys if key.startswith(PREFIX.encode())]
        presets = [self._secrets.read(key, now_s) for key in ephemeral]
        preset = next((settings for settings in presets if settings is not None), None)
        if preset is None and not self._opens(keys, none_needed=not ephemeral):
            return _unauthorised()
        refusal = refuse_handshake(request)
        if refusal is not None:
            return refusal
        if "call_id" in query:
            return error_answer(
                400, "Joining a call is not offered.", code="unsupported", param="call_id"
            )
        preset_or_none = preset or {}
        transcribes = (
            query.get("intent") == ["transcription"]
            or preset_or_none.get("type") == "transcription"
        )
        if path == AZURE_PREVIEW_PATH and "api-version" not in query:
            return _name(path, "api-version", "api-version=VERSION&deployment=NAME")
        parameter = "deployment" if path == AZURE_PREVIEW_PATH else "model"
        model = query.get(parameter, [preset_or_none.get("model")])[0]
        if model is None and not transcribes:
            return _name(path, parameter, f"{parameter}=NAME")
        offered = request.listed("sec-websocket-protocol")
        beta = (
            path == AZURE_PREVIEW_PATH
            or _BETA_HEADER in request.listed("openai-beta")
            or _BETA_SUBPROTOCOL in offered
        )
        return Admission(
            dialect="beta" if beta else "ga",
            model=model,
            intent="transcription" if transcribes else "realtime",
            preset=preset,
            subprotocol=select_subprotocol(offered),
        )

    def _give_secret(self, request: Request, path: str, now_s: float) -> HttpAnswer:
        if not self._opens(_keys(request, path, {}), none_needed=True):
            return _unauthorised()
        try:
            order = msgspec.json.decode(request.body or b"{}", type=_SecretOrder)
            session = order.session or {}
            described = self._describe_session(session)
        except msgspec.DecodeError as error:
            return error_answer(400, f"Invalid body: {error}.", code="invalid_value")
        except Refusal as refusal:
            return error_answer(400, refusal.message, code=refusal.code, param=refusal.param)
        expires_at_s = int(now_s) + (order.expires_after or _ExpiresAfter()).seconds
        value = self._secrets.make(session, expires_at_s)
        if len(value) > _CLIENT_SECRET_LIMIT_BYTES:
            message = "These settings are too long for a key; send them by session.update."
            return error_answer(400, message, code="string_above_max_length", param="session")
        body = {"value": value, "expires_at": expires_at_s, "session": described}
        return HttpAnswer(200, (("Content-Type", "application/json"),), msgspec.json.encode(body))

    def _opens(self, keys: list[bytes], *, none_needed: bool) -> bool:
        if self._key is None:
            return none_needed
        return any(hmac.compare_digest(key, self._key) for key in keys)


def _keys(request: Request, path: str, query: Query) -> list[bytes]:
    """Keys the client brought, wherever its kind of client can put one."""
    found = []
    for value in request.values("authorization"):
        scheme, _, key = value.partition(" ")
        if scheme.lower() == "bearer":
            found.append(key.strip())
    found += request.values("api-key")
    found += [
        name.removeprefix(_SUBPROTOCOL_KEY)
        for name in request.listed("sec-websocket-protocol")
        if name.startswith(_SUBPROTOCOL_KEY)
    ]
    keys = [key.encode("latin-1") for key in found]
    if path != REALTIME_PATH:
        keys += [key.encode() for key in query.get("api-key", [])]
    return keys


def _unauthorised() -> HttpAnswer:
    return error_answer(
        401,
        "Bring the key: Authorization: Bearer KEY.",
        code="invalid_api_key",
        headers=[("WWW-Authenticate", "Bearer")],
    )


def _refuse_method(request: Request, allowed: str) -> HttpAnswer | None:
    if request.method == allowed:
        return None
    return error_answer(405, f"Only {allowed} is understood here.", headers=[("Allow", allowed)])


def _name(path: str, parameter: str, example: str) -> HttpAnswer:
    article = "an" if parameter.startswith("a") else "a"
    return error_answer(
        400,
        f"Name {article} {parameter}: {path}?{example}.",
        code="missing_required_parameter",
        param=parameter,
    )
