"""The command line: each command checks its input and calls one function."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

import bench
from bench.fixtures.commands import app as fixtures_app
from bench.gate import commands as gate
from bench.gate.baseline_command import app as baseline_app
from bench.gate.report_command import EXIT_CODES as REPORT_CODES
from bench.gate.report_command import report
from bench.load import commands as load
from bench.load.arguments import DEFAULT_HOST
from bench.load.completion import complete_scenario
from bench.load.config_file import CONFIG_VARIABLE, read_config
from bench.load.options import RunTime, SpawnRate, Users
from bench.load.settings import default_map
from bench.problem import Problem
from bench.quiet import QUIET_VARIABLE
from bench.server.commands import EXIT_CODES as SERVE_CODES
from bench.server.commands import Engine, complete_profile, serve
from bench.usage import EverywhereGroup, UsageError, tell_mistake

EXIT_CODES = (
    "Exit codes: 0 fine, 1 failed turns or a limit broken, 2 wrong usage, "
    "3 invalid run, 4 spending cap reached, 130 interrupted."
)
DEMO_CODES = EXIT_CODES.replace("4 spending cap reached, ", "")
AB_CODES = gate.EXIT_CODES.replace("5 inc", "4 spending cap reached, 5 inc")
RUN, LOOK, JUDGE, FIXTURES, MACHINE = "Run", "Look", "Judge", "Fixtures", "Machine"

app = typer.Typer(
    name="rtbench",
    cls=EverywhereGroup,
    help="Load testing and latency benchmarking for realtime speech-to-speech APIs.",
    epilog=f"{EXIT_CODES} Each command's help tells its own, with an example. Options may "
    "also come from the environment and a file: see rtbench config --help.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rtbench {bench.__version__}")
        raise typer.Exit


def _quiet(wanted: bool) -> None:
    if wanted:
        os.environ[QUIET_VARIABLE] = "1"


def _no_color(wanted: bool) -> None:
    if wanted:
        os.environ["NO_COLOR"] = "1"


def _config(path: str | None) -> None:
    if path is not None:
        os.environ[CONFIG_VARIABLE] = path


@app.callback()
def _root(
    context: typer.Context,
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
    _quiet_wanted: Annotated[
        bool,
        typer.Option(
            *("--quiet", "-q"),
            callback=_quiet,
            is_eager=True,
            help="Print errors and the paths of results only. Also: RTBENCH_QUIET=1",
        ),
    ] = False,
    _no_color_wanted: Annotated[
        bool,
        typer.Option(
            "--no-color", callback=_no_color, is_eager=True, help="No colours. Also: NO_COLOR=1"
        ),
    ] = False,
    _config_file: Annotated[
        str | None,
        typer.Option(
            "--config",
            metavar="FILE",
            callback=_config,
            is_eager=True,
            help="Read options from it instead of the rtbench.toml or pyproject.toml here or "
            "above; off reads none. Also: RTBENCH_CONFIG",
        ),
    ] = None,
) -> None:
    name = context.invoked_subcommand
    if context.resilient_parsing or name is None or name == "config":
        return
    file = read_config(Path.cwd(), os.environ)
    command = context.command.commands[name]  # type: ignore[attr-defined]  # a group's
    context.default_map = {name: default_map(command, (name,), file, os.environ)}


@app.command(rich_help_panel=RUN, epilog=EXIT_CODES, context_settings=load.PASS_ON)
def run(
    context: typer.Context,
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="A locustfile, or the name of one: ask",
            autocompletion=complete_scenario,
        ),
    ],
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

    Every other option goes to Locust as it is, rtbench's own among them: they are
    what `locust -f scenarios/ask.py --help` lists. A target that is not this
    machine asks for --yes; --max-usd ends a run that has cost so much.

    Example: rtbench run ask -u 50 -r 25 -t 40s --vad-silence-ms 300
    """
    from bench.load.command import find_scenario, locust_command

    path = find_scenario(scenario)
    command = locust_command(
        path, users=users, spawn_rate=spawn_rate, run_time=run_time, host=host
    )
    os.execv(command[0], [*command, *context.args])  # noqa: S606 - Locust takes our place


app.command(rich_help_panel=RUN, epilog=DEMO_CODES)(load.demo)
app.command(rich_help_panel=RUN, epilog=AB_CODES, context_settings=load.PASS_ON)(load.ab)
app.command(rich_help_panel=RUN, epilog=SERVE_CODES)(serve)
app.command(rich_help_panel=LOOK, epilog=REPORT_CODES)(report)
app.command(rich_help_panel=JUDGE, epilog=gate.EXIT_CODES)(gate.compare)
app.command(rich_help_panel=JUDGE, epilog=gate.EXIT_CODES)(gate.check)
app.command(rich_help_panel=JUDGE, epilog=gate.STORE_CODES)(gate.plan)
app.add_typer(baseline_app, name="baseline", rich_help_panel=JUDGE)
app.add_typer(fixtures_app, name="fixtures", rich_help_panel=FIXTURES)


@app.command(
    rich_help_panel=MACHINE, epilog="Exit codes: 0 fine, 1 something limits, 2 wrong usage."
)
def doctor(
    host: Annotated[
        str, typer.Option("--host", "-H", help="Target, as ws://HOST:PORT or wss://HOST.")
    ] = DEFAULT_HOST,
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Check what limits the figures: cores, files, timer, kernel stamps, the target.

    Example: rtbench doctor --host wss://api.example.com
    """
    from bench.session.doctor import examine

    if not examine(host, Console(), as_json=as_json):
        raise typer.Exit(1)


@app.command(
    rich_help_panel=MACHINE,
    epilog="Exit codes: 0 accurate, 1 not accurate, 2 wrong usage, 130 interrupted.",
)
def selftest(
    users: Users = 200,
    run_time: RunTime = "60s",
    vad: Annotated[Engine, typer.Option(help="What the server hears with.")] = Engine.NEURAL,
    profile: Annotated[
        str,
        typer.Option(
            help="How the server behaves; as for `rtbench serve`.", autocompletion=complete_profile
        ),
    ] = "typical",
    runs_dir: Annotated[
        Path | None, typer.Option(help="Where to keep the run; it is forgotten otherwise.")
    ] = None,
    json: gate.Json = None,
) -> None:
    """Measure the instrument: its figures against the embedded server's own log.

    Prints the error of each latency, and the noise of this machine beside it.
    Not accurate is a median that is off by more than 1 ms, or a p99 by more than
    5 ms.

    Example: rtbench selftest -u 50 -t 30s --vad energy
    """
    from bench.load.selftest import run_selftest
    from bench.server.profiles.loading import load_profile

    load_profile(profile)  # the server would say the same, but only once it is started
    if runs_dir is not None:
        load.refuse_file(runs_dir)
    load.leave_config_out()
    options = ["--vad", vad.value, "--profile", profile]
    raise typer.Exit(
        run_selftest(
            users=users,
            run_time=run_time,
            runs_dir=runs_dir,
            server_options=options,
            json_to=json,
        )
    )


@app.command(
    rich_help_panel=MACHINE,
    epilog="Exit codes: 0 fine, 2 wrong usage, or a wrong value in a variable or the file.",
    context_settings={**load.PASS_ON, "allow_interspersed_args": False},
)
def config(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="With what you would type after it. Default: run"),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of rtbench.toml instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the values as JSON.")] = False,
) -> None:
    r"""Show what a command's options are set to, and by which flag, variable or file.

    Flags count before variables (RTBENCH_CHUNK_MS, RTBENCH_CHECK_LIMITS), and
    those before the file: rtbench.toml, or \[tool.rtbench] of pyproject.toml,
    here or above, up to the root of the repository. The options of a run stand
    above all tables, those of other commands in tables such as \[check]. Keys
    and tokens have no place in it: they come from the environment.

    Example: rtbench config run ask --chunk-ms 40
    """
    from bench.load.config_listing import list_command
    from bench.load.config_schema import config_schema
    from bench.load.config_text import print_resolved, to_json

    if schema:
        typer.echo(to_json(config_schema(app)))
        return
    listed = list_command(context.find_root(), command or ["run"], Path.cwd(), os.environ)
    if as_json:
        typer.echo(to_json(listed.to_json()))
    else:
        print_resolved(listed)


def main() -> NoReturn:
    """Run a command; bad input is one line and exit code 2."""
    try:
        code = app(prog_name="rtbench", standalone_mode=False)
    except Problem as problem:
        line = str(problem)
    except UsageError as error:
        line = tell_mistake(error, typer.main.get_command(app), sys.argv[1:])
    else:
        sys.exit(code or 0)
    if line:
        print(f"rtbench: {line}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


if __name__ == "__main__":
    main()
