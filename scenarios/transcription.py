"""How soon, and how well, is speech written down when nobody answers?"""

from locust import between, task

from bench.load.defaults import prefer
from bench.load.users import RealtimeUser

prefer(session_type="transcription", transcription_model="gpt-4o-transcribe")

SPOKEN = ("question", "digits", "spelled", "weather")


class Transcription(RealtimeUser):
    """Speaks into a session that only transcribes; a turn ends when its words have come."""

    wait_time = between(0.5, 1.5)

    @task
    def dictate(self) -> None:
        """Say each sentence once."""
        for utterance in SPOKEN:
            self.session.say(utterance).wait()
            self.wait()
