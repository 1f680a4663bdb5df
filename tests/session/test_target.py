"""A key goes to the target only, one way only, and over a plain wire only within this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.dialects.azure import AZURE
from bench.dialects.base import Dialect
from bench.dialects.openai import OPENAI
from bench.problem import Problem
from bench.session.dialect_file import find_dialect
from bench.session.target import is_loopback, target_endpoint

KEY = "sk-not-to-be-seen"
OWN = "own-not-to-be-seen"
AUTHORIZATION = "Authorization: Bearer ${MY_TOKEN}"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or "OPENAI" in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("MY_TOKEN", OWN)
    monkeypatch.delenv("MY_OTHER", raising=False)


def headers(dialect: Dialect, *lines: str, host: str = "wss://h") -> dict[str, str]:
    return dict(target_endpoint(dialect, host, "m", headers=lines).headers)


def problem(dialect: Dialect, *lines: str, host: str = "wss://h") -> str:
    with pytest.raises(Problem) as caught:
        target_endpoint(dialect, host, "m", headers=lines)
    text = str(caught.value)
    assert KEY not in text
    assert OWN not in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize("key", [None, KEY, f"{KEY}\n", "é"])
def test_a_header_of_ones_own_takes_the_place_of_a_key_whatever_that_is(
    monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    endpoint = target_endpoint(OPENAI, "wss://h", "m", headers=[AUTHORIZATION])
    assert endpoint.headers == (("Authorization", f"Bearer {OWN}"),)
    assert endpoint.secrets == endpoint.authorised_by == ("MY_TOKEN",)


def test_what_is_replaced_is_not_said_to_be_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert "the key in MY_TOKEN unencrypted" in problem(OPENAI, AUTHORIZATION, host="ws://h")
    path = tmp_path / "own.toml"
    path.write_text('url = "wss://h/x"\n[headers]\nX-Key = "${OPENAI_API_KEY}"\n')
    assert "the key in OPENAI_API_KEY" in problem(find_dialect(str(path)), host="ws://h")
    sent = headers(find_dialect(str(path)), "X-Key: none", host="ws://h")
    assert sent == {"X-Key": "none"}


@pytest.mark.parametrize(
    ("variable", "line", "said"),
    [
        ("AZURE_OPENAI_API_KEY", AUTHORIZATION, "--header Authorization"),
        ("AZURE_OPENAI_AD_TOKEN", "api-key: ${MY_TOKEN}", "--header api-key"),
    ],
)
def test_a_second_authorisation_is_refused_and_one_in_place_of_the_other_is_not(
    monkeypatch: pytest.MonkeyPatch, variable: str, line: str, said: str
) -> None:
    assert len(headers(AZURE, line)) == 1
    monkeypatch.setenv(variable, KEY)
    text = problem(AZURE, line)
    assert text.startswith(f"{variable} and {said} would each authorise the connection")
    assert text.endswith("one authorisation only; drop either")


def test_a_header_in_place_of_one_of_two_leaves_one_more_than_there_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", KEY)
    assert problem(AZURE, AUTHORIZATION).startswith("AZURE_OPENAI_API_KEY and --header")
    monkeypatch.delenv("AZURE_OPENAI_API_KEY")
    assert headers(AZURE, AUTHORIZATION) == {"Authorization": f"Bearer {OWN}"}


def test_two_of_ones_own_are_refused() -> None:
    text = problem(OPENAI, AUTHORIZATION, "api-key: ${MY_TOKEN}")
    assert text.startswith("--header Authorization and --header api-key would each authorise")
    assert problem(OPENAI, AUTHORIZATION, AUTHORIZATION.lower().replace("my_token", "MY_TOKEN"))
    assert problem(OPENAI, "X-A: 1", "x-a: 2") == "--header x-a: is given twice; drop either"


def test_user_info_is_an_authorisation_too(monkeypatch: pytest.MonkeyPatch) -> None:
    host = f"wss://me:{KEY}@h"
    assert headers(OPENAI, host=host) == {}
    assert problem(OPENAI, AUTHORIZATION, host=host).startswith(
        "the user info in --host and --header Authorization would each authorise"
    )
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert problem(OPENAI, host=host).startswith("the user info in --host and OPENAI_API_KEY")


def test_a_key_in_a_subprotocol_is_an_authorisation_too(monkeypatch: pytest.MonkeyPatch) -> None:
    browser = find_dialect("openai-browser")
    assert headers(browser, AUTHORIZATION) == {"Authorization": f"Bearer {OWN}"}
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert problem(browser, AUTHORIZATION).startswith("OPENAI_API_KEY and --header Authorization")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Bearer ${MY_OTHER}", "MY_OTHER is not set; export it first"),
        ("${MY_TOKEN}.${MY_OTHER}", "MY_OTHER is not set; export it first"),
        ("${MY_OTHER}${MY_OTHER}", "MY_OTHER is not set; export it first"),
        ("${MY_OTHER}:${MY_THIRD}", "MY_OTHER and MY_THIRD are not set; export them first"),
    ],
)
def test_variables_that_are_unset_are_named_and_no_others(
    monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    assert problem(OPENAI, f"Authorization: {value}") == f"--header Authorization: {said}"
    monkeypatch.setenv("MY_OTHER", "")
    assert problem(OPENAI, f"Authorization: {value}") == f"--header Authorization: {said}"


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("ws://localhost", True),
        ("ws://LOCALHOST:8765", True),
        ("ws://127.0.0.1:8765", True),
        ("ws://127.8.9.1", True),
        ("ws://[::1]:8765/path", True),
        ("ws://user@127.0.0.1", True),
        ("wss://api.openai.com", False),
        ("ws://0.0.0.0", False),
        ("ws://10.0.0.1", False),
        ("ws://[::2]", False),
        ("ws://127.0.0.1.example.com", False),
        ("ws://localhost.example.com", False),
        ("ws://127.0.0.1@example.com", False),
        ("ws://example.com/127.0.0.1", False),
        ("ws://example.com?h=localhost", False),
        ("ws://2130706433", False),
        ("", False),
    ],
)
def test_is_loopback(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer
