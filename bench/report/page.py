"""A run's data as one HTML page that needs nothing but itself."""

from __future__ import annotations

from importlib import resources

from markupsafe import Markup

from bench.report.data import ReportData
from bench.report.sections import SECTIONS, fragment
from bench.report.theme import css_variables


def render_page(data: ReportData) -> str:
    """The whole page: no script, no request to anywhere; the same data give the same bytes."""
    css = resources.files("bench.report").joinpath("templates/style.css").read_text("utf-8")
    page = fragment(
        "template.html",
        run_id=data.run.get("run_id") or data.folder.name,
        version=data.summary.get("rtbench_version"),
        css=Markup(css_variables() + "\n" + css),  # noqa: S704 - our own file
        sections=[(s.anchor, s.title, s.render(data)) for s in SECTIONS],
    )
    return str(page).encode("utf-8", "backslashreplace").decode("utf-8")
