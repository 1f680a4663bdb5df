"""Is rtbench's own server still as fast as the stored baseline says?"""

from locust import between, task

from bench.load.users import RealtimeUser


class Brief(RealtimeUser):
    """Says one word at a time, so that a short run has many turns."""

    wait_time = between(0.1, 0.5)

    @task
    def say(self) -> None:
        """Say it and listen to the whole answer."""
        self.session.say("short").wait()
