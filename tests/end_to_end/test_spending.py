"""What may cost money is asked about first, and kept within what may be spent."""

from __future__ import annotations

import json
import os
import pty
import select
import socket
import subprocess
import termios
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.end_to_end

PRICES = '["gpt-realtime"]\ntext_in = 0\ntext_out = 0\naudio_in = 0\naudio_out = 1000\n'
MAX_USD = 0.4
AB_MAX_USD = 0.13
"""Some blocks' worth: a turn of these clips costs $0.028."""

PATIENCE_S = 60.0

BRIEF = """
from locust import constant, task
from bench.load.users import RealtimeUser


class Brief(RealtimeUser):
    wait_time = constant(0.2)

    @task
    def say(self):
        self.session.say("short").wait()
"""


SHAPED = (
    BRIEF
    + """

class Shape(LoadTestShape):
    def tick(self):
        return (3, 3) if self.get_run_time() < 60 else None
"""
)
SHAPED = SHAPED.replace("import constant", "import LoadTestShape, constant")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody who would notice if anything were sent."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def elsewhere(listening: socket.socket | int) -> str:
    """Another machine by its address, this one in fact."""
    port = listening if isinstance(listening, int) else listening.getsockname()[1]
    return f"ws://0.0.0.0:{port}"


def nobody_came(listening: socket.socket) -> bool:
    return not select.select([listening], [], [], 0)[0]


@pytest.mark.parametrize("form", ["run", "locust", "two processes", "web page", "ab"])
def test_without_a_terminal_nothing_is_sent_and_the_line_names_the_flag(
    lab: Any, listener: socket.socket, form: str
) -> None:
    at = elsewhere(listener)
    locust = (*lab.locust_command, "-f", lab.ask, "--host", at)
    size = ("-u", 2, "-t", "5s")
    command: tuple[object, ...] = {
        "run": (*lab.rtbench, "run", "ask", *size, "--host", at),
        "locust": (*locust, "--headless", *size),
        "two processes": (*locust, "--headless", *size, *lab.of_workers()),
        "web page": (*locust, "--web-host", "127.0.0.1", "--web-port", 0),
        "ab": (*lab.rtbench, "ab", at, at, "--blocks", 2),
    }[form]
    run = lab.runs("unasked", *command).wait()
    assert run.code == 2, run.text
    assert "Traceback" not in run.text
    (line,) = (line for line in run.err.splitlines() if line.startswith("rtbench: "))
    assert at in line
    assert "add --yes to go on" in line
    assert "the price of model 'gpt-realtime'" in line
    assert nobody_came(listener)
    assert not run.runs_dir.exists()
    assert run.survivors == []


class Terminal:
    """A program at a terminal of its own, 100 columns wide."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (30, 100))
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RTBENCH_", "LOCUST_"))}
        kept.pop("COLUMNS", None)
        kept.pop("LINES", None)
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=kept | {"TERM": "xterm"},
            cwd=folder,
            start_new_session=True,
        )
        os.close(theirs)
        self.text = ""

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def read_until(self, text: str | None) -> None:
        """Read on until something is shown; to the end without."""
        deadline = time.monotonic() + PATIENCE_S
        while text is None or text not in self.text:
            assert time.monotonic() < deadline, self.text
            if not select.select([self._ours], [], [], 1.0)[0]:
                continue
            try:
                read = os.read(self._ours, 65_536)
            except OSError:  # nobody has the other end any more
                read = b""
            if not read:
                assert text is None, self.text
                return
            self.text += read.decode(errors="replace")

    def end(self) -> int:
        self.read_until(None)
        code = self.process.wait(PATIENCE_S)
        os.close(self._ours)
        return code


def test_no_at_the_terminal_ends_it(lab: Any, listener: socket.socket) -> None:
    at = elsewhere(listener)
    command = [*lab.rtbench, "run", "ask", "-u", "2", "-t", "5s", "--host", at]
    terminal = Terminal(command, lab.folder("says-no"))
    terminal.read_until("[y/N]")
    terminal.type("n\n")
    assert terminal.end() == 2
    assert "nothing was sent" in terminal.text
    assert nobody_came(listener)


def test_ctrl_c_at_the_question_ends_it(lab: Any, listener: socket.socket) -> None:
    at = elsewhere(listener)
    command = [*lab.rtbench, "run", "ask", "-u", "2", "-t", "5s", "--host", at]
    terminal = Terminal(command, lab.folder("goes-away"))
    terminal.read_until("[y/N]")
    os.killpg(terminal.process.pid, 2)
    assert terminal.end() == 130
    assert "Traceback" not in terminal.text
    assert nobody_came(listener)


def test_yes_at_the_terminal_runs_under_a_live_table(lab: Any) -> None:
    port = int(lab.shared_server.host.rpartition(":")[2])
    folder = lab.folder("says-yes")
    prices = folder / "p.toml"
    prices.write_text(PRICES, encoding="utf-8")
    scenario = lab.write("brief", BRIEF)
    options = ["-u", "2", "-r", "2", "-t", "9s", "--prices", str(prices), "--runs-dir", "runs"]
    command = [*lab.rtbench, "run", str(scenario), "--host", elsewhere(port), *options]
    terminal = Terminal(command, folder)
    terminal.read_until("[y/N]")
    assert "Estimated cost: $" in terminal.text
    assert "2 callers for 9 s" in terminal.text
    terminal.type("y\n")
    assert terminal.end() in {0, 3}, terminal.text
    tables = terminal.text.split("\x1b[J")
    assert len(tables) >= 6
    for name in ("sessions", "ttfa p50", "ttfa p95", "late p99", "spent", "of 9 s"):
        assert name in tables[-1], tables[-1]
    assert "Report: " in terminal.text
    assert "Traceback" not in terminal.text


def test_another_target_from_locusts_page_needs_its_box_ticked(
    lab: Any, listener: socket.socket
) -> None:
    scenario, port = lab.write("brief", BRIEF), lab.free_port()
    at = ("--host", lab.shared_server.host, "--web-host", "127.0.0.1", "--web-port", port)
    program = lab.runs("page", *lab.locust_command, "-f", scenario, *at)

    def post(path: str, **form: object) -> str:
        data = urllib.parse.urlencode(form).encode() if form else None
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, PATIENCE_S) as answer:
            return str(answer.read().decode())

    program.wait_for("Starting web interface")
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            post("/")
            break
        except OSError:
            assert time.monotonic() < deadline, program.text
            time.sleep(0.1)
    there = {"user_count": 1, "spawn_rate": 1, "host": elsewhere(listener)}
    post("/swarm", **there)
    program.wait_for("add --yes to go on")
    assert nobody_came(listener)
    assert not program.runs_dir.exists()
    while json.loads(post("/stats/requests"))["state"] != "stopped":
        time.sleep(0.1)
    post("/swarm", **there, yes="true")
    assert select.select([listener], [], [], PATIENCE_S)[0]
    assert list(program.runs_dir.iterdir())
    program.process.kill()
    program.wait()


@pytest.fixture(scope="module")
def limited(lab: Any) -> dict[str, Any]:
    """Runs that would cost more than they may, side by side."""
    server = lab.server("cheap", "--profile", "instant", "--vad", "energy")
    prices = lab.folder("prices") / "p.toml"
    prices.write_text(PRICES, encoding="utf-8")
    scenario = lab.write("brief", BRIEF)
    size = ("-u", 3, "-r", 3, "-t", "60s", "--host", server.host)
    priced = ("--prices", prices)
    limit = ("--max-usd", MAX_USD, *priced)
    ab = ("ab", server.host, server.host, "--scenario", scenario, "--blocks", 8)
    commands: dict[str, tuple[object, ...]] = {
        "one process": (*lab.locust_command, "-f", scenario, "--headless", *size, *limit),
        "two processes": (
            *(*lab.locust_command, "-f", scenario, "--headless", *size, *limit),
            *lab.of_workers(),
        ),
        "ab": (
            *(*lab.rtbench, *ab, "--block-time", "4s", "-u", 2),
            *("--max-usd", AB_MAX_USD, *priced),
        ),
        "shape": (
            *(*lab.locust_command, "-f", lab.write("shaped", SHAPED), "--headless", *limit),
            *("--host", server.host),
        ),
        "unknown price": (
            *(*lab.locust_command, "-f", scenario, "--headless", *size, "--max-usd", 1),
        ),
    }
    with ThreadPoolExecutor(len(commands)) as pool:
        waiting = {
            name: pool.submit(lab.runs("limited", *command).wait, 2 * PATIENCE_S)
            for name, command in commands.items()
        }
    return {name: future.result() for name, future in waiting.items()}


@pytest.mark.parametrize("name", ["one process", "two processes", "shape"])
class TestLimit:
    def test_run_ends_before_its_time_with_exit_code_4(
        self, limited: dict[str, Any], name: str
    ) -> None:
        run = limited[name]
        assert run.code == 4, run.text
        assert "Traceback" not in run.text
        assert run.survivors == []
        assert run.seconds < 60  # as long as it would have lasted, the start not counted
        assert "of --max-usd 0.4 spent; the run ends" in run.err

    def test_it_has_its_report_which_says_so(self, limited: dict[str, Any], name: str) -> None:
        run = limited[name]
        assert (run.folder / "report.html").exists()
        assert (run.folder / "prices.toml").read_text(encoding="utf-8") == PRICES
        warnings = run.json("summary.json")["validity"]["warnings"]
        assert any(text.startswith("The run was cut short: $") for text in warnings), warnings

    def test_what_was_spent_is_what_the_report_says(
        self, limited: dict[str, Any], name: str
    ) -> None:
        run = limited[name]
        spending = run.json("run.json")["spending"]
        assert spending["max_usd"] == MAX_USD
        assert spending["cut_short"] == "spent"
        reported_usd = run.json("summary.json")["usage"]["cost_usd"]
        assert spending["spent_usd"] == pytest.approx(reported_usd, rel=0.01)
        assert 0.9 * MAX_USD <= reported_usd <= 3 * MAX_USD

    def test_turns_under_way_were_let_end(self, limited: dict[str, Any], name: str) -> None:
        assert limited[name].outcomes == {"ok"}


def test_blocks_share_one_limit(limited: dict[str, Any]) -> None:
    run = limited["ab"]
    assert run.code == 4, run.text
    assert "--max-usd 0.13 is spent; `rtbench compare" in run.err
    blocks = sorted(path.parent for path in run.folder.glob("*/run.json"))
    assert 1 <= len(blocks) < 8
    told = [json.loads((block / "run.json").read_text(encoding="utf-8")) for block in blocks]
    limits = [run["spending"]["max_usd"] for run in told]
    assert limits == sorted(limits, reverse=True)
    spent_usd = sum(run["spending"]["spent_usd"] for run in told)
    assert 0.5 * AB_MAX_USD <= spent_usd <= 2 * AB_MAX_USD


def test_a_limit_without_a_price_is_refused(limited: dict[str, Any]) -> None:
    run = limited["unknown price"]
    assert run.code == 2
    assert "rtbench: --max-usd 1: the price of model 'gpt-realtime' is unknown" in run.err
    assert not run.runs_dir.exists()
