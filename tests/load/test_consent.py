"""Who is asked before anything is sent, and who need not be."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from bench.load.consent import Consent
from bench.load.cost import Cost, foresee_cost
from bench.problem import Problem

FAR = "wss://speech.example/v1/realtime"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def cost(parse: Callable[..., Any]) -> Cost:
    return foresee_cost(parse(), "gpt-realtime-2", 2.5, callers=2, seconds=30)


@pytest.fixture
def sit_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Terminal]:
    def sit(typed: str) -> Terminal:
        shown = Terminal()
        monkeypatch.setattr("sys.stdin", Terminal(typed))
        monkeypatch.setattr("sys.stderr", shown)
        return shown

    return sit


@pytest.mark.parametrize(
    "target",
    [
        "ws://127.0.0.1:8765/v1/realtime",
        "ws://127.7.7.7",
        "ws://[::1]:8765",
        "ws://localhost:8765",
        "ws://LOCALHOST",
    ],
)
def test_this_machine_needs_no_consent(
    target: str, cost: Cost, capsys: pytest.CaptureFixture[str]
) -> None:
    Consent().obtain([target], cost, given=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "target",
    [
        FAR,
        "ws://192.168.0.7",
        "ws://0.0.0.0",
        "ws://localhost.example",
        "ws://localhost.",
        "ws://127.0.0.1.example",
        "ws://[fe80::1]",
        "ws://127.1",
        "ws://localhost@speech.example",
    ],
)
def test_without_a_terminal_the_line_names_the_flag(target: str, cost: Cost) -> None:
    with pytest.raises(Problem) as refusal:
        Consent().obtain([target], cost, given=False)
    text = str(refusal.value)
    assert text.startswith(f"{target}: is not this machine")
    assert text.endswith(f"(estimated: {cost.words}); add --yes to go on")
    assert "\n" not in text


@pytest.mark.parametrize("typed", ["y\n", "YES\n", " Yes \n"])
def test_a_terminal_is_asked(typed: str, cost: Cost, sit_at: Callable[[str], Terminal]) -> None:
    shown, consent = sit_at(typed), Consent()
    consent.obtain([FAR], cost, given=False)
    text = shown.getvalue()
    assert text.startswith(f"Estimated cost: {cost.words}.\nAssumed: 2 callers for 30 s")
    assert text.endswith(f"Send to {FAR}? [y/N] ")
    assert max(map(len, text.splitlines())) <= 80
    consent.obtain([FAR], cost, given=False, may_ask=False)  # has been


@pytest.mark.parametrize("typed", ["\n", "n\n", "", "yes please\n", "j\n"])
def test_anything_else_is_no(typed: str, cost: Cost, sit_at: Callable[[str], Terminal]) -> None:
    sit_at(typed)
    with pytest.raises(Problem, match="nothing was sent; answer y to go on, or add --yes"):
        Consent().obtain([FAR], cost, given=False)


def test_nobody_is_asked_in_the_middle_of_things(
    cost: Cost, sit_at: Callable[[str], Terminal]
) -> None:
    shown = sit_at("y\n")
    with pytest.raises(Problem, match="add --yes"):
        Consent().obtain([FAR], cost, given=False, may_ask=False)
    assert shown.getvalue() == ""


def test_consent_given_beforehand_is_told_what_it_may_cost(
    cost: Cost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RTBENCH_QUIET", raising=False)
    Consent().obtain([FAR], cost, given=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Estimated cost: $")
    assert "?" not in err


@pytest.mark.parametrize(("quiet", "told"), [("1", False), ("0", True), ("", True)])
def test_quiet(
    quiet: str,
    told: bool,
    cost: Cost,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RTBENCH_QUIET", quiet)
    Consent().obtain([FAR], cost, given=True)
    assert bool(capsys.readouterr().err) is told


def test_consent_is_for_one_target(cost: Cost, capsys: pytest.CaptureFixture[str]) -> None:
    consent = Consent()
    consent.obtain([FAR, FAR, "ws://localhost"], cost, given=True)
    with pytest.raises(Problem, match=r"wss://other\.example: is not this machine"):
        consent.obtain([FAR, "wss://other.example"], cost, given=False)
    assert capsys.readouterr().err.count("Estimated") == 1
