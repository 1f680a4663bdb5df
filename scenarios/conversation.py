"""Does every turn of a conversation get its answer, from the first to the last?"""

from locust import between, task

from bench.load.users import RealtimeUser

TURNS = ("correction_first", "correction_second", "question", "short")


class Conversation(RealtimeUser):
    """Holds one conversation after the other, each over a session of its own.

    Should a session break in the middle, the next one is told what was said.
    """

    wait_time = between(0.5, 1.5)
    remembers = True

    @task
    def converse(self) -> None:
        """Book a table, correct it, ask for the train, have the lights out; hang up."""
        for utterance in TURNS:
            self.session.say(utterance).wait()
            self.wait()
        self.session.hang_up()
