"""How much longer than any other does the first turn of a session take, setup included?"""

from locust import between, task

from bench.load.users import RealtimeUser


class ColdStart(RealtimeUser):
    """Opens a session, asks twice, hangs up, and does it all again.

    The first turn is of class `cold` and the second, `measured`, is what to hold it against;
    `setup_ms` is what came before either.
    """

    wait_time = between(0.2, 0.5)

    @task
    def call(self) -> None:
        """The same words twice, over a new session."""
        session = self.session
        session.say("short").wait()
        session.say("short").wait()
        session.hang_up()
