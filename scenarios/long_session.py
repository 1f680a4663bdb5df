"""Does the wait grow with the length of a conversation?"""

from locust import between, task

from bench.dialects.sent import text_item
from bench.load.users import RealtimeUser

EXCHANGES_PER_TURN = 10
EXCHANGE = (
    text_item("What is on the menu today, and is there anything without meat?"),
    text_item("Soup, a risotto with mushrooms, and apple pie.", "assistant"),
)


class LongSession(RealtimeUser):
    """Never hangs up; each turn adds ten written exchanges, so that minutes make hours of talk.

    Read the latency over time in the report. A server that forgets shows in its usage.
    """

    wait_time = between(0.2, 0.5)
    remembers = True

    @task
    def go_on(self) -> None:
        """Say a little more, then let the conversation grow."""
        session = self.session
        session.say("short").wait()
        for item in EXCHANGE * EXCHANGES_PER_TURN:
            session.add_item(item)
