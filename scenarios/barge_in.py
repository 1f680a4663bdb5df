"""How soon does a reply stop when the caller speaks over it, and how much comes all the same?"""

from locust import between, task

from bench.load.users import RealtimeUser


class BargeIn(RealtimeUser):
    """Lets the answer begin, then talks over it."""

    wait_time = between(0.5, 1.5)

    @task
    def barge_in(self) -> None:
        """Interrupt 0.8 s into the answer, and listen to what follows."""
        self.session.say("question")
        self.session.interrupt("barge_in", after_first_audio_ms=800).wait()
