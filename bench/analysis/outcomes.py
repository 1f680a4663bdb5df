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
            "missed_turn",
            "The server did not notice the turn: no end of speech, no commit and no response came "
            "before the watchdog ended the wait.",
            "Its voice activity detection: threshold against the level of the clip, and whether "
            "audio goes on after the speech.",
            failed=True,
        ),
        Outcome(
            "no_reply",
            "The turn was taken, but no reply audio and no finished response came before the "
            "watchdog ended the wait.",
            "How far it came: speech_stopped without response.created, or a response without "
            "audio; then the model's side of the server.",
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
            "The reply was stopped although the caller did not mean to stop it: by a backchannel, "
            "a noise, or nothing that was said at all.",
            "Its voice activity detection: threshold against room tone and echo, and whether "
            "interrupt_response is wanted at all.",
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
            "refused",
            "The server would not do what was asked, and no reply came.",
            "The turn's error: what the request had wrong is in the server's own words.",
            failed=True,
        ),
        Outcome(
            "protocol_error",
            "A message that nobody can read came instead of the reply, or the connection was "
            "closed because one side broke the rules of WebSocket.",
            "The turn's error, and whether --dialect is the one that the server speaks.",
            failed=True,
        ),
        Outcome(
            "disconnected",
            "The connection was lost while the turn was under way.",
            "The close code and who closed; then the server's log at that instant.",
            failed=True,
        ),
        Outcome(
            "client_late",
            "The turn went wrong, and frames of the utterance had left later than a valid run "
            "allows: rtbench may be to blame, not the target.",
            "The instrument: its CPU, its stalls, and whether fewer users keep the pace.",
            failed=False,
        ),
        Outcome(
            "stopped",
            "The run ended during the turn: what had not come by then is only known to be more.",
            "Nothing, unless there are many: then let the run end after its turns.",
            failed=False,
        ),
    )
}

NOT_THE_TARGETS = frozenset({"stopped", "client_late"})
"""The run's end or the instrument had a hand in these: such turns say nothing of the target."""
