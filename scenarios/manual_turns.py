"""How long is the wait when nobody has to find out that the caller has finished?"""

from locust import between, task

from bench.load.defaults import prefer
from bench.load.users import RealtimeUser

prefer(turn_detection="none")


class ManualTurns(RealtimeUser):
    """Commits the audio as its last frame leaves and asks for the response.

    Against `ask`, this is the share of the wait that voice activity detection costs. With
    `--push-to-talk` the microphone is open only while the caller speaks.
    """

    wait_time = between(0.5, 1.5)

    @task
    def ask(self) -> None:
        """Say the question, commit, ask for the answer and listen to it."""
        self.session.say("question").wait()
