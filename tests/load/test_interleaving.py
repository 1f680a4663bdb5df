from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.gate.outputs import Outputs
from bench.load import interleaving
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

    def __init__(self, commands: list[list[str]], code: int, says: str) -> None:
        self.commands, self.code, self.says = commands, code, says

    def __call__(self, command: list[str], stdout: Any, stderr: Any) -> Any:
        self.commands.append(command)
        stdout.write(self.says.encode())
        place = Path(command[command.index("--runs-dir") + 1])
        name = command[command.index("--run-id") + 1]
        if self.code in {0, 1, 3}:
            slower = 30.0 if command[command.index("--host") + 1] == URLS[1] else 0.0
            number = int(name[:2])
            make_run(place / name, seed=number, sessions=5, turns=5, reply_ms=300 + slower)
        return self

    def wait(self, timeout: float | None = None) -> int:
        assert timeout is None or timeout == 30 + interleaving.GRACE_S
        return self.code

    def poll(self) -> int:
        return self.code


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    made: list[list[str]] = []
    monkeypatch.setattr(interleaving.subprocess, "Popen", FakeLocust(made, 0, ""))
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
    monkeypatch.setattr(interleaving.subprocess, "Popen", FakeLocust([], 2, said))
    with pytest.raises(Problem, match=r"block 01-a: ws://127\.0\.0\.1:1: nobody listens"):
        run_ab(job(), tmp_path, ["ttfa_ms"], Outputs())


def test_block_that_says_nothing_is_told_by_its_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(interleaving.subprocess, "Popen", FakeLocust([], -9, ""))
    with pytest.raises(Problem, match=r"block 01-a: left no record; .*01-a\.log"):
        run_ab(job(), tmp_path, ["ttfa_ms"], Outputs())


def test_interrupt_keeps_what_is_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(interleaving.subprocess, "Popen", interrupted)
    assert run_ab(job(), tmp_path, ["ttfa_ms"], Outputs()) == 130
    assert "rtbench compare" in capsys.readouterr().err
