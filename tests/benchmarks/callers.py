"""How does the instrument itself keep up with callers who speak and are answered all the time?

A locustfile for `tests.benchmarks.target`: each caller begins its question every PERIOD_MS.
"""

import random
import time

import gevent
from locust import task

from bench.load.users import RealtimeUser
from tests.benchmarks.duty import PERIOD_MS, UTTERANCE


class Caller(RealtimeUser):
    """Asks again and again, in time with what the target answers."""

    def on_start(self):
        # Locust starts a second's users at once; the callers of a call centre do not call so.
        gevent.sleep(random.random())
        self.asked = 0

    @task
    def ask(self):
        session = self.session
        if not self.asked:
            self.first_s = time.monotonic()
        self.asked += 1
        session.say(UTTERANCE).wait()

    def wait_time(self):
        next_s = self.first_s + self.asked * PERIOD_MS / 1000
        return max(next_s - time.monotonic(), 0)
