"""Turns the options of a run into its prices, and into words on what it may cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.analysis.estimate import (
    LONG_REPLY_S,
    SHORT_REPLY_S,
    Estimate,
    RunSize,
    clips_named,
    dollars,
    estimate_cost,
)
from bench.analysis.prices import PRICES, Prices, prices_of, read_prices
from bench.audio.catalogue import Catalogue
from bench.problem import Problem
from bench.session.call_plan import CallPlan

HOUR_S = 3600.0


@dataclass(frozen=True)
class Cost:
    """What is known of a run's cost before it begins; `prices` None where nobody knows them."""

    model: str
    prices: Prices | None
    toml: str | None
    """The text of the file that --prices names."""
    size: RunSize
    callers_known: bool = True
    """Whether it is known how many callers there will be; `size` has one of them otherwise."""
    end_known: bool = True
    """Whether it is known when the run ends; `size` has an hour of it otherwise."""
    runs: int = 1
    """How many runs of that size it takes."""

    @cached_property
    def estimate(self) -> Estimate | None:
        """Of one run."""
        return None if self.prices is None else estimate_cost(self.size, self.prices)

    @property
    def words(self) -> str:
        """The estimate in a few words, such as `$1.20 to $3.40`."""
        if self.estimate is None:
            return f"unknown, as is the price of model {self.model!r}"
        low, high = (dollars(self.runs * end) for end in _ends(self.estimate))
        words = low if low == high else f"{low} to {high}"
        words += "" if self.end_known else " an hour"
        return words if self.callers_known else f"{words} for each caller"

    @property
    def assumptions(self) -> str:
        """What the estimate rests on, in sentences."""
        if self.prices is None:
            return "--prices FILE tells dollars per million tokens."
        size = self.size
        callers = "1 caller" if size.callers == 1 else f"{size.callers} callers"
        times = "" if self.runs == 1 else f"{self.runs} runs with "
        source = f", read on {self.prices.date}" if self.prices.date else ""
        return (
            f"Assumed: {times}{callers} for {size.seconds:g} s, {size.speech_s:.1f} s of speech "
            f"a turn, replies of {SHORT_REPLY_S:g} s to {LONG_REPLY_S:g} s heard to their end, "
            "all that was said billed again each turn, from the cache or not, at the prices of "
            f"{self.model}{source}. Instructions, tools and transcripts come on top."
        )


def _ends(estimate: Estimate) -> tuple[float, float]:
    return estimate.low_usd, estimate.high_usd


def foresee_cost(
    options: Any,
    model: str,
    speech_s: float,
    *,
    callers: int | None,
    seconds: float | None,
    runs: int = 1,
) -> Cost:
    """Prices and size of a run; `callers` or `seconds` None where nobody knows them yet.

    `options` are rtbench's own: --prices, --max-usd and --session-type count here.

    Raises:
        Problem: --prices cannot be read, or --max-usd cannot be kept for want of a price.
    """
    toml = _read(options.prices) if options.prices else None
    table = PRICES if toml is None else read_prices(toml, options.prices)
    talks = options.session_type != "transcription"
    prices = prices_of(model, table) if talks else None
    if options.max_usd is not None and prices is None:
        asked = f"--max-usd {options.max_usd:g}"
        if not talks:
            raise Problem(f"{asked}: nobody tells what transcription costs; leave it out")
        raise Problem(
            f"{asked}: the price of model {model!r} is unknown; "
            "give it with --prices FILE, or choose another --model"
        )
    size = RunSize(callers or 1, HOUR_S if seconds is None else float(seconds), speech_s)
    return Cost(model, prices, toml, size, callers is not None, seconds is not None, runs)


def cost_of_run(environment: Any, plan: CallPlan) -> Cost:
    """What is known of the cost of a run of a Locust environment.

    Raises:
        Problem: as `foresee_cost` does.
    """
    options = environment.parsed_options
    callers = options.num_users or (1 if options.headless or options.autostart else None)
    seconds = options.run_time or None
    if environment.shape_class is not None:  # which may ask for anything at any time
        callers = seconds = None
    speech_s = speech_of(plan.catalogue, environment.parsed_locustfiles or ())
    model = plan.settings.model
    return foresee_cost(options, model, speech_s, callers=callers, seconds=seconds)


def speech_of(catalogue: Catalogue, scenario_files: Iterable[str | Path]) -> float:
    """Seconds of speech in a scenario's clips, on average: those it names, else all there are."""
    known = set(catalogue)
    named: set[str] = set()
    for path in scenario_files:
        try:
            named |= clips_named(Path(path).read_text(encoding="utf-8"), known)
        except (OSError, ValueError):  # Locust has read it; it may have come from elsewhere
            continue
    entries = [catalogue.entry(clip) for clip in sorted(named or known)]
    lasting = [
        (entry.speech_end_ms - (entry.speech_start_ms or 0)) / 1000
        for entry in entries
        if entry.speech_end_ms is not None
    ]
    return fmean(lasting) if lasting else 0.0


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise Problem(
            f"--prices {path}: cannot be read ({error.strerror}); "
            "give a TOML file of dollars per million tokens"
        ) from None
    except UnicodeDecodeError:
        raise Problem(f"--prices {path}: is not UTF-8 text; save it as UTF-8") from None
