"""Lists how a turn can end, and what each ending means: a closed list, in order of telling."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way for a turn to end.

    `failed` says that the caller got no whole reply and that the run's end was not the cause.
    """

    name: str
    meaning: str
    look_at: str
    failed: bool


OUTCOMES: dict[str, Outcome] = {
    outcome.name: outcome
    for outcome in (
        Outcome(
            "ok",
            "What the turn expects came, and was heard to its end: a reply, a transcript, or "
            "nothing where a reply would be a mistake.",
            "Nothing: this is what a turn should be.",
            failed=False,
        ),
        Outcome(
            "talked_over",
            "The caller began to speak while the reply was being heard, as the scenario wants it.",
            "The turn that interrupts it: how soon the server heard the caller and fell silent.",
            failed=False,
        ),
        Outcome(
            "hung_up",
            "The caller hung up during the turn, as the scenario wants it.",
            "Nothing: what had not come by then is not known.",
            failed=False,
        ),
        Outcome(
            "cut_off",
            "The server took the turn before the caller had finished speaking.",
            "Its voice activity detection: silence_duration_ms against the pause in the clip.",
            failed=False,
        ),
        Outcome(
            "no_reply",
            "No reply audio and no finished response came before the watchdog ended the wait.",
            "Whether speech_stopped came: without it voice activity detection missed the speech, "
            "with it the model or its voice never answered.",
            failed=True,
        ),
        Outcome(
            "audio_less",
            "The response was reported done and held no audio.",
            "The session's output modalities, and the response's status and usage.",
            failed=True,
        ),
        Outcome(
            "no_transcript",
            "Nothing of what the caller said was written down before the watchdog ended the wait.",
            "Whether the audio was committed, and the transcription model's errors.",
            failed=True,
        ),
        Outcome(
            "false_turn",
            "The server answered although nobody had spoken to it.",
            "Its voice activity detection: threshold against the noise of the clip.",
            failed=True,
        ),
        Outcome(
            "false_interruption",
            "A backchannel or a noise stopped the reply.",
            "Its voice activity detection, and whether interrupt_response is wanted at all.",
            failed=True,
        ),
        Outcome(
            "interrupted",
            "The server stopped its own reply because it believed the caller was speaking.",
            "Its threshold against the room tone, and any echo: the caller was silent.",
            failed=True,
        ),
        Outcome(
            "server_error",
            "The response failed, was left incomplete or unfinished, or an error ended the turn.",
            "The turn's error: code and message are the server's own.",
            failed=True,
        ),
        Outcome(
            "rate_limited",
            "The server refused the turn because a rate limit was reached.",
            "The account's limits, and whether fewer callers are what you mean to measure.",
            failed=True,
        ),
        Outcome(
            "disconnected",
            "The connection was lost while the turn was under way.",
            "The close code and who closed; then the server's log at that instant.",
            failed=True,
        ),
        Outcome(
            "stopped",
            "The run ended during the turn: what had not come by then is only known to be more.",
            "Nothing, unless there are many: then let the run end after its turns.",
            failed=False,
        ),
    )
}
