"""Turns the text of a limits file into limits, or into one line that says where it is wrong.

A file is a YAML list of sentences, or has one under `limits`:

    - ttfa_ms p95 < 900
    - ttfa_ms p50 <= 0.6 s
    - delivery_factor p5 > 1
    - cut_off rate < 2%
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import yaml

from bench.analysis.measures import RATES, Measure, measure_named
from bench.analysis.metrics import METRICS
from bench.problem import Problem, suggest

RATE, MEAN = "rate", "mean"

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_SENTENCE = re.compile(
    r"(?P<measure>\w+) +(?P<statistic>\w+) *(?P<operator>[<>]=?) *(?P<bound>[^<>=].*)"
)
_BOUND = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?) *(\D*)")
_FORM = "write MEASURE STATISTIC < NUMBER, for example ttfa_ms p95 < 900"
_LARGEST = 1e12
_STATISTICS = ("mean", "p50", "p90", "p95", "p99", "p1 to p99")


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure of a run must stay below or above.

    `statistic` is `mean`, `p1` to `p99`, or for a rate `rate`. `bound` is in the measure's unit;
    for a rate a share. `text` is the sentence as it stands in line `line`.
    """

    text: str
    line: int
    measure: Measure
    statistic: str
    operator: str
    bound: float

    @property
    def percent(self) -> int | None:
        """Of a percentile its number, else None."""
        return int(self.statistic[1:]) if self.statistic[0] == "p" else None

    @property
    def is_upper(self) -> bool:
        """Whether figures must stay below."""
        return self.operator[0] == "<"

    def keeps(self, figure: float) -> bool:
        """Whether a figure is on the right side."""
        return OPERATORS[self.operator](figure, self.bound)


def parse_limits(text: str, source: str) -> list[Limit]:
    """The limits in `text`, the content of the file `source`.

    Raises:
        Problem: with file, line and mend: it is no such list, is empty, or a sentence cannot be
            read, names an unknown measure or statistic, or has a unit that does not fit.
    """
    limits = []
    for sentence, line in _sentences(text, source):
        try:
            limits.append(_limit(sentence, line))
        except Problem as problem:
            raise Problem(f"{source}, line {line}: {sentence!r}: {problem}") from None
    if not limits:
        raise Problem(f"{source}: holds no limit; {_FORM}")
    return limits


def _sentences(text: str, source: str) -> Iterable[tuple[str, int]]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or "a character that YAML does not allow"
        raise Problem(f"{source}{where}: is no YAML ({reason})") from None
    if node is None:
        return
    if isinstance(node, yaml.MappingNode):
        for key, _ in node.value:
            if key.value != "limits":
                line = key.start_mark.line + 1
                raise Problem(
                    f"{source}, line {line}: {key.value!r} is no known key; the one there is is "
                    "`limits`, a list of sentences"
                )
        node = node.value[0][1] if node.value else None
        if node is None:
            return
    if not isinstance(node, yaml.SequenceNode):
        line = node.start_mark.line + 1
        raise Problem(f"{source}, line {line}: is no list; begin each limit with `- `")
    for entry in node.value:
        line = entry.start_mark.line + 1
        if not isinstance(entry, yaml.ScalarNode):
            raise Problem(f"{source}, line {line}: is no sentence; {_FORM}")
        yield entry.value, line


def _limit(sentence: str, line: int) -> Limit:
    match = _SENTENCE.fullmatch(sentence.strip())
    if match is None:
        raise Problem(_FORM)
    measure = measure_named(match["measure"])
    if measure is None:
        raise Problem(
            f"{match['measure']} is no measure; {suggest(match['measure'], [*METRICS, *RATES])}"
        )
    if measure.scope not in {"turn", "session"}:
        raise Problem(f"{measure.name} is of a whole run, not of its turns or sessions")
    return Limit(
        sentence.strip(),
        line,
        measure,
        _statistic(measure, match["statistic"]),
        match["operator"],
        _bound(measure, match["bound"]),
    )


def _statistic(measure: Measure, word: str) -> str:
    if measure.is_rate:
        if word != RATE:
            raise Problem(f"{measure.name} is a rate: write {measure.name} rate")
        return RATE
    if word == RATE:
        raise Problem(f"{measure.name} is no rate; take one of {', '.join(_STATISTICS)}")
    if word in {MEAN, "median"}:
        return MEAN if word == MEAN else "p50"
    if re.fullmatch(r"p[1-9]\d?", word):
        return word
    raise Problem(f"{word} is no statistic; {suggest(word, _STATISTICS)}")


def _bound(measure: Measure, text: str) -> float:
    match = _BOUND.fullmatch(text)
    if match is None:
        raise Problem(f"{text!r} is no number with or without a unit")
    number, unit = match.groups()
    value = float(number)
    if abs(value) > _LARGEST:
        raise Problem(f"{number} is more than anything can be")
    if measure.is_rate:
        share = value / 100 if unit == "%" else value
        if unit not in {"", "%"}:
            raise Problem(f"a rate has no unit {unit!r}; write 2% or 0.02")
        if not 0 <= share <= 1:
            raise Problem(f"a rate lies between 0% and 100%, or 0 and 1; did you mean {number}%?")
        return share
    if unit == "s" and measure.unit == "ms":
        return value * 1000
    if unit == "%" and measure.unit == "share":
        return value / 100
    if unit not in {"", measure.unit}:
        raise Problem(f"{measure.name} is in {measure.unit}, not in {unit}")
    return value
