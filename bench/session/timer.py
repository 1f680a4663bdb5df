"""Turns an instant into a readable file descriptor: Linux's timerfd, through ctypes.

Event loops wait in whole milliseconds; a paced frame that is late by half of one on average
would be a third of the error budget. Python has `os.timerfd_create` from 3.13 only.
"""

from __future__ import annotations

import ctypes
import os

_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK = os.O_NONBLOCK
_TFD_CLOEXEC = os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class DeadlineTimer:
    """A file descriptor that becomes readable at a monotonic instant.

    Raises:
        OSError: the platform has no timerfd.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            create, self._settime = libc.timerfd_create, libc.timerfd_settime
        except AttributeError:
            raise OSError("no timerfd on this platform; rtbench needs Linux") from None
        self._fd: int = create(_CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._spec = _Itimerspec()
        self._spec_pointer = ctypes.byref(self._spec)
        self._value = self._spec.value
        self._armed_ns: int | None = None

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._fd

    def arm(self, at_ns: int) -> None:
        """Become readable at `at_ns`, or at once when that has passed; not before."""
        if at_ns == self._armed_ns:
            return
        # Zero would disarm it.
        self._value.seconds, self._value.nanoseconds = divmod(max(at_ns, 1), 10**9)
        self._set()
        self._armed_ns = at_ns

    def clear(self) -> None:
        """Be readable at no instant."""
        if self._armed_ns is not None:
            self._value.seconds = self._value.nanoseconds = 0
            self._set()
            self._armed_ns = None

    def _set(self) -> None:
        """Setting the timer also makes it unreadable again, so that it need never be read."""
        if self._settime(self._fd, _TFD_TIMER_ABSTIME, self._spec_pointer, None):
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)
