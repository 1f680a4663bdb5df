"""Turns the end of a run into users that stop one after the other.

Locust asks all of them in one go, and those that wait between two tasks then end in one go:
no microphone has its turn meanwhile.
"""

from __future__ import annotations

from typing import Any

import gevent
from gevent.pool import Group
from locust.user.task import LOCUST_STATE_STOPPING

STEP_S = 0.001
USERS_PER_STEP = 2


def stop_in_turn(runner: Any, timeout_s: float) -> None:
    """Ask the users of a Locust runner to stop; wait for those that end at once.

    Those in the middle of a task end it first, and Locust waits for them. It would not for the
    others: a greenlet that was killed has no arguments any more, by which it knows its users.
    """
    users = [greenlet.args[0] for greenlet in runner.user_greenlets if greenlet.args]
    users = [user for user in users if user._state != LOCUST_STATE_STOPPING]
    asking = Group()
    for number, user in enumerate(users, 1):
        asking.spawn(user.stop)
        if number % USERS_PER_STEP == 0:
            gevent.sleep(STEP_S)
    asking.join(timeout_s)
