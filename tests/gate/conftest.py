from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import cli
from tests.gate.made_runs import make_run
from tests.gate.said import Say, Told


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of one plan by name; no test may change them."""
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "base", seed=1)
    make_run(folder / "same", seed=2)
    make_run(folder / "slow", seed=3, reply_ms=360)
    make_run(folder / "tail", seed=4, slow_share=0.05, slow_ms=60)
    make_run(folder / "fails", seed=5, failing=0.06)
    make_run(folder / "refused", seed=6, refused=30)
    make_run(folder / "few", seed=7, turns=4)
    make_run(folder / "late", seed=8, late_ms=30)
    make_run(folder / "empty", seed=9, sessions=0)
    make_run(folder / "fast", seed=11, reply_ms=200)
    make_run(
        *(folder / "unlike",),
        seed=10,
        options=(("vad_silence_ms", 500), ("num_users", 20)),
        plan="c" * 64,
    )
    return folder


@pytest.fixture
def rtbench(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Say:
    """Run a command in an empty folder as the installed program does."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    monkeypatch.delenv("CI_COMMIT_SHA", raising=False)
    monkeypatch.chdir(tmp_path)

    def say(*arguments: object) -> Told:
        monkeypatch.setattr(sys, "argv", ["rtbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        code = left.value.code
        assert code is None or isinstance(code, int)
        return Told(code or 0, *capsys.readouterr())

    return say
