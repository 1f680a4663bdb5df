"""The command line: each command checks its input and calls one function."""

from __future__ import annotations

import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import bench
from bench.fixtures.commands import app as fixtures_app
from bench.gate import commands as gate
from bench.load import commands as load
from bench.load.arguments import DEFAULT_HOST, DEFAULT_PORT
from bench.problem import Problem

EXIT_CODES = (
    "Exit codes: 0 fine, 1 failed turns or a limit broken, 2 wrong usage, "
    "3 invalid run, 130 interrupted."
)


class Engine(Enum):
    """What the embedded server hears with."""

    NEURAL = "neural"
    ENERGY = "energy"


app = typer.Typer(
    name="rtbench",
    help="Load testing and latency benchmarking for realtime speech-to-speech APIs.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)

app.add_typer(fixtures_app, name="fixtures")
app.add_typer(gate.baseline_app, name="baseline")
app.command(epilog=gate.EXIT_CODES)(gate.compare)
app.command(epilog=gate.EXIT_CODES)(gate.check)
app.command(epilog=gate.STORE_CODES)(gate.plan)
app.command(epilog=gate.EXIT_CODES, context_settings=load.PASS_ON)(load.ab)

Host = Annotated[
    str, typer.Option("--host", "-H", help="Target, as ws://HOST:PORT or wss://HOST.")
]
Users = Annotated[int, typer.Option("--users", "-u", min=1, help="Concurrent callers.")]
SpawnRate = Annotated[
    float, typer.Option("--spawn-rate", "-r", min=0.01, help="Callers started per second.")
]
RunTime = Annotated[str, typer.Option("--run-time", "-t", help="How long, for example 30s or 5m.")]
RunsDir = Annotated[Path, typer.Option(help="Where the run's folder is made.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rtbench {bench.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    pass


@app.command(epilog=EXIT_CODES)
def demo(
    users: Users = 20,
    run_time: RunTime = "30s",
    runs_dir: RunsDir = Path("reports"),
) -> None:
    """Start the embedded server, run 20 callers against it for 30 s, write a report."""
    from bench.load.demo import run_demo

    raise typer.Exit(run_demo(users=users, run_time=run_time, runs_dir=runs_dir))


@app.command(
    epilog=EXIT_CODES,
    context_settings=load.PASS_ON,
)
def run(
    context: typer.Context,
    scenario: Annotated[str, typer.Argument(help="A locustfile, or the name of one: ask")],
    users: Users = 1,
    spawn_rate: SpawnRate = 1.0,
    run_time: RunTime = "30s",
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            "-H",
            help="Target, as ws://HOST:PORT or wss://HOST. Default: the scenario's own, else "
            f"{DEFAULT_HOST}",
        ),
    ] = None,
) -> None:
    """Run a scenario with Locust, without its web page, and write a report.

    Every other option goes to Locust as it is: `locust -f scenarios/ask.py --help`
    lists them, rtbench's own among them.

    Example: rtbench run ask -u 50 -r 25 -t 40s --vad-silence-ms 300
    """
    from bench.load.command import find_scenario, locust_command

    path = find_scenario(scenario)
    command = locust_command(
        path, users=users, spawn_rate=spawn_rate, run_time=run_time, host=host
    )
    os.execv(command[0], [*command, *context.args])  # noqa: S606 - Locust takes our place


@app.command(epilog=EXIT_CODES)
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes any free one.")
    ] = DEFAULT_PORT,
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, max=64, help="Processes that share it.")
    ] = 1,
    vad: Annotated[
        Engine, typer.Option(help="neural hears speech, energy hears loudness and is lighter.")
    ] = Engine.NEURAL,
    profile: Annotated[
        str,
        typer.Option(
            help="How it behaves: default, instant, typical, slow_tail, overloaded, flaky, "
            "withheld, or a path to a TOML file."
        ),
    ] = "default",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:SHARE][@WHERE]",
            help="Something that goes wrong, such as close_1011:0.1@turn=1; may be repeated.",
        ),
    ] = None,
    reply_delay_ms: Annotated[
        float | None, typer.Option(min=0, help="Median, end of turn to first audio.")
    ] = None,
    reply_jitter_ms: Annotated[
        float, typer.Option(min=0, help="Spread around --reply-delay-ms.")
    ] = 0.0,
    leading_silence_ms: Annotated[
        int | None, typer.Option(min=0, help="Silence at the start of a reply.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.1, help="Delivery, as a multiple of real time.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of every random choice.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="File for what was done when, as JSON lines.")
    ] = None,
    api_key: Annotated[
        str,
        typer.Option(
            metavar="VARIABLE",
            help="Environment variable with the key that clients must bring, if it is set.",
        ),
    ] = "RTBENCH_SERVER_KEY",
    tls: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Serve wss with a certificate made and kept there."),
    ] = None,
) -> None:
    """Run the embedded Realtime server: it hears, answers, and knows its own delays.

    It recognises the clips of the catalogue, remembers names, calls tools and
    logs what it did when. Health: /healthz, counts for Prometheus: /metrics.

    Example: rtbench serve --workers 2 --profile typical --fault no_reply:0.01
    """
    from bench.server.app import ServerSettings, run_server
    from bench.server.profiles.fault import parse_fault
    from bench.server.profiles.loading import load_profile
    from bench.server.profiles.tuning import tune

    if reply_jitter_ms and not reply_delay_ms:
        raise Problem("--reply-jitter-ms needs a --reply-delay-ms above 0 to spread around")
    behaviour = tune(
        load_profile(profile),
        seed=seed,
        reply_delay_ms=reply_delay_ms,
        reply_jitter_ms=reply_jitter_ms,
        leading_silence_ms=leading_silence_ms,
        speed=speed,
        faults=[parse_fault(text) for text in fault or ()],
    )
    settings = ServerSettings(
        host=host,
        port=port,
        workers=workers,
        profile=behaviour,
        vad=vad.value,
        truth=truth,
        api_key=_key(api_key),
        tls=tls,
        on_ready=lambda url: typer.echo(f"listening on {url}"),
    )
    raise typer.Exit(run_server(settings))


def _key(variable: str) -> str | None:
    if variable != "RTBENCH_SERVER_KEY" and not os.environ.get(variable):
        # What was given may be the key itself: it must not be repeated.
        raise Problem(
            "--api-key names an environment variable that holds the key; the one named is unset"
        )
    return os.environ.get(variable) or None


@app.command(epilog=EXIT_CODES)
def selftest(
    users: Users = 200,
    run_time: RunTime = "60s",
    vad: Annotated[Engine, typer.Option(help="What the server hears with.")] = Engine.NEURAL,
    profile: Annotated[
        str, typer.Option(help="How the server behaves; as for `rtbench serve`.")
    ] = "typical",
    runs_dir: Annotated[
        Path | None, typer.Option(help="Where to keep the run; it is forgotten otherwise.")
    ] = None,
) -> None:
    """Measure the instrument: its figures against the embedded server's own log.

    Prints the error of each latency, and the noise of this machine beside it.
    Exits with 1 when a median is off by more than 1 ms or a p99 by more than 5 ms.
    """
    from bench.load.selftest import run_selftest

    options = ["--vad", vad.value, "--profile", profile]
    raise typer.Exit(
        run_selftest(users=users, run_time=run_time, runs_dir=runs_dir, server_options=options)
    )


@app.command(epilog=EXIT_CODES)
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    verdict: Annotated[
        bool, typer.Option("--verdict", help="Exit with 3 when the run is invalid.")
    ] = False,
) -> None:
    """Rebuild turns, summary and page of a run from its events, and print the table."""
    from bench.report.build import build_report
    from bench.report.text import print_summary

    run_facts, summary, page = build_report(folder)
    print_summary(run_facts, summary, page, Console())
    if verdict and not summary["validity"]["valid"]:
        raise typer.Exit(gate.EXIT_INVALID)


@app.command(epilog=EXIT_CODES)
def doctor(host: Host = DEFAULT_HOST) -> None:
    """Check what limits the figures: cores, files, timer, kernel stamps, the target."""
    from bench.session.doctor import examine

    if not examine(host, Console()):
        raise typer.Exit(1)


def main() -> None:
    """Run a command; bad input is one line and exit code 2."""
    try:
        app(prog_name="rtbench")
    except Problem as problem:
        print(f"rtbench: {problem}", file=sys.stderr)  # noqa: T201
        sys.exit(2)


if __name__ == "__main__":
    main()
