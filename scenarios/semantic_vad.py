"""Does turn detection by meaning answer whole sentences soon and let unfinished ones go on?"""

from locust import between, task

from bench.load.defaults import prefer
from bench.load.users import RealtimeUser

prefer(turn_detection="semantic_vad")

SENTENCES = ("question", "mid_pause", "weather", "pause_1200", "digits")


class SemanticVad(RealtimeUser):
    """Says sentences in one go and sentences with pauses in them.

    `--eagerness low|medium|high` says how soon the server takes the turn.
    """

    wait_time = between(0.5, 1.5)

    @task
    def speak(self) -> None:
        """Say each sentence once."""
        for utterance in SENTENCES:
            self.session.say(utterance).wait()
            self.wait()
