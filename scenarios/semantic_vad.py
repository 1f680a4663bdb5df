"""Does turn detection by meaning answer whole sentences soon and let unfinished ones go on?"""

from locust import between, task

from bench.load.defaults import prefer
from bench.load.rounds import Rounds
from bench.load.users import RealtimeUser

prefer(turn_detection="semantic_vad")

SENTENCES = Rounds("question", "mid_pause", "weather", "pause_1200", "digits")


class SemanticVad(RealtimeUser):
    """Says sentences in one go and sentences with pauses in them.

    `--eagerness low|medium|high` says how soon the server takes the turn.
    """

    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        self.clips = iter(SENTENCES)

    @task
    def speak(self) -> None:
        """Say the next sentence and listen to the answer."""
        self.session.say(next(self.clips)).wait()
