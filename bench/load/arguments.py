"""Turns rtbench's own Locust options into checked values.

Importing it must stay cheap and must not import locust: gevent's plugin point does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from typing import Any

from bench.problem import Problem

DEFAULT_PORT = 8765
DEFAULT_HOST = f"ws://127.0.0.1:{DEFAULT_PORT}"
"""Where `rtbench serve` listens when nobody says otherwise."""


def add_arguments(parser: Any) -> None:
    """Add our options, each with an environment variable RTBENCH_…, to Locust's parser."""
    group = parser.add_argument_group(
        "rtbench options",
        "Of scenarios built on RealtimeUser. --host takes ws:// or wss://; keys come\n"
        "from the environment only (OPENAI_API_KEY, or what the dialect names).",
    )

    def option(flag: str, **keywords: Any) -> None:
        variable = "RTBENCH_" + flag.removeprefix("--").replace("-", "_").upper()
        group.add_argument(flag, env_var=variable, **keywords)

    option(
        "--fixtures",
        default="",
        metavar="<dir>",
        help="Folder with the clips and their manifest.json. Default: rtbench's own",
    )
    option(
        "--dialect",
        default="openai",
        metavar="<name|file>",
        help="How the target speaks Realtime: openai, openai-beta, azure, azure-preview, a ready "
        "file such as xai, localai or speaches, or a TOML file of your own. Default: openai",
    )
    option(
        "--header",
        action="append",
        metavar="<line>",
        help="A header to send too, or in place of the dialect's: 'Name: value'; ${VARIABLE} "
        "in it comes from the environment. May be given again. Default: none",
    )
    option(
        "--model",
        default="",
        metavar="<name>",
        help="Model to ask for. Default: the dialect's, for openai gpt-realtime",
    )
    option(
        "--voice",
        default="",
        metavar="<name>",
        help="Voice to ask for. Default: the dialect's, for openai marin",
    )
    option(
        "--transcription-model",
        default="",
        metavar="<name>",
        help="Ask for transcripts of the caller's speech by this model. Default: none",
    )
    option(
        "--chunk-ms",
        type=_CHECKS["chunk_ms"],
        default=20,
        metavar="<20..100>",
        help="Audio per append event, in steps of 10 ms. Default: 20",
    )
    option(
        "--room-tone-dbfs",
        type=_CHECKS["room_tone_dbfs"],
        default=-65.0,
        metavar="<dBFS|off>",
        help="Level of the noise sent while nobody speaks; off sends digital zeros. Default: -65",
    )
    option(
        "--vad-silence-ms",
        type=_CHECKS["vad_silence_ms"],
        default=500,
        metavar="<ms>",
        help="server_vad: silence that ends a turn. Default: 500",
    )
    option(
        "--vad-threshold",
        type=_CHECKS["vad_threshold"],
        default=0.5,
        metavar="<0..1>",
        help="server_vad: how sure it must be of speech. Default: 0.5",
    )
    option(
        "--vad-prefix-padding-ms",
        type=_CHECKS["vad_prefix_padding_ms"],
        default=300,
        metavar="<ms>",
        help="server_vad: audio kept from before the onset. Default: 300",
    )
    option(
        "--watchdog-s",
        type=_CHECKS["watchdog_s"],
        default=10.0,
        metavar="<s>",
        help="Give a turn up after so long without a sign of an answer. Default: 10",
    )
    option(
        "--connect-timeout-s",
        type=_CHECKS["connect_timeout_s"],
        default=10.0,
        metavar="<s>",
        help="Give up opening a session after so long. Default: 10",
    )
    option(
        "--warmup-s",
        type=_CHECKS["warmup_s"],
        default=0.0,
        metavar="<s>",
        help="Keep turns begun before this out of the percentiles. Default: 0",
    )
    option(
        "--runs-dir",
        default="reports",
        metavar="<dir>",
        help="Where the run's folder is made. Default: reports",
    )
    option(
        "--run-id", default="", metavar="<name>", help="Name of the run's folder. Default: time"
    )
    option(
        "--progress",
        action="store_true",
        default=False,
        help="Print a line of sessions, turns and latency while running",
    )


def _chunk_ms(text: str) -> int:
    value: int = _number(int, text)
    if value not in range(20, 101, 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not 20, 30, … 100 ms")
    return value


def _room_tone(text: str) -> float | None:
    if text == "off":
        return None
    value: float = _number(float, text)
    if not -100 <= value <= -20:
        raise argparse.ArgumentTypeError(f"{text!r} is not between -100 and -20 dBFS, nor 'off'")
    return value


def _between(kind: type[int] | type[float], low: float, high: float) -> Any:
    def check(text: str) -> int | float:
        value: int | float = _number(kind, text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not between {low:g} and {high:g}")
        return value

    return check


def _number(kind: Any, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


_CHECKS: dict[str, Callable[[str], Any]] = {
    "chunk_ms": _chunk_ms,
    "room_tone_dbfs": _room_tone,
    "vad_silence_ms": _between(int, 0, 10_000),
    "vad_threshold": _between(float, 0.0, 1.0),
    "vad_prefix_padding_ms": _between(int, 0, 5_000),
    "watchdog_s": _between(float, 0.5, 600.0),
    "connect_timeout_s": _between(float, 0.1, 600.0),
    "warmup_s": _between(float, 0.0, 86_400.0),
}


def check_again(options: Any) -> None:
    """Check values once more: Locust's web page sets them without asking our types.

    Raises:
        Problem: a value is out of its range.
    """
    for name, check in _CHECKS.items():
        value = getattr(options, name)
        try:
            setattr(options, name, check("off" if value is None else str(value)))
        except argparse.ArgumentTypeError as error:
            raise Problem(f"--{name.replace('_', '-')}: {error}") from None


class _BeforeLocustMain(MetaPathFinder):
    """Adds our options the moment before Locust's command line is imported, then goes away."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        """Never finds a module; `locust.main` is looked up once `locust` itself is complete."""
        if fullname == "locust.main":
            sys.meta_path.remove(self)
            sys.modules["locust"].events.init_command_line_parser.add_listener(add_arguments)


def show_in_help(_event: object) -> None:
    """Make `locust --help` list our options; gevent calls this when it patches.

    Locust prints its help before it reads the locustfile, so what a locustfile adds never
    shows (locustio/locust#2917). Any other start of any other program is left alone.
    """
    if "locust" in sys.modules and {"-h", "--help"} & set(sys.argv[1:]):
        sys.meta_path.insert(0, _BeforeLocustMain())
