"""Does a reply go on when the listener only murmurs that it is heard?"""

from locust import between, task

from bench.load.rounds import Rounds
from bench.load.users import RealtimeUser

MURMURS = Rounds("backchannel_uhhuh", "backchannel_mmhm", "backchannel_right")


class Backchannel(RealtimeUser):
    """Murmurs over the answer, and means nothing by it.

    A server that takes any speech for an interruption stops each time; with `--vad-interrupt off`
    it never does.
    """

    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        self.murmurs = iter(MURMURS)

    @task
    def murmur(self) -> None:
        """Murmur 0.8 s into an answer, and listen on."""
        turn = self.session.say("question")
        self.session.overlay(next(self.murmurs), after_first_audio_ms=800)
        turn.wait()
