"""What would be measured if arrivals were stamped by our own code, not by the kernel?"""

from bench.session.stamps import StampClock
from tests.benchmarks.callers import Caller

__all__ = ["Caller"]


def refuse(_clock, _sock):
    """What a platform without kernel stamps answers."""
    return False


StampClock.enable = refuse
