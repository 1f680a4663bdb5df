"""Turns the moments of a turn into which of them are its onset, its end and its answer."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analysis.moments import Mark, ResponseMoments, Transcript, TurnMoments

ONSET_SLACK_MS = 100.0
"""A segment that ends this soon after the speech began holds none of it: voice activity
detection adds silence at a segment's end, and its frames blur its edges."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a turn's moments mean, told once all of them are there."""

    onset: Mark | None
    """The first speech_started of a segment that holds speech of the utterance."""
    end: Mark | None
    """The first speech_stopped of a segment that holds speech of the utterance."""
    replies: list[ResponseMoments]
    """Responses that answer the utterance: not those to a segment without its speech."""
    reply: ResponseMoments | None
    """The response to the end of turn: the first created after it, or the one to it.

    One that calls a tool and says nothing is not it, if another followed.
    """
    last_reply: ResponseMoments | None
    """The response that ends the answer: `reply`, unless that called a tool or led to one."""
    said: list[Transcript]
    """What was understood of the utterance, not of noises beside it; in order of telling."""

    @classmethod
    def of(cls, moments: TurnMoments) -> Reading:
        """Read them."""
        false = [stop for stop in moments.stops if _is_false(stop, moments)]
        end = next((stop for stop in moments.stops if stop not in false), None)
        replies = [r for r in moments.responses if r.cause.stop not in false]
        answers = [
            response
            for response in replies
            if end is None or response.created_seq > end.seq or response.answers(end)
        ]
        heard = (response for response in answers if response.deltas or response.called_ns is None)
        reply = next(heard, answers[0] if answers else None)
        called = any(response.called_ns is not None for response in answers)
        false_items = {stop.item_id for stop in false}
        return cls(
            onset=_onset(moments, false_items - {None}),
            end=end,
            replies=replies,
            reply=reply,
            last_reply=answers[-1] if called else reply,
            said=[t for item_id, t in moments.transcripts.items() if item_id not in false_items],
        )

    def tool_call_ns(self) -> int | None:
        """When the first tool was called."""
        called = (reply.called_ns for reply in self.replies if reply.called_ns is not None)
        return min(called, default=None)

    def first_audio_since_ns(self, result_ns: int | None) -> int | None:
        """First audio of what was created after a tool's result, if there was one."""
        if result_ns is None:
            return None
        heard = (
            response.first_audio_ns
            for response in self.replies
            if response.created_ns > result_ns and response.first_audio_ns is not None
        )
        return next(heard, None)


def _is_false(stop: Mark, moments: TurnMoments) -> bool:
    """Whether a segment holds nothing of the utterance: noise before or after it."""
    if stop.position_ms < moments.label.speech_start_ms + ONSET_SLACK_MS:
        return True
    if stop.item_id is None:
        return False
    start = next((start for start in moments.starts if start.item_id == stop.item_id), None)
    return start is not None and _is_after_speech(start, moments)


def _is_after_speech(start: Mark, moments: TurnMoments) -> bool:
    # An arrival may lag behind the speech it tells of; the server's position may not.
    return start.by_server and start.position_ms >= moments.label.speech_end_ms


def _onset(moments: TurnMoments, false_items: set[str | None]) -> Mark | None:
    for start in moments.starts:
        if start.item_id not in false_items and not _is_after_speech(start, moments):
            return start
    return None
