"""Turns a decision into JUnit XML: a test case per test and limit. Pure.

The form is that of Ant and Jenkins (`testsuites` > `testsuite` > `testcase` with `failure`,
`error` or `skipped`), which GitHub, GitLab, Jenkins and Azure DevOps read.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from bench.analysis.decision import Decision
from bench.analysis.finding import INCONCLUSIVE, INVALID, PASS
from bench.gate.lines import headline, limit_line, line_of
from bench.report.wording import printable

SUITE = "rtbench"


def junit_xml(decision: Decision, *, strict: bool = False) -> str:
    """The document; what is inconclusive is skipped, or under `strict` a failure.

    An invalid run is one case in error: nothing was tested.
    """
    suites = ET.Element("testsuites")
    suite = ET.SubElement(suites, "testsuite", name=SUITE)
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("verdict", decision.verdict),
        ("candidate", decision.candidate),
        ("baseline", decision.baseline or ""),
    ):
        ET.SubElement(properties, "property", name=name, value=_text(value))
    validity = _case(suite, "run", "validity")
    if decision.invalid:
        message = headline(decision)
        error = ET.SubElement(validity, "error", message=_text(message), type=INVALID)
        error.text = _text("\n".join(decision.invalid))
    for finding in () if decision.gate is None else decision.gate.findings:
        line = line_of(finding)
        case = _case(suite, f"gate.{line.metric}", line.statistic)
        detail = (
            f"{line.baseline} -> {line.candidate}, effect {line.effect}, "
            f"detectable {line.detectable}, N {line.n}"
        )
        _note(case, line.verdict, line.reason, detail, strict=strict)
    for found in decision.limits:
        row = limit_line(found)
        case = _case(suite, f"limits.{found.limit.measure.name}", row.limit)
        detail = f"{row.value}, 95 % interval {row.interval}, N {row.n}"
        _note(case, row.verdict, row.reason, detail, strict=strict)
    counts = {
        "tests": len(suite.findall("testcase")),
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
        "skipped": len(suite.findall("testcase/skipped")),
    }
    for element in (suites, suite):
        for name, count in counts.items():
            element.set(name, str(count))
        element.set("time", "0")
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, "unicode") + "\n"


def _case(suite: ET.Element, group: str, name: str) -> ET.Element:
    classname = _text(f"{SUITE}.{group}")
    return ET.SubElement(suite, "testcase", classname=classname, name=_text(name), time="0")


def _note(case: ET.Element, verdict: str, reason: str, detail: str, *, strict: bool) -> None:
    if verdict == PASS:
        ET.SubElement(case, "system-out").text = _text(detail)
        return
    tag = "skipped" if verdict == INCONCLUSIVE and not strict else "failure"
    found = ET.SubElement(case, tag, message=_text(f"{verdict}: {reason}"))
    if tag == "failure":
        found.set("type", verdict)
    found.text = _text(detail)


def _text(text: str) -> str:
    """What XML 1.0 can hold."""
    return (
        "".join(c if c >= " " or c in "\n\t" else " " for c in printable(text))
        .replace("\ufffe", " ")
        .replace("\uffff", " ")
    )
