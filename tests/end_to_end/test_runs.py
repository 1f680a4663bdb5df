from __future__ import annotations

import json
import math
from collections.abc import Callable
from statistics import median
from typing import Any

import pandas as pd
import pytest

from bench.analysis.truth import MeasurementError, measurement_error
from bench.report.build import load_record
from bench.report.wording import number
from bench.runs.folder import RunFolder

pytestmark = pytest.mark.end_to_end

MS = 1_000_000
RUN_KEYS = {
    *("schema_version", "rtbench_version", "run_id", "scenario", "options", "plan_sha256"),
    *("target", "dialect", "model", "utterances", "started_at", "ended_at", "workers"),
    "environment",
}
WORKER_KEYS = {
    *("host", "pid", "ended", "parts", "sessions", "clock_anchors", "kernel_stamps"),
    *("cpu_s", "max_rss_bytes", "process", "stalls", "collector"),
}
FILES = {
    *("appends.parquet", "events.parquet", "report.html", "run.json", "summary.json"),
    "turns.parquet",
}


def details(events: pd.DataFrame, kind: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in events[events.kind == kind].detail]


def error_against(run: Any) -> MeasurementError:
    record = load_record(RunFolder.open(run.folder))
    return measurement_error(record.turns, run.notes["truth"])


class TestPlainRun:
    """Twelve callers for twelve seconds."""

    def test_ends_well(self, asked: Any) -> None:
        asked.assert_clean_exit()
        assert "Report: " in asked.out

    def test_folder_holds_the_documented_files_and_no_more(self, asked: Any) -> None:
        assert {path.name for path in asked.folder.iterdir()} == FILES

    def test_each_utterance_is_a_turn_and_nothing_else_is(self, asked: Any) -> None:
        events, turns = asked.table("events.parquet"), asked.table("turns.parquet")
        said = events[events.kind == "utterance"]
        noted = {
            (session, detail["turn"], detail["utterance"], at_ns)
            for session, at_ns, detail in zip(
                said.session_id, said.at_ns, map(json.loads, said.detail), strict=True
            )
        }
        found = set(
            zip(turns.session_id, turns.turn_index, turns.utterance, turns.started_ns, strict=True)
        )
        assert len(said) == len(noted) >= 24
        assert found == noted
        assert asked.outcomes == {"ok"}

    def test_every_session_opens_speaks_and_closes_once(self, asked: Any) -> None:
        events = asked.table("events.parquet")
        assert events.session_id.nunique() == 12
        for kind in ("connect_started", "connected", "audio_started", "closed"):
            assert (events[events.kind == kind].groupby("session_id").size() == 1).all(), kind
        assert {detail["by"] for detail in details(events, "closed")} == {"client"}
        assert not events.duplicated(["session_id", "seq"]).any()

    def test_a_frame_for_every_chunk_of_every_session(self, asked: Any) -> None:
        events, appends = asked.table("events.parquet"), asked.table("appends.parquet")
        opened = events[events.kind == "audio_started"].set_index("session_id").at_ns
        ended = events[events.kind == "audio_ended"].set_index("session_id").at_ns
        assert len(opened) == 12
        for session_id, frames in appends.groupby("session_id", observed=True):
            begun_ns = opened[session_id]
            due = (ended[session_id] - begun_ns) // (20 * MS)
            assert -5 <= len(frames) - due <= 1, session_id  # its end may be held up
            assert frames["index"].tolist() == list(range(len(frames)))
            expected_ns = begun_ns + (frames["index"] + 1) * 20 * MS
            assert (frames.due_ns == expected_ns).all()
            assert frames.sent_ns.notna().all()
            assert (frames.sent_ns >= frames.due_ns).all()

    def test_lateness_is_told(
        self, asked: Any, record_property: Callable[[str, Any], None]
    ) -> None:
        frames = asked.table("appends.parquet")
        late_ms = (frames.sent_ns - frames.due_ns) / MS
        p50, p99, worst = (float(late_ms.quantile(q)) for q in (0.5, 0.99, 1.0))
        record_property("lateness_p99_ms", p99)
        print(f"lateness of {len(frames)} frames: {p50:.2f} {p99:.2f} {worst:.2f} ms")
        told = asked.json("summary.json")["pacing"]
        assert told["frames_due"] == told["frames_sent"] == len(frames)
        assert told["lateness_ms"]["max"] == pytest.approx(worst)

    def test_time_to_first_audio_is_the_sum_of_its_parts(self, asked: Any) -> None:
        turns = asked.turns
        parts = turns[["ttfa_ms", "endpointing_delay_ms", "response_latency_ms"]].dropna()
        assert len(parts) == len(turns)
        gap_ms = parts.ttfa_ms - parts.endpointing_delay_ms - parts.response_latency_ms
        assert gap_ms.abs().max() <= 1e-6

    def test_run_json_is_complete(self, asked: Any) -> None:
        run = asked.json("run.json")
        assert run.keys() >= RUN_KEYS
        assert run["run_id"] == asked.folder.name
        assert run["scenario"]["classes"] == ["Ask"]
        assert run["started_at"] < run["ended_at"]
        assert run["options"]["num_users"] == 12
        assert run["utterances"].keys() == {"question"}
        (worker,) = run["workers"].values()
        assert worker.keys() >= WORKER_KEYS
        assert worker["ended"] == "closed"
        assert worker["sessions"] == 12
        first, last = worker["clock_anchors"]
        assert last["monotonic_ns"] - first["monotonic_ns"] > 12e9

    def test_no_secret_is_left_anywhere(self, asked: Any) -> None:
        assert "sk-" not in asked.text
        for path in asked.folder.rglob("*"):
            assert b"sk-" not in path.read_bytes() or path.suffix == ".parquet", path
        for text in asked.table("events.parquet").detail.dropna():
            assert "sk-" not in text
            assert "Bearer" not in text

    def test_report_shows_the_summarys_median(self, asked: Any) -> None:
        page = (asked.folder / "report.html").read_text(encoding="utf-8")
        p50 = asked.json("summary.json")["metrics"]["ttfa_ms"]["p50"]["value"]
        assert 700 < p50 < 1_500
        assert number(p50) in page
        assert number(p50, plain=True) in asked.out

    def test_summary_agrees_with_the_turns(self, asked: Any) -> None:
        summary, turns = asked.json("summary.json"), asked.turns
        measured = turns[turns.turn_class == "measured"]
        assert summary["turns"]["started"] == len(asked.table("turns.parquet"))
        assert summary["turns"]["cold"] == 12
        ordered = sorted(measured.ttfa_ms)
        median = ordered[math.ceil(len(ordered) / 2) - 1]
        assert summary["metrics"]["ttfa_ms"]["p50"]["value"] == pytest.approx(median)

    def test_locusts_own_table_shows_turns_and_never_zero(self, asked: Any) -> None:
        table, turns = asked.notes["csv"], asked.turns
        named = table[table.Name != "Aggregated"]
        assert named["Min Response Time"].min() > 0
        assert named["Failure Count"].sum() == 0
        rows = named.set_index("Type")
        assert {"setup", "ttfa", "endpointing_delay", "response_latency"} <= set(rows.index)
        assert rows.loc["ttfa"].Name == "question"
        assert rows.loc["ttfa", "Request Count"] == len(turns)
        assert rows.loc["ttfa", "Average Response Time"] == pytest.approx(turns.ttfa_ms.mean())
        assert rows.loc["setup", "Request Count"] == 12

    def test_every_turn_is_in_the_servers_log(self, asked: Any) -> None:
        error = error_against(asked)
        assert error.unmatched == 0
        assert error.matched == len(asked.turns)
        assert abs(error.response_latency_ms.p50.value) < 3


@pytest.mark.parametrize("delay_ms", [100, 600])
class TestInjectedDelay:
    """What the server did is what is measured."""

    @pytest.fixture
    def run(self, delay_ms: int, delayed_100: Any, delayed_600: Any) -> Any:
        return delayed_100 if delay_ms == 100 else delayed_600

    def test_ends_well(self, run: Any, delay_ms: int) -> None:
        assert delay_ms
        run.assert_clean_exit()

    def test_response_latency_is_the_servers(self, run: Any, delay_ms: int) -> None:
        turns = run.turns
        error = error_against(run)
        median_ms = turns.response_latency_ms.median()
        print(f"{delay_ms} ms: {median_ms:.1f}", error.response_latency_ms)
        assert error.unmatched == 0
        assert error.matched == len(turns) >= 5
        assert abs(error.response_latency_ms.p50.value) <= 3
        assert delay_ms - 1 < median_ms < delay_ms + 50  # a busy server takes its time

    def test_endpointing_is_the_servers(self, run: Any, delay_ms: int) -> None:
        assert delay_ms
        error = error_against(run)
        print("speech_stopped:", error.speech_stopped_ms)
        assert abs(error.speech_stopped_ms.p50.value) <= 3
        turns = run.turns.set_index("response_id")
        by_response = {line.get("response_id"): line for line in run.notes["truth"]}
        all_ms = []
        for response_id, turn in turns.iterrows():
            true_ms = (by_response[response_id]["speech_stopped_ns"] - turn.speech_end_ns) / MS
            assert turn.endpointing_delay_ms == pytest.approx(true_ms, abs=200)
            all_ms.append(true_ms)
        assert min(all_ms) > 450
        assert median(all_ms) < 700  # 500 ms of silence, asked for


class TestKilledRun:
    """kill -9 in the middle."""

    def test_report_is_made_and_says_invalid_and_why(self, killed: Any) -> None:
        report = killed.notes["report"]
        assert report.code == 0, report.text
        assert "Traceback" not in report.text
        assert report.out.startswith("INVALID\n")
        flowed = " ".join(report.out.split())
        assert "The run did not end properly" in flowed
        assert "Worker w0 did not end properly" in flowed
        page = (killed.folder / "report.html").read_text(encoding="utf-8")
        assert "INVALID" in page.upper()
        assert "did not end properly" in page

    def test_verdict_is_exit_code_3(self, killed: Any) -> None:
        assert killed.notes["verdict"].code == 3

    def test_no_more_than_seconds_are_lost(self, killed: Any) -> None:
        at_ns = killed.notes["killed_ns"]
        frames, events = killed.table("appends.parquet"), killed.table("events.parquet")
        lost_frames_s = (at_ns - frames.due_ns.max()) / 1e9
        lost_events_s = (at_ns - events[events.direction == "in"].at_ns.max()) / 1e9
        print(f"lost: {lost_frames_s:.2f} s of frames, {lost_events_s:.2f} s of events")
        assert 0 <= lost_frames_s <= 5
        assert 0 <= lost_events_s <= 5
        assert len(frames) > 4 * 50 * 3

    def test_parts_stay(self, killed: Any) -> None:
        names = {path.name for path in (killed.folder / "parts").iterdir()}
        assert "w0-00000.events.parquet" in names
        assert killed.json("run.json")["ended_at"] is None

    def test_turns_under_way_are_no_failures_of_the_server(self, killed: Any) -> None:
        assert "stopped" in killed.outcomes
        assert killed.outcomes <= {"ok", "stopped"}


class TestTwoProcesses:
    """--processes 2, and --tags on the way."""

    def test_ends_well(self, two_processes: Any) -> None:
        two_processes.assert_clean_exit()

    def test_both_workers_closed(self, two_processes: Any) -> None:
        workers = two_processes.json("run.json")["workers"]
        assert sorted(workers) == ["w0", "w1"]
        assert {worker["ended"] for worker in workers.values()} == {"closed"}
        assert len({worker["pid"] for worker in workers.values()}) == 2
        assert [worker["sessions"] for worker in workers.values()] == [2, 2]

    def test_sessions_of_both_are_in_the_turns_and_none_twice(self, two_processes: Any) -> None:
        turns = two_processes.turns
        assert {session.rpartition("-")[0] for session in turns.session_id} == {"w0", "w1"}
        assert turns.session_id.nunique() == 4
        assert not turns.duplicated(["session_id", "turn_index"]).any()
        events = two_processes.table("events.parquet")
        assert (events.kind == "connect_started").sum() == events.session_id.nunique() == 4
        assert not events.duplicated(["session_id", "seq"]).any()
        assert two_processes.outcomes == {"ok"}

    def test_tags_choose_the_task(self, two_processes: Any) -> None:
        assert set(two_processes.turns.utterance) == {"short"}
        assert two_processes.json("run.json")["options"]["tags"] == ["brief"]

    def test_no_part_is_left(self, two_processes: Any) -> None:
        assert {path.name for path in two_processes.folder.iterdir()} == FILES


class TestInterrupts:
    def test_first_one_ends_the_run_with_a_report(self, interrupted: Any) -> None:
        assert interrupted.code == 130, interrupted.text  # of 60 s that were asked for
        assert "Traceback" not in interrupted.text
        assert interrupted.survivors == []
        assert "Report: " in interrupted.out
        assert interrupted.seconds < 55
        assert interrupted.outcomes == {"ok"}
        assert interrupted.json("run.json")["workers"]["w0"]["ended"] == "closed"

    def test_scenarios_own_host_was_the_target(self, interrupted: Any, lab: Any) -> None:
        target = interrupted.json("run.json")["target"]
        assert target == f"{lab.shared_server.host}/v1/realtime"

    def test_progress_lines_fit_a_terminal(self, interrupted: Any) -> None:
        lines = [line for line in interrupted.out.splitlines() if " users " in line]
        assert lines
        assert max(map(len, lines)) <= 80

    def test_second_one_leaves_at_once_and_keeps_the_records(self, interrupted_twice: Any) -> None:
        assert interrupted_twice.code == 130
        assert interrupted_twice.survivors == []
        assert "rtbench: interrupted; records are kept" in interrupted_twice.err
        assert f"rtbench report {interrupted_twice.folder}" in interrupted_twice.err
        assert "Traceback" not in interrupted_twice.text
        report = interrupted_twice.notes["report"]
        assert report.code == 0, report.text
        assert report.out.startswith("INVALID\n")

    def test_one_while_the_last_turns_are_waited_for(self, interrupted_at_its_end: Any) -> None:
        interrupted_at_its_end.assert_clean_exit("No turn was measured")
        assert interrupted_at_its_end.outcomes == {"ok"}

    def test_one_that_hits_the_engine(self, interrupted_in_the_engine: Any) -> None:
        run = interrupted_in_the_engine
        assert run.code == 130, run.text
        assert "Traceback" not in run.text
        assert run.outcomes == {"ok"}
        assert run.seconds < 55  # of 60 s that were asked for

    def test_one_that_reaches_master_and_workers(self, two_processes_interrupted: Any) -> None:
        run = two_processes_interrupted
        run.assert_clean_exit()  # with no --run-time that is its end
        assert {w["ended"] for w in run.json("run.json")["workers"].values()} == {"closed"}
        assert run.outcomes == {"ok"}


class TestServerLost:
    """The server is killed while callers speak."""

    def test_run_ends_at_its_time_with_exit_code_1(self, server_lost: Any) -> None:
        if server_lost.json("summary.json")["validity"]["valid"]:
            assert server_lost.code == 1
        else:
            assert server_lost.code == 3
        assert "Traceback" not in server_lost.text
        assert server_lost.survivors == []
        assert 8 < server_lost.notes["since_spawned_s"] < 45
        assert (server_lost.folder / "report.html").exists()

    def test_turns_under_way_are_disconnected(self, server_lost: Any) -> None:
        turns = server_lost.turns
        last = turns.groupby("session_id").last()
        lost = last[last.ended_ns >= server_lost.notes["lost_ns"] - 50 * MS]
        assert len(lost) >= 1
        assert set(lost.outcome) == {"disconnected"}
        assert server_lost.outcomes <= {"ok", "disconnected"}

    def test_later_connects_are_recorded_as_refused(self, server_lost: Any) -> None:
        events = server_lost.table("events.parquet")
        failed = details(events, "connect_failed")
        assert len(failed) >= 4
        assert {detail["class"] for detail in failed} == {"refused"}
        summary = server_lost.json("summary.json")
        assert summary["sessions"]["failed"] == len(failed)
        assert summary["sessions"]["opened"] == 4
        assert "refused" in {error["class"] for error in summary["errors"]}

    def test_callers_wait_between_attempts(self, server_lost: Any) -> None:
        events = server_lost.table("events.parquet")
        attempts = events[events.kind == "connect_started"].at_ns
        later = attempts[attempts > server_lost.notes["lost_ns"]]
        assert len(later) <= 4 * 12  # four callers, at most two attempts a second each


class TestWebPage:
    """Locust with its web page: two runs and two refusals in one process."""

    def test_first_run_has_its_report_while_locust_goes_on(self, web: Any) -> None:
        assert web.notes["swarm"]["success"] is True
        assert len(web.notes["after_first"]) == 1

    def test_bad_values_from_the_page_are_refused_by_name(self, web: Any) -> None:
        assert web.notes["after_refusals"] == web.notes["after_first"]
        assert web.err.count("rtbench: --chunk-ms: '25' is not 20, 30") == 1
        assert web.err.count("rtbench: --host 'http://x' is not a WebSocket URL") == 1

    def test_second_run_gets_a_folder_and_a_report_of_its_own(self, web: Any) -> None:
        assert len(web.folders) == 2
        for folder in web.folders:
            assert {path.name for path in folder.iterdir()} == FILES
            run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            assert run["options"]["num_users"] == 2
            assert run["workers"]["w0"]["ended"] == "closed"
            turns = pd.read_parquet(folder / "turns.parquet")
            assert set(turns.outcome) <= {"ok", "stopped", "client_late"}
            assert set(turns.session_id) == {"w0-00000", "w0-00001"}

    def test_sigterm_during_a_run_ends_it_well(self, web: Any) -> None:
        assert web.code in {0, 3}  # 3: its second run was too short to measure a turn
        assert "Traceback" not in web.text
        assert web.survivors == []


class TestEveryClip:
    """Each of the callers' clips over and over, by `rtbench run FILE` from elsewhere."""

    def test_run_ends_by_itself(self, clips: Any) -> None:
        assert clips.code in {0, 1, 3}, clips.text
        assert "Traceback" not in clips.text
        assert clips.survivors == []

    def test_every_turn_gets_its_reply(self, clips: Any) -> None:
        turns = clips.turns
        shown = turns.groupby(["utterance", "outcome"]).size().to_string()
        print(shown)
        assert turns.utterance.nunique() == 8
        others = turns[~turns.utterance.isin(["mid_pause", "noise"])]
        assert set(others.outcome) - {"client_late"} == {"ok"}, shown
        assert not others.cut_off.any()
        assert (others.reply_ms > 1_000).all()

    def test_pause_of_700_ms_ends_the_turn_early(self, clips: Any) -> None:
        turns = clips.turns
        paused = turns[turns.utterance == "mid_pause"]
        assert len(paused)
        assert paused.cut_off.all()
        assert set(paused.outcome) <= {"cut_off", "client_late"}
        assert set(paused.cut_off_pause) == {0}
        assert (paused.endpointing_delay_ms < 0).all()

    def test_natural_pauses_do_not(self, clips: Any) -> None:
        turns = clips.turns
        assert turns[turns.utterance == "long"].cut_off_pause.isna().all()

    def test_noise_ends_within_the_watchdog(self, clips: Any) -> None:
        turns = clips.turns
        noise = turns[turns.utterance == "noise"]
        assert len(noise)
        assert noise.ended_ns.notna().all()
        waited_s = (noise.ended_ns - noise.speech_end_ns) / 1e9
        assert (waited_s < 10 + 10).all()  # the watchdog counts from the last sign of life

    def test_run_json_knows_every_clip(self, clips: Any) -> None:
        run = clips.json("run.json")
        assert len(run["utterances"]) == 8
        assert len(run["scenario"]["classes"]) == 8


class TestKeys:
    def test_right_key_lets_in(self, with_key: Any) -> None:
        with_key.assert_clean_exit()

    def test_neither_key_nor_url_secrets_are_left_anywhere(self, with_key: Any) -> None:
        assert "sk-" not in with_key.text
        texts = [path for path in with_key.folder.iterdir() if path.suffix != ".parquet"]
        assert len(texts) == 3
        for path in texts:
            assert "sk-" not in path.read_text(encoding="utf-8"), path
        for text in with_key.table("events.parquet").detail.dropna():
            assert "sk-" not in text
        assert "code=" not in json.dumps(with_key.json("run.json"))


class TestDemo:
    def test_prints_figures_report_and_check(self, demo: Any) -> None:
        demo.assert_clean_exit()
        (line,) = (text for text in demo.out.splitlines() if text.startswith("Time to first"))
        count, p50, p95 = line.split(", ms")[1].replace("*", "").split()[:3]
        assert int(count) >= 3
        assert 700 < float(p50) < 2_000
        assert float(p50) <= float(p95)
        assert f"Report: {demo.folder / 'report.html'}" in demo.out
        assert "Checked against the server's own log" in demo.out
        assert (demo.folder / "truth.jsonl").exists()

    def test_ctrl_c_lets_turns_end_and_still_checks(self, demo_interrupted: Any) -> None:
        run = demo_interrupted
        assert run.code == 130
        assert "Traceback" not in run.text
        assert run.outcomes == {"ok"}
        assert "Checked against the server's own log" in run.out
        assert run.seconds < 55

    def test_sigterm_leaves_nothing_behind(self, demo_terminated: Any) -> None:
        run = demo_terminated
        assert run.survivors == []
        assert run.outcomes == {"ok"}
        assert (run.folder / "report.html").exists()
