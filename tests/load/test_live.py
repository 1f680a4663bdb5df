"""What a run shows while it goes on, and how it keeps to its budget; in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

_SCRIPT = r"""
import contextlib, io, json, os
from argparse import Namespace
from dataclasses import asdict
from types import SimpleNamespace as Simple

import bench.load.live as live
from bench.analysis.budget import Tally
from bench.analysis.prices import Usage
from bench.load.alarm import Strain
from bench.load.cost import foresee_cost
from bench.load.progress import Progress
from bench.load.spending import SpendingWatch
from locust.stats import RequestStats

STALLED = Strain("w7", 0.1, 0.1, 80.0, "collector")
CALM = Strain("w0", 0.1, 0.1, None, None)


def environment(stats=None, users=3, **options):
    given = {"json": False, "progress": False, "run_time": 60, **options}
    runner = Simple(user_count=users)
    return Simple(stats=stats or RequestStats(), runner=runner, parsed_options=Simple(**given))


def view(worker=None, where=None, spending=None):
    return live.LiveView(
        where or environment(), Simple(worker=worker), spending or Simple(spent=None, max_usd=None)
    )


def seen(requests, lateness=0.42, by_worker=None):
    stats = RequestStats()
    for kind, name, value, error in requests:
        stats.log_request(kind, name, value, 0)
        if error:
            stats.log_error(kind, name, error)
    worker = None
    if by_worker is None:
        worker = Simple(lateness_p99_ms=lateness, open_sessions={1, 2})
    made = view(worker, environment(stats))
    for client, data in by_worker or ():
        made._on_worker_report(client, data)
    figures = asdict(made.progress())
    del figures["elapsed_s"]
    return figures


def report(lateness, sessions=2, strain=CALM):
    told = {"lateness_ms": lateness, "sessions": sessions, "strain": strain._asdict()}
    return {"rtbench": told}


def warned(worker=None, reported=(), times=1):
    # What goes to stderr.
    made = view(worker)
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        for second in range(times):
            for client, strain in reported:
                made._on_worker_report(client, report(None, strain=strain))
            made._warn(float(second))
    return said.getvalue()


def strained(worker):
    # What a worker tells, and how often it was asked what it noticed.
    asked = []
    watch = Simple(take_strain=lambda: asked.append(1) or worker)
    data = {}
    view(Simple(lateness_p99_ms=2.5, watch=watch, open_sessions={1}))._on_report(data)
    return data, len(asked)


def drawn():
    out = io.StringIO()
    sheet = live.Sheet(out)
    texts = []
    for turns in (1, 2):
        sheet.draw(Progress(target="ws://h", turns=turns))
        texts.append(out.getvalue())
        out.truncate(0), out.seek(0)
    sheet.wipe()
    sheet.wipe()
    texts.append(out.getvalue())
    sheet.close()
    return texts


class Tty(io.StringIO):
    def isatty(self):
        return True


def takes_codes(out, term):
    os.environ.pop("TERM", None)
    if term is not None:
        os.environ["TERM"] = term
    return live._takes_codes(out)


def shows(quiet, progress):
    os.environ["RTBENCH_QUIET"] = quiet
    shown = view(where=environment(progress=progress))._shows_progress
    del os.environ["RTBENCH_QUIET"]
    return shown


OPTIONS = Namespace(prices="", max_usd=1.0, session_type="realtime")
COST = foresee_cost(OPTIONS, "gpt-realtime-2", 2.0, callers=2, seconds=60)
UNKNOWN = foresee_cost(
    Namespace(prices="", max_usd=None, session_type="realtime"), "x", 2.0, callers=2, seconds=60
)


def dollars_of(share):
    # A tally that costs so many dollars by the usage of ten responses.
    return Tally(Usage(audio_out=int(share / 64 * 1e6), output_tokens=0), responses=10)


def kept_within(tallies, users=3, max_usd=1.0, by="local"):
    # What was done after each tally that came in.
    acts = []
    lifecycle = Simple(
        worker=None,
        hold=lambda: acts.append("hold"),
        cut_short=acts.append,
        say=acts.append,
    )
    watch = SpendingWatch(environment(users=users), lifecycle)
    watch._cost, watch.max_usd = COST, max_usd
    found = []
    for tally in tallies:
        if by == "local":
            lifecycle.worker = Simple(client_id="local", tally=tally)
        else:
            for client, part in tally.items():
                watch._on_worker_report(client, {"rtbench_tally": part.to_json()})
        watch.look()
        found.append([watch.stage.name, *acts])
        acts.clear()
    return {"acts": found, "facts": watch.facts()}


def told_to_master():
    data = {}
    watch = SpendingWatch(environment(), Simple(worker=Simple(tally=dollars_of(0.5))))
    watch._on_report(data)
    return data


def unpriced():
    watch = SpendingWatch(environment(), Simple(worker=None))
    before = watch.facts()
    watch._cost = UNKNOWN
    watch.look()
    return [before, watch.facts(), watch.spent]


ttfa = [("ttfa", "a", float(ms), None) for ms in range(1, 101)]
print(json.dumps({
    "empty": seen([], lateness=None),
    "some": seen([*ttfa, ("setup", "U", 7.0, "bad"), ("ttfa", "b", 900.0, "late: by 1 s")]),
    "missing": seen([("ttfa", "a", None, "gone")]),
    "workers": seen([], by_worker=[
        ("a", report(1.5)), ("b", report(9.5, 7)), ("c", report(None)), ("d", {}),
        ("b", report(None, 5)),
    ]),
    "no workers": seen([], by_worker=[]),
    "warned": warned(Simple(watch=Simple(take_strain=lambda: STALLED)), times=5),
    "warned of nothing": warned(Simple(watch=Simple(take_strain=lambda: CALM))),
    "warned of workers": warned(reported=[("a", CALM), ("b", STALLED)]),
    "warned of no worker": warned(),
    "strained": strained(STALLED),
    "goes to": [view(where=environment(json=wanted))._out.name for wanted in (False, True)],
    "drawn": drawn(),
    "codes": [
        takes_codes(Tty(), "xterm"), takes_codes(Tty(), "dumb"), takes_codes(Tty(), None),
        takes_codes(io.StringIO(), "xterm"),
    ],
    "shows": [shows("", True), shows("1", True), shows("0", True), shows("", False)],
    "kept within": kept_within([dollars_of(x) for x in (0.5, 0.91, 0.92, 1.01, 1.2)]),
    "at once": kept_within([dollars_of(3.0)]),
    "nobody left": kept_within([dollars_of(0.95)] * 2, users=0),
    "no limit": kept_within([dollars_of(5.0)], max_usd=None),
    "workers spend": kept_within(
        [{"a": dollars_of(0.4), "b": dollars_of(0.4)}, {"b": dollars_of(0.55)}], by="master"
    ),
    "told to master": told_to_master(),
    "unpriced": unpriced(),
}))
"""


@pytest.fixture(scope="module")
def edge() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class TestFigures:
    def test_before_anything_happened(self, edge: dict[str, Any]) -> None:
        found = edge["empty"]
        assert (found["turns"], found["failed"], found["users"]) == (0, 0, 3)
        assert found["lateness_p99_ms"] is found["spent"] is None
        assert (found["ttfa_ms"], found["errors"]) == ([], {})
        assert found["run_time_s"] == 60

    def test_turns_alone_count_and_all_of_them(self, edge: dict[str, Any]) -> None:
        found = edge["some"]
        assert (found["turns"], found["failed"]) == (101, 1)
        assert [sum(counts.values()) for counts in found["ttfa_ms"]] == [100, 1]
        assert found["errors"] == {"bad": 1, "late": 1}
        assert (found["sessions"], found["lateness_p99_ms"]) == (2, 0.42)

    def test_a_turn_without_latency_counts(self, edge: dict[str, Any]) -> None:
        found = edge["missing"]
        assert (found["turns"], found["failed"], found["ttfa_ms"]) == (1, 1, [{}])

    def test_sessions_of_all_workers_and_the_worst_lateness(self, edge: dict[str, Any]) -> None:
        found = edge["workers"]
        assert (found["sessions"], found["lateness_p99_ms"]) == (2 + 5 + 2, 9.5)

    def test_workers_that_told_nothing_yet(self, edge: dict[str, Any]) -> None:
        found = edge["no workers"]
        assert found["sessions"] is found["lateness_p99_ms"] is None


class TestWarnings:
    def test_said_once_in_a_while(self, edge: dict[str, Any]) -> None:
        assert edge["warned"].count("\n") == 1
        assert edge["warned"].startswith("rtbench warning: w7 stalled for 80 ms")
        assert edge["warned of nothing"] == edge["warned of no worker"] == ""

    def test_a_master_warns_of_its_workers(self, edge: dict[str, Any]) -> None:
        assert edge["warned of workers"] == edge["warned"]

    def test_a_worker_tells_its_master_what_it_noticed(self, edge: dict[str, Any]) -> None:
        data, asked = edge["strained"]
        assert asked == 1
        assert data["rtbench"] == {
            "lateness_ms": 2.5,
            "sessions": 1,
            "strain": {
                "worker": "w7",
                "lateness_p99_ms": 0.1,
                "cpu_share": 0.1,
                "stall_ms": 80.0,
                "stall_cause": "collector",
            },
        }


class TestWhereItGoes:
    def test_stdout_is_left_to_locusts_json(self, edge: dict[str, Any]) -> None:
        assert edge["goes to"] == ["<stdout>", "<stderr>"]

    def test_each_table_takes_the_place_of_the_last(self, edge: dict[str, Any]) -> None:
        first, second, wiped = edge["drawn"]
        height = first.count("\n")
        assert height == 4
        assert not first.startswith("\x1b[4A")
        assert second.startswith(f"\x1b[{height}A\r\x1b[J")
        assert second.count("\n") == height
        assert wiped == f"\x1b[{height}A\r\x1b[J"  # and once only

    def test_only_a_terminal_that_can_is_drawn_on(self, edge: dict[str, Any]) -> None:
        assert edge["codes"] == [True, False, False, False]

    def test_quiet_shows_nothing(self, edge: dict[str, Any]) -> None:
        assert edge["shows"] == [True, False, True, False]


class TestBudget:
    def test_sessions_are_held_back_at_nine_tenths_and_the_run_ends_at_all(
        self, edge: dict[str, Any]
    ) -> None:
        found = edge["kept within"]
        assert found["acts"] == [
            ["OPEN"],
            ["HELD", "hold", "$0.91 of --max-usd 1 spent; no new sessions are begun"],
            ["HELD", "hold"],
            ["SPENT", "$1.01 of --max-usd 1 spent; the run ends"],
            ["SPENT", "$1.20 of --max-usd 1 spent; the run ends"],
        ]
        facts = found["facts"]
        assert facts.pop("spent_usd") == pytest.approx(1.2, abs=1e-4)
        assert facts == {"max_usd": 1.0, "cut_short": "spent"}

    def test_a_leap_over_all_ends_the_run(self, edge: dict[str, Any]) -> None:
        assert edge["at once"]["acts"] == [["SPENT", "$3.00 of --max-usd 1 spent; the run ends"]]

    def test_a_run_that_nobody_is_left_in_ends(self, edge: dict[str, Any]) -> None:
        assert [act[0] for act in edge["nobody left"]["acts"]] == ["HELD", "SPENT"]

    def test_without_a_limit_nothing_is_done(self, edge: dict[str, Any]) -> None:
        assert edge["no limit"]["acts"] == [["OPEN"]]
        assert edge["no limit"]["facts"]["cut_short"] is None
        assert edge["no limit"]["facts"]["max_usd"] is None

    def test_workers_are_added_up_each_by_its_latest_word(self, edge: dict[str, Any]) -> None:
        found = edge["workers spend"]
        assert [act[0] for act in found["acts"]] == ["OPEN", "HELD"]
        assert found["facts"]["spent_usd"] == pytest.approx(0.95, abs=1e-4)

    def test_a_worker_tells_its_tally(self, edge: dict[str, Any]) -> None:
        assert edge["told to master"]["rtbench_tally"]["responses"] == 10

    def test_unknown_prices_are_no_dollars(self, edge: dict[str, Any]) -> None:
        assert edge["unpriced"] == [None, None, None]
