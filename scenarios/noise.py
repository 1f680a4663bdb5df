"""Does a cough, a knock or typing make the server answer a caller who said nothing?"""

from locust import between, task

from bench.load.users import RealtimeUser

SOUNDS = ("sound_cough", "sound_knock", "sound_keys")


class Noise(RealtimeUser):
    """Makes sounds that are no speech, and expects silence.

    The louder the room, the harder: `--tail bed_babble` is one full of people.
    """

    wait_time = between(0.2, 0.5)

    @task
    def make_noise(self) -> None:
        """Make each sound once; a turn is right when nothing came of it for three seconds."""
        for sound in SOUNDS:
            self.session.say(sound).wait()
            self.wait()
