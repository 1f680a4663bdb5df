"""Does the wait hold when callers of every kind come at the same time?"""

from typing import ClassVar

from locust import between, task

from bench.load.users import RealtimeUser


class Asker(RealtimeUser):
    """Asks and listens: five in ten."""

    weight = 5
    wait_time = between(0.5, 1.5)

    @task
    def ask(self) -> None:
        self.session.say("question").wait()


class Interrupter(RealtimeUser):
    """Talks over the answer: two in ten."""

    weight = 2
    wait_time = between(0.5, 1.5)

    @task
    def interrupt(self) -> None:
        self.session.say("question")
        self.session.interrupt("barge_in", after_first_audio_ms=800).wait()


class Telephone(RealtimeUser):
    """Calls over a telephone line: two in ten."""

    weight = 2
    wait_time = between(0.5, 1.5)
    asks: ClassVar = {"input_codec": "pcmu", "output_codec": "pcmu"}

    @task
    def ask(self) -> None:
        self.session.say("phone").wait()


class Handset(RealtimeUser):
    """Holds a button while speaking, and writes now and then: one in ten."""

    weight = 1
    wait_time = between(0.5, 1.5)
    asks: ClassVar = {"turn_detection": None, "push_to_talk": True}

    @task(3)
    def ask(self) -> None:
        self.session.say("weather").wait()

    @task(1)
    def write(self) -> None:
        self.session.text("Are the lights off?").wait()
