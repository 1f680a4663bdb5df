"""Turns one metric of two runs into residuals that may be compared: aligned by fixture.

Fixtures differ in their medians by more than any regression (a long pause in a clip, a long
answer to it), and a run that lost a few turns of a slow fixture must not look faster. So each
value is seen against the median of its fixture over both runs, as in Hodges & Lehmann, "Rank
methods for combination of independent experiments in analysis of variance", Annals of
Mathematical Statistics 33 (1962): the medians are the same whichever run a value is of, so
exchanging runs leaves them as they are, and permutation tests of aligned values stay exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.analysis.statistics import nearest_rank

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

RATIO = "ratio"
DIFFERENCE = "difference"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One metric of one run, one element of each array per turn that was asked for it.

    `values` has nan where nothing is known. Where `censored`, the value did not come while it
    was waited for and ranks above every value seen, whatever number stands in `values`.
    `sessions` are what is exchanged as a whole: session i of one run is compared with session i
    of the other; in interleaved blocks, the number of the pair of blocks. `fixtures` name what
    was said. Both may be anything that numpy can sort: integers or strings.
    """

    values: Floats
    sessions: NDArray[Any]
    fixtures: NDArray[Any]
    censored: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        values: ArrayLike,
        sessions: ArrayLike,
        fixtures: ArrayLike | None = None,
        censored: ArrayLike | None = None,
    ) -> Sample:
        """From anything numpy takes; without `fixtures` all are of one, without `censored` none.

        Raises ValueError when lengths differ.
        """
        numbers = np.asarray(values, dtype=np.float64)
        size = len(numbers)
        sample = cls(
            numbers,
            np.asarray(sessions),
            np.zeros(size, np.intp) if fixtures is None else np.asarray(fixtures),
            np.zeros(size, np.bool_) if censored is None else np.asarray(censored, np.bool_),
        )
        if {len(sample.sessions), len(sample.fixtures), len(sample.censored)} != {size}:
            raise ValueError("values, sessions, fixtures and censored differ in length")
        return sample

    def known(self) -> Sample:
        """Without the missing; censored values are infinite, which is how they rank."""
        keep = self.censored | ~np.isnan(self.values)
        return Sample(
            np.where(self.censored, np.inf, self.values)[keep],
            self.sessions[keep],
            self.fixtures[keep],
            self.censored[keep],
        )

    def percentile(self, percent: int) -> float | None:
        """By nearest rank over all fixtures; infinite if that never came, None of no values."""
        values = np.sort(self.known().values)
        return float(values[nearest_rank(percent, len(values)) - 1]) if len(values) else None

    def take(self, rows: NDArray[np.bool_]) -> Sample:
        """The turns where `rows` is true."""
        return replace(
            self,
            values=self.values[rows],
            sessions=self.sessions[rows],
            fixtures=self.fixtures[rows],
            censored=self.censored[rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """Residuals of a baseline and a candidate: larger is worse, +inf is censored.

    On the scale `ratio` residuals are logarithms of value / median of the fixture, so a shift
    of 0.1 is about 10 %; on the scale `difference`, for metrics that can be 0 or negative, they
    are in the metric's unit. `pairs` counts sessions of either run, `*_pair` number them;
    `fixtures` counts the medians that residuals were taken against.
    """

    baseline: Floats
    candidate: Floats
    baseline_pair: Codes
    candidate_pair: Codes
    pairs: int
    fixtures: int
    scale: str


def align(
    baseline: Sample, candidate: Sample, *, better: str = "lower", shift: float = 0.0
) -> Aligned:
    """Residuals of both by fixture, those of `candidate` seen as if `shift` were not there.

    `shift` moves only the medians that the residuals are taken against: around a large shift
    the median of both would lie in the gap between them, anywhere. A fixture that only one of
    the two has known values of says nothing and is left out.
    """
    first, second = _of_shared_fixtures(baseline.known(), candidate.known())
    worse = 1 if better == "lower" else -1
    values = np.concatenate([first.values, second.values])
    scale = residual_scale(values)
    residuals = worse * (np.log(values) if scale == RATIO else values)
    residuals[np.concatenate([first.censored, second.censored])] = np.inf
    _, fixtures = np.unique(np.concatenate([first.fixtures, second.fixtures]), return_inverse=True)
    ids, pair = np.unique(np.concatenate([first.sessions, second.sessions]), return_inverse=True)
    split = len(first.values)
    unshifted = residuals.copy()
    unshifted[split:] -= shift
    medians = fixture_medians(unshifted, fixtures)
    residuals -= medians[fixtures]
    return Aligned(
        residuals[:split],
        residuals[split:],
        pair[:split],
        pair[split:],
        pairs=len(ids),
        fixtures=len(medians),
        scale=scale,
    )


def residual_scale(values: Floats) -> str:
    """`ratio` where all values are above 0, else `difference`."""
    return RATIO if not len(values) or values.min() > 0 else DIFFERENCE


def fixture_medians(values: Floats, fixtures: Codes) -> Floats:
    """The median of each fixture, numbered from 0; its largest finite value if that is infinite.

    A median that was never reached cannot be subtracted; any finite place keeps the order
    within the fixture. A fixture without finite values gets 0.
    """
    order = np.lexsort((values, fixtures))
    counts = np.bincount(fixtures)
    finite = np.bincount(fixtures, np.isfinite(values)).astype(np.intp)
    starts = np.cumsum(counts) - counts
    highest = np.maximum(finite - 1, 0)
    ordered = values[order]
    lower = ordered[starts + np.minimum((counts - 1) // 2, highest)]
    upper = ordered[starts + np.minimum(counts // 2, highest)]
    return np.where(finite > 0, (lower + upper) / 2, 0.0) if len(values) else np.empty(0)


def _of_shared_fixtures(first: Sample, second: Sample) -> tuple[Sample, Sample]:
    return (
        first.take(np.isin(first.fixtures, second.fixtures)),
        second.take(np.isin(second.fixtures, first.fixtures)),
    )
