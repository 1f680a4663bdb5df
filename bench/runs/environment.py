"""Reads what a reader of a report needs to know about the host and the versions."""

from __future__ import annotations

import os
import platform
import resource
import sys
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


def usage() -> dict[str, float | int]:
    """CPU seconds and the largest resident size of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu_s": round(used.ru_utime + used.ru_stime, 3),
        "max_rss_bytes": used.ru_maxrss * 1024,
    }
