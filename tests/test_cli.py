from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import bench
from bench import cli
from bench.problem import Problem

GROUPS = ("baseline", "fixtures")


def command_names() -> list[str]:
    """All that can be typed after `rtbench`."""
    names = [info.name or info.callback.__name__ for info in cli.app.registered_commands]
    for group in cli.app.registered_groups:
        inner = group.typer_instance.registered_commands
        names += [f"{group.name} {info.name or info.callback.__name__}" for info in inner]
    return names


@pytest.fixture(autouse=True)
def _terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    monkeypatch.setenv("NO_COLOR", "1")


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(cli.app, list(arguments), prog_name="rtbench")


def run_main(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    """As the installed program runs: exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["rtbench", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    code = left.value.code
    assert code is None or isinstance(code, int)
    return code or 0, *capsys.readouterr()


@pytest.mark.parametrize("command", ["", *GROUPS, *command_names()])
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_fits_80_columns_and_states_the_exit_codes(command: str, flag: str) -> None:
    shown = invoke(*command.split(), flag)
    assert shown.exit_code == 0
    assert max(map(len, shown.output.splitlines())) <= 80
    flowed = " ".join(shown.output.split())
    assert "Exit codes: 0 " in flowed
    assert "2 wrong usage" in flowed


@pytest.mark.parametrize("command", command_names())
def test_help_has_an_example(command: str) -> None:
    assert f"Example: rtbench {command}" in " ".join(invoke(*command.split(), "-h").output.split())


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        ("run", ("0 fine", "1 failed turns", "3 invalid run", "130 interrupted")),
        ("compare", ("0 pass", "1 regression or limit broken", "3 invalid run")),
        ("check", ("0 pass", "1 regression or limit broken", "5 inconclusive under --strict")),
        ("ab", ("0 pass", "1 regression or limit broken", "130 interrupted")),
        ("plan", ("0 fine", "3 invalid run", "130 interrupted")),
        ("baseline promote", ("0 fine", "3 invalid run", "130 interrupted")),
        ("selftest", ("0 accurate", "1 not accurate", "130 interrupted")),
        ("doctor", ("0 fine", "1 something limits")),
    ],
)
def test_exit_codes_are_those_of_the_command(command: str, codes: tuple[str, ...]) -> None:
    flowed = " ".join(invoke(*command.split(), "-h").output.split())
    for code in codes:
        assert code in flowed


def test_main_help_groups_every_command() -> None:
    shown = invoke("--help").output
    panels = re.findall(r"╭─ ([^─]+?) ─", shown)
    assert panels == ["Options", "Run", "Look", "Judge", "Machine", "Fixtures"]
    for name in {name.split()[0] for name in command_names()}:
        assert re.search(rf"^\W*{name}\b", shown, re.MULTILINE), name


def test_version() -> None:
    shown = invoke("--version")
    assert (shown.exit_code, shown.output) == (0, f"rtbench {bench.__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nosuch",),
        ("demo", "--nosuch"),
        ("demo", "-u", "0"),
        ("demo", "-u", "many"),
        ("run",),
        ("run", "ask", "-u", "0"),
        ("run", "ask", "-r", "0"),
        ("serve", "--port", "65536"),
        ("serve", "--speed", "0"),
        ("serve", "--reply-delay-ms", "-1"),
        ("serve", "extra"),
        ("report",),
    ],
)
def test_wrong_usage_is_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    code, out, err = run_main(monkeypatch, capsys, *arguments)
    assert code == 2
    assert out == ""
    assert re.fullmatch(r"rtbench: .*; see `rtbench.* --help`\n", err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("report", "nosuch"), r"nosuch/run\.json: cannot be read"),
        (("run", "nosuch"), r"scenario 'nosuch': neither a file nor one of .*ask"),
        (("run", "--tags", "a", "ask"), r"scenario '--tags': neither a file"),
        (("doctor", "--host", "http://x"), r"--host 'http://x' is not a WebSocket URL"),
        (("serve", "--host", "0.0.0.0"), r"--host 0\.0\.0\.0 .* RTBENCH_SERVER_KEY"),
        (("serve", "--reply-jitter-ms", "5", "--reply-delay-ms", "0"), r"--reply-jitter-ms needs"),
        (
            ("serve", "--reply-jitter-ms", "1000", "--reply-delay-ms", "10"),
            r"reply_jitter_ms 1000 is over 15 times reply_delay_ms 10",
        ),
        (("serve", "--profile", "typicl"), r"profile 'typicl' .* did you mean typical"),
        (("serve", "--profile", "a/b.toml"), r"a/b\.toml: cannot be read"),
        (("serve", "--fault", "close_1012"), r"close_1012.* did you mean close_101"),
        (("serve", "--fault", "no_reply:lots"), r"share 'lots' is no number"),
        (("serve", "--api-key", "sk-oops"), r"--api-key names an environment variable"),
        (("serve", "--port", "0", "--truth", "no/such/folder/t"), r"--truth .* cannot be written"),
    ],
)
def test_problem_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RTBENCH_SERVER_KEY", raising=False)
    code, out, err = run_main(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"rtbench: .*{message}.*\n", err)


@pytest.mark.parametrize("content", ["", "[]", "{", "{}", '{"schema_version": 99}', "\ud800"])
def test_report_of_a_damaged_run_json_names_the_file(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: str,
) -> None:
    (tmp_path / "run.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    code, _, err = run_main(monkeypatch, capsys, "report", str(tmp_path))
    assert code == 2
    assert err.startswith(f"rtbench: {tmp_path}/run.json: ")
    assert err.count("\n") == 1


def test_report_of_a_run_json_alone_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "run.json").write_text('{"schema_version": 1}', encoding="utf-8")
    code, _, err = run_main(monkeypatch, capsys, "report", str(tmp_path))
    assert code == 2
    assert "is missing" in err
    assert err.count("\n") == 1


class _ReplacedError(Exception):
    """Stands for the process that execv would have made of us."""


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `run` would have turned this process into."""
    command: list[str] = []

    def execv(path: str, arguments: list[str]) -> None:
        assert path == arguments[0]
        command.extend(arguments)
        raise _ReplacedError

    monkeypatch.setattr(os, "execv", execv)
    return command


def test_run_passes_everything_else_to_locust_in_order(replaced: list[str]) -> None:
    extra = [
        *("--room-tone-dbfs", "-50", "--vad-silence-ms=300", "--csv", "x", "--tags", "a", "b"),
        *("-T", "c", "--processes", "2", "--run-id", "name"),
    ]
    invoke("run", "ask", "-u", "50", "-r", "25", "-t", "40s", "--host", "ws://h:1", *extra)
    assert replaced[-len(extra) :] == extra
    for pair in (["--users", "50"], ["--spawn-rate", "25"], ["--run-time", "40s"]):
        at = replaced.index(pair[0])
        assert replaced[at : at + 2] == pair
    assert replaced[replaced.index("--host") + 1] == "ws://h:1"


def test_run_without_host_leaves_the_choice_to_scenario_and_environment(
    replaced: list[str],
) -> None:
    invoke("run", "ask")
    assert "--host" not in replaced
    assert replaced[replaced.index("--users") + 1] == "1"
    assert "--headless" in replaced


def test_report_verdict_tells_what_came_of_it_by_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import bench.gate.reports

    for code in (0, 1, 3):
        monkeypatch.setattr(bench.gate.reports, "report_run", lambda *_, c=code: c)
        monkeypatch.setattr(bench.gate.reports, "report_runs", lambda *_, c=code: c)
        for runs in (("x",), ("x", "y")):
            assert invoke("report", *runs).exit_code == 0
            assert invoke("report", *runs, "--verdict").exit_code == code


def test_doctor_tells_by_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    import bench.session.doctor

    for fine, code in ((True, 0), (False, 1)):
        monkeypatch.setattr(bench.session.doctor, "examine", lambda *_, f=fine, **__: f)
        assert invoke("doctor").exit_code == code


def test_main_lets_nothing_but_problems_be_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: Any) -> None:
        raise Problem("this is what is wrong")

    monkeypatch.setattr(cli, "app", broken)
    assert run_main(monkeypatch, capsys)[0] == 2

    def faulty(**_: Any) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(cli, "app", faulty)
    with pytest.raises(KeyError):
        cli.main()


@pytest.mark.parametrize("command", command_names())
def test_lines_of_the_help_are_not_folded(command: str) -> None:
    """But for the first, a line is shown as it is written where it has at most 78 columns."""
    name, _, inner = command.partition(" ")
    found: Any = typer.main.get_command(cli.app).commands[name]
    found = found.commands[inner] if inner else found
    for line in found.help.splitlines()[1:]:
        assert len(line.replace("\\[", "[")) <= 78, line


@pytest.mark.parametrize(
    ("words", "variables", "coloured"),
    [
        (("check", "-h"), {"FORCE_COLOR": "1"}, True),
        (("check", "-h", "--no-color"), {"FORCE_COLOR": "1"}, False),
        (("--no-color", "-h"), {"FORCE_COLOR": "1"}, False),
        (("check", "-h"), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (("check", "-h"), {}, False),  # stdout is no terminal
    ],
)
def test_colours(words: tuple[str, ...], variables: dict[str, str], coloured: bool) -> None:
    kept = {name: text for name, text in os.environ.items() if not name.endswith("COLOR")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "bench.cli", *words],
        env=kept | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-7]", done.stdout)) is coloured
