"""A run's data as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources

from markupsafe import Markup

from bench.report.data import ReportData
from bench.report.fragment import fragment
from bench.report.sections import SECTIONS
from bench.report.theme import css_variables


def render_page(data: ReportData) -> str:
    """The whole page: no script, no request to anywhere; the same data give the same bytes."""
    return render_document(
        data.run.get("run_id") or data.folder.name,
        data.summary.get("rtbench_version"),
        ((section.anchor, section.title, section.render(data)) for section in SECTIONS),
    )


def render_document(
    name: object, version: object, sections: Iterable[tuple[str, str, Markup]]
) -> str:
    """A page of `sections`, each an anchor, a heading and what stands below it."""
    css = resources.files("bench.report").joinpath("templates/style.css").read_text("utf-8")
    page = fragment(
        "template.html",
        run_id=name,
        version=version,
        css=Markup(css_variables() + "\n" + css),  # noqa: S704 - our own file
        sections=list(sections),
    )
    return str(page).encode("utf-8", "backslashreplace").decode("utf-8")
