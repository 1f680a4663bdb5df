"""Turns the turns of one worker into recordings of those that are worth hearing again."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import soundfile

from bench.analysis.shortlist import Candidate, Shortlist
from bench.analysis.turn import Turn
from bench.analysis.turns import assemble_session
from bench.audio.utterance import SAMPLE_RATE_HZ
from bench.runs.recorder import SessionRecord
from bench.session.call_plan import CallPlan
from bench.session.stereo import Stereo, stereo
from bench.session.tape import Room, Tape, TurnTape


class Recordings:
    """The tapes of a worker's sessions, and the turns kept so far.

    `count` is of each class. Turns begun before `warm_until_ns` are warm-up.
    """

    def __init__(self, count: int, warm_until_ns: int) -> None:
        self._count = count
        self._warm_until_ns = warm_until_ns
        self._draw = random.SystemRandom().random  # workers that are forks must not draw alike
        self._shortlist = Shortlist[TurnTape](count, self._draw)
        self._room = Room()
        self._lost = 0

    def tape(self, plan: CallPlan) -> Tape:
        """The tape of a new session."""
        return Tape(plan, self._room, self._shortlist.wants, self._draw)

    def judging(
        self, tape: Tape, on_turn: Callable[[SessionRecord], None]
    ) -> Callable[[SessionRecord], None]:
        """`on_turn` of the session with that tape, its turns judged before."""

        def judge(record: SessionRecord) -> None:
            for turn in assemble_session(record.turn_rows, self._warm_until_ns).turns:
                self._end_turn(tape, turn)
            on_turn(record)

        return judge

    def _end_turn(self, tape: Tape, turn: Turn) -> None:
        talked_over = turn.end_reason == "talked_over"
        done = tape.end_turn(turn.observed_until_ns, talked_over=talked_over, told=turn)
        for turn_tape in done:
            self._offer(turn_tape)

    def _offer(self, tape: TurnTape) -> None:
        candidate = Candidate.of(tape.told, tape.ticket, tape)
        if candidate is not None:
            self._shortlist.note(candidate)
        if candidate is None or not self._shortlist.would_keep(candidate):
            tape.lose()
        elif not tape.want():
            self._lost += 1
        else:
            dropped = self._shortlist.offer(candidate)
            if dropped is not None:
                dropped.lose()

    def files(self, worker: str) -> Iterator[tuple[str, bytes]]:
        """Name and content of each kept turn's FLAC, made when asked for; last the list of them.

        Takes time, but no clock and no disk: any thread may ask.
        """
        listed = []
        for candidate in self._shortlist:
            tape = candidate.kept
            sound = stereo(tape, tape.plan.catalogue.get)
            entry = _entry(tape.told, tape, sound)
            listed.append(entry)
            yield entry["file"], encode_flac(sound)
        listing = {"count": self._count, "lost": self._lost, "recordings": listed}
        yield f"{worker}.candidates.json", json.dumps(listing, indent=2).encode()


def encode_flac(sound: Stereo) -> bytes:
    """A FLAC file of 24 kHz, caller left and reply right."""
    file = io.BytesIO()
    soundfile.write(file, sound.samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def _entry(turn: Turn, tape: TurnTape, sound: Stereo) -> dict[str, Any]:
    return {
        "file": f"{turn.session_id}-turn{turn.turn_index}.flac",
        "session_id": turn.session_id,
        "turn_index": turn.turn_index,
        "ticket": tape.ticket,
        "zero_ns": sound.zero_ns,
        "zero_ms": sound.zero_ms,
        "duration_ms": len(sound.samples) * 1000 / SAMPLE_RATE_HZ,
        "sample_rate_hz": SAMPLE_RATE_HZ,
    }
