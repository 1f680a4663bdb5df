from __future__ import annotations

from typing import Any

from bench.analysis.likeness import FILES, fields_apart, unlike_fields


def run(sha: str = "a", **changes: Any) -> dict[str, Any]:
    options = {"num_users": 5, "vad_silence_ms": 200, "header": None, "stop_timeout": 30}
    return {
        "plan_sha256": sha,
        "options": options | changes.pop("options", {}),
        "scenario": {"classes": ["Ask"]},
        "utterances": {"short": "1"},
        **changes,
    }


def fields(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    return [each.field for each in unlike_fields(first, second)]


def test_one_hash_is_one_plan() -> None:
    assert fields(run(), run(target="ws://elsewhere")) == []


def test_each_differing_field_is_named_with_both_values() -> None:
    other = run("b", options={"num_users": 9}, utterances={"short": "2"})
    assert fields(run(), other) == ["clip short", "num_users"]
    assert str(unlike_fields(run(), other)[1]) == "num_users (5 and 9)"


def test_an_option_that_was_not_given() -> None:
    first, second = run(options={"tags": None}), run("b", options={"tags": ["x"]})
    assert str(unlike_fields(first, second)[0]) == "tags (nothing and ['x'])"


def test_an_option_that_one_version_does_not_know_has_no_value_to_differ_in() -> None:
    assert fields(run(), run("b", options={"new_knob": 3})) == [FILES]


def test_other_classes_are_another_plan() -> None:
    assert fields(run(), run("b", scenario={"classes": ["Other"]})) == ["scenario"]


def test_what_is_no_part_of_the_plan_may_differ() -> None:
    assert fields(run(), run("b", options={"header": "X: y", "stop_timeout": 1})) == [FILES]


def test_a_clip_said_in_one_run_only_is_no_difference() -> None:
    assert fields(run(), run("b", utterances={"short": "1", "long": "3"})) == [FILES]


def test_older_runs_without_any_of_it() -> None:
    assert fields({}, {}) == []
    assert fields({"plan_sha256": "a"}, {"plan_sha256": "b"}) == [FILES]


def test_several_runs_are_told_apart_by_what_any_two_of_them_differ_in() -> None:
    runs = [
        run("a", target="ws://a"),
        run("b", target="ws://b"),
        run("c", target="ws://a", options={"vad_silence_ms": 500, "header": "secret"}),
    ]
    assert fields_apart(runs) == {
        "vad_silence_ms": [200, 200, 500],
        "target": ["ws://a", "ws://b", "ws://a"],
    }
    assert fields_apart(runs[:1]) == {}
    assert fields_apart([]) == {}


def test_what_one_version_does_not_know_sets_no_run_apart() -> None:
    assert fields_apart([run(), run("b", options={"new_knob": 3})]) == {}
