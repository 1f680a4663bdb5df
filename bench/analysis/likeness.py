"""Turns run.json of two runs, or of several, into the fields in which their plans differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

NOT_OF_THE_PLAN = frozenset({"header", "record", "stop_timeout"})
"""A header says of whom it is asked; recordings change no turn, the stop timeout none but the
last."""

FILES = "files"
"""Stands for what only a hash is kept of: the scenario's file, the clips' manifest, and options
that one of the runs was made without, by another version of rtbench."""


class Unlike(NamedTuple):
    """One field of two plans, and what either has there."""

    field: str
    baseline: str
    candidate: str

    def __str__(self) -> str:
        return f"{self.field} ({self.baseline} and {self.candidate})"


def unlike_fields(baseline: Mapping[str, Any], candidate: Mapping[str, Any]) -> list[Unlike]:
    """What differs between the plans of two runs; empty where they asked the same.

    Not whom they asked: targets, headers, hosts and versions may differ.
    """
    if baseline.get("plan_sha256") == candidate.get("plan_sha256"):
        return []
    first, second = _asked(baseline), _asked(candidate)
    clips = [run.get("utterances") or {} for run in (baseline, candidate)]
    # A clip said in one run only is no difference: who speaks next may be left to chance.
    for clip in sorted(clips[0].keys() & clips[1].keys()):
        first[f"clip {clip}"], second[f"clip {clip}"] = clips[0][clip], clips[1][clip]
    unlike = [
        Unlike(name, _shown(first[name]), _shown(second[name]))
        for name in sorted(first.keys() & second.keys())
        if first[name] != second[name]
    ]
    if not unlike:
        hashes = (str(run.get("plan_sha256"))[:8] for run in (baseline, candidate))
        unlike = [Unlike(FILES, *hashes)]
    return unlike


def _asked(run: Mapping[str, Any]) -> dict[str, Any]:
    options = run.get("options") or {}
    asked = {name: value for name, value in options.items() if name not in NOT_OF_THE_PLAN}
    if run.get("scenario"):
        asked["scenario"] = run["scenario"].get("classes")
    return asked


def _shown(value: object) -> str:
    text = "nothing" if value in (None, "") else str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"


def fields_apart(runs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """By field, what each of some runs has there: of those in which any two of them differ.

    Of the plan, and whom they asked. What one run was made without, by another version of
    rtbench, sets none apart.
    """
    asked = [{**_asked(run), "target": run.get("target")} for run in runs]
    return {
        name: [each[name] for each in asked]
        for name in (asked[0] if asked else ())
        if all(name in each for each in asked)
        and any(each[name] != asked[0][name] for each in asked)
    }
