"""Do callers in other languages wait as long, and are they understood as well?"""

from locust import between, task

from bench.load.defaults import prefer
from bench.load.rounds import Rounds
from bench.load.users import RealtimeUser

prefer(transcription_model="gpt-4o-transcribe")

LANGUAGES = Rounds("question", "lang_es", "lang_it", "lang_pt", "lang_fr", "lang_ja")


class Languages(RealtimeUser):
    """Asks in English, Spanish, Italian, Portuguese, French and Japanese.

    Read the report by utterance. `--language` would tell the server which one to expect.
    """

    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        self.clips = iter(LANGUAGES)

    @task
    def ask(self) -> None:
        """Ask in the next language and listen to the answer."""
        self.session.say(next(self.clips)).wait()
