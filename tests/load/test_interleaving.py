from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.gate.outputs import Outputs
from bench.load import interleaving
from bench.load.child import Ending
from bench.load.interleaving import Interleaving, run_ab
from bench.problem import Problem
from tests.gate.made_runs import make_run

URLS = ("ws://127.0.0.1:1", "ws://127.0.0.1:2")


def job(**changes: Any) -> Interleaving:
    given = {"scenario": "ask", "blocks": 4, "block_time": "30s", "users": 5} | changes
    return Interleaving(*URLS, **given)


@pytest.mark.parametrize(
    ("time", "seconds"), [("30s", 30), ("2m", 120), ("90", 90), ("1h", 3600), ("1m30s", 90)]
)
def test_time_of_a_block(time: str, seconds: float) -> None:
    assert job(block_time=time).block_s == seconds


@pytest.mark.parametrize("time", ["", "soon", "0s", "-5s", "2h", "5 m", "1.5m"])
def test_time_that_is_none_or_too_long(time: str) -> None:
    with pytest.raises(Problem, match="--block-time"):
        job(block_time=time)


def test_blocks_come_in_pairs() -> None:
    with pytest.raises(Problem, match="--blocks 5: must be even"):
        job(blocks=5)


class FakeLocust:
    """Stands for the process of a block: writes what a run would have left."""

    def __init__(
        self,
        commands: list[list[str]],
        code: int,
        says: str,
        *,
        asked: bool = False,
        spends_usd: float | None = None,
    ) -> None:
        self.commands, self.code, self.says = commands, code, says
        self.asked, self.spends_usd = asked, spends_usd

    def __call__(self, command: list[str], output: Any, timeout_s: float) -> Ending:
        assert timeout_s == 30 + interleaving.GRACE_S
        self.commands.append(command)
        output.write(self.says.encode())
        place = Path(command[command.index("--runs-dir") + 1])
        name = command[command.index("--run-id") + 1]
        if self.code in {0, 1, 3, 4}:
            slower = 30.0 if command[command.index("--host") + 1] == URLS[1] else 0.0
            number = int(name[:2])
            make_run(place / name, seed=number, sessions=5, turns=5, reply_ms=300 + slower)
            if self.spends_usd is not None:
                path = place / name / "run.json"
                run = json.loads(path.read_text("utf-8"))
                run["spending"] = {"spent_usd": self.spends_usd}
                path.write_text(json.dumps(run), encoding="utf-8")
        return Ending(self.code, self.asked)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    made: list[list[str]] = []
    monkeypatch.setattr(interleaving, "run_child", FakeLocust(made, 0, ""))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return made


def test_targets_take_turns_and_the_slower_one_is_found(
    commands: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = Outputs(json=tmp_path / "v.json")
    code = run_ab(job(blocks=24, rest=("--vad-silence-ms", "200")), tmp_path, ["ttfa_ms"], outputs)
    assert code == 1
    hosts = [command[command.index("--host") + 1] for command in commands]
    assert hosts == [*(URLS[0], URLS[1], URLS[1], URLS[0]) * 6]
    for command in commands:
        assert command[0] == sys.executable
        assert command[command.index("--vad-silence-ms") + 1] == "200"
        assert command[command.index("--run-time") + 1] == "30s"
        assert command[command.index("--users") + 1] == "5"
    told = capsys.readouterr().out
    assert "block 1 of 24, A: 20 turns, ttfa p50 5" in told
    assert "REGRESSION: B ws://127.0.0.1:2/ against A" in told.replace(":2 ", ":2/ ")
    verdict = json.loads((tmp_path / "v.json").read_text("utf-8"))
    assert [f["sessions"] for f in verdict["gate"]["findings"]] == [12, 12]


def test_keys_in_urls_are_not_kept(commands: list[list[str]], tmp_path: Path) -> None:
    urls = [f"{url}/v1?key=sk-secret" for url in URLS]
    run_ab(Interleaving(*urls, "ask", 2, "30s", 5), tmp_path, ["ttfa_ms"], Outputs())
    (note,) = tmp_path.glob("*-ab/ab.json")
    assert "sk-secret" not in note.read_text("utf-8")


def test_block_that_could_not_start_ends_the_job_with_its_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = "noise\nrtbench: ws://127.0.0.1:1: nobody listens\n"
    monkeypatch.setattr(interleaving, "run_child", FakeLocust([], 2, said))
    with pytest.raises(Problem, match=r"block 01-a: ws://127\.0\.0\.1:1: nobody listens"):
        run_ab(job(), tmp_path, ["ttfa_ms"], Outputs())


def test_block_that_says_nothing_is_told_by_its_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(interleaving, "run_child", FakeLocust([], -9, ""))
    with pytest.raises(Problem, match=r"block 01-a: left no record; .*01-a\.log"):
        run_ab(job(), tmp_path, ["ttfa_ms"], Outputs())


def test_interrupt_keeps_what_is_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[list[str]] = []
    interrupted = FakeLocust(commands, 130, "", asked=True)
    monkeypatch.setattr(interleaving, "run_child", interrupted)
    assert run_ab(job(), tmp_path, ["ttfa_ms"], Outputs()) == 130
    assert "rtbench: interrupted; `rtbench compare" in capsys.readouterr().err
    assert len(commands) == 1


def test_interrupt_between_two_blocks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, commands: list[list[str]]
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(interleaving, "read_run", interrupted)
    assert run_ab(job(), tmp_path, ["ttfa_ms"], Outputs()) == 130
    assert len(commands) == 1


PRICED = ("--model", "gpt-realtime-2", "--max-usd", "1")


def test_blocks_share_what_may_be_spent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[list[str]] = []
    spends = FakeLocust(commands, 0, "", spends_usd=0.4)
    monkeypatch.setattr(interleaving, "run_child", spends)

    def told(command: list[str]) -> str:  # of a flag given twice Locust takes the last
        places = [n for n, word in enumerate(command) if word == "--max-usd"]
        return command[places[-1] + 1]

    assert run_ab(job(rest=PRICED), tmp_path, ["ttfa_ms"], Outputs()) == 4
    assert [told(command) for command in commands] == ["1.000000", "0.600000", "0.200000"]
    assert "rtbench: --max-usd 1 is spent; `rtbench compare" in capsys.readouterr().err


def test_a_block_that_was_cut_short_is_the_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(interleaving, "run_child", FakeLocust(commands, 4, ""))
    assert run_ab(job(rest=PRICED), tmp_path, ["ttfa_ms"], Outputs()) == 4
    assert len(commands) == 1


def test_another_machine_is_agreed_to_once_for_all_blocks(
    commands: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    far = Interleaving(URLS[0], "wss://speech.example", "ask", 2, "30s", 5)
    with pytest.raises(Problem, match=r"wss://speech\.example/?: is not this machine"):
        run_ab(far, tmp_path, ["ttfa_ms"], Outputs())
    assert commands == []
    agreed = Interleaving(URLS[0], "wss://speech.example", "ask", 2, "30s", 5, ("--yes",))
    run_ab(agreed, tmp_path, ["ttfa_ms"], Outputs())
    assert len(commands) == 2
    assert all("--yes" in command for command in commands)
    assert capsys.readouterr().err.count("Estimated cost") == 1
