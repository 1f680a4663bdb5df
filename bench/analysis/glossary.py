"""Turns the tables of metrics, rates and outcomes into a glossary in Markdown.

`python -m bench.analysis.glossary > reports/GLOSSARY.md` writes the one that a test compares.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from bench.analysis.latencies import LATENCIES, OPENINGS
from bench.analysis.measures import GATED, RATES, REFUSED
from bench.analysis.metric import Metric
from bench.analysis.metrics import METRICS
from bench.analysis.mishaps import MISHAPS
from bench.analysis.outcomes import NOT_THE_TARGETS, OUTCOMES
from bench.analysis.qualities import COSTS, INSTRUMENT, QUALITIES

_CHAPTERS: tuple[tuple[str, str, tuple[Metric, ...]], ...] = (
    ("Latencies", "Of measured turns that were not cut off.", LATENCIES),
    ("Qualities", "Of measured turns that were not cut off.", QUALITIES),
    ("Rates", "Of measured and cold turns that could have been hit.", MISHAPS),
    ("Costs", "Of measured turns that were not cut off.", COSTS),
    ("Openings", "Of sessions.", OPENINGS),
    ("The instrument", "Of the run: frames sent, events read.", INSTRUMENT),
)

_TOP = """# Glossary

Made from the code by `make docs`; not to be edited by hand. Each name is a column of
`turns.parquet`, a key of `summary.json`, or may stand in a limit. Instants are those of the
client's host. Percentiles are exact; what never came counts as more than it was waited for.
"""

_ON_OUTCOMES = """## Outcomes

Each turn has one. *Failed* means that the caller got no whole reply, and the run's end was not
the cause.
"""


def glossary() -> str:
    """Every metric, every further rate and every outcome, with what it means, in Markdown."""
    parts = [_TOP]
    for title, scope, metrics in _CHAPTERS:
        rows = [
            (f"**`{metric.name}`**<br>{metric.label}", _unit(metric), _meaning(metric))
            for metric in metrics
        ]
        parts += [f"## {title}\n\n{scope}\n", _table(("name", "unit", "meaning"), rows)]
    parts += [
        "## Further rates\n\nFor limits and `--metric`; no metric is about them.\n",
        _table(("name", "meaning"), _further_rates()),
        _ON_OUTCOMES,
        _table(("name", "failed", "meaning", "what to look at"), _outcomes()),
    ]
    return "\n".join(parts)


def _unit(metric: Metric) -> str:
    return "share" if metric.is_rate else metric.unit or "count"


def _meaning(metric: Metric) -> str:
    better = "" if metric.better == "none" else f" {metric.better.capitalize()} is better."
    gated = " Compared by a gate unless told otherwise." if metric.name in GATED else ""
    return f"{metric.meaning} *From {metric.source}.*{better}{gated}"


def _further_rates() -> Iterable[tuple[str, str]]:
    for name in RATES:
        if name in METRICS:
            continue
        if name == REFUSED:
            yield f"`{name}`", "Sessions that did not open, of those that were begun."
        else:
            yield f"`{name}`", f"Turns that ended as `{name}`."


def _outcomes() -> Iterable[tuple[str, str, str, str]]:
    for outcome in OUTCOMES.values():
        failed = "yes" if outcome.failed else "no"
        if outcome.name in NOT_THE_TARGETS:
            failed = "in no rate"
        yield f"`{outcome.name}`", failed, outcome.meaning, outcome.look_at


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(glossary())
