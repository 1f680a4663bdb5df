"""Turns rtbench's own Locust options into checked values.

Importing it must stay cheap and must not import locust: gevent's plugin point does.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.abc import MetaPathFinder
from typing import Any

from bench.load.checks import CHECKS

DEFAULT_PORT = 8765
DEFAULT_HOST = f"ws://127.0.0.1:{DEFAULT_PORT}"
"""Where `rtbench serve` listens when nobody says otherwise."""


def add_arguments(parser: Any, given: Mapping[str, Any] | None = None) -> None:
    """Add our options, each with an environment variable RTBENCH_…, to Locust's parser.

    Their defaults are those of `given`, by their names; None reads the configuration file, whose
    mistakes end the process with code 2.
    """
    if given is None:
        # Not on top: gevent's plugin point imports this module in every program that patches.
        from bench.load.run_defaults import read_run_defaults  # noqa: PLC0415

        given = read_run_defaults(parser)
        if parser.prog == "__main__.py":  # what `rtbench run` has become
            parser.prog = "locust"
    group = parser.add_argument_group(
        "rtbench options",
        "Of scenarios built on RealtimeUser. --host takes ws:// or wss://; keys come\n"
        "from the environment only (OPENAI_API_KEY, or what the dialect names).",
    )

    def option(flag: str, **keywords: Any) -> None:
        name = flag.removeprefix("--").replace("-", "_")
        variable = f"RTBENCH_{name.upper()}"
        if name in given:
            keywords["default"] = given[name]
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
        "--codec",
        type=CHECKS["codec"],
        default="",
        metavar="<name>",
        help="Format of the audio both ways: pcm16, pcm16_16k, pcmu or pcma. Default: the "
        "dialect's, mostly pcm16",
    )
    option(
        "--input-codec",
        type=CHECKS["input_codec"],
        default="",
        metavar="<name>",
        help="Format of the audio to the server. Default: --codec",
    )
    option(
        "--output-codec",
        type=CHECKS["output_codec"],
        default="",
        metavar="<name>",
        help="Format of the audio from the server. Default: --codec",
    )
    option(
        "--session-type",
        type=CHECKS["session_type"],
        default="realtime",
        metavar="<type>",
        help="realtime, or transcription: what is said is written down and nobody answers. "
        "Default: realtime",
    )
    option(
        "--output-modality",
        type=CHECKS["output_modality"],
        default="audio",
        metavar="<audio|text>",
        help="What replies are made of. Default: audio",
    )
    option(
        "--instructions",
        default="",
        metavar="<text>",
        help="What the model is told to be. Default: nothing",
    )
    option(
        "--max-output-tokens",
        type=CHECKS["max_output_tokens"],
        default=None,
        metavar="<n|off>",
        help="Longest reply. Default: off, which leaves it to the server",
    )
    option(
        "--transcription-model",
        default="",
        metavar="<name>",
        help="Ask for transcripts of the caller's speech by this model. Default: none",
    )
    option(
        "--language",
        type=CHECKS["language"],
        default="",
        metavar="<code>",
        help="Language of the caller's speech, for transcripts: en, pt-BR. Default: unsaid",
    )
    option(
        "--chunk-ms",
        type=CHECKS["chunk_ms"],
        default=20,
        metavar="<20..100>",
        help="Audio per append event, in steps of 10 ms. Default: 20",
    )
    option(
        "--room-tone-dbfs",
        type=CHECKS["room_tone_dbfs"],
        default=-65.0,
        metavar="<dBFS|off>",
        help="Level of the room tone; off sends digital zeros. Default: -65",
    )
    option(
        "--tail",
        default="room-tone",
        metavar="<name>",
        help="What the microphone hears while nobody speaks: room-tone, silence, or a clip "
        "without speech, looped, such as bed_babble. Default: room-tone",
    )
    option(
        "--push-to-talk",
        action="store_true",
        default=False,
        help="Send audio of utterances only; needs --turn-detection none",
    )
    option(
        "--turn-detection",
        type=CHECKS["turn_detection"],
        default="server_vad",
        metavar="<name>",
        help="Who ends a turn: server_vad, semantic_vad, or none: the caller then commits and "
        "asks for the response. Default: server_vad",
    )
    option(
        "--eagerness",
        type=CHECKS["eagerness"],
        default="auto",
        metavar="<name>",
        help="semantic_vad: how soon it answers: low, medium, high or auto. Default: auto",
    )
    option(
        "--vad-interrupt",
        type=CHECKS["vad_interrupt"],
        default="on",
        metavar="<on|off>",
        help="Whether the caller's speech stops a reply. Default: on",
    )
    option(
        "--vad-idle-timeout-ms",
        type=CHECKS["vad_idle_timeout_ms"],
        default=None,
        metavar="<ms|off>",
        help="server_vad: speak to a caller who has said nothing for so long. Default: off",
    )
    option(
        "--vad-silence-ms",
        type=CHECKS["vad_silence_ms"],
        default=500,
        metavar="<ms>",
        help="server_vad: silence that ends a turn. Default: 500",
    )
    option(
        "--vad-threshold",
        type=CHECKS["vad_threshold"],
        default=0.5,
        metavar="<0..1>",
        help="server_vad: how sure it must be of speech. Default: 0.5",
    )
    option(
        "--vad-prefix-padding-ms",
        type=CHECKS["vad_prefix_padding_ms"],
        default=300,
        metavar="<ms>",
        help="server_vad: audio kept from before the onset. Default: 300",
    )
    option(
        "--watchdog-s",
        type=CHECKS["watchdog_s"],
        default=10.0,
        metavar="<s>",
        help="Give a turn up after so long without a sign of an answer. Default: 10",
    )
    option(
        "--connect-timeout-s",
        type=CHECKS["connect_timeout_s"],
        default=10.0,
        metavar="<s>",
        help="Give up opening a session after so long. Default: 10",
    )
    option(
        "--warmup-s",
        type=CHECKS["warmup_s"],
        default=0.0,
        metavar="<s>",
        help="Keep turns begun before this out of the percentiles. Default: 0",
    )
    option(
        "--record",
        type=CHECKS["record"],
        default=0,
        metavar="<0..20>",
        help="Keep recordings of so many turns of each class, caller left and reply right: the "
        "worst, those near the median, random ones, and of each way to fail. Default: 0",
    )
    option(
        "--yes",
        action="store_true",
        default=False,
        help="Send to another machine, which may bill it, without asking first",
    )
    option(
        "--max-usd",
        type=CHECKS["max_usd"],
        default=None,
        metavar="<usd|off>",
        help="Begin no new session when 90 %% of so many dollars are spent, by the usage that "
        "responses tell, and end the run, with exit code 4, when all are. Default: off",
    )
    option(
        "--prices",
        default="",
        metavar="<file>",
        help="TOML file of dollars per million tokens by model; the run keeps a copy. Default: "
        "rtbench's own list",
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
