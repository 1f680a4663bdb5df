"""Locust's parser with our options, without Locust: importing it would patch this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import configargparse
import pytest

from bench.load.arguments import add_arguments


class ParseError(Exception):
    """What a parser says before it would have left the process."""


class _Parser(configargparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise ParseError(message)


@pytest.fixture
def parser() -> Any:
    parser = _Parser(prog="locust", allow_abbrev=False)
    add_arguments(parser)
    return parser


@pytest.fixture
def parse(parser: Any) -> Callable[..., Any]:
    def parse(*arguments: str, env: dict[str, str] | None = None) -> Any:
        return parser.parse_args(list(arguments), env_vars=env or {})

    return parse


@pytest.fixture
def parse_error() -> type[Exception]:
    return ParseError
