from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.problem import Problem
from bench.server.profiles.loading import load_profile, profile_names
from bench.server.profiles.profile import Profile
from bench.server.profiles.table import parse_profile

BUILT_IN = ["default", "flaky", "instant", "overloaded", "slow_tail", "typical", "withheld"]
Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_text(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write_text


def test_the_built_in_ones_are_these() -> None:
    assert profile_names() == BUILT_IN


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_built_in_one_loads_and_draws(name: str) -> None:
    turn = load_profile(name).turn(3, 2)
    assert turn.reply_delay_ms >= 0
    assert turn.offset_ms(20) >= turn.offset_ms(0) == 0


def test_an_empty_file_is_the_default(write: Write) -> None:
    assert load_profile(write("")) == Profile() == load_profile("default")


def test_a_misspelt_name_gets_a_hint() -> None:
    with pytest.raises(Problem, match=r"'typcal' is not built in; did you mean typical\?"):
        load_profile("typcal")


def test_an_unknown_name_gets_the_list() -> None:
    with pytest.raises(Problem, match="'zzz' is not built in; there are default, flaky, instant"):
        load_profile("zzz")


@pytest.mark.parametrize("path", ["no/such.toml", "./", "a\0b.toml", "x" * 5_000 + ".toml"])
def test_what_is_no_file_is_a_problem(path: str) -> None:
    with pytest.raises(Problem):
        load_profile(path)


def test_bytes_that_are_no_text_are_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"seed = 1 # \xff")
    with pytest.raises(Problem, match=r"mine\.toml'?: is no TOML"):
        load_profile(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed", r"is no TOML \(.*\(?at"),
        ("a = " + "[" * 3_000 + "]" * 3_000, "is nested too deeply"),
        ("seed = " + "9" * 5_000, "is no TOML"),
        ("seed = 0x" + "f" * 5_000, r"seed \(a whole number of 20000 bits\) is out of range"),
        ("seed = 1.5", r"seed 1\.5 is no whole number; give one such as 100"),
        ("sead = 1", r"sead is no known key; did you mean seed\?"),
        ("session_s = -1", r"session_s -1\.0 is out of range"),
        ("withhold_speech_stopped_ms = -1", r"withhold_speech_stopped_ms -1\.0 is out of range"),
        ("delays = 4", "delays 4 is no table"),
        ("[delays]\nrepyl = 4", r"delays\.repyl is no known key; did you mean reply\?"),
        ("[delivery]\ndelta_ms = 5", r"delivery\.delta_ms 5 is out of range; give 10"),
        ("[delivery]\ndelta_ms = true", r"delivery\.delta_ms True is no whole number"),
        ("[delivery]\nspeed = 0", r"delivery\.speed 0(\.0)? would never end; give 1 for real"),
        ("[delivery]\nspeed = 1e-320", r"delivery\.speed 1e-320 is out of range"),
        ("[delivery]\nspeed = inf", r"delivery\.speed inf is out of range"),
        ("[delivery]\nburst = 0", r"delivery\.burst 0 is out of range; give 1"),
        ("[delivery]\nleading_silence_ms = -1", r"delivery\.leading_silence_ms -1 is out of"),
        ("[delivery]\nstall = {share = 0.1}", r"delivery\.stall\.after_ms is missing"),
        (
            "[delivery]\nstall = {share = 2, after_ms = 1, lasts = 1}",
            r"delivery\.stall\.share 2\.0 is out of range; give 0 to 1",
        ),
        ("[capacity]\nknee = 3", r"capacity\.limit is missing"),
        ("[capacity]\nknee = 3\nlimit = 2", r"capacity\.limit 2 is below the knee 3; give more"),
        ("[capacity]\nknee = 3\nlimit = 4\ngrowth = 0.5", r"capacity\.growth 0\.5 is out of"),
        (
            '[capacity]\nknee = 3\nlimit = 4\nrefusal = "http_492"',
            r"capacity\.refusal 'http_492' is unknown; did you mean http_429\?",
        ),
        ("[capacity]\nknee = 3\nlimit = 4\nrefusal = 429", r"capacity\.refusal 429 is no text"),
        ("faults = 3", "faults 3 is no list"),
        ('[[faults]]\nkind = "refuse"', r"faults\[0\] \{kind\} is no text"),
        ('faults = ["refuse", "refusal"]', r"faults\[1\]: fault 'refusal': kind 'refusal' is unk"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(write: Write, text: str, message: str) -> None:
    with pytest.raises(Problem, match=rf"mine\.toml'?: {message}"):
        load_profile(write(text))


KEYS = ["seed", "delays", "delivery", "capacity", "faults", "reply", "speed", "stall", "tail"]
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**400), 10**400), st.floats(), st.text(), st.dates()
)
tables = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4)
    ),
)


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(), tables, max_size=5))
def test_any_table_is_a_profile_or_a_problem(table: dict[str, object]) -> None:
    try:
        profile = parse_profile(table)
    except Problem:
        return
    profile.turn(0, 0).offset_ms(5)


SAMPLE = """seed = 3
faults = ["no_reply:0.5@turn=1"]
[delays]
reply = {median = 600, p95 = 1200, tail = {share = 0.1, times = 4}}
[delivery]
speed = 4
stall = {share = 0.1, after_ms = 3, lasts = {low = 1, high = 2}}
[capacity]
knee = 2
limit = 4
"""


@given(
    st.integers(0, len(SAMPLE)),
    st.integers(0, 8),
    st.text(st.characters(codec="utf-8"), max_size=4),
)
def test_a_sample_with_a_hole_or_a_stain_is_a_profile_or_a_problem(
    at: int, gone: int, stain: str
) -> None:
    text = SAMPLE[:at] + stain + SAMPLE[at + gone :]
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    try:
        profile = parse_profile(table)
    except Problem:
        return
    profile.turn(0, 1).offset_ms(5)
