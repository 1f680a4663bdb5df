"""The example and the table of the dialects' README are true."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import bench.dialects
from bench.dialects.base import Kind, SessionSettings
from bench.dialects.described import described_dialect
from bench.dialects.table import EventTable
from bench.session.dialect_file import dialect_names, find_dialect

README = Path(bench.dialects.__file__).with_name("README.md").read_text(encoding="utf-8")


def test_the_example_is_a_dialect() -> None:
    block = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert block is not None
    dialect = described_dialect("example", tomllib.loads(block[1]))
    settings = SessionSettings("voice-1", voice="nora", input_codec="pcm16_16k")
    session = dialect.session_update(settings)["session"]
    assert (session["voice"], session["model"]) == ("nora", "voice-1")
    assert session["audio"]["input"].keys() == {"format", "turn_detection"}
    assert dialect.append_envelope()[0].endswith(b'"data":"')
    event = dialect.parse(b'{"type":"asr.final","turn":"t1","result":{"text":"Hello."}}')
    assert (event.kind, event.item_id) == (Kind.INPUT_TRANSCRIPT_DONE, "t1")
    assert event.detail == {"transcript": "Hello."}


def test_every_dialect_is_listed_with_its_key() -> None:
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*?) \|", README, re.MULTILINE))
    assert set(rows) == set(dialect_names())
    for name, key in rows.items():
        assert str(find_dialect(name).key_variable) in key or key == "as `azure`"


def test_every_field_that_may_stand_elsewhere_is_listed() -> None:
    for name in EventTable.model_fields:
        assert f"`{name}`" in README or name == "kind"
