"""What imports Locust runs in a process of its own: importing it here would patch this one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

_SCRIPT = r"""
import json, sys
from types import SimpleNamespace as Simple
from pathlib import Path

import bench.load.control as control
import bench.load.lifecycle as lifecycle
import bench.load.users as users
from bench.problem import Problem


def named(runs_dir, run_id):
    try:
        return str(control._named_path(Path(runs_dir), run_id))
    except Problem as problem:
        return f"Problem: {problem}"


class Caller(users.RealtimeUser):
    pass


def stopped_twice():
    caller = Caller(Simple(host=None))
    caller._state = "running"
    return [caller.stop(), caller.stop()]


taken = Path(sys.argv[1])
for name in ("run", "run-2"):
    (taken / name).mkdir()
print(json.dumps({
    "stopped twice": stopped_twice(),
    "free": [control._free_path(taken / name).name for name in ("run", "other")],
    "named": {name: named("runs", name) for name in
              ("ok", ".", "..", "a/b", "../a", "/etc", "a b")},
    "kept": [control._fit_to_keep(text) for text in (
        "wss://u:SECRET@h:1/p?key=SECRET#SECRET", "--host=wss://u:SECRET@h/p?key=SECRET",
        "-Hws://h?SECRET", "plain", "--run-time=5s", "a@b?c")],
    "hosts": [lifecycle._host_of_classes([Simple(host=h) for h in hosts]) for hosts in (
        [], [None], ["wss://mine"], [lifecycle.DEFAULT_HOST, "wss://mine"])],
    "whole": [lifecycle._whole_ms(x) for x in (0.4, 841.6, 12_345.4)],
}))
"""


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(tmp_path_factory.mktemp("edge"))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_run_folder_is_a_plain_name_below_the_runs_folder(edge: dict[str, Any]) -> None:
    named = edge["named"]
    assert named["ok"].endswith("/runs/ok")
    assert named["a b"].endswith("/runs/a b")
    for name in (".", "..", "a/b", "../a", "/etc"):
        assert named[name] == f"Problem: --run-id {name!r}: is not a plain folder name"


def test_second_run_of_the_same_second_gets_a_number(edge: dict[str, Any]) -> None:
    assert edge["free"] == ["run-3", "other"]


def test_recorded_command_line_holds_no_secret(edge: dict[str, Any]) -> None:
    assert edge["kept"] == [
        *("wss://h:1/p", "--host=wss://h/p", "-Hws://h", "plain", "--run-time=5s", "a@b?c")
    ]


def test_host_of_a_scenarios_class_counts(edge: dict[str, Any]) -> None:
    default = "ws://127.0.0.1:8765"
    assert edge["hosts"] == [default, default, "wss://mine", "wss://mine"]


def test_locusts_page_keeps_milliseconds(edge: dict[str, Any]) -> None:
    assert edge["whole"] == [0, 842, 12_345]


def test_user_asked_to_stop_twice_stops_once(edge: dict[str, Any]) -> None:
    assert edge["stopped twice"] == [False, False]
