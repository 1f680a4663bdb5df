"""The openai package's types, held against what a dialect sends."""

from __future__ import annotations

import json
from typing import Any

from openai.types.beta.realtime import RealtimeClientEvent as BetaEvent
from openai.types.realtime import RealtimeClientEvent as GaEvent
from pydantic import BaseModel, TypeAdapter

from bench.dialects.base import Dialect

_GA: TypeAdapter[Any] = TypeAdapter(GaEvent)
_BETA: TypeAdapter[Any] = TypeAdapter(BetaEvent)


def told(dialect: Dialect, event: dict[str, Any]) -> Any:
    """The event as the package's own types read it; every field must be one of theirs."""
    adapter = _BETA if dialect.name in {"openai-beta", "azure-preview"} else _GA
    read = adapter.validate_python(json.loads(json.dumps(event)), strict=True)
    _refuse_extras(read)
    return read


def _refuse_extras(value: Any) -> None:
    if isinstance(value, BaseModel):
        assert not value.model_extra, value.model_extra
        for name in value.model_fields_set:
            _refuse_extras(getattr(value, name))
    elif isinstance(value, list):
        for inner in value:
            _refuse_extras(inner)
