"""Names what can hold up the load engine, in words, and what its user can do about it."""

from __future__ import annotations

from typing import NamedTuple

FEWER_USERS = "give each process fewer users: add processes (--processes) or machines"
"""What helps against every cause but a machine that others use."""


class Cause(NamedTuple):
    """Something that held up the engine, in words that fit "owing to", and the mend."""

    words: str
    mend: str


CAUSES: dict[str, Cause] = {
    "collector": Cause("garbage collection", FEWER_USERS),
    "engine": Cause("reading and sending of the sessions' own data", FEWER_USERS),
    "other_work": Cause(
        "other work in the process: scenario code, Locust's users and statistics",
        f"let the scenario compute less between turns, ramp up more slowly, or {FEWER_USERS}",
    ),
    "thread": Cause(
        "another thread of the process, such as the one that writes the record", FEWER_USERS
    ),
    "host": Cause(
        "other programs on the processor",
        "use a quieter machine, or leave a core free beside rtbench and the target",
    ),
    "backlog": Cause("more frames due than the process could send", FEWER_USERS),
}
"""What a stall is put down to in run.json, by name."""
