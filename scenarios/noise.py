"""Does a cough, a knock or typing make the server answer a caller who said nothing?"""

from locust import between, task

from bench.load.rounds import Rounds
from bench.load.users import RealtimeUser

SOUNDS = Rounds("sound_cough", "sound_knock", "sound_keys")


class Noise(RealtimeUser):
    """Makes sounds that are no speech, and expects silence.

    The louder the room, the harder: `--tail bed_babble` is one full of people.
    """

    wait_time = between(0.2, 0.5)

    def on_start(self) -> None:
        self.sounds = iter(SOUNDS)

    @task
    def make_noise(self) -> None:
        """Make the next sound; the turn is right when nothing comes of it for three seconds."""
        self.session.say(next(self.sounds)).wait()
