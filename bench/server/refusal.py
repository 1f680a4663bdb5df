"""Turns a client's mistake into the fields of a protocol error event."""

from __future__ import annotations

import re

import msgspec

_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_FIELD = re.compile(r"field `(?P<name>[^`]*)`")


class Refusal(Exception):  # noqa: N818 - it is the client's mistake, not a program error
    """A client event that is answered with `error`; the session stays open.

    `param` names the field at fault as the protocol does: `session.audio.input.format`.
    """

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param

    @classmethod
    def of(cls, error: msgspec.ValidationError, root: str) -> Refusal:
        """What a validation of the object called `root` complained about."""
        match = _PLACE.match(str(error))
        assert match is not None, "the pattern matches any text"
        what, path = match["what"], match["path"] or ""
        field = _FIELD.search(what)
        param = root + path + (f".{field['name']}" if field else "")
        if "unknown field" in what:
            return cls("unknown_parameter", f"Unknown parameter: '{param}'.", param)
        if "missing required" in what:
            return cls("missing_required_parameter", f"Missing parameter: '{param}'.", param)
        code = "invalid_type" if what.startswith("Expected") else "invalid_value"
        return cls(code, f"Invalid '{param}': {what}.", param)
