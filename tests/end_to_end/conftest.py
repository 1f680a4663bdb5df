"""Real runs, each a fixture: what it left behind is looked at by any number of tests.

Runs take their time without using the machine much, so all that the selected tests need are
made before the first test, most of them side by side. Those whose figures are compared with
the server's own log go first and by themselves.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
ASK = ROOT / "scenarios" / "ask.py"
RTBENCH = (sys.executable, "-P", "-m", "bench.cli")
LOCUST = (sys.executable, "-P", "-m", "locust")
KEY = "sk-right-7f3a91"
WRONG_KEY = "sk-wrong-2c40be"
CLOSED = "ws://127.0.0.1:1"
PATIENCE_S = 60.0
CLIPS = ("short", "question", "long", "mid_pause", "barge_in", "noise", "quiet", "phone")

SHORT = """
from locust import constant, tag, task
from bench.load.users import RealtimeUser


class Brief(RealtimeUser):
    wait_time = constant(0.2)
    {more}

    @tag("brief")
    @task
    def say(self):
        self.session.say("short").wait()

    {other}
"""
BREAKS_IN = """
import os
import signal
import time

from bench.session.engine import Engine

begun_s = time.monotonic()
step = Engine.step


def step_and_be_interrupted(self):
    global begun_s
    step(self)
    if begun_s is not None and time.monotonic() - begun_s > 3.0:
        begun_s = None
        os.kill(os.getpid(), signal.SIGINT)


Engine.step = step_and_be_interrupted
"""
OTHER_TASK = """
    @tag("other")
    @task(5)
    def say_other(self):
        self.session.say("question").wait()
"""


@dataclass
class Run:
    """A program that has ended, and the folder it may have left."""

    code: int
    out: str
    err: str
    seconds: float
    runs_dir: Path
    survivors: list[str]
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def folders(self) -> list[Path]:
        return sorted(p for p in self.runs_dir.glob("*") if p.is_dir())

    @property
    def folder(self) -> Path:
        (only,) = self.folders
        return only

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / name)

    @property
    def turns(self) -> pd.DataFrame:
        """Turns but those that Locust killed as they began, when it stopped their waiting user."""
        turns = self.table("turns.parquet")
        lasted_ns = (turns.ended_ns - turns.started_ns).fillna(1_000_000_000)
        return turns[(turns.outcome != "stopped") | (lasted_ns > 200_000_000)]

    @property
    def outcomes(self) -> set[str]:
        """What its turns tell of the server; of those that this machine spoiled, nothing."""
        return set(self.turns.outcome) - {"client_late"}

    def assert_clean_exit(self, *allowed: str) -> None:
        """Exit code 0, or 3 for nothing but the noise of a busy machine, or what is allowed."""
        assert "Traceback" not in self.text
        assert self.survivors == []
        validity = self.json("summary.json")["validity"]
        if validity["valid"]:
            assert self.code == 0, self.text
            return
        for reason in validity["reasons"]:
            noise = (
                r"Frames left late|Received events lay unread|Worker \w+ (stalled for|used over)"
            )
            assert re.match(noise, reason) or reason.startswith(allowed), reason
        print("invalid:", validity["reasons"])
        assert self.code == 3, self.text


class Program:
    """A program under way, in a session of its own, writing to files."""

    def __init__(self, folder: Path, command: list[str], env: dict[str, str], cwd: Path) -> None:
        self.runs_dir = folder / "runs"
        self._out, self._err = folder / "out", folder / "err"
        self._started_s = time.monotonic()
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self._out.read_text() + self._err.read_text()

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.text:
            assert self.process.poll() is None, f"ended without {text!r}:\n{self.text}"
            assert time.monotonic() < deadline, f"never said {text!r}:\n{self.text}"
            time.sleep(0.02)

    def interrupt_group(self) -> None:
        """As Ctrl-C on a terminal: every process of the session gets it."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self, timeout_s: float = PATIENCE_S, **notes: Any) -> Run:
        code = self.process.wait(timeout_s)
        seconds = time.monotonic() - self._started_s
        deadline = time.monotonic() + 10  # for children that end with it, in time left over
        while (left := _session_members(self.process.pid)) and time.monotonic() < deadline:
            time.sleep(0.1)
        survivors = [f"{pid}: {words}" for pid, words in left]
        return Run(
            code,
            self._out.read_text(),
            self._err.read_text(),
            seconds,
            self.runs_dir,
            survivors,
            notes,
        )

    def end(self) -> None:
        """Kill what is left of it, by pid."""
        if self.process.poll() is None:
            self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        for pid, _ in _session_members(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _session_members(leader: int) -> list[tuple[int, str]]:
    """Living processes of the session that a program of ours began."""
    members = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            members.append((int(folder.name), words))
    return members


class Server(Program):
    """The embedded server in a process of its own."""

    host: str
    truth: Path

    def await_ready(self) -> None:
        self.wait_for("listening on ws://")
        self.host = self.text.partition("listening on ")[2].split()[0]

    def truth_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.truth.read_text().splitlines()]


class Lab:
    """Starts programs, each in a folder of its own, and ends them all."""

    rtbench = RTBENCH
    locust_command = LOCUST
    ask = ASK

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._programs: list[Program] = []
        self._shared: Server | None = None
        self._folders = 0

    def folder(self, name: str) -> Path:
        with self._lock:
            self._folders += 1
            path = self._root / f"{self._folders:02d}-{name}"
            path.mkdir()
        return path

    def write(self, name: str, text: str) -> Path:
        path = self.folder("scenario") / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, name: str, *command: object, **more: Any) -> Program:
        return self._start(Program, self.folder(name), command, **more)

    def runs(self, name: str, *command: object, **more: Any) -> Program:
        """A program that makes run folders, in its own."""
        folder = self.folder(name)
        return self._start(Program, folder, [*command, "--runs-dir", folder / "runs"], **more)

    def locust(self, name: str, scenario: Path, *options: object, **more: Any) -> Program:
        headless = ("--headless", "--only-summary")
        return self.runs(name, *LOCUST, "-f", scenario, *headless, *options, **more)

    def server(self, name: str, *options: object, **more: Any) -> Server:
        folder = self.folder(f"server-{name}")
        truth = folder / "truth.jsonl"
        command = [*RTBENCH, "serve", "--port", "0", "--truth", truth, *options]
        server = self._start(Server, folder, command, **more)
        server.truth = truth
        server.await_ready()
        return server

    @property
    def shared_server(self) -> Server:
        with self._lock:
            server = self._shared
        if server is None:
            server = self.server("shared")
            with self._lock:
                self._shared = server
        return server

    def _start(
        self,
        kind: type[Any],
        folder: Path,
        command: Any,
        *,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Any:
        ours = ("RTBENCH_", "LOCUST_", "OPENAI_")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        inherited |= {"COLUMNS": "80", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
        program = kind(folder, list(map(str, command)), inherited | (env or {}), cwd or folder)
        with self._lock:
            self._programs.append(program)
        return program

    @staticmethod
    def free_port() -> int:
        return free_port()

    @staticmethod
    def of_workers() -> tuple[object, ...]:
        """Options for two workers and a master on a port of its own."""
        port = free_port()
        return ("--processes", 2, "--master-bind-port", port, "--master-port", port)

    def close(self) -> None:
        for program in self._programs:
            program.end()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    # Programs begun in the background of a shell inherit that SIGINT is ignored.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    made = Lab(tmp_path_factory.mktemp("lab"))
    try:
        yield made
    finally:
        made.close()


_JOBS: dict[str, tuple[int, Callable[[Lab], Any]]] = {}


def job(phase: int) -> Callable[[Callable[[Lab], Any]], Any]:
    """Make a fixture of a run; runs of one phase go on at the same time."""

    def register(work: Callable[[Lab], Any]) -> Any:
        _JOBS[work.__name__] = phase, work

        def fixture(results: dict[str, Future[Any]]) -> Any:
            return results[work.__name__].result()

        return pytest.fixture(scope="session", name=work.__name__)(fixture)

    return register


@pytest.fixture(scope="session")
def results(lab: Lab, request: pytest.FixtureRequest) -> dict[str, Future[Any]]:
    asked_for = {name for i in request.session.items for name in getattr(i, "fixturenames", ())}
    done: dict[str, Future[Any]] = {}
    assert lab.shared_server is not None
    for phase, at_once in ((1, 3), (2, 7)):
        names = [name for name, (when, _) in _JOBS.items() if when == phase and name in asked_for]
        with ThreadPoolExecutor(at_once) as pool:
            futures = {name: pool.submit(_timed, name, lab) for name in names}
            wait(futures.values())
        done |= futures
    return done


def _timed(name: str, lab: Lab) -> Any:
    started_s = time.monotonic()
    try:
        return _JOBS[name][1](lab)
    finally:
        print(f"run {name}: {time.monotonic() - started_s:.1f} s")


# Compared with the truth, hence undisturbed.


@job(1)
def asked(lab: Lab) -> Run:
    server = lab.shared_server
    options = ("-u", 12, "-r", 12, "-t", "12s", "--csv", "figures")
    program = lab.locust(
        "asked", ASK, *options, "--host", server.host, env={"OPENAI_API_KEY": KEY}
    )
    run = program.wait()
    run.notes["csv"] = pd.read_csv(program.runs_dir.parent / "figures_stats.csv")
    run.notes["truth"] = server.truth_lines()
    return run


def _delayed(lab: Lab, delay_ms: int) -> Run:
    server = lab.server(f"delay-{delay_ms}", "--reply-delay-ms", delay_ms)
    run = lab.locust(
        f"delay-{delay_ms}", ASK, "-u", 4, "-r", 4, "-t", "12s", "--host", server.host
    ).wait()
    run.notes["truth"] = server.truth_lines()
    return run


@job(1)
def delayed_100(lab: Lab) -> Run:
    return _delayed(lab, 100)


@job(1)
def delayed_600(lab: Lab) -> Run:
    return _delayed(lab, 600)


# All the others, the longest first.


@job(2)
def mistakes(lab: Lab) -> dict[str, Run]:
    """Everything a user can do wrong, by name."""
    folder = lab.folder("wrong")
    (folder / "a-file").touch()
    (folder / "taken").mkdir()
    (folder / "fields").mkdir()
    manifest = folder / "fields" / "manifest.json"
    manifest.write_text('{"schema_version": 1, "clips": [{"id": "x"}]}', encoding="utf-8")
    no_clip = SHORT.format(more="", other="").replace('"short"', '"nosuch"')
    unknown_clip = lab.write("unknown_clip", no_clip)
    host = lab.shared_server.host
    locked = lab.server("locked", env={"RTBENCH_SERVER_KEY": KEY}).host
    at = ("--host", host)
    into_file = ("--runs-dir", folder / "a-file")
    runs: dict[str, tuple[object, ...]] = {
        "unknown clip, two processes": (unknown_clip, *at, *lab.of_workers()),
        "no server, two processes": (ASK, "--host", CLOSED, *lab.of_workers()),
        "no server": (ASK, "--host", CLOSED),
        "wrong path": (ASK, "--host", f"{host}/nope"),
        "wrong key": (ASK, "--host", locked),
        "no key": (ASK, "--host", locked),
        "key in the clear": (ASK, "--host", "ws://192.0.2.1"),
        "http": (ASK, "--host", "http://127.0.0.1:8765"),
        "unknown clip": (unknown_clip, *at),
        "manifest without fields": (ASK, *at, "--fixtures", folder / "fields"),
        "unknown option": (ASK, *at, "--nosuch"),
        "chunk of 25 ms": (ASK, *at, "--chunk-ms", 25),
        "runs-dir is a file": (ASK, *at, *into_file),
        "run-id taken": (ASK, *at, "--runs-dir", folder, "--run-id", "taken"),
    }
    environments = {
        "wrong key": {"OPENAI_API_KEY": WRONG_KEY},
        "key in the clear": {"OPENAI_API_KEY": KEY},
    }
    others: dict[str, tuple[object, ...]] = {
        "demo into a file": ("demo", "-u", 1, *into_file),
        "report of no run": ("report", folder),
        "port taken": ("serve", "--port", host.rpartition(":")[2]),
    }

    def make(name: str) -> Run:
        if name in others:
            program = lab.start("wrong", *RTBENCH, *others[name])
        else:
            scenario, *options = runs[name]
            common = ("--headless", "--only-summary", "-u", 2, "-r", 2, "-t", "5s")
            command = (*LOCUST, "-f", scenario, *common, *options)
            program = lab.start("wrong", *command, env=environments.get(name))
        run: Run = program.wait()
        return run

    with ThreadPoolExecutor(3) as pool:
        futures = {name: pool.submit(make, name) for name in (*runs, *others)}
    return {name: future.result() for name, future in futures.items()}


@job(2)
def clips(lab: Lab) -> Run:
    """Each clip by a caller of its own, from a folder whose names are those of our packages."""
    classes = "\n".join(
        f'class Says_{clip}(Says):\n    fixed_count = 1\n    clip = "{clip}"\n' for clip in CLIPS
    )
    scenario = lab.write(
        "clips",
        "from locust import constant, task\n"
        "from bench.load.users import RealtimeUser\n\n\n"
        "class Says(RealtimeUser):\n"
        "    abstract = True\n"
        "    wait_time = constant(0.3)\n\n"
        "    @task\n"
        "    def say(self):\n"
        "        self.session.say(self.clip).wait()\n\n\n" + classes,
    )
    folder = lab.folder("misleading")
    for package in ("bench", "locust"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("raise ImportError('not this one')\n")
    command = (*RTBENCH, "run", scenario, "-u", 8, "-r", 8, "-t", "12s")
    return lab.runs("clips", *command, "--host", lab.shared_server.host, cwd=folder).wait()


@job(2)
def demo(lab: Lab) -> Run:
    program = lab.runs("demo", *RTBENCH, "demo", "-u", 3, "-t", "10s")
    return program.wait()


@job(2)
def demo_interrupted(lab: Lab) -> Run:
    program = lab.runs("demo-int", *RTBENCH, "demo", "-u", 2, "-t", "60s")
    program.wait_for("  5 s  users 2")
    program.interrupt_group()
    return program.wait()


@job(2)
def demo_terminated(lab: Lab) -> Run:
    program = lab.runs("demo-term", *RTBENCH, "demo", "-u", 1, "-t", "60s")
    program.wait_for("  5 s  users 1")
    program.process.terminate()
    return program.wait()


@job(2)
def web(lab: Lab) -> Run:
    """Two runs and a refused one between them, all from Locust's page."""
    scenario = lab.write("web", SHORT.format(more="", other=""))
    port = free_port()
    host = lab.shared_server.host
    program = lab.runs(
        *("web", *LOCUST, "-f", scenario, "--web-host", "127.0.0.1", "--web-port", port)
    )
    notes: dict[str, Any] = {}

    def get(path: str, **form: object) -> str:
        data = urllib.parse.urlencode(form).encode() if form else None
        url = f"http://127.0.0.1:{port}{path}"
        with urllib.request.urlopen(url, data, timeout=PATIENCE_S) as answer:
            return str(answer.read().decode())

    def until(condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert program.process.poll() is None, program.text
            assert time.monotonic() < deadline, program.text
            time.sleep(0.05)

    def pages() -> list[Path]:
        return list(program.runs_dir.glob("*/report.html"))

    def answers() -> bool:
        try:
            return "Locust" in get("/")
        except OSError:
            return False

    until(answers)
    swarm = {"user_count": 2, "spawn_rate": 2, "host": host}
    notes["swarm"] = json.loads(get("/swarm", **swarm))
    time.sleep(5.0)
    get("/stop", any="thing")
    until(pages)
    notes["after_first"] = [path.parent.name for path in pages()]

    for problem in ({"chunk_ms": 25}, {"chunk_ms": 20, "host": "http://x"}):
        get("/swarm", **swarm | problem)
        until(lambda: json.loads(get("/stats/requests"))["state"] == "stopped")
    notes["after_refusals"] = [path.name for path in program.runs_dir.iterdir()]

    get("/swarm", **swarm)
    until(lambda: len(list(program.runs_dir.iterdir())) == 2)
    time.sleep(3.0)
    program.process.terminate()
    return program.wait(**notes)


@job(2)
def server_lost(lab: Lab) -> Run:
    server = lab.server("lost")
    program = lab.locust("server-lost", ASK, "-u", 4, "-r", 4, "-t", "9s", "--host", server.host)
    program.wait_for("All users spawned")
    spawned_s = time.monotonic()
    time.sleep(4.0)
    server.process.kill()
    lost_ns = time.monotonic_ns()
    run = program.wait(lost_ns=lost_ns)
    run.notes["since_spawned_s"] = time.monotonic() - spawned_s
    return run


@job(2)
def killed(lab: Lab) -> Run:
    program = lab.locust("killed", ASK, "-u", 4, "-r", 4, "--host", lab.shared_server.host)
    program.wait_for("All users spawned")
    time.sleep(5.0)  # the first turns are under way: their replies come from 3.7 to 4.4 s
    killed_ns = time.monotonic_ns()
    program.process.kill()
    run = program.wait(killed_ns=killed_ns)
    run.notes["report"] = lab.start("killed-report", *RTBENCH, "report", run.folder).wait()
    run.notes["verdict"] = lab.start(
        "killed-verdict", *RTBENCH, "report", "--verdict", run.folder
    ).wait()
    return run


@job(2)
def two_processes(lab: Lab) -> Run:
    scenario = lab.write("tagged", SHORT.format(more="", other=OTHER_TASK))
    options = ("-u", 4, "-r", 4, "-t", "10s", "--tags", "brief", *lab.of_workers())
    return lab.locust("two", scenario, *options, "--host", lab.shared_server.host).wait()


@job(2)
def two_processes_interrupted(lab: Lab) -> Run:
    scenario = lab.write("both", SHORT.format(more="", other=""))
    options = ("-u", 2, "-r", 2, *lab.of_workers())
    program = lab.locust("two-int", scenario, *options, "--host", lab.shared_server.host)
    program.wait_for("Sending spawn jobs")
    time.sleep(9.0)
    program.interrupt_group()
    return program.wait()


@job(2)
def interrupted(lab: Lab) -> Run:
    """The scenario names its target itself, and Ctrl-C ends it."""
    own_host = f'host = "{lab.shared_server.host}"'
    scenario = lab.write("own_host", SHORT.format(more=own_host, other=""))
    program = lab.runs(
        *("interrupted", *RTBENCH, "run", scenario, "-u", 2, "-r", 2, "-t", "60s"),
    )
    program.wait_for("  5 s  users 2")
    program.interrupt_group()
    return program.wait()


@job(2)
def interrupted_twice(lab: Lab) -> Run:
    program = lab.locust("twice", ASK, "-u", 2, "-r", 2, "--host", lab.shared_server.host)
    program.wait_for("All users spawned")
    time.sleep(3.5)
    program.interrupt_group()
    time.sleep(0.7)
    program.interrupt_group()
    run = program.wait()
    run.notes["report"] = lab.start("twice-report", *RTBENCH, "report", run.folder).wait()
    return run


@job(2)
def interrupted_at_its_end(lab: Lab) -> Run:
    """Ctrl-C while the last turns are waited for: Locust stops a second time."""
    options = ("-u", 2, "-r", 2, "-t", "4s")
    program = lab.locust("at-end", ASK, *options, "--host", lab.shared_server.host)
    program.wait_for("--run-time limit reached")
    time.sleep(0.5)
    program.interrupt_group()
    return program.wait()


@job(2)
def interrupted_in_the_engine(lab: Lab) -> Run:
    """SIGINT comes while the engine of all sessions runs, as in a busy process it will."""
    scenario = lab.write("breaks_in", BREAKS_IN + SHORT.format(more="", other=""))
    options = ("-u", 2, "-r", 2, "-t", "60s")
    return lab.locust("engine", scenario, *options, "--host", lab.shared_server.host).wait()


@job(2)
def with_key(lab: Lab) -> Run:
    """Against a server that asks for a key, with more secrets in the URL."""
    server = lab.server("key", env={"RTBENCH_SERVER_KEY": KEY})
    scenario = lab.write("keyed", SHORT.format(more="", other=""))
    program = lab.locust(
        *("with-key", scenario, "-u", 1, "-t", "7s"),
        *("--host", f"{server.host}/v1/realtime?model=m&code={WRONG_KEY}"),
        env={"OPENAI_API_KEY": KEY},
    )
    return program.wait()
