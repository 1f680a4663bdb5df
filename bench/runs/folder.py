"""A run's folder on disk: parts while it runs, whole tables when it has ended."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.problem import Problem
from bench.runs.event import APPEND_SCHEMA, EVENT_SCHEMA, SCHEMA_VERSION
from bench.runs.recorder import Batch

# Neighbouring rows differ by little and in a regular way: a few bytes a frame, not thirty.
_APPEND_ENCODING: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": ["session_id"],
    "column_encoding": dict.fromkeys(("index", "due_ns", "sent_ns"), "DELTA_BINARY_PACKED"),
}
_EVENT_ENCODING: dict[str, Any] = {"compression": "zstd"}
_LISTING = ".candidates.json"


def part_files(worker: str, number: int, batch: Batch) -> dict[str, bytes]:
    """The files, by name, that hold what one worker recorded since its last part."""
    files = {}
    for name, table, encoding in (
        ("events", batch.event_table(), _EVENT_ENCODING),
        ("appends", batch.append_table(), _APPEND_ENCODING),
    ):
        buffer = io.BytesIO()
        pq.write_table(table, buffer, **encoding)
        files[f"{worker}-{number:05d}.{name}.parquet"] = buffer.getvalue()
    return files


def _plain(name: str) -> str:
    if Path(name).name != name or name in {"", ".."}:
        raise ValueError(f"{name!r} is not a plain file name")
    return name


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A name to write to; it takes the place of `path` when all went well, whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    yield temporary
    temporary.replace(path)


class RunFolder:
    """Reads and writes the files that bench/README.md lists."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events_path = path / "events.parquet"
        self.appends_path = path / "appends.parquet"
        self.turns_path = path / "turns.parquet"
        self.summary_path = path / "summary.json"
        self.report_path = path / "report.html"
        self.prices_path = path / "prices.toml"
        self.audio_path = path / "audio"
        self.recordings_path = self.audio_path / "index.json"
        self._run_path = path / "run.json"
        self._parts_path = path / "parts"

    @classmethod
    def create(cls, path: Path, run: dict[str, Any]) -> RunFolder:
        """Make the folder and write its first run.json.

        Raises:
            Problem: the folder exists or cannot be made.
        """
        folder = cls(path)
        try:
            path.mkdir(parents=True)
            folder._parts_path.mkdir()
        except FileExistsError:
            raise Problem(f"{path}: exists already; choose another --run-id") from None
        except OSError as error:
            raise Problem(
                f"{path}: cannot be made ({error.strerror}); choose another --runs-dir"
            ) from None
        folder.write_run(run)
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open a run's folder, whether or not the run ended properly.

        Raises:
            Problem: it is no run folder, or one of another schema version.
        """
        folder = cls(path)
        version = folder.read_run().get("schema_version")
        if version != SCHEMA_VERSION:
            raise Problem(
                f"{folder._run_path}: schema_version {version!r} is not {SCHEMA_VERSION}, "
                "the one this version of rtbench reads"
            )
        return folder

    def read_run(self) -> dict[str, Any]:
        """The content of run.json.

        Raises:
            Problem: it is missing or no JSON object.
        """
        try:
            run = json.loads(self._run_path.read_text(encoding="utf-8"))
        except OSError as error:
            raise Problem(
                f"{self._run_path}: cannot be read ({error.strerror}); "
                "give the folder of a run, for example reports/RUN-ID"
            ) from None
        except ValueError as error:
            raise Problem(f"{self._run_path}: is no JSON ({error})") from None
        if not isinstance(run, dict):
            raise Problem(f"{self._run_path}: is not a JSON object")
        return run

    def write_run(self, run: dict[str, Any]) -> None:
        """Replace run.json."""
        self.write_json(self._run_path, run)

    def write_json(self, path: Path, value: dict[str, Any]) -> None:
        """Replace a JSON file of the folder, whole or not at all."""
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        self.write_text(path, text)

    def write_text(self, path: Path, text: str) -> None:
        """Replace a text file of the folder, whole or not at all."""
        with _replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def write_part_file(self, name: str, content: bytes) -> None:
        """Write one of `part_files`, whole or not at all.

        Raises:
            ValueError: `name` is no plain file name; it may come from another machine.
        """
        with _replacing(self._parts_path / _plain(name)) as temporary:
            temporary.write_bytes(content)

    def write_recording(self, name: str, content: bytes) -> None:
        """Write a worker's recording of a turn, or its listing of them, whole or not at all.

        Raises:
            ValueError: `name` is no plain file name; it may come from another machine.
        """
        path = self.audio_path / _plain(name)
        self.audio_path.mkdir(exist_ok=True)
        with _replacing(path) as temporary:
            temporary.write_bytes(content)

    def take_listings(self) -> list[dict[str, Any]]:
        """What each worker lists of its recordings that are there, in the order of their names.

        Raises:
            Problem: a listing is damaged.
        """
        listings = []
        for path in sorted(self.audio_path.glob(f"*{_LISTING}")):
            try:
                listing = json.loads(path.read_text(encoding="utf-8"))
                entries = listing["recordings"]
                there = [e for e in entries if (self.audio_path / _plain(e["file"])).exists()]
            except (OSError, ValueError, LookupError, TypeError) as error:
                raise Problem(
                    f"{path}: cannot be read ({error}); delete it to go on without"
                ) from None
            listings.append({**listing, "recordings": there})
        return listings

    def name_recording(self, name: str, chosen_name: str) -> None:
        """Give a recording the name by which it is to stay."""
        (self.audio_path / _plain(name)).replace(self.audio_path / _plain(chosen_name))

    def index_recordings(self, index: dict[str, Any]) -> None:
        """Write audio/index.json; of all else in audio/ only what it lists is left."""
        self.write_json(self.recordings_path, index)
        listed = {recording["file"] for recording in index["recordings"]}
        for path in self.audio_path.iterdir():
            if path.name not in listed and path != self.recordings_path:
                path.unlink()

    def count_parts(self, worker: str) -> int:
        """How many parts of one worker are here whole."""
        return len(list(self._parts_path.glob(f"{worker}-*.appends.parquet")))

    def write_table(self, path: Path, table: pa.Table) -> None:
        """Replace a Parquet file of the folder, whole or not at all."""
        with _replacing(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    def merge_parts(self) -> None:
        """Make events.parquet and appends.parquet from the parts, one part in memory at a time.

        The parts of a run that did not end properly are kept: a worker may still write.

        Raises:
            Problem: a part is damaged, or there is neither a part nor a table.
        """
        if not self._parts_path.is_dir():
            for path in (self.events_path, self.appends_path):
                if not path.exists():
                    raise Problem(f"{path}: is missing, and there are no parts to make it from")
            return
        self._merge("events", self.events_path, EVENT_SCHEMA, _EVENT_ENCODING)
        self._merge("appends", self.appends_path, APPEND_SCHEMA, _APPEND_ENCODING)
        if self.read_run().get("ended_at") is not None:
            # First out of the way in one step: half the parts must never be merged again.
            merged = self._parts_path.with_name("parts.merged")
            self._parts_path.rename(merged)
            shutil.rmtree(merged)

    def _merge(self, name: str, target: Path, schema: pa.Schema, encoding: dict[str, Any]) -> None:
        with (
            _replacing(target) as temporary,
            pq.ParquetWriter(temporary, schema, **encoding) as writer,
        ):
            for part in sorted(self._parts_path.glob(f"*.{name}.parquet")):
                table = self._read(part, schema)
                if table.num_rows:
                    writer.write_table(table)

    def read_events(self) -> pa.Table:
        """All rows of EVENT_SCHEMA."""
        return self._read(self.events_path)

    def append_batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Rows of APPEND_SCHEMA, a batch at a time.

        Raises:
            Problem: the file is missing or damaged.
        """
        try:
            with pq.ParquetFile(self.appends_path) as file:
                yield from file.iter_batches(columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise Problem(f"{self.appends_path}: cannot be read ({error})") from None

    @staticmethod
    def _read(path: Path, schema: pa.Schema | None = None) -> pa.Table:
        try:
            with pq.ParquetFile(path) as file:
                table = file.read()
            return table if schema is None else table.cast(schema)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise Problem(
                f"{path}: cannot be read ({error}); delete it to go on without"
            ) from None
