"""How soon, and how well, is speech written down when nobody answers?"""

from locust import between, task

from bench.load.defaults import prefer
from bench.load.rounds import Rounds
from bench.load.users import RealtimeUser

prefer(session_type="transcription", transcription_model="gpt-4o-transcribe")

SPOKEN = Rounds("question", "digits", "spelled", "weather")


class Transcription(RealtimeUser):
    """Speaks into a session that only transcribes; a turn ends when its words have come."""

    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        self.clips = iter(SPOKEN)

    @task
    def dictate(self) -> None:
        """Say the next sentence and wait for its words."""
        self.session.say(next(self.clips)).wait()
