"""How long does a caller on a telephone line wait, in G.711 both ways?"""

from locust import between, task

from bench.load.defaults import prefer
from bench.load.rounds import Rounds
from bench.load.users import RealtimeUser

prefer(codec="pcmu")

CALLS = Rounds("phone", "quiet", "question_male_fast")


class Telephony(RealtimeUser):
    """Calls over a narrow line: a telephone's sound, a faint voice, a fast one.

    `--codec pcma` is A-law, as in Europe; `--codec pcm16` the same callers on a wide line.
    """

    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        self.clips = iter(CALLS)

    @task
    def call(self) -> None:
        """Ask in the next voice and listen to the answer."""
        self.session.say(next(self.clips)).wait()
