"""What do callers who are talking notice of a thousand others who come all at once?

200 callers, then 1,000 more at 200/s, in the bursts of each second that Locust makes of it.
"""

from locust import LoadTestShape

from tests.benchmarks.callers import Caller

FIRST, MORE = 200, 1_000
SETTLED_S, OVER_S = 14, 24


class Impatient(Caller):
    """Calls at once."""

    def on_start(self):
        self.asked = 0


del Caller  # Locust runs every class it finds here


class Ramp(LoadTestShape):
    """Few, then many."""

    def tick(self):
        run_time_s = self.get_run_time()
        if run_time_s < SETTLED_S:
            return FIRST, 50
        return (FIRST + MORE, 200) if run_time_s < OVER_S else None
