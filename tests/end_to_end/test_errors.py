"""What a user can do wrong: one clear line on stderr, exit code 2, no traceback."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = pytest.mark.end_to_end

KEY = "sk-right-7f3a91"
WRONG_KEY = "sk-wrong-2c40be"

# What is said, after `rtbench: ` or Locust's own `error: `.
MESSAGES = {
    "no server": r"ws://127\.0\.0\.1:1/v1/realtime: Connection refused .*`rtbench serve`",
    "no server, two processes": r"ws://127\.0\.0\.1:1/v1/realtime: Connection refused",
    "wrong path": r"ws://127\.0\.0\.1:\d+/nope: HTTP 404 Not Found.* check the path of --host",
    "wrong key": r"HTTP 401 Unauthorized.*; set OPENAI_API_KEY to a key that the target accepts",
    "no key": r"HTTP 401 Unauthorized.*; set OPENAI_API_KEY to a key that the target accepts",
    "key in the clear": r"would carry the key in OPENAI_API_KEY unencrypted; use wss://",
    "http": r"--host 'http://127\.0\.0\.1:8765' is not a WebSocket URL; write ws://",
    "unknown clip": r".*/manifest\.json: no utterance 'nosuch'; `rtbench fixtures list`",
    "unknown clip, two processes": r".*/manifest\.json: no utterance 'nosuch'; `rtbench",
    "manifest without fields": r".*/manifest\.json: clips\[0\]\.file: Field required",
    "unknown option": r"unrecognized arguments: --nosuch",
    "chunk of 25 ms": r"argument --chunk-ms: '25' is not 20, 30, … 100 ms",
    "runs-dir is a file": r".*/a-file/[^/]+: cannot be made \(Not a directory\); .*--runs-dir",
    "run-id taken": r".*/taken: exists already; choose another --run-id",
    "report of no run": r".*/run\.json: cannot be read .*; give the folder of a run",
    "port taken": r"--port \d+: something on 127\.0\.0\.1 uses it already; choose another, or 0",
    "demo into a file": r"--runs-dir .*/a-file: is a file; choose another folder",
}


@pytest.mark.parametrize("name", MESSAGES)
def test_mistake_is_one_clear_line(mistakes: dict[str, Any], name: str) -> None:
    run = mistakes[name]
    print(f"{run.seconds:.1f} s\n{run.err}")
    assert run.code == 2
    assert "Traceback" not in run.text
    assert run.survivors == []
    told = [
        line
        for line in run.err.splitlines()
        if line.startswith("rtbench: ") or re.match(r"\S+: error: ", line)
    ]
    assert len(told) == 1
    assert re.search(rf"^\S+: (error: )?.*{MESSAGES[name]}", told[0])
    assert run.seconds < 45


def test_every_mistake_made_is_looked_at(mistakes: dict[str, Any]) -> None:
    assert mistakes.keys() == MESSAGES.keys()


def test_no_output_holds_a_key(mistakes: dict[str, Any]) -> None:
    for name, run in mistakes.items():
        assert KEY not in run.text, name
        assert WRONG_KEY not in run.text, name


@pytest.mark.parametrize(
    "name", sorted(name for name in MESSAGES if "clip" not in name and "taken" not in name)
)
def test_mistake_leaves_no_run_folder(mistakes: dict[str, Any], name: str) -> None:
    run = mistakes[name]
    assert not list(run.runs_dir.parent.rglob("run.json"))
    assert run.out == ""
