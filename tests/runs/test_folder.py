"""A run folder gives back what its workers recorded, or says which file is at fault."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.problem import Problem
from bench.runs.event import APPEND_SCHEMA, EVENT_SCHEMA
from bench.runs.folder import RunFolder, part_files
from bench.runs.recorder import Recorder, SessionRecord

RUN: dict[str, Any] = {"schema_version": 1, "run_id": "r", "ended_at": None}
ENDED = RUN | {"ended_at": "2024-06-01T12:00:00Z"}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", RUN)


class Worker:
    """One worker of a run, writing its parts into the folder."""

    def __init__(self, name: str, folder: RunFolder) -> None:
        self.recorder = Recorder(name)
        self.folder = folder
        self.parts = 0
        self.pens: list[SessionRecord] = []

    def begin(self) -> SessionRecord:
        self.pens.append(self.recorder.begin_session())
        return self.pens[-1]

    def flush(self) -> list[Path]:
        files = part_files(self.recorder.worker, self.parts, self.recorder.take())
        self.parts += 1
        for name, content in files.items():
            self.folder.write_part_file(name, content)
        return [self.folder.path / "parts" / name for name in files]


def appends(folder: RunFolder) -> list[dict[str, Any]]:
    return [row for batch in folder.append_batches() for row in batch.to_pylist()]


def files(folder: RunFolder) -> set[str]:
    return {str(p.relative_to(folder.path)) for p in folder.path.rglob("*") if p.is_file()}


def record_two_workers(folder: RunFolder) -> None:
    for name in ("w0", "w1"):
        worker = Worker(name, folder)
        for _ in range(2):
            worker.begin()
        for part in range(3):
            for pen in worker.pens:
                pen.event("note", "x", part, detail={"part": part})
                pen.append(part, part * 20, part * 20 + 1)
            worker.pens[0].append_unsent(10 + part, 5)
            worker.flush()


class TestMerging:
    """From parts to tables."""

    def test_parts_of_two_workers_become_two_tables(self, folder: RunFolder) -> None:
        record_two_workers(folder)
        folder.merge_parts()
        events = folder.read_events()
        assert events.schema.equals(EVENT_SCHEMA, check_metadata=True)
        assert events.num_rows == 12
        by_session: dict[str, list[int]] = {}
        for row in events.to_pylist():
            by_session.setdefault(row["session_id"], []).append(row["seq"])
            assert json.loads(row["detail"]) == {"part": row["at_ns"]}
        assert by_session == {f"w{w}-0000{n}": [0, 1, 2] for w in (0, 1) for n in (0, 1)}
        rows = appends(folder)
        assert len(rows) == 18
        assert sum(row["sent_ns"] is None for row in rows) == 6
        for row in rows:
            assert row["sent_ns"] in {None, row["due_ns"] + 1}
        for session in by_session:
            indexes = [r["index"] for r in rows if r["session_id"] == session]
            assert sorted(indexes) == ([0, 1, 2] if session[-1] == "1" else [0, 1, 2, 10, 11, 12])

    def test_columns_can_be_chosen(self, folder: RunFolder) -> None:
        record_two_workers(folder)
        folder.merge_parts()
        (names,) = {tuple(b.schema.names) for b in folder.append_batches(["due_ns", "sent_ns"])}
        assert names == ("due_ns", "sent_ns")

    def test_merging_again_takes_in_parts_that_came_since(self, folder: RunFolder) -> None:
        worker = Worker("w0", folder)
        pen = worker.begin()
        pen.event("note", "a", 1)
        worker.flush()
        folder.merge_parts()
        assert folder.read_events()["kind"].to_pylist() == ["a"]
        pen.event("note", "b", 2)
        pen.append(0, 1, 2)
        worker.flush()
        folder.merge_parts()
        assert folder.read_events()["kind"].to_pylist() == ["a", "b"]
        assert len(appends(folder)) == 1

    def test_parts_stay_while_the_run_has_not_ended_and_go_when_it_has(
        self, folder: RunFolder
    ) -> None:
        record_two_workers(folder)
        folder.merge_parts()
        assert len([name for name in files(folder) if name.startswith("parts/")]) == 12
        folder.write_run(ENDED)
        folder.merge_parts()
        assert files(folder) == {"run.json", "events.parquet", "appends.parquet"}
        assert not (folder.path / "parts").exists()
        before = appends(folder)
        folder.merge_parts()
        assert appends(folder) == before
        assert len(before) == 18

    def test_an_interrupted_clean_up_loses_nothing(
        self, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record_two_workers(folder)
        folder.write_run(ENDED)

        def half(path: Path) -> None:
            for part in sorted(path.iterdir())[:7]:
                part.unlink()
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(shutil, "rmtree", half)
            with pytest.raises(KeyboardInterrupt):
                folder.merge_parts()
        folder.merge_parts()
        assert folder.read_events().num_rows == 12
        assert len(appends(folder)) == 18

    def test_a_run_without_a_single_part_merges_to_empty_tables(self, folder: RunFolder) -> None:
        folder.merge_parts()
        assert folder.read_events().num_rows == 0
        assert folder.read_events().schema.equals(EVENT_SCHEMA)
        assert appends(folder) == []

    @pytest.mark.parametrize("kind", ["events", "appends"])
    @pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "text"])
    def test_a_damaged_part_is_named_and_the_tables_stay_as_they_were(
        self, folder: RunFolder, kind: str, damage: str
    ) -> None:
        worker = Worker("w0", folder)
        pen = worker.begin()
        pen.event("note", "a", 1)
        pen.append(0, 1, 2)
        worker.flush()
        folder.merge_parts()
        pen.event("note", "b", 2)
        pen.append(1, 3, 4)
        part = next(path for path in worker.flush() if f".{kind}." in path.name)
        content = part.read_bytes()
        part.write_bytes(
            {
                "truncated": content[: len(content) // 2],
                "empty": b"",
                "flipped": content[:-20] + bytes(b ^ 255 for b in content[-20:]),
                "text": b"no such file\n" * 9,
            }[damage]
        )
        folder.write_run(ENDED)
        with pytest.raises(Problem) as caught:
            folder.merge_parts()
        assert str(part) in str(caught.value)
        assert "delete it to go on without" in str(caught.value)
        assert folder.read_events()["kind"].to_pylist()[:1] == ["a"]
        assert appends(folder) == [
            {"session_id": "w0-00000", "index": 0, "due_ns": 1, "sent_ns": 2, "offered_ns": None}
        ]
        assert part.exists()
        part.unlink()
        folder.merge_parts()
        assert folder.read_events().num_rows == (1 if kind == "events" else 2)
        assert len(appends(folder)) == (1 if kind == "appends" else 2)

    def test_a_part_of_other_columns_is_named(self, folder: RunFolder) -> None:
        Worker("w0", folder).flush()
        path = folder.path / "parts" / "w1-00000.events.parquet"
        pq.write_table(pa.table({"other": [1]}), path)
        with pytest.raises(Problem) as caught:
            folder.merge_parts()
        assert str(path) in str(caught.value)

    def test_a_part_that_is_being_written_is_not_read(self, folder: RunFolder) -> None:
        (folder.path / "parts" / "w0-00000.events.parquet.tmp").write_bytes(b"PAR1 half")
        folder.merge_parts()
        assert folder.read_events().num_rows == 0

    @pytest.mark.parametrize("gone", ["events.parquet", "appends.parquet"])
    def test_a_table_that_is_missing_after_its_parts_went_is_named(
        self, folder: RunFolder, gone: str
    ) -> None:
        folder.write_run(ENDED)
        folder.merge_parts()
        (folder.path / gone).unlink()
        with pytest.raises(Problem) as caught:
            folder.merge_parts()
        assert str(folder.path / gone) in str(caught.value)
        assert "missing" in str(caught.value)

    @pytest.mark.parametrize("damage", [b"", b"PAR1PAR1", None])
    def test_a_damaged_table_is_named_when_read(
        self, folder: RunFolder, damage: bytes | None
    ) -> None:
        folder.merge_parts()
        for path in (folder.events_path, folder.appends_path):
            if damage is None:
                path.unlink()
            else:
                path.write_bytes(damage)
        with pytest.raises(Problem, match=r"events\.parquet: cannot be read"):
            folder.read_events()
        with pytest.raises(Problem, match=r"appends\.parquet: cannot be read"):
            appends(folder)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
    @given(
        plan=st.lists(
            st.tuples(
                st.sampled_from(["w0", "w1"]),
                st.lists(
                    st.tuples(
                        st.integers(0, 2),
                        st.integers(0, 2**62),
                        st.one_of(st.none(), st.integers(0, 2**62)),
                    ),
                    max_size=5,
                ),
            ),
            max_size=6,
        )
    )
    def test_what_is_read_back_is_what_all_workers_recorded(
        self, tmp_path: Path, plan: list[tuple[str, list[tuple[int, int, int | None]]]]
    ) -> None:
        path = tmp_path / "any"
        shutil.rmtree(path, ignore_errors=True)
        folder = RunFolder.create(path, ENDED)
        workers = {name: Worker(name, folder) for name in ("w0", "w1")}
        for worker in workers.values():
            for _ in range(3):
                worker.begin()
        expected = []
        for name, rows in plan:
            for number, due_ns, sent_ns in rows:
                index = len(expected)
                pen = workers[name].pens[number]
                if sent_ns is None:
                    pen.append_unsent(index, due_ns)
                else:
                    pen.append(index, due_ns, sent_ns)
                expected.append((pen.session_id, index, due_ns, sent_ns, None))
                pen.event("note", "x", due_ns, read_ns=sent_ns, item_id=name)
            workers[name].flush()
        folder.merge_parts()
        assert sorted((tuple(row.values()) for row in appends(folder)), key=repr) == sorted(
            expected, key=repr
        )
        events = [
            (row["session_id"], row["at_ns"], row["read_ns"])
            for row in folder.read_events().to_pylist()
        ]
        assert sorted(events, key=repr) == sorted(
            ((s, due_ns, sent_ns) for s, _, due_ns, sent_ns, _ in expected), key=repr
        )


class TestPartFiles:
    """Names that come from another machine."""

    @pytest.mark.parametrize(
        "name",
        [
            "../events.parquet",
            "../../x",
            "/etc/passwd",
            "a/b.events.parquet",
            "a/../b",
            "..",
            ".",
            "",
            "x/",
            "./x",
            "a\0b",
        ],
    )
    def test_a_name_that_leads_elsewhere_is_refused_and_nothing_written(
        self, folder: RunFolder, name: str
    ) -> None:
        before = files(folder), sorted(folder.path.parent.iterdir())
        with pytest.raises(ValueError, match=r"plain file name|null"):
            folder.write_part_file(name, b"x")
        assert (files(folder), sorted(folder.path.parent.iterdir())) == before

    def test_a_part_written_twice_is_replaced_whole(self, folder: RunFolder) -> None:
        folder.write_part_file("w0-00000.events.parquet", b"one and more")
        folder.write_part_file("w0-00000.events.parquet", b"two")
        assert (folder.path / "parts/w0-00000.events.parquet").read_bytes() == b"two"
        assert files(folder) == {"run.json", "parts/w0-00000.events.parquet"}


class TestRunJson:
    """What the run was."""

    def test_it_reads_back(self, folder: RunFolder) -> None:
        folder.write_run(ENDED | {"name": "größer"})
        assert RunFolder.open(folder.path).read_run() == ENDED | {"name": "größer"}
        assert files(folder) == {"run.json"}

    def test_a_folder_that_exists_is_not_written_into(self, folder: RunFolder) -> None:
        with pytest.raises(Problem, match="--run-id"):
            RunFolder.create(folder.path, {})
        assert folder.read_run() == RUN

    def test_a_folder_that_cannot_be_made_is_named_with_the_option(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(Problem, match="--runs-dir"):
            RunFolder.create(tmp_path / "file" / "run", {})

    @pytest.mark.parametrize("version", [0, 2, "1", None])
    def test_another_schema_version_is_refused_with_both_versions(
        self, folder: RunFolder, version: object
    ) -> None:
        folder.write_run(RUN | {"schema_version": version})
        with pytest.raises(Problem) as caught:
            RunFolder.open(folder.path)
        text = str(caught.value)
        assert str(folder.path / "run.json") in text
        assert f"schema_version {version!r} is not 1" in text

    def test_a_folder_of_something_else_is_refused_with_an_example(self, tmp_path: Path) -> None:
        with pytest.raises(Problem) as caught:
            RunFolder.open(tmp_path)
        assert str(tmp_path / "run.json") in str(caught.value)
        assert "reports/RUN-ID" in str(caught.value)

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'"run"'])
    def test_what_is_no_json_object_is_refused(self, folder: RunFolder, content: bytes) -> None:
        (folder.path / "run.json").write_bytes(content)
        with pytest.raises(Problem, match=r"run\.json: is n"):
            RunFolder.open(folder.path)

    def test_a_number_that_json_does_not_know_leaves_the_old_file(self, folder: RunFolder) -> None:
        with pytest.raises(ValueError, match="JSON"):
            folder.write_run(RUN | {"x": float("nan")})
        assert folder.read_run() == RUN

    def test_text_and_tables_are_replaced_whole(self, folder: RunFolder) -> None:
        folder.write_text(folder.report_path, "long text")
        folder.write_text(folder.report_path, "é")
        folder.write_table(folder.turns_path, pa.table({"a": [1]}))
        folder.write_table(folder.turns_path, pa.table({"a": [2]}))
        assert folder.report_path.read_text(encoding="utf-8") == "é"
        assert pq.read_table(folder.turns_path).to_pylist() == [{"a": 2}]
        assert files(folder) == {"run.json", "report.html", "turns.parquet"}


def test_appends_stay_small_and_typed_after_the_merge(folder: RunFolder) -> None:
    worker = Worker("w0", folder)
    pens = [worker.begin() for _ in range(10)]
    for part in range(10):
        for k in range(part * 100, part * 100 + 100):
            for number, pen in enumerate(pens):
                due_ns = 10**15 + number * 500_000 + k * 20_000_000
                pen.append(k, due_ns, due_ns + 100_000 + (k * 7_919 + number * 104_729) % 90_000)
        worker.flush()
    folder.merge_parts()
    assert folder.appends_path.stat().st_size / 10_000 <= 12
    assert pq.read_schema(folder.appends_path).equals(APPEND_SCHEMA, check_metadata=True)
