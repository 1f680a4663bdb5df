"""How long does a caller wait when the model must call a tool before it can answer?"""

from typing import ClassVar

from locust import between, task

from bench.dialects.base import Tool
from bench.load.users import RealtimeUser

GET_WEATHER = Tool(
    name="get_weather",
    description="What the weather is like in a city.",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
)


def get_weather(city: str) -> dict[str, str]:
    """What the tool gives back, at once: what takes time here is waited for by the caller."""
    return {"city": city, "sky": "clear"}


class Tools(RealtimeUser):
    """Asks for the weather; the answer needs a tool's output."""

    wait_time = between(0.5, 1.5)
    asks: ClassVar = {"tools": (GET_WEATHER,)}

    @task
    def ask(self) -> None:
        """Ask, give the tool's output when it is called, and listen to the answer."""
        self.session.say("weather", answer_tools={"get_weather": get_weather}).wait()
