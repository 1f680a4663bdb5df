"""Holds what is known of one turn when all of its rows were read."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analysis.playback import Playout
from bench.analysis.prices import Usage

COLD, WARMUP, UNREVIEWED, MEASURED = "cold", "warmup", "unreviewed", "measured"


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance and its response, if any. None means that it never came or is not known.

    Instants (`_ns`) are monotonic nanoseconds of the session's worker: arrivals in the kernel,
    except `started_ns`, `speech_start_ns` and `speech_end_ns`, which follow from the audio
    clock and the clip's labels, and what the client sent. `_ms` labels count from the clip's
    first sample. Of a turn without a clip `speech_end_ns` is the request for a response.
    """

    session_id: str
    turn_index: int
    kind: str
    """How it begins: speech, sound, text, image, request or listen."""
    expects: str
    """What it waits for: reply, transcript or silence."""
    detected: bool
    """Whether the server is to find where speech begins and ends."""
    awaits_audio: bool
    """Whether a reply that can be heard is to come, counted from something of the caller's."""
    interrupts: int | None
    """Index of the turn whose reply the caller speaks over."""
    utterance: str
    category: str
    pauses: tuple[tuple[float, float], ...]
    outcome: str
    """A name in bench.analysis.outcomes.OUTCOMES."""
    turn_class: str
    """`unreviewed`: its clip's label is not confirmed; `cold`: first of its session; `warmup`:
    began too early to count; else `measured`. The first that holds."""
    cut_off: bool
    """The relevant speech_stopped, or reply audio, came strictly before speech_end_ns."""
    cut_off_pause: int | None
    started_ns: int
    speech_start_ns: int
    speech_end_ns: int
    speech_started_ns: int | None
    speech_stopped_ns: int | None
    """Arrival of the first speech_stopped whose segment holds speech of the utterance."""
    requested_ns: int | None
    """When the client ended the turn itself, by a commit or a request for a response."""
    tool_call_ns: int | None
    tool_result_ns: int | None
    """When the latest result of a tool was sent."""
    tool_reply_ns: int | None
    """First audio of what was created after that."""
    interrupted_until_ns: int | None
    """Arrival of the last audio of the reply that the caller speaks over, if some came since."""
    overrun_ms: float | None
    """Audio of that reply that came after the speech began; None where it cannot be known."""
    response_created_ns: int | None
    first_audio_ns: int | None
    first_audible_ns: int | None
    audibility_lost: bool
    """Whether the reply may have become audible in a message that was too long to keep whole."""
    last_audio_ns: int | None
    response_done_ns: int | None
    transcript_done_ns: int | None
    first_output_transcript_ns: int | None
    ended_ns: int | None
    observed_until_ns: int
    """Until when anything missing was waited for: ended_ns, else the last row of the turn."""
    item_id: str | None
    response_id: str | None
    response_status: str | None
    delta_count: int
    reply_ms: float
    """Duration of the response's audio, as received."""
    playout: Playout
    """How it sounds in a player with a small buffer."""
    text: str | None
    """What the caller said, by the clip's label."""
    transcript: str | None
    """What the server understood of it."""
    usage: Usage | None
    """Tokens of all responses that the turn brought about."""
    cost_usd: float | None
    end_reason: str | None
    """As noted: done, watchdog, disconnected or stopped; None when the note is missing."""
    error: str | None
    """What the server or the network said, when that is what ended the turn."""
