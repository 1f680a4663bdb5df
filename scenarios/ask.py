"""How long does one caller wait for the answer to a plain question?"""

from locust import between, task

from bench.load.users import RealtimeUser


class Ask(RealtimeUser):
    """Asks the same question again and again over one session."""

    wait_time = between(0.5, 1.5)

    @task
    def ask(self) -> None:
        """Say the question and listen to the whole answer."""
        turn = self.session.say("question")
        turn.wait()
