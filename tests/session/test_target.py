"""A key goes to the target only, and over a plain wire only within this machine."""

from __future__ import annotations

import pytest

from bench.session.target import is_loopback


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("ws://localhost", True),
        ("ws://LOCALHOST:8765", True),
        ("ws://127.0.0.1:8765", True),
        ("ws://127.8.9.1", True),
        ("ws://[::1]:8765/path", True),
        ("ws://user@127.0.0.1", True),
        ("wss://api.openai.com", False),
        ("ws://0.0.0.0", False),
        ("ws://10.0.0.1", False),
        ("ws://[::2]", False),
        ("ws://127.0.0.1.example.com", False),
        ("ws://localhost.example.com", False),
        ("ws://127.0.0.1@example.com", False),
        ("ws://example.com/127.0.0.1", False),
        ("ws://example.com?h=localhost", False),
        ("ws://2130706433", False),
        ("", False),
    ],
)
def test_is_loopback(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer
