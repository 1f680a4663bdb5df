"""Turns a template and values into one piece of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from bench.report import wording
from bench.report.theme import Chart, NoChart, tick

_HTML = jinja2.Environment(
    loader=jinja2.PackageLoader("bench.report", "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_HTML.filters |= {
    "number": wording.number,
    "quantity": wording.quantity,
    "share": wording.share,
    "tick": tick,
    "printable": wording.printable,
    "typeset": wording.typeset,
}
_HTML.globals |= {
    "count": wording.count,
    "interval": wording.interval,
    "metric_words": wording.metric_words,
    "outcome_words": wording.outcome_words,
    "percentile": wording.percentile,
    "too_few": wording.too_few,
}


def fragment(template: str, **values: Any) -> Markup:
    """HTML of one template; every value that is no Markup is escaped."""
    return Markup(_HTML.get_template(template).render(**values))  # noqa: S704 - autoescaped


def figures(charts: Sequence[Chart | NoChart]) -> Markup:
    """Each chart with its caption and its table, or the reason why it is not there."""
    return fragment("figures.html", charts=[(isinstance(chart, Chart), chart) for chart in charts])
