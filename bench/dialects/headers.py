"""Turns text with ${VARIABLE} in it into headers and subprotocols that may carry a key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bench.problem import Problem

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SECRET_NAMES = ("authorization", "api-key", "apikey", "token", "secret", "cookie")
_SECRET_VALUE = re.compile(r"^(bearer|basic) |\b(sk|ek|xai|hf)[-_][\w-]{8}", re.IGNORECASE)
_HANDSHAKE = frozenset({"host", "upgrade", "connection", "content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Template:
    """Text whose ${VARIABLE} are filled from the environment, so that no file holds a key."""

    text: str

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables it needs, in order."""
        return tuple(_REFERENCE.findall(self.text))

    def unset(self, environment: Mapping[str, str]) -> list[str]:
        """Those of its variables that are unset or empty, each once."""
        return [name for name in dict.fromkeys(self.variables) if not environment.get(name)]

    def fill(self, environment: Mapping[str, str]) -> str | None:
        """The whole text; None when a variable is unset or empty.

        Raises:
            Problem: a variable holds what no header can carry. The message names it only.
        """
        if self.unset(environment):
            return None
        for name in self.variables:
            value = environment[name]
            if not (value.isascii() and value.isprintable()):
                raise Problem(
                    f"{name}: the key holds a line break or another character that no header "
                    "can carry; set it anew"
                )
        return _REFERENCE.sub(lambda found: environment[found[1]], self.text)


@dataclass(frozen=True, slots=True)
class Header:
    """One header of the upgrade request."""

    name: str
    value: Template


def read_header(name: str, value: str, place: str) -> Header:
    """A header that may be sent; `place` says where it stands in what the user wrote.

    Raises:
        Problem: the name or value can be in no request, the name belongs to the handshake, or
            the value is a secret written out.
    """
    if not TOKEN.fullmatch(name):
        raise Problem(f"{place}: {name!r} is no header name; write letters, digits and dashes")
    lower = name.lower()
    if lower in _HANDSHAKE or lower.startswith("sec-websocket-"):
        raise Problem(f"{place}: {name} belongs to the handshake; leave it out")
    template = read_template(value, f"{place} {name}")
    secret = any(word in lower for word in _SECRET_NAMES) or _SECRET_VALUE.search(value)
    if secret and not template.variables:
        # The value stays out of the message: it may well be a key.
        raise Problem(
            f"{place}: {name} holds a key; keep that in an environment variable and write "
            f"'{name}: ${{MY_KEY}}', in single quotes on a command line"
        )
    return Header(name, template)


def read_template(text: str, place: str) -> Template:
    """A template.

    Raises:
        Problem: it holds a character no header can carry, or a ${ that is no reference.
    """
    if not (text.isascii() and text.isprintable()):
        raise Problem(f"{place}: holds a character that no header can carry; use plain ASCII")
    if "${" in _REFERENCE.sub("", text):
        raise Problem(f"{place}: ${{ without a variable's name; write ${{NAME}}")
    return Template(text)
