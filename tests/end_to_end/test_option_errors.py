"""What can be wrong about the options of a run, where Locust reads them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.load.command import scenarios_directory

pytestmark = pytest.mark.end_to_end

RUN = (sys.executable, "-P", "-m", "bench.cli", "run", "ask", "--host", "ws://127.0.0.1:1")
LOCUST = (sys.executable, "-P", "-m", "locust", "-f", scenarios_directory() / "ask.py")

MISTAKES = [
    (
        ("--vad-silense-ms", "300"),
        r"locust: error: unrecognized arguments: --vad-silense-ms\nDid you mean '--vad-sil",
    ),
    (("--chunk-ms", "25"), r"locust: error: argument --chunk-ms: '25' is not 20, 30, … 100 ms"),
    (("--codec",), r"locust: error: argument --codec: expected one argument"),
    (("--dialect", "nosuch.toml"), r"rtbench: nosuch\.toml: cannot be read .*; give a TOML file"),
    (("--fixtures", "nosuch"), r"rtbench: nosuch/manifest\.json: .*"),
    (("--push-to-talk",), r"rtbench: --push-to-talk: .*; add --turn-detection none"),
    (("--language", "en"), r"rtbench: --language 'en': .*; add --transcription-model"),
    (("--config", "wrong.toml"), r"rtbench: wrong\.toml: line 2: chunk_mss: .* chunk_ms\?"),
]


@pytest.mark.parametrize(("options", "said"), MISTAKES)
def test_mistake_in_an_option_is_told_in_a_line(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    (tmp_path / "wrong.toml").write_text("users = 1\nchunk_mss = 40\n", encoding="utf-8")
    done = subprocess.run(
        [*RUN, *options], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(f"{said}.*\n", done.stderr), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.toml"]


def test_locust_alone_reads_the_file_too(tmp_path: Path) -> None:
    (tmp_path / "rtbench.toml").write_text('host = "http://x"\n', encoding="utf-8")
    done = subprocess.run(
        [*LOCUST, "--headless", "-t", "1s"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "rtbench: --host 'http://x' is not a WebSocket URL" in done.stderr
