"""Lists the scenarios with what is demanded of each, by default and with the flags that matter."""

from __future__ import annotations

from dataclasses import dataclass

from tests.benchmarks.scenarios.demands import (
    Demand,
    answered,
    cold_and_warm,
    committed,
    cut_off_at,
    in_every_language,
    in_one_session,
    interrupted,
    never_cut_off,
    silence,
    soon_though_patient,
    stopped_by_murmurs,
    tools_answered,
    written_down,
)


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario, options for it, and what must come of it."""

    scenario: str
    demand: Demand
    options: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """As one would type it."""
        return " ".join([self.scenario, *self.options])


CASES = (
    Case("ask", answered),
    Case("conversation", answered),
    Case("barge_in", interrupted),
    Case("backchannel", stopped_by_murmurs(1.0)),
    Case("backchannel", stopped_by_murmurs(0.0), ("--vad-interrupt", "off")),
    Case("pauses", cut_off_at(500)),
    Case("pauses", cut_off_at(1_000), ("--vad-silence-ms", "1000")),
    Case("pauses", never_cut_off, ("--turn-detection", "semantic_vad", "--eagerness", "low")),
    Case("noise", silence),
    Case("telephony", answered),
    Case("telephony", answered, ("--codec", "pcma")),
    Case("manual_turns", committed),
    Case("manual_turns", committed, ("--push-to-talk",)),
    Case("semantic_vad", soon_though_patient),
    Case("tools", tools_answered),
    Case("transcription", written_down),
    Case("long_session", in_one_session),
    Case("cold_start", cold_and_warm),
    Case("languages", in_every_language),
    Case("mixed", answered),
    Case("sweep", cut_off_at(300), ("--vad-silence-ms", "300")),
    Case("sweep", cut_off_at(1_000), ("--vad-silence-ms", "1000")),
)
