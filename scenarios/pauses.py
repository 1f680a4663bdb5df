"""Is a caller who pauses in mid-sentence cut off?"""

from locust import between, task

from bench.load.rounds import Rounds
from bench.load.users import RealtimeUser

PAUSING = Rounds("mid_pause", "pause_300", "pause_1200", "pause_twice")


class Pauses(RealtimeUser):
    """Says sentences with pauses of 0.7, 0.3, 1.2, and 0.5 and 0.9 s in them.

    Server VAD cuts off whatever pauses for longer than `--vad-silence-ms`; with
    `--turn-detection semantic_vad --eagerness low` nobody should be.
    """

    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        self.clips = iter(PAUSING)

    @task
    def pause(self) -> None:
        """Say the next sentence and listen to the answer."""
        self.session.say(next(self.clips)).wait()
