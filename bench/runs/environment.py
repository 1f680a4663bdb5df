"""Reads what a reader of a report needs to know about the host and the versions."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import psutil

import bench

_PACKAGES = ("locust", "gevent", "websockets", "numpy", "pandas", "pyarrow", "soundfile")


def describe_host() -> dict[str, Any]:
    """Host facts as stored under `environment` in run.json."""
    soft_files, hard_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {
        "host": platform.node(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu_model": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_average": list(os.getloadavg()),
        "open_file_limit": [soft_files, hard_files],
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "rtbench": bench.__version__,
        "packages": {name: metadata.version(name) for name in _PACKAGES},
    }


def _cpu_model() -> str | None:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - not a path of ours
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return None


@dataclass(frozen=True, slots=True)
class Counters:
    """What a process has used from its start to `at_ns`, and holds then."""

    at_ns: int
    user_s: float
    system_s: float
    thread_s: float
    """Processor time of the calling thread alone."""
    rss_bytes: int
    open_files: int | None
    """None where nobody asked: the kernel counts one by one."""
    voluntary_switches: int
    involuntary_switches: int
    waited_s: float | None
    """Time its main thread was ready to run and had no processor; None where not told."""
    host_s: float
    """Processor time of the whole host, idle time included."""
    stolen_s: float
    """Of that, what a hypervisor gave to other machines."""

    @property
    def cpu_s(self) -> float:
        """Processor time of the process."""
        return self.user_s + self.system_s


def read_counters(*, count_files: bool = True) -> Counters:
    """Read this process's counters, from the thread whose time is of interest: about 0.1 ms.

    Counting open files takes that again for each 250 of them.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    process = psutil.Process()
    host = psutil.cpu_times()
    return Counters(
        at_ns=time.monotonic_ns(),
        user_s=used.ru_utime,
        system_s=used.ru_stime,
        thread_s=time.thread_time(),
        rss_bytes=process.memory_info().rss,
        open_files=process.num_fds() if count_files else None,
        voluntary_switches=used.ru_nvcsw,
        involuntary_switches=used.ru_nivcsw,
        waited_s=_waited_s(),
        host_s=sum(host) - getattr(host, "guest", 0.0) - getattr(host, "guest_nice", 0.0),
        stolen_s=getattr(host, "steal", 0.0),
    )


def _waited_s() -> float | None:
    try:
        with open("/proc/self/schedstat", encoding="utf-8") as counters:  # noqa: PTH123 - see above
            return int(counters.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None
