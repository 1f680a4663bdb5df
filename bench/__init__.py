"""rtbench: latency and load figures for realtime speech-to-speech APIs, from raw events."""

__version__ = "0.1.0.dev0"
