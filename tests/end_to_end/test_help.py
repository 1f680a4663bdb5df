from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.end_to_end

OPTIONS = (
    *("fixtures", "dialect", "model", "voice", "transcription-model", "chunk-ms"),
    *("room-tone-dbfs", "vad-silence-ms", "vad-threshold", "vad-prefix-padding-ms"),
    *("watchdog-s", "connect-timeout-s", "warmup-s", "runs-dir", "run-id", "progress"),
)


@pytest.mark.parametrize("with_scenario", [True, False])
def test_locusts_help_lists_our_options(lab: Any, with_scenario: bool) -> None:
    scenario = ("-f", lab.ask) if with_scenario else ()
    shown = lab.start("help", *lab.locust_command, *scenario, "--help").wait()
    assert shown.code == 0
    assert shown.err == ""
    assert shown.out.count("rtbench options") == 1
    for name in OPTIONS:
        assert shown.out.count(f"\n  --{name} ") == 1 or shown.out.count(f"\n  --{name}\n") == 1
    assert "OPENAI_API_KEY" in shown.out
    ours = shown.out[shown.out.index("rtbench options") :]
    ours = ours.rpartition("--progress")[0]  # what follows the last option is Locust's
    assert max(map(len, ours.splitlines())) <= 80


def test_other_locustfiles_do_not_know_our_options(lab: Any) -> None:
    other = lab.write("other", "from locust import User\n\n\nclass Nobody(User):\n    pass\n")
    command = (*lab.locust_command, "-f", other, "--headless", "-t", "1s", "--chunk-ms", 20)
    run = lab.start("other", *command).wait()
    assert run.code == 2
    assert "unrecognized arguments: --chunk-ms" in run.err


def test_listing_users_needs_no_server(lab: Any) -> None:
    run = lab.start("list", *lab.locust_command, "-f", lab.ask, "--list").wait()
    assert run.code == 0
    assert "rtbench" not in run.err
    assert "Ask" in run.out
