from __future__ import annotations

from collections.abc import Sequence

import pytest

from bench.server.hearing.speech import HANGOVER_MS, QUIET_WINDOWS, Speech
from bench.server.hearing.turns import SilencePolicy, Started, Stopped, VadEvent

LOUD, NOISE = (-20.0,) * 4, (-64.0,) * 4


class Listener:
    """Says window after window what the model would."""

    def __init__(self, silence_ms: SilencePolicy = 500, threshold: float = 0.5) -> None:
        self.speech = Speech(0)
        self.speech.tune(threshold, 300, silence_ms)
        self.end_ms = 0

    def hear(
        self, probability: float, windows: int = 1, levels: Sequence[float] | None = None
    ) -> list[VadEvent]:
        events = []
        for _ in range(windows):
            self.end_ms += 32
            heard = levels or (LOUD if probability > 0.2 else NOISE)
            events += self.speech.hear(self.end_ms, probability, heard)
        return events


def test_one_window_is_no_onset() -> None:
    listener = Listener()
    assert listener.hear(0.0, 20) + listener.hear(0.99) + listener.hear(0.0, 20) == []


def test_two_windows_are_an_onset_and_it_is_where_the_level_rises() -> None:
    listener = Listener()
    listener.hear(0.0, 19)
    listener.hear(0.1, levels=(-64.0, -64.0, -20.0, -20.0))
    assert listener.hear(0.9, 2) == [Started(624 - 300, 624)]
    assert listener.speech.speaking


def test_without_anything_before_it_the_onset_is_where_it_usually_is() -> None:
    listener = Listener()
    listener.hear(0.0, 2)
    assert listener.hear(0.9, 2) == [Started(0, 40)]


def test_a_turn_ends_at_the_millisecond_and_not_at_a_window() -> None:
    listener = Listener()
    listener.hear(0.0, 20)
    listener.hear(0.9, 20)
    voice_end_ms = 40 * 32 + 16
    listener.hear(0.1, levels=(-20.0, -20.0, -64.0, -64.0))
    events = listener.hear(0.0, 30)
    assert events == [Stopped(voice_end_ms + HANGOVER_MS + 500, voice_end_ms)]
    assert not listener.speech.speaking


def test_the_end_may_lie_before_the_last_window_with_a_voice() -> None:
    listener = Listener()
    listener.hear(0.0, 20)
    listener.hear(0.9, 20)
    listener.hear(0.9, levels=NOISE)
    events = listener.hear(0.0, 30)
    assert [event.voice_end_ms for event in events if isinstance(event, Stopped)] == [1_280]


def test_speech_lasts_at_half_the_threshold() -> None:
    listener = Listener()
    listener.hear(0.9, 10)
    assert listener.hear(0.3, 40) == []
    assert len(listener.hear(0.2, 40, NOISE)) == 1


def test_a_told_end_is_taken_back_only_by_a_whole_threshold() -> None:
    listener = Listener()
    listener.hear(0.9, 10)
    listener.hear(0.0, QUIET_WINDOWS)
    told_ms = listener.speech.deadline_ms
    listener.hear(0.4)
    assert listener.speech.deadline_ms == told_ms
    listener.hear(0.5)
    assert listener.speech.deadline_ms is None


@pytest.mark.parametrize("silence_ms", [0, 50, 100])
def test_less_silence_than_it_takes_to_hear_one_ends_a_turn_when_it_is_heard(
    silence_ms: int,
) -> None:
    listener = Listener(silence_ms)
    listener.hear(0.9, 10)
    (stopped,) = listener.hear(0.0, 10)
    assert stopped.audio_ms == (10 + QUIET_WINDOWS) * 32


def test_a_policy_is_asked_once_per_silence() -> None:
    asked: list[int] = []

    def answer(voice_end_ms: int) -> int:
        asked.append(voice_end_ms)
        return 2_000

    listener = Listener(answer)
    listener.hear(0.0, 20)
    listener.hear(0.9, 10)
    listener.hear(0.0, QUIET_WINDOWS - 1)
    assert asked == []
    listener.hear(0.0, 30)
    assert asked == [960]
    listener.hear(0.9, 10)
    assert asked == [960]
    second_ms = listener.end_ms
    events = listener.hear(0.0, 100)
    assert asked == [960, second_ms]
    assert events == [Stopped(second_ms + HANGOVER_MS + 2_000, second_ms)]


def test_other_settings_hold_for_a_silence_under_way() -> None:
    listener = Listener(5_000)
    listener.hear(0.9, 10)
    assert listener.hear(0.0, 20) == []
    listener.speech.tune(0.5, 300, 700)
    (stopped,) = listener.hear(0.0, 20)
    assert stopped == Stopped(320 + HANGOVER_MS + 700, 320)


def test_forgotten_speech_ends_without_a_word_and_nothing_starts_before() -> None:
    listener = Listener()
    listener.hear(0.9, 10)
    listener.speech.forget_speech(10 * 32 + 40)
    assert not listener.speech.speaking
    assert listener.hear(0.9, 2) == []  # both reach back to before the end that was given
    (started,) = listener.hear(0.9, 2)
    assert isinstance(started, Started)
    assert started.audio_ms == 360
    assert started.onset_ms >= 360


def test_a_turn_cannot_expire_before_its_time() -> None:
    listener = Listener()
    listener.hear(0.9, 10)
    listener.hear(0.0, QUIET_WINDOWS)
    end_ms = 320 + HANGOVER_MS + 500
    assert listener.speech.expire(end_ms - 1) is None
    assert listener.speech.expire(end_ms) == Stopped(end_ms, 320)
    assert listener.speech.expire(end_ms) is None


def test_a_voice_in_the_window_that_ends_at_the_deadline_keeps_the_turn() -> None:
    resumed, expired = Listener(640 - 320 - HANGOVER_MS), Listener(640 - 320 - HANGOVER_MS)
    for listener in (resumed, expired):
        listener.hear(0.9, 10)
        assert listener.hear(0.0, 9) == []
    assert resumed.hear(0.9) == []
    assert expired.hear(0.0) == [Stopped(640, 320)]
