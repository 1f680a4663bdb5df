"""Our own gate on our own server: the stored baseline, the limits of CI, and a slower build."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = ROOT / ".github" / "latency" / "brief.py"
LIMITS = ROOT / ".github" / "latency" / "limits.yaml"
BASELINE = ROOT / "reports" / "sample-baseline"
USERS = 14
"""As the baseline had."""

SLOWER_MS = 60
NOISE = r"\S+: (Frames left late|Received events lay unread|Worker \w+ (stalled for|used over))"


@dataclass
class Checked:
    """What `rtbench check` said of a run."""

    code: int
    text: str
    verdict: dict[str, Any]
    folder: Path

    def finding(self, metric: str, statistic: str) -> dict[str, Any]:
        findings: list[dict[str, Any]] = self.verdict["gate"]["findings"]
        return next(f for f in findings if (f["metric"], f["statistic"]) == (metric, statistic))

    def skip_if_the_machine_was_too_busy(self) -> None:
        """A run that is invalid for nothing but noise says so, and nothing else can be asked."""
        if self.verdict["verdict"] == "INVALID":
            assert self.code == 3
            for reason in self.verdict["invalid"]:
                assert re.match(NOISE, reason), reason
            pytest.skip(f"too busy a machine: {self.verdict['invalid'][0]}")


@pytest.fixture(scope="module")
def checked(lab: Any) -> dict[str, Checked]:
    """A run of the server as it is and one of a slower one, side by side, each checked."""
    runs = {}
    for name, delay_ms in {"same": 300, "slow": 300 + SLOWER_MS}.items():
        server = lab.server(f"check-{name}", "--vad", "energy", "--reply-delay-ms", delay_ms)
        runs[name] = lab.runs(
            *(f"check-{name}", *lab.rtbench, "run", SCENARIO, "-u", USERS, "-r", USERS),
            *("-t", "15s", "--vad-silence-ms", 200, "--host", server.host),
        )
    found = {}
    for name, program in runs.items():
        folder = program.wait().folder
        told = lab.start(
            *(f"verdict-{name}", *lab.rtbench, "check", folder, "--baseline", BASELINE),
            *("--limits", LIMITS, "--despite", "files", "--despite", "run_time"),
            *("--json", folder / "v.json", "--junit", folder / "j.xml"),
        ).wait()
        assert told.err == ""
        verdict = json.loads((folder / "v.json").read_text("utf-8"))
        found[name] = Checked(told.code, told.out, verdict, folder)
    return found


def test_our_server_is_no_slower_than_its_baseline(checked: dict[str, Checked]) -> None:
    same = checked["same"]
    same.skip_if_the_machine_was_too_busy()
    # A short run beside other tests may not be able to tell, but it must not cry wolf.
    assert same.verdict["verdict"] in {"PASS", "INCONCLUSIVE"}, same.text
    assert same.code == 0


def test_slower_replies_are_a_regression_of_their_size(checked: dict[str, Checked]) -> None:
    slow = checked["slow"]
    slow.skip_if_the_machine_was_too_busy()
    assert (slow.verdict["verdict"], slow.code) == ("REGRESSION", 1), slow.text
    found = slow.finding("response_latency_ms", "shift")
    assert found["verdict"] == "REGRESSION"
    assert found["candidate"] - found["baseline"] == pytest.approx(SLOWER_MS, abs=20)
    assert slow.finding("endpointing_delay_ms", "shift")["verdict"] != "REGRESSION"


def test_junit_and_exit_code_agree(checked: dict[str, Checked]) -> None:
    for each in checked.values():
        xml = JUnitXml.fromfile(str(each.folder / "j.xml"))
        assert (xml.failures > 0) == (each.code == 1)
        assert (xml.errors > 0) == (each.code == 3)
        assert each.verdict["exit_code"] == each.code


def test_ab_of_two_servers(lab: Any) -> None:
    """Two pairs of blocks are too few for a verdict, and enough to see that all of it works."""
    servers = [
        lab.server(f"ab-{delay_ms}", "--vad", "energy", "--reply-delay-ms", delay_ms)
        for delay_ms in (300, 300 + SLOWER_MS)
    ]
    told = lab.runs(
        *("ab", *lab.rtbench, "ab", *(server.host for server in servers)),
        *("--scenario", SCENARIO, "--blocks", 4, "--block-time", "5s", "-u", 4),
        *("--vad-silence-ms", 200),
    ).wait(180)
    (folder,) = told.folders
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert names == ["01-a", "02-b", "03-b", "04-a"], told.text
    for name in names:
        run = json.loads((folder / name / "run.json").read_text("utf-8"))
        assert run["target"].startswith(servers[name.endswith("b")].host)
    assert told.out.count("block ") == 4
    again = lab.start("ab-again", *lab.rtbench, "compare", folder).wait()
    assert again.out.splitlines()[0] in told.out
    assert again.code == told.code
    if told.code == 0:
        assert "at least 8 are needed" in " ".join(told.out.split())
    else:
        assert told.code == 3, told.text
