"""Runs a command to its end as a child that ends in an orderly way when we are told to end."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import IO, Any

PATIENCE = 2
"""Requests to end that are handed on; whoever asks once more has the child killed."""

GRACE_S = 10.0
"""For a child whose time is up to end when it is asked."""

_HANDED_ON = {
    signal.SIGINT: signal.SIGINT,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGHUP: signal.SIGTERM,  # the terminal has gone: as good as being asked to end
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child ended: its exit code, negative when a signal ended it, and whether we asked."""

    code: int
    asked: bool


def run_child(
    command: Sequence[str], *, output: IO[bytes] | None = None, timeout_s: float | None = None
) -> Ending:
    """Run a command; it is told of an interrupt once for each time that we are.

    It is the leader of a session of its own, because a terminal's Ctrl-C goes to all of ours: it
    would reach the child once from there and once from us, and twice means at once. For the main
    thread only. `output` takes what it prints.

    Raises:
        TimeoutExpired: it took longer than `timeout_s`, and has been ended.
    """
    with subprocess.Popen(  # noqa: S603 - our own commands
        command, stdout=output, stderr=output, start_new_session=True
    ) as process:
        asked = 0

        def hand_on(number: int, _frame: FrameType | None) -> None:
            nonlocal asked
            asked += 1
            with contextlib.suppress(ProcessLookupError):
                if asked > PATIENCE:
                    process.kill()
                else:
                    process.send_signal(_HANDED_ON[signal.Signals(number)])

        with _handling(hand_on):
            try:
                code = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                _end(process)
                raise
        return Ending(code, asked > 0)


@contextlib.contextmanager
def _handling(handler: Any) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _HANDED_ON}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
