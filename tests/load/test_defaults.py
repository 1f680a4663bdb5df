"""What a scenario prefers; in a process of its own, for Locust's sake."""

from __future__ import annotations

import subprocess
import sys

PREFERS = """
import sys
from bench.load.defaults import prefer
prefer({preferred})
from locust.argument_parser import parse_options
options = parse_options(args=sys.argv[1:])
print("options", options.codec or "none", options.vad_silence_ms, options.turn_detection)
"""


def run(preferred: str, *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PREFERS.format(preferred=preferred), *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "", **env},
    )


def chosen(preferred: str, *flags: str, **env: str) -> list[str]:
    """Codec, silence and turn detection."""
    done = run(preferred, *flags, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


def test_a_preference_is_a_default() -> None:
    assert chosen('codec="pcmu", vad_silence_ms=300') == ["pcmu", "300", "server_vad"]


def test_flags_and_environment_have_their_say() -> None:
    assert chosen('codec="pcmu"', "--codec", "pcma")[0] == "pcma"
    assert chosen('codec="pcmu"', RTBENCH_CODEC="pcm16")[0] == "pcm16"


def test_a_preference_is_checked_as_a_flag_is() -> None:
    done = run('codec="mp3"')
    assert done.returncode == 2
    assert "'mp3' is not one of pcm16" in done.stderr


def test_an_unknown_option_is_told() -> None:
    done = run("vad_silence=300")
    assert done.returncode == 2
    assert "prefer(vad_silence=…): there is no option --vad-silence" in done.stderr
    assert "Traceback" not in done.stderr
