"""What imports Locust runs in a process of its own: importing it here would patch this one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

_SCRIPT = r"""
import contextlib, io, json, sys
from types import SimpleNamespace as Simple
from pathlib import Path

import bench.load.live as live
import bench.load.control as control
import bench.load.lifecycle as lifecycle
import bench.load.users as users
from bench.load.alarm import Strain
from locust.stats import RequestStats
from bench.problem import Problem


def view(requests, users=3, lateness=0.42, by_worker=None):
    stats = RequestStats()
    for kind, name, value, error in requests:
        stats.log_request(kind, name, value, 0)
        if error:
            stats.log_error(kind, name, error)
    environment = Simple(stats=stats, runner=Simple(user_count=users))
    worker = None if by_worker is not None else Simple(lateness_p99_ms=lateness)
    made = live.LiveView(environment, Simple(worker=worker))
    for client, data in (by_worker or {}).items():
        made._on_worker_report(client, data)
    return made


def named(runs_dir, run_id):
    try:
        return str(control._named_path(Path(runs_dir), run_id))
    except Problem as problem:
        return f"Problem: {problem}"


STALLED = Strain("w7", 0.1, 0.1, 80.0, "collector")
CALM = Strain("w0", 0.1, 0.1, None, None)._asdict()


def warned(worker=None, reported=(), times=1):
    # What goes to stderr.
    made = live.LiveView(
        Simple(parsed_options=Simple(json=False, progress=False)), Simple(worker=worker)
    )
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        for second in range(times):
            for client, strain in reported:
                made._on_worker_report(
                    client, {"rtbench": {"lateness_ms": None, "strain": strain._asdict()}}
                )
            made._warn(float(second))
    return said.getvalue()


def strained(worker):
    # What a worker tells, and how often it was asked what it noticed.
    asked = []
    watch = Simple(take_strain=lambda: asked.append(1) or worker)
    data = {}
    live.LiveView(
        Simple(), Simple(worker=Simple(lateness_p99_ms=2.5, watch=watch))
    )._on_report(data)
    return data, len(asked)


class Caller(users.RealtimeUser):
    pass


def stopped_twice():
    caller = Caller(Simple(host=None))
    caller._state = "running"
    return [caller.stop(), caller.stop()]


ttfa = [("ttfa", "a", float(ms), None) for ms in range(1, 101)]
crowd = [("ttfa", "a", 841.0, None)] * 9_000 + [("ttfa", "a", 1_290.0, None)] * 3_000
crowd += [("ttfa", "a", None, "x")] * 120
taken = Path(sys.argv[1])
for name in ("run", "run-2"):
    (taken / name).mkdir()
print(json.dumps({
    "stopped twice": stopped_twice(),
    "empty": view([], users=0, lateness=None).line(0.0),
    "some": view([*ttfa, ("setup", "U", 7.0, "bad"), ("ttfa", "b", 900.0, "late")]).line(61.4),
    "missing": view([("ttfa", "a", None, "gone")]).line(5.0),
    "crowd": view(crowd, users=500, lateness=12.3).line(3_600.0),
    "workers": view([], by_worker={
        "a": {"rtbench": {"lateness_ms": 1.5, "strain": CALM}},
        "b": {"rtbench": {"lateness_ms": 9.5, "strain": CALM}},
        "c": {"rtbench": {"lateness_ms": None, "strain": CALM}},
        "d": {},
    }).line(5.0),
    "warned": warned(Simple(watch=Simple(take_strain=lambda: STALLED)), times=5),
    "warned of nothing": warned(Simple(watch=Simple(take_strain=lambda: Strain(**CALM)))),
    "warned of workers": warned(reported=[("a", Strain(**CALM)), ("b", STALLED)]),
    "warned of no worker": warned(),
    "strained": strained(STALLED),
    "no workers": view([], by_worker={}).line(5.0),
    "percentiles": [
        live._percentile({}, 0.5),
        live._percentile({5: 1}, 0.5),
        live._percentile({1: 1, 2: 1}, 0.5),
        live._percentile({1: 1, 2: 1}, 0.51),
        live._percentile({3: 95, 9: 5}, 0.95),
        live._percentile({3: 94, 9: 6}, 0.95),
    ],
    "progress goes to": [
        live.LiveView(
            Simple(parsed_options=Simple(json=json_wanted)), Simple(worker=None)
        )._out.name
        for json_wanted in (False, True)
    ],
    "shown": [live._shown(None), live._shown(0), live._shown(1.26, 1), live._shown(841.6)],
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


def test_live_line_before_anything_happened(edge: dict[str, Any]) -> None:
    expected = "   0 s  users 0  turns 0  failed 0  ttfa p50 - p95 -  late - ms"
    assert edge["empty"] == expected


def test_live_line_counts_turns_alone_and_all_of_them(edge: dict[str, Any]) -> None:
    expected = "  61 s  users 3  turns 101  failed 1  ttfa p50 51 p95 96  late 0.4 ms"
    assert edge["some"] == expected


def test_live_line_counts_a_turn_without_latency(edge: dict[str, Any]) -> None:
    expected = "   5 s  users 3  turns 1  failed 1  ttfa p50 - p95 -  late 0.4 ms"
    assert edge["missing"] == expected


def test_live_line_shows_the_worst_worker(edge: dict[str, Any]) -> None:
    assert edge["workers"].endswith("late 9.5 ms")
    assert edge["no workers"].endswith("late - ms")


def test_a_warning_is_said_once_in_a_while(edge: dict[str, Any]) -> None:
    assert edge["warned"].count("\n") == 1
    assert edge["warned"].startswith("rtbench warning: w7 stalled for 80 ms")
    assert edge["warned of nothing"] == edge["warned of no worker"] == ""


def test_a_master_warns_of_its_workers(edge: dict[str, Any]) -> None:
    assert edge["warned of workers"] == edge["warned"]


def test_a_worker_tells_its_master_what_it_noticed(edge: dict[str, Any]) -> None:
    data, asked = edge["strained"]
    assert asked == 1
    assert data["rtbench"] == {
        "lateness_ms": 2.5,
        "strain": {
            "worker": "w7",
            "lateness_p99_ms": 0.1,
            "cpu_share": 0.1,
            "stall_ms": 80.0,
            "stall_cause": "collector",
        },
    }


@pytest.mark.parametrize("name", ["empty", "some", "crowd", "workers"])
def test_live_line_fits_80_columns(edge: dict[str, Any], name: str) -> None:
    assert len(edge[name]) <= 80, edge[name]
    assert "\n" not in edge[name]


def test_live_percentile_is_nearest_rank(edge: dict[str, Any]) -> None:
    assert edge["percentiles"] == [None, 5, 1, 2, 3, 9]


def test_live_line_leaves_stdout_to_locusts_json(edge: dict[str, Any]) -> None:
    assert edge["progress goes to"] == ["<stdout>", "<stderr>"]


def test_live_numbers(edge: dict[str, Any]) -> None:
    assert edge["shown"] == ["-", "0", "1.3", "842"]


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
