"""What pages show in code can be typed: lines parse, files are read, and quick ones are run."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from bench import cli
from bench.analysis.limits import parse_limits
from bench.analysis.prices import read_prices
from bench.dialects.described import described_dialect
from bench.load.command import locust_command, scenarios_directory
from bench.load.config_file import read_config
from bench.load.config_schema import run_arguments
from bench.server.profiles.fault import parse_fault
from bench.server.profiles.loading import load_profile
from bench.usage import UsageError
from tests.docs.pages import ROOT, Block, Line, blocks, code_spans, command_lines, pages
from tests.gate.made_runs import make_run

PAGES = pages()
LINES = [line for page in PAGES for line in command_lines(page)]
BLOCKS = [block for page in PAGES for block in blocks(page)]
RTBENCH = [line for line in LINES if line.words[0] == "rtbench"]
QUICK = ("report", "compare", "check", "plan", "baseline", "config", "fixtures list")
PARSE = """
import json, sys
from locust.argument_parser import parse_options
from bench.load.users import RealtimeUser

wrong = []
for words in json.load(sys.stdin):
    try:
        parse_options(args=words)
    except SystemExit as left:
        if left.code:
            wrong.append(words)
print("wrong", json.dumps(wrong))
"""
IMPORT = """
import json, sys
from bench.load.users import RealtimeUser
for lines in json.load(sys.stdin):
    exec(lines)
"""


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def named(block: Block) -> str:
    return f"{block.page.relative_to(ROOT)}-{block.text[:20].split()[0]}"


def context_of(words: tuple[str, ...]) -> Any:
    """typer's context of a command, its options read and checked and nothing run.

    Raises:
        UsageError: they cannot be.
    """
    command: Any = typer.main.get_command(cli.app)
    names, left = ["rtbench"], list(words[1:])
    while hasattr(command, "commands") and left and left[0] in command.commands:
        names.append(left.pop(0))
        command = command.commands[names[-1]]
    return command.make_context(" ".join(names), left)


def for_locust(line: Line) -> list[str] | None:
    """What of a line goes to Locust; None of one that has nothing to do with it."""
    program, *rest = line.words
    if program == "locust":
        return rest
    if program == "python" and rest[0] == "scenarios/sweep.py":
        values = [word for word in rest[2:] if word.isdecimal()]
        first, *_ = values
        return [rest[1], first, *rest[rest.index("-u") :]]
    if program == "rtbench" and rest[0] in {"run", "ab"}:
        context = context_of(line.words)
        asked = context.params
        command = locust_command(
            scenarios_directory() / "ask.py",
            users=asked["users"],
            spawn_rate=asked.get("spawn_rate", 1.0),
            run_time=asked.get("run_time", "30s"),
            host=asked.get("host"),
        )
        return [*command[command.index("-f") :], *context.args]
    return None


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RTBENCH_CONFIG", "off")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("GITHUB_STEP_SUMMARY", "RTBENCH_FIXTURES", "RTBENCH_QUIET", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def in_another_process(script: str, handed: Any) -> subprocess.CompletedProcess[str]:
    """Locust lives in a process of its own: importing it changes the one that does."""
    return subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(handed),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_lines_are_found() -> None:
    words = [line.words[:2] for line in LINES]
    assert {("rtbench", "run"), ("locust", "-f"), ("make", "demo")} <= set(words)
    assert len(RTBENCH) > 50


@pytest.mark.parametrize("line", RTBENCH, ids=str)
def test_a_line_can_be_typed(line: Line) -> None:
    asked = context_of(line.words).params
    if line.words[1] == "serve":
        load_profile(asked["profile"])
        for fault in asked["fault"] or ():
            parse_fault(fault)


def test_a_wrong_line_would_be_found() -> None:
    with pytest.raises(UsageError):
        context_of(("rtbench", "check", "reports/RUN", "--stricter"))


def test_locust_takes_what_is_handed_to_it() -> None:
    handed = [words for line in LINES if (words := for_locust(line)) is not None]
    assert len(handed) > 8
    wrong = ["-f", str(scenarios_directory() / "ask.py"), "--chunk-ms", "7"]
    done = in_another_process(PARSE, [*handed, wrong])
    assert done.stdout.splitlines()[-1] == f"wrong {json.dumps([wrong])}", done.stderr


def test_make_has_each_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?m)^([a-z][a-z-]*):", makefile))
    asked = {line.words[1] for line in LINES if line.words[0] == "make"}
    for page in PAGES:
        spans = (re.fullmatch(r"make ([a-z-]+)( [A-Z]+=\w+)*", span) for span in code_spans(page))
        asked |= {span[1] for span in spans if span}
    assert {"demo", "test", "docs"} <= asked <= targets


def test_scripts_and_knobs_are_there() -> None:
    for line in LINES:
        if line.words[0] == "python":
            assert (ROOT / line.words[1]).is_file()
            assert line.words[2] in {flag for flag, _ in run_arguments()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_within_sentences_are_some(page: Path) -> None:
    """A sentence may leave arguments out, but may not invent options."""
    wrong = []
    for span in code_spans(page):
        words = tuple(span.split())
        if "rtbench" not in words or "COMMAND" in words:
            continue
        try:
            context_of(words[words.index("rtbench") :])
        except UsageError as error:
            if type(error).__name__ not in {"MissingParameter", "NoArgsIsHelpError"}:
                wrong.append(span)
    assert not wrong


@pytest.mark.parametrize("block", of("toml"), ids=named)
def test_toml_is_what_its_reader_takes(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tomllib.loads(block.text)
    if "url" in table:
        described_dialect("example", table)
    elif "text_in" in block.text:
        assert read_prices(block.text, "prices.toml")
    else:
        monkeypatch.setenv("RTBENCH_CONFIG", "rtbench.toml")
        Path("rtbench.toml").write_text(block.text, encoding="utf-8")
        read = read_config(Path.cwd(), {})
        assert read is not None
        assert read.options


@pytest.mark.parametrize("block", of("yaml"), ids=named)
def test_yaml_is_limits_or_steps_of_a_pipeline(block: Block) -> None:
    read = yaml.safe_load(block.text)
    if isinstance(read, list) and all(isinstance(each, str) for each in read):
        assert len(parse_limits(block.text, "limits.yaml")) == len(read)
        return
    action = yaml.safe_load((ROOT / ".github/actions/check/action.yml").read_text("utf-8"))
    steps = read if isinstance(read, list) else read["latency"]["script"]
    assert any("rtbench run" in str(step) for step in steps)
    for step in steps:
        if isinstance(step, dict) and "uses" in step:
            assert step["with"].keys() <= action["inputs"].keys()


def test_python_compiles_and_imports_what_there_is() -> None:
    imports = []
    for block in of("python"):
        tree = ast.parse(block.text)
        found = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        imports.append("\n".join(map(ast.unparse, found)))
    assert any("bench.load" in each for each in imports)
    done = in_another_process(IMPORT, imports)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs that examples name."""
    folder = tmp_path_factory.mktemp("typed")
    names = ("RUN", "A", "B", "C", "monday", "tuesday", "AGAIN", "PILOT", "ci")
    names += ("20250301-vad-silence-ms-200", "20250301-vad-silence-ms-500")
    for seed, name in enumerate(names):
        make_run(folder / "reports" / name, seed=seed, sessions=6, turns=8)
    limits = next(block for block in of("yaml") if "ttfa_ms" in block.text)
    (folder / "limits.yaml").write_text(limits.text, encoding="utf-8")
    return folder


def test_offline_examples_run(reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which they stand; a baseline is promoted before it is compared with."""
    monkeypatch.chdir(reports)
    first = ("rtbench", "baseline", "promote", "reports/RUN", "--name", "main")
    quick = [line.words for line in RTBENCH if " ".join(line.words[1:]).startswith(QUICK)]
    typed = dict.fromkeys([first, *quick])
    assert len(typed) > 15
    for words in typed:
        matches = [
            sorted(map(str, Path().glob(word))) if "*" in word else [word] for word in words
        ]
        monkeypatch.setattr(sys, "argv", [word for each in matches for word in each])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code in {0, 1, 5}, words
