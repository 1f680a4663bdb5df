"""Runs the scripts of this folder with node against a wss server, as `make sdk-npm` does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import soundfile

from bench.audio.catalogue import Catalogue, default_directory
from bench.server.certificate import ensure_certificate

HERE = Path(__file__).parent


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificate, _ = ensure_certificate(folder)
        clip = folder / "weather.wav"
        weather = Catalogue.open(default_directory()).get("weather").pcm
        soundfile.write(clip, weather, 24_000, subtype="PCM_16")
        server = subprocess.Popen(
            [sys.executable, "-m", "bench.cli", "serve", "--port", "0", "--tls", name],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
        )
        assert server.stdout is not None
        try:
            address = re.search(r"wss://\S+", server.stdout.readline())
            assert address is not None
            trusting = os.environ | {"NODE_EXTRA_CA_CERTS": str(certificate)}
            for script in ("openai.js", "agents.js"):
                command = ["node", script, address[0], str(clip)]
                subprocess.run(command, cwd=HERE, env=trusting, check=True, timeout=60)
        finally:
            server.terminate()
            server.wait(10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
