from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.load.command import find_scenario, locust_command, scenarios_directory
from bench.problem import Problem


def test_scenario_by_name() -> None:
    assert find_scenario("ask") == scenarios_directory() / "ask.py"


def test_scenario_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ask.py").write_text("", encoding="utf-8")
    assert find_scenario("ask.py") == Path("ask.py")
    assert find_scenario(str(tmp_path / "ask.py")) == tmp_path / "ask.py"


def test_folder_of_the_scenarios_name_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ask").mkdir()
    assert find_scenario("ask") == scenarios_directory() / "ask.py"


@pytest.mark.parametrize("name", ["nosuch", "", "nosuch.py", "../ask/nosuch", "--tags"])
def test_unknown_scenario_is_told_which_there_are(name: str) -> None:
    with pytest.raises(Problem, match=r"neither a file nor one of .*\bask\b"):
        find_scenario(name)


def test_command_is_locusts_headless() -> None:
    command = locust_command(
        Path("dir with space/x.py"), users=50, spawn_rate=0.25, run_time="1m30s", host="ws://h:1"
    )
    assert command[:4] == [sys.executable, "-P", "-m", "locust"]
    assert command[command.index("-f") + 1] == "dir with space/x.py"
    for flag, value in (
        ("--users", "50"),
        ("--spawn-rate", "0.25"),
        ("--run-time", "1m30s"),
        ("--host", "ws://h:1"),
    ):
        assert command[command.index(flag) + 1] == value
    assert {"--headless", "--progress"} <= set(command)


def test_without_a_host_the_scenarios_own_counts() -> None:
    command = locust_command(Path("x.py"), users=1, spawn_rate=1, run_time="1s", host=None)
    assert "--host" not in command


def test_large_rates_stay_numbers_that_locust_reads() -> None:
    command = locust_command(Path("x.py"), users=1, spawn_rate=2e6, run_time="1s", host=None)
    assert float(command[command.index("--spawn-rate") + 1]) == 2e6
