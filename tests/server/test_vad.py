from __future__ import annotations

import numpy as np

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.microphone import room_tone
from bench.server.hearing.energy import EnergyEar
from bench.server.vad import Edge, EnergyVad


def test_events_come_back_from_feed_as_the_ear_finds_them() -> None:
    pcm = Catalogue.open(default_directory()).get("short").pcm
    audio = np.concatenate([room_tone(-65.0, 1_000), pcm, room_tone(-65.0, 1_000)])
    ear = EnergyEar(start_ms=40)
    ear.tune(0.5, 100, 400)
    ear.feed(audio)
    events = EnergyVad(0.5, 100, 400, start_ms=40).feed(audio)
    assert events == ear.take()
    assert [event.edge for event in events] == [Edge.STARTED, Edge.STOPPED]
