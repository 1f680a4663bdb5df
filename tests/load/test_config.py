"""rtbench.toml: where it is looked for, what it may hold, and what counts more than it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import configargparse
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import cli
from bench.load.arguments import add_arguments
from bench.load.config_file import SCHEMA_PATH, find_line, load_schema, read_config
from bench.load.config_schema import config_schema, run_arguments
from bench.load.config_text import to_json
from bench.load.run_defaults import run_defaults
from bench.load.settings import variable_of
from bench.problem import Problem

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The root of a repository, in which the process is, with an environment of its own."""
    for name in [name for name in os.environ if name.startswith("RTBENCH_")]:
        monkeypatch.delenv(name)
    for name in ("RTBENCH_CONFIG", "RTBENCH_QUIET", "NO_COLOR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Runs as the installed program does: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rtbench", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), *capsys.readouterr()

    return run


def write(text: str, name: str = "rtbench.toml") -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def options() -> dict[tuple[str, ...], Any]:
    file = read_config(Path.cwd(), os.environ)
    return {} if file is None else file.options


# Where it is looked for


def test_without_a_file_nothing_is_set() -> None:
    assert read_config(Path.cwd(), {}) is None


def test_nearest_file_counts_up_to_the_root_of_the_repository(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("chunk_ms = 40\n")
    below = home / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert options() == {("chunk_ms",): 40}
    write("chunk_ms = 60\n", "../rtbench.toml")
    assert options() == {("chunk_ms",): 60}
    (home / "a" / "b" / ".git").mkdir()
    assert options() == {}


def test_without_a_repository_nothing_above_is_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder such as /tmp what lies above may be anybody's, and could name the target."""
    write('host = "wss://elsewhere.example"\n')
    (home / ".git").rmdir()
    below = home / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    assert options() == {}


def test_pyproject_counts_where_there_is_no_file_of_our_own() -> None:
    write("[project]\nname = 'x'\n", "pyproject.toml")
    assert options() == {}
    write("[tool.rtbench]\nchunk_ms = 40\n[tool.rtbench.check]\nstrict = true\n", "pyproject.toml")
    assert options() == {("chunk_ms",): 40, ("check", "strict"): True}
    write("chunk_ms = 60\n")
    assert options() == {("chunk_ms",): 60}


def test_somebody_elses_broken_pyproject_is_left_alone() -> None:
    write("[tool.other\n", "pyproject.toml")
    assert options() == {}


@pytest.mark.parametrize(("named", "found"), [("other.toml", {("chunk_ms",): 80}), ("off", {})])
def test_another_file_may_be_named_or_none(
    monkeypatch: pytest.MonkeyPatch, named: str, found: dict[Any, Any]
) -> None:
    write("chunk_ms = 40\n")
    write("chunk_ms = 80\n", "other.toml")
    monkeypatch.setenv("RTBENCH_CONFIG", named)
    assert options() == found


def test_paths_of_a_file_above_lead_from_here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        'fixtures = "clips"\ndialect = "house.toml"\nmodel = "house.toml"\n'
        '[check]\nlimits = "limits.yaml"\nbaseline = "main"\n[report]\njson = "-"\n'
    )
    write("", "house.toml")
    (home / "sub").mkdir()
    monkeypatch.chdir(home / "sub")
    assert options() == {
        ("fixtures",): "../clips",
        ("dialect",): "../house.toml",
        ("model",): "house.toml",
        ("check", "limits"): "../limits.yaml",
        ("check", "baseline"): "main",
        ("report", "json"): "-",
    }


# What it may hold


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chunk_mss = 40", r"line 1: chunk_mss: no such option; did you mean chunk_ms?"),
        ("chunk-ms = 40", r"line 1: chunk-ms: no such option; did you mean chunk_ms?"),
        ("\n# x\nchunk_ms = 25", r"line 3: chunk_ms: '25' is not 20, 30, … 100 ms"),
        ('codec = "opus"', "line 1: codec: 'opus' is not one of pcm16, pcm16_16k, pcmu, pcma"),
        ("codec = ['pcmu']", "line 1: codec: takes one value, not ['pcmu']"),
        ("users = 0", "line 1: users: 0 is below 1"),
        ("users = 1.5", "line 1: users: 1.5 is not a whole number"),
        ("users = true", "line 1: users: True is not a whole number"),
        ('users = "5"', "line 1: users: '5' is not a whole number"),
        ('run_time = "soon"', "'soon' is no time such as 30s, 5m or 1h30m"),
        ("push_to_talk = 1", "line 1: push_to_talk: 1 is neither true nor false"),
        ("header = 'X-A: b'", "line 1: header: 'X-A: b' is no list; write ['X-A: b']"),
        ("header = ['X-A']", "line 1: header: there is no colon in it; write 'Name: value'"),
        ("[chek]\nlimits = 'x'", "line 1: chek: no such table; did you mean check?"),
        ("[check]\nlimts = 'x'", "line 2: [check] limts: no such option; did you mean limits?"),
        ("[check]\nstrict = 'yes'", "line 2: [check] strict: 'yes' is neither true nor false"),
        ("[baseline.promote]\nkeep = -1", "line 2: [baseline.promote] keep: -1 is below 0"),
        ("[serve]\nvad = 'loud'", "line 2: [serve] vad: 'loud' is not one of neural, energy"),
        ("[serve]\nport = 70000", "line 2: [serve] port: 70000 is above 65535"),
        ("check = 3", "line 1: check: is the table of a command; write [check]"),
        ("[run]\nusers = 3", "line 1: run: options of a run stand above all tables"),
        ("[users]\nx = 3", "line 1: users: {'x': 3} is not a whole number"),
        ("yes = true", "line 1: yes: is to be said each time, with --yes; leave it out"),
        ("x = ", "is no TOML"),
        ("x = " + "[" * 5000, "nested too deeply"),
    ],
)
def test_mistake_names_file_line_option_and_mend(text: str, said: str) -> None:
    write(text + "\n")
    with pytest.raises(Problem) as caught:
        read_config(Path.cwd(), {})
    message = str(caught.value)
    assert "rtbench.toml" in message
    assert said in message
    assert "\n" not in message


def test_mistake_in_pyproject_names_the_table_as_it_stands_there() -> None:
    write("[project]\nname = 'x'\n[tool.rtbench.check]\nlimts = 'x'\n", "pyproject.toml")
    with pytest.raises(Problem, match=r"^pyproject\.toml: line 4: \[tool\.rtbench\.check\] limts"):
        read_config(Path.cwd(), {})
    write("tool.rtbench = 3\n", "pyproject.toml")
    with pytest.raises(Problem, match=r"\[tool\.rtbench\]: is no table"):
        read_config(Path.cwd(), {})


@pytest.mark.parametrize(
    "text",
    [
        "api_key = 'sk-sesame-7f3a91'",
        "OPENAI_API_KEY = 'sk-sesame-7f3a91'",
        "token = 'sk-sesame-7f3a91'",
        "password = 'sk-sesame-7f3a91'",
        "[serve]\napi_key = 'sk-sesame-7f3a91'",
        "header = ['Authorization: Bearer sk-sesame-7f3a91']",
        "header = ['X-A: b', 'x-api-key: sk-sesame-7f3a91']",
        "host = 'wss://me:sk-sesame-7f3a91@h'",
        "host = 'wss://h/v1?api-key=sk-sesame-7f3a91'",
    ],
)
def test_secrets_have_no_place_in_it(text: str) -> None:
    write(text + "\n")
    with pytest.raises(Problem, match=r"environment variable|RTBENCH_HOST") as caught:
        read_config(Path.cwd(), {})
    assert "sesame" not in str(caught.value)


def test_a_header_may_refer_to_a_variable_and_a_url_may_have_a_query() -> None:
    write("header = ['Authorization: Bearer ${MY_KEY}']\nhost = 'wss://h/v1?model=m'\n")
    assert len(options()) == 2


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r")))
def test_any_text_is_options_or_a_problem(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.toml"
    path.write_text(text, encoding="utf-8")
    with contextlib.suppress(Problem):
        assert read_config(Path.cwd(), {"RTBENCH_CONFIG": str(path)}) is not None


@pytest.mark.parametrize(
    ("path", "line"),
    [(("a",), 1), (("t",), 3), (("t", "b"), 4), (("t", "c", "d"), 5), (("t", "u", "e"), 7)],
)
def test_line_of_an_option(path: tuple[str, ...], line: int) -> None:
    text = "a = 1\n# a = 2\n[t]\n\"b\" = 1\nc.d = 2\n[ t . 'u' ] # of t\n  e=3\n"
    assert find_line(text, path) == line
    assert find_line(text, (*path, "nosuch")) is None


# The schema


def test_committed_schema_is_that_of_the_command_line() -> None:
    """When it is stale: rtbench config --schema > bench/config.schema.json."""
    committed = SCHEMA_PATH.read_text(encoding="utf-8")
    assert committed == to_json(config_schema(cli.app)) + "\n"


def test_schema_is_one_and_takes_its_own_defaults() -> None:
    schema = load_schema()
    jsonschema.Draft202012Validator.check_schema(schema)

    def check(part: dict[str, Any]) -> None:
        for each in part["properties"].values():
            if each.get("type") == "object":
                check(each)
            elif "default" in each:
                jsonschema.validate(each["default"], each)

    check(schema)


def test_every_option_of_a_run_is_a_key_but_for_what_is_said_each_time() -> None:
    keys = load_schema()["properties"]
    flags = {flag.removeprefix("--").replace("-", "_") for flag, _ in run_arguments()}
    assert flags - set(keys) <= {"yes"}
    assert {"users", "spawn_rate", "run_time", "host"} <= set(keys)


def test_no_key_is_a_secrets() -> None:
    serve = load_schema()["properties"]["serve"]["properties"]
    assert "port" in serve
    assert "api_key" not in serve


@pytest.mark.parametrize(
    "text",
    [
        "chunk_ms = 40\nroom_tone_dbfs = 'off'\nmax_output_tokens = 100\nlanguage = 'pt-BR'\n",
        "users = 5\nrun_time = '5m'\nhost = 'ws://h:1'\nheader = ['X: y']\n[check]\nstrict = true",
    ],
)
def test_schema_and_check_agree_on_what_is_fine(text: str) -> None:
    write(text)
    assert options()
    jsonschema.validate(tomllib.loads(text), load_schema())


def test_example_in_the_readme_is_one() -> None:
    readme = (SCHEMA_PATH.parents[1] / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    assert examples
    for example in examples:
        write(example)
        assert options()


# What counts more


class _Parser:
    """Stands for Locust's parser."""

    def __new__(cls) -> Any:
        parser = configargparse.ArgumentParser(prog="locust", allow_abbrev=False)
        parser.add_argument("--users", dest="num_users", type=int)
        parser.add_argument("--run-time")
        parser.add_argument("--host")
        add_arguments(parser)
        return parser


def parse(*flags: str, **environment: str) -> Any:
    return _Parser().parse_args(list(flags), env_vars=environment)


def test_flags_count_before_environment_before_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse().chunk_ms == 20
    write("chunk_ms = 40\n")
    assert parse().chunk_ms == 40
    monkeypatch.setenv("RTBENCH_CHUNK_MS", "60")
    assert parse(RTBENCH_CHUNK_MS="60").chunk_ms == 60
    assert parse("--chunk-ms", "80", RTBENCH_CHUNK_MS="60").chunk_ms == 80


def test_a_variable_can_take_back_what_the_file_switches_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("push_to_talk = true\n")
    assert parse().push_to_talk is True
    monkeypatch.setenv("RTBENCH_PUSH_TO_TALK", "false")
    assert parse(RTBENCH_PUSH_TO_TALK="false").push_to_talk is False


def test_values_become_what_a_flags_would() -> None:
    write(
        'room_tone_dbfs = "off"\nwatchdog_s = 5\nusers = 7\nrun_time = "1m"\nhost = "ws://h:1"\n'
        "header = ['X: y']\n"
    )
    found = parse()
    assert found.room_tone_dbfs is None
    assert (found.watchdog_s, type(found.watchdog_s)) == (5.0, float)
    assert (found.num_users, found.run_time, found.host) == (7, "1m", "ws://h:1")
    assert found.header == ["X: y"]


def test_wrong_file_ends_locust_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    write("chunk_ms = 25\n")
    with pytest.raises(SystemExit) as left:
        parse()
    assert left.value.code == 2
    assert capsys.readouterr().err == (
        "rtbench: rtbench.toml: line 1: chunk_ms: '25' is not 20, 30, … 100 ms\n"
    )


def test_file_counts_before_what_a_scenario_prefers() -> None:
    write('codec = "pcma"\nusers = 3\n')
    script = (
        "from bench.load.defaults import prefer\n"
        "prefer(codec='pcmu', vad_silence_ms=300, num_users=9)\n"
        "from locust.argument_parser import parse_options\n"
        "options = parse_options(args=[])\n"
        "print(options.codec, options.vad_silence_ms, options.num_users)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["pcma 300 3"], done.stderr


class _ReplacedError(Exception):
    """Stands for the process that execv would have made of us."""


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `run` would have turned this process into."""
    command: list[str] = []

    def execv(_: str, arguments: list[str]) -> None:
        command.extend(arguments)
        raise _ReplacedError

    monkeypatch.setattr(os, "execv", execv)
    return command


@pytest.mark.parametrize(
    ("flags", "variable", "users"),
    [((), None, "7"), ((), "8", "8"), (("-u", "9"), "8", "9")],
)
def test_size_of_a_run(
    monkeypatch: pytest.MonkeyPatch,
    replaced: list[str],
    flags: tuple[str, ...],
    variable: str | None,
    users: str,
) -> None:
    write("users = 7\nspawn_rate = 3.5\n")
    if variable is not None:
        monkeypatch.setenv("RTBENCH_USERS", variable)
    monkeypatch.setattr(sys, "argv", ["rtbench", "run", "ask", *flags])
    with pytest.raises(_ReplacedError):
        cli.main()
    assert replaced[replaced.index("--users") + 1] == users
    assert replaced[replaced.index("--spawn-rate") + 1] == "3.5"


def test_tables_are_those_of_their_commands(typed: Typed) -> None:
    write('[baseline.list]\nstore = "here"\n[baseline.show]\nstore = "there"\n')
    assert typed("baseline", "list")[1].startswith("none in here;")
    assert "not in there" in typed("baseline", "show")[2]
    assert typed("baseline", "list", "--store", "mine")[1].startswith("none in mine;")


def test_variable_of_a_command(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    write('[baseline.list]\nstore = "here"\n')
    monkeypatch.setenv(variable_of(("baseline", "list", "store")), "mine")
    assert typed("baseline", "list")[1].startswith("none in mine;")


def test_wrong_variable_is_named(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTBENCH_SERVE_PORT", "many")
    code, _, err = typed("serve")
    assert code == 2
    assert err.startswith("rtbench: RTBENCH_SERVE_PORT: 'many' is not a whole number; mend it")


def test_target_of_a_run_is_the_doctors_too(typed: Typed) -> None:
    write('host = "http://x"\n')
    assert "--host 'http://x' is not a WebSocket URL" in typed("doctor")[2]


def test_what_a_demo_starts_reads_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    import bench.load.demo

    write('dialect = "azure"\n[demo]\nusers = 3\n')
    seen: dict[str, Any] = {}

    def run_demo(**given: Any) -> int:
        seen.update(given, config=run_defaults(Path.cwd(), os.environ))
        return 0

    monkeypatch.setattr(bench.load.demo, "run_demo", run_demo)
    monkeypatch.setattr(sys, "argv", ["rtbench", "demo"])
    with pytest.raises(SystemExit):
        cli.main()
    assert seen["users"] == 3
    assert seen["config"] == {}


# rtbench config


def test_config_tells_where_each_value_comes_from(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("chunk_ms = 40\nvad_silence_ms = 300\nusers = 7\n")
    monkeypatch.setenv("RTBENCH_VAD_SILENCE_MS", "200")
    flags = ("-t", "5m", "--codec", "pcmu", "--csv", "x")
    code, out, _ = typed("config", "--json", "run", "ask", *flags)
    assert code == 0
    shown = json.loads(out)
    assert shown["file"] == "rtbench.toml"
    found = {name: (each["value"], each["from"]) for name, each in shown["options"].items()}
    assert found["chunk_ms"] == (40, "rtbench.toml")
    assert found["vad_silence_ms"] == (200, "RTBENCH_VAD_SILENCE_MS")
    assert found["users"] == (7, "rtbench.toml")
    assert found["run_time"] == ("5m", "flag")
    assert found["codec"] == ("pcmu", "flag")
    assert found["spawn_rate"] == (1.0, "default")
    assert found["watchdog_s"] == (10.0, "default")


def test_config_of_a_command_in_80_columns(typed: Typed) -> None:
    write('[check]\nlimits = "limits.yaml"\n')
    code, out, err = typed("config", "check")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert ["limits", "limits.yaml", "rtbench.toml"] in rows
    assert ["strict", "false", "default"] in rows
    assert rows[-1] == ["File:", "rtbench.toml"]
    assert max(map(len, typed("config")[1].splitlines())) <= 80


def test_config_shows_no_secret(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTBENCH_HEADER", "Authorization: Bearer sk-sesame-7f3a91")
    monkeypatch.setenv("RTBENCH_HOST", "wss://h/v1?api-key=sk-sesame-7f3a91")
    for words in (("config",), ("config", "--json"), ("config", "serve", "--api-key", "sesame")):
        code, out, err = typed(*words)
        assert code == 0, err
        assert "sesame" not in out


def test_schema_is_printed_whatever_the_file_holds(typed: Typed) -> None:
    write("nosuch = 3\n")
    code, out, _ = typed("config", "--schema")
    assert (code, json.loads(out)["type"]) == (0, "object")
    assert typed("config")[0] == 2
