"""Each command typed wrong: one helpful line on stderr, exit code 2, nothing else."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from bench import cli
from bench.usage import move_to_front

SAMPLE = Path(__file__).resolve().parents[1] / "reports" / "sample-baseline"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these commands set for their children is of one test alone."""
    for name in ("RTBENCH_CONFIG", "RTBENCH_QUIET", "RTBENCH_SERVER_KEY", "NO_COLOR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


# Words after `rtbench`, and what is said; RUN stands for the folder of a run, FILE for a file.
MISTAKES: dict[str, list[tuple[str, str]]] = {
    "": [
        ("nosuch", r"no command nosuch; there are run, .*fixtures; see `rtbench --help`"),
        ("chek RUN", r"no command chek; did you mean check\?"),
        ("--quite", r"no option --quite; did you mean --quiet\?"),
        ("--config", r"^--config needs a value; see `rtbench"),
        ("--config nosuch.toml doctor", r"nosuch\.toml: cannot be read"),
        ("doctor --config nosuch.toml", r"nosuch\.toml: cannot be read"),
    ],
    "run": [
        ("", r"SCENARIO is missing \(A locustfile, or the name of one: ask\); see `rtbench run"),
        ("aks", r"scenario 'aks': neither a file nor one of .*ask"),
        ("ask -u 0", r"--users '0': must be at least 1;"),
        ("ask -u many", r"--users 'many': is not a whole number;"),
        ("ask -r 0", r"--spawn-rate '0': must be at least 0\.01;"),
        ("ask -t soon", r"--run-time: 'soon' is no time such as 30s, 5m or 1h30m"),
        ("ask --users", r"^--users needs a value; see `rtbench"),
    ],
    "demo": [
        ("--user 3", r"no option --user; did you mean --users\?"),
        ("--users", r"^--users needs a value; see `rtbench"),
        ("-u many", r"--users 'many': is not a whole number;"),
        ("-t 1.5m", r"--run-time: '1\.5m' is no time such as"),
        ("ask", r"too many arguments: ask; see `rtbench demo --help`"),
        ("--runs-dir FILE", r"--runs-dir .*file\.txt: is a file; choose another folder"),
        ("--chunk-ms 40", r"--chunk-ms is an option of `rtbench run`, not of this command"),
    ],
    "serve": [
        ("--prot 1", r"no option --prot; did you mean --port\?"),
        ("--port 65536", r"--port '65536': must be at most 65535;"),
        ("--vad loud", r"--vad: 'loud' is not one of 'neural', 'energy';"),
        ("--speed 0", r"--speed '0': must be at least 0\.1;"),
        ("extra", r"too many arguments: extra"),
        ("--profile typicl", r"profile 'typicl' .*did you mean typical"),
        ("--profile a/b.toml", r"a/b\.toml: cannot be read"),
        ("--fault close_1012", r"close_1012.* did you mean close_101"),
        ("--reply-jitter-ms 5", r"--reply-jitter-ms needs a --reply-delay-ms above 0"),
    ],
    "selftest": [
        ("--usres 3", r"no option --usres; did you mean --users\?"),
        ("-u 0", r"--users '0': must be at least 1;"),
        ("-t 10x", r"--run-time: '10x' is no time such as"),
        ("--profile typicl", r"profile 'typicl' .*did you mean typical"),
        ("--runs-dir FILE", r"--runs-dir .*file\.txt: is a file"),
        ("extra", r"too many arguments: extra"),
    ],
    "report": [
        ("", r"RUN is missing"),
        ("nosuch", r"nosuch/run\.json: cannot be read .*; give the folder of a run"),
        ("RUN --verdit", r"no option --verdit; did you mean --verdict\?"),
        ("RUN --md", r"^--md needs a value; see `rtbench"),
        ("RUN --baseline nosuch", r"--baseline 'nosuch': neither the folder of a run nor"),
        ("RUN --limits nosuch.yaml", r"nosuch\.yaml: cannot be read"),
        ("RUN RUN", r"is given twice"),
    ],
    "compare": [
        ("", r"A is missing"),
        ("nosuch RUN", r"nosuch/run\.json: cannot be read"),
        ("RUN", r"compared with what\? give a second run"),
        ("RUN RUN RUN", r"too many arguments: run"),
        ("RUN RUN --strikt", r"no option --strikt; did you mean --strict\?"),
        ("RUN RUN --metric ttfa", r"--metric 'ttfa': .*did you mean ttfa_ms"),
        ("RUN RUN --junit", r"^--junit needs a value; see `rtbench"),
    ],
    "check": [
        ("", r"RUN is missing"),
        ("nosuch --limits FILE", r"nosuch/run\.json: cannot be read"),
        ("RUN", r"nothing to check the run against; give --baseline, --limits or both"),
        ("RUN --limts FILE", r"no option --limts; did you mean --limits\?"),
        ("RUN --limits nosuch.yaml", r"nosuch\.yaml: cannot be read"),
        ("RUN --baseline nosuch", r"--baseline 'nosuch': neither the folder of a run nor"),
        ("RUN --limits", r"^--limits needs a value; see `rtbench"),
    ],
    "plan": [
        ("", r"RUN is missing"),
        ("nosuch", r"nosuch/run\.json: cannot be read"),
        ("RUN --detect lots", r"--detect 'lots': is no share; write 10% or 0\.1"),
        ("RUN --detct 10%", r"no option --detct; did you mean --detect\?"),
        ("RUN --metric nosuch", r"--metric 'nosuch'"),
        ("RUN extra", r"too many arguments: extra"),
    ],
    "ab": [
        ("", r"URL_A is missing"),
        ("ws://h:1", r"URL_B is missing"),
        ("ws://h:1 ws://h:2 --blocks 5", r"--blocks 5: must be even"),
        ("ws://h:1 ws://h:2 --blocks 0", r"--blocks '0': must be at least 2;"),
        ("ws://h:1 ws://h:2 --block-time soon", r"--block-time: 'soon' is no time"),
        ("ws://h:1 ws://h:2 --scenario aks", r"scenario 'aks': neither a file nor one of"),
        ("ws://h:1 ws://h:2 --metric ttfa", r"--metric 'ttfa': .*did you mean ttfa_ms"),
    ],
    "baseline": [
        ("lst", r"no command lst; did you mean list\?"),
        ("--store x list", r"no option --store"),
    ],
    "baseline promote": [
        ("", r"RUN is missing"),
        ("nosuch", r"nosuch/run\.json: cannot be read"),
        ("RUN --nmae x", r"no option --nmae; did you mean --name\?"),
        ("RUN --name a/b", r"baseline 'a/b': is not a plain folder name"),
        ("RUN --keep -1", r"--keep '-1': must be at least 0;"),
        ("RUN --name", r"^--name needs a value; see `rtbench"),
    ],
    "baseline list": [
        ("extra", r"too many arguments: extra"),
        ("--stor x", r"no option --stor; did you mean --store\?"),
        ("--store", r"^--store needs a value; see `rtbench"),
        ("--json x", r"too many arguments: x"),
        ("-x", r"no option -x; see `rtbench baseline list --help`"),
    ],
    "baseline show": [
        ("nosuch", r"baseline 'nosuch': not in reports/baselines"),
        ("a/b", r"baseline 'a/b': is not a plain folder name"),
        ("main extra", r"too many arguments: extra"),
        ("--sotre x", r"no option --sotre; did you mean --store\?"),
        ("--store", r"^--store needs a value; see `rtbench"),
    ],
    "fixtures": [
        ("lst", r"no command lst; did you mean list\?"),
        ("--json", r"no option --json"),
    ],
    "fixtures list": [
        ("--category nosuch", r"--category 'nosuch'"),
        ("--language xx", r"--language 'xx'"),
        ("--fixtures nosuch", r"nosuch/manifest\.json"),
        ("--jsn", r"no option --jsn; did you mean --json\?"),
        ("extra", r"too many arguments: extra"),
    ],
    "fixtures show": [
        ("", r"ID is missing \(A clip, as `list` names it\)"),
        ("nosuch", r"no utterance 'nosuch'"),
        ("question -o x.gif", r"x\.gif"),
        ("question extra", r"too many arguments: extra"),
        ("question --fixtures nosuch", r"nosuch/manifest\.json"),
    ],
    "fixtures verify": [
        ("--fixtures nosuch", r"nosuch"),
        ("--fixture x", r"no option --fixture; did you mean --fixtures\?"),
        ("--fixtures", r"^--fixtures needs a value; see `rtbench"),
        ("extra", r"too many arguments: extra"),
        ("-x", r"no option -x"),
    ],
    "fixtures import": [
        ("", r"FILE is missing"),
        ("a.wav", r"name a folder of yours with --fixtures DIR"),
        ("a.wav --fixtures own --end-ms soon", r"--end-ms 'soon': is not a number;"),
        (
            "a.wav --fixtures own --split-pause-ms 5",
            r"--split-pause-ms '5': must be at least 100;",
        ),
        ("a.wav b.wav --fixtures own --text Hi", r"--text: given 1 times for 2 files"),
        ("a.wav --txt Hi", r"no option --txt; did you mean --text\?"),
    ],
    "fixtures review": [
        ("extra", r"too many arguments: extra"),
        ("--outptu x", r"no option --outptu; did you mean --output\?"),
        ("-o", r"^-o needs a value; see `rtbench fixtures review --help`"),
        ("--fixtures nosuch", r"nosuch/manifest\.json"),
        ("-x", r"no option -x"),
    ],
    "fixtures export": [
        ("question", r"--output is missing"),
        ("nosuch -o out", r"no utterance 'nosuch'"),
        ("question -o out --codec mp3", r"mp3"),
        ("question -o out --codek pcmu", r"no option --codek; did you mean --codec\?"),
        ("question -o out --fixtures nosuch", r"nosuch/manifest\.json"),
    ],
    "doctor": [
        ("--host http://x", r"--host 'http://x' is not a WebSocket URL; write ws://"),
        ("--hots x", r"no option --hots; did you mean --host\?"),
        ("--host", r"^--host needs a value; see `rtbench"),
        ("--json x", r"too many arguments: x"),
        ("-u 3", r"no option -u"),
    ],
    "config": [
        ("nosuch", r"config nosuch: no such command; there are run"),
        ("chek", r"config chek: no such command; did you mean check\?"),
        ("baseline", r"config baseline: which of it\? there are promote, list, show"),
        ("run --chunk-ms 25", r"--chunk-ms: '25' is not 20"),
        ("run ask --chunk-ms 25", r"--chunk-ms: '25' is not 20, 30, … 100 ms"),
        ("--config FILE", r"file\.txt'?: is no TOML"),
    ],
}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"{command} {rest}".strip(), said)
        for command, mistakes in MISTAKES.items()
        for rest, said in mistakes
    ],
)
def test_mistake_is_one_helpful_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(SAMPLE, "run")
    Path("file.txt").write_text("no list\n", encoding="utf-8")
    stand_ins = {"RUN": "run", "FILE": "file.txt"}
    typed = [stand_ins.get(word, word) for word in words.split()]
    monkeypatch.setattr(sys, "argv", ["rtbench", *typed])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, err = capsys.readouterr()
    assert left.value.code == 2
    assert out == ""
    assert re.fullmatch(r"rtbench: [^\n]+\n", err), err
    assert re.search(said, err.removeprefix("rtbench: ").strip()), err


def test_five_mistakes_are_made_with_every_command() -> None:
    names = {info.name or info.callback.__name__ for info in cli.app.registered_commands}
    for group in cli.app.registered_groups:
        names |= {
            f"{group.name} {info.name or info.callback.__name__}"
            for info in group.typer_instance.registered_commands
        }
    names -= {"fixtures build"}  # hands all it is given to a script with a help of its own
    assert names <= MISTAKES.keys()
    assert all(len(MISTAKES[name]) >= 5 for name in names)


@pytest.mark.parametrize(
    ("typed", "moved"),
    [
        ("check RUN --quiet", "--quiet check RUN"),
        ("check -q RUN --no-color", "-q --no-color check RUN"),
        ("run ask --config x.toml -u 3", "--config x.toml run ask -u 3"),
        ("run ask --config=x.toml", "--config=x.toml run ask"),
        ("run ask --config", "--config run ask"),
        ("fixtures build -- --quiet", "fixtures build -- --quiet"),
        ("check RUN --strict", "check RUN --strict"),
    ],
)
def test_what_is_for_all_commands_may_stand_anywhere(typed: str, moved: str) -> None:
    assert move_to_front(typed.split()) == moved.split()


def test_what_may_be_a_key_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rtbench", "serve", "--api-key", "sk-oops"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "sk-oops" not in "".join(capsys.readouterr())


def test_line_has_no_control_characters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rtbench", "plan", "--\x1b[31m\nred"])
    with pytest.raises(SystemExit):
        cli.main()
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "\x1b" not in err
