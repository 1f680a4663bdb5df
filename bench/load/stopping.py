"""Turns the end of a run into users that stop one after the other.

Locust asks all of them in one go, and those that wait between two tasks then end in one go:
no microphone has its turn meanwhile. Whoever was asked before, Locust only waits for.
"""

from __future__ import annotations

from typing import Any

import gevent

STEP_S = 0.001
USERS_PER_STEP = 2


def stop_in_turn(runner: Any) -> None:
    """Ask the users of a Locust runner to stop, without waiting until they have."""
    # Of a greenlet that has ended, gevent has dropped the arguments.
    users = [greenlet.args[0] for greenlet in runner.user_greenlets if greenlet.args]
    for number, user in enumerate(users, 1):
        gevent.spawn(user.stop)
        if number % USERS_PER_STEP == 0:
            gevent.sleep(STEP_S)
