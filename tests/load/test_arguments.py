from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import pytest

from bench.load import arguments, checks
from bench.problem import Problem

DEFAULTS = {
    "fixtures": "",
    "dialect": "openai",
    "header": None,
    "model": "",
    "voice": "",
    "codec": "",
    "input_codec": "",
    "output_codec": "",
    "session_type": "realtime",
    "output_modality": "audio",
    "instructions": "",
    "max_output_tokens": None,
    "transcription_model": "",
    "language": "",
    "chunk_ms": 20,
    "tail": "room-tone",
    "push_to_talk": False,
    "turn_detection": "server_vad",
    "eagerness": "auto",
    "vad_interrupt": "on",
    "vad_idle_timeout_ms": None,
    "room_tone_dbfs": -65.0,
    "vad_silence_ms": 500,
    "vad_threshold": 0.5,
    "vad_prefix_padding_ms": 300,
    "watchdog_s": 10.0,
    "connect_timeout_s": 10.0,
    "warmup_s": 0.0,
    "record": 0,
    "yes": False,
    "max_usd": None,
    "prices": "",
    "runs_dir": "reports",
    "run_id": "",
    "progress": False,
}


def test_defaults(parse: Callable[..., Any]) -> None:
    assert vars(parse()) == DEFAULTS


@pytest.mark.parametrize(
    ("flag", "text", "value"),
    [
        ("--chunk-ms", "20", 20),
        ("--chunk-ms", "100", 100),
        ("--room-tone-dbfs", "off", None),
        ("--room-tone-dbfs", "-100", -100.0),
        ("--room-tone-dbfs", "-20", -20.0),
        ("--vad-silence-ms", "0", 0),
        ("--vad-silence-ms", "10000", 10_000),
        ("--vad-threshold", "0", 0.0),
        ("--vad-threshold", "1", 1.0),
        ("--vad-prefix-padding-ms", "5000", 5_000),
        ("--watchdog-s", "0.5", 0.5),
        ("--connect-timeout-s", "0.1", 0.1),
        ("--warmup-s", "86400", 86_400.0),
        ("--record", "20", 20),
        ("--fixtures", "my clips", "my clips"),
        ("--run-id", "x", "x"),
        ("--header", "X-Tenant: ${TENANT}", ["X-Tenant: ${TENANT}"]),
        ("--codec", "pcmu", "pcmu"),
        ("--input-codec", "pcm16_16k", "pcm16_16k"),
        ("--output-codec", "pcma", "pcma"),
        ("--turn-detection", "none", "none"),
        ("--eagerness", "low", "low"),
        ("--vad-idle-timeout-ms", "5000", 5_000),
        ("--vad-idle-timeout-ms", "off", None),
        ("--max-output-tokens", "1", 1),
        ("--max-output-tokens", "off", None),
        ("--max-usd", "2.5", 2.5),
        ("--max-usd", "off", None),
        ("--prices", "prices.toml", "prices.toml"),
        ("--language", "pt-BR", "pt-BR"),
        ("--tail", "bed_babble", "bed_babble"),
    ],
)
def test_value_is_taken(parse: Callable[..., Any], flag: str, text: str, value: Any) -> None:
    found = getattr(parse(flag, text), flag.removeprefix("--").replace("-", "_"))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--chunk-ms", "25"),
        ("--chunk-ms", "10"),
        ("--chunk-ms", "110"),
        ("--chunk-ms", "20.0"),
        ("--chunk-ms", ""),
        ("--room-tone-dbfs", "-19.9"),
        ("--room-tone-dbfs", "-100.1"),
        ("--room-tone-dbfs", "OFF"),
        ("--room-tone-dbfs", "nan"),
        ("--vad-silence-ms", "-1"),
        ("--vad-silence-ms", "10001"),
        ("--vad-silence-ms", "1e3"),
        ("--vad-threshold", "1.01"),
        ("--vad-threshold", "nan"),
        ("--vad-prefix-padding-ms", "5001"),
        ("--watchdog-s", "0"),
        ("--watchdog-s", "inf"),
        ("--watchdog-s", "ten"),
        ("--connect-timeout-s", "0"),
        ("--warmup-s", "-0.1"),
        ("--codec", "opus"),
        ("--codec", "PCMU"),
        ("--session-type", "translation"),
        ("--output-modality", "video"),
        ("--turn-detection", "null"),
        ("--eagerness", "eager"),
        ("--vad-interrupt", "yes"),
        ("--vad-idle-timeout-ms", "10"),
        ("--max-output-tokens", "0"),
        ("--max-output-tokens", "inf"),
        ("--language", "English"),
        ("--max-usd", "0"),
        ("--max-usd", "$2"),
    ],
)
def test_bad_value_is_named_with_its_option(
    parse: Callable[..., Any], parse_error: type[Exception], flag: str, text: str
) -> None:
    with pytest.raises(parse_error) as caught:
        parse(f"{flag}={text}")
    message = str(caught.value)
    assert flag in message
    assert repr(text) in message
    assert "\n" not in message


def test_every_option_has_a_variable_a_metavar_and_help_that_states_its_default(
    parser: Any,
) -> None:
    ours = [action for action in parser._actions if action.dest in DEFAULTS]
    assert {action.dest for action in ours} == set(DEFAULTS)
    for action in ours:
        assert action.option_strings == [f"--{action.dest.replace('_', '-')}"]
        assert action.env_var == f"RTBENCH_{action.dest.upper()}"
        assert action.help, action.dest
        if DEFAULTS[action.dest] is False:
            continue
        assert action.metavar, action.dest
        default = DEFAULTS[action.dest]
        states_it = "Default: " in action.help or (default and str(default) == action.default)
        assert states_it, action.dest
        if isinstance(default, float | int):
            assert f"Default: {default:g}" in action.help


def test_help_names_every_option_and_fits_80_columns(
    parser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = parser.format_help()
    assert "rtbench options" in text
    for name in DEFAULTS:
        assert f"--{name.replace('_', '-')} " in text
        assert f"RTBENCH_{name.upper()}" in text.replace("\n", " ")
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("RTBENCH_CHUNK_MS", "40", 40),
        ("RTBENCH_ROOM_TONE_DBFS", "off", None),
        ("RTBENCH_VAD_SILENCE_MS", "300", 300),
        ("RTBENCH_RUNS_DIR", "/tmp/x", "/tmp/x"),
        ("RTBENCH_PROGRESS", "true", True),
    ],
)
def test_environment_sets_an_option(
    parse: Callable[..., Any], variable: str, text: str, value: Any
) -> None:
    options = parse(env={variable: text})
    assert getattr(options, variable.removeprefix("RTBENCH_").lower()) == value


def test_command_line_beats_environment(parse: Callable[..., Any]) -> None:
    assert parse("--chunk-ms", "60", env={"RTBENCH_CHUNK_MS": "40"}).chunk_ms == 60


def test_bad_value_from_the_environment_is_refused(
    parse: Callable[..., Any], parse_error: type[Exception]
) -> None:
    with pytest.raises(parse_error, match=r"--chunk-ms: '25' is not"):
        parse(env={"RTBENCH_CHUNK_MS": "25"})


def test_no_option_takes_a_key(parser: Any) -> None:
    known = [a.dest for a in parser._actions if a.dest != "max_output_tokens"]
    assert not [dest for dest in known if "key" in dest or "token" in dest]


def test_checking_again_keeps_good_values(parse: Callable[..., Any]) -> None:
    options = parse("--room-tone-dbfs", "off", "--watchdog-s", "2.5")
    before = vars(options).copy()
    checks.check_again(options)
    assert vars(options) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chunk_ms", 25),
        ("room_tone_dbfs", 0.0),
        ("vad_silence_ms", -1),
        ("vad_threshold", float("nan")),
        ("vad_prefix_padding_ms", 60_000),
        ("watchdog_s", -1.0),
        ("connect_timeout_s", 0.0),
        ("warmup_s", "soon"),
        ("codec", "opus"),
        ("turn_detection", ""),
        ("max_output_tokens", -1),
    ],
)
def test_value_set_past_the_parser_is_refused(
    parse: Callable[..., Any], name: str, value: Any
) -> None:
    """Locust's web page sets what it likes."""
    options = parse()
    setattr(options, name, value)
    with pytest.raises(Problem, match=f"^--{name.replace('_', '-')}: "):
        checks.check_again(options)


def test_everything_that_is_checked_by_type_is_checked_again(parser: Any) -> None:
    typed = {a.dest for a in parser._actions if a.dest in DEFAULTS and a.type is not None}
    assert typed == set(checks.CHECKS)


def test_importing_it_imports_neither_locust_nor_gevent() -> None:
    """gevent's plugin point does so in every program that patches, ours or not."""
    script = (
        "import sys, bench.load.arguments, bench.load.plan, bench.load.command\n"
        "assert not {'locust', 'gevent'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_patching_another_program_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["other", "--help"])
    before = list(sys.meta_path)
    arguments.show_in_help(Namespace())
    assert sys.meta_path == before
