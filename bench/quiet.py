"""Tells whether only errors and the paths of results are wanted."""

from __future__ import annotations

import os

QUIET_VARIABLE = "RTBENCH_QUIET"
"""Set by `--quiet`, so that processes of ours that a command starts are quiet too."""


def is_quiet() -> bool:
    """Whether somebody asked for quiet, by the flag or by the variable."""
    return os.environ.get(QUIET_VARIABLE, "").lower() not in {"", "0", "false", "no", "off"}
