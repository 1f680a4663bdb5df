"""Turns the flat settings of the beta dialect into nested ones and back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from bench.server.refusal import Refusal

Home = tuple[str, ...] | None
"""Where the nested settings keep a field; None for what has no place there."""

DEFAULT_TEMPERATURE = 0.8
_TEMPERATURES = (0.6, 1.2)

_INPUT: dict[str, Home] = {
    "input_audio_format": ("audio", "input", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "client_secret": None,
}

_ANSWER: dict[str, Home] = {
    "modalities": ("output_modalities",),
    "instructions": ("instructions",),
    "voice": ("audio", "output", "voice"),
    "output_audio_format": ("audio", "output", "format"),
    "tools": ("tools",),
    "tool_choice": ("tool_choice",),
    "temperature": None,
    "max_response_output_tokens": ("max_output_tokens",),
}

SESSION: Mapping[str, Home] = {
    "model": ("model",),
    **_ANSWER,
    "speed": ("audio", "output", "speed"),
    "tracing": ("tracing",),
    **_INPUT,
}
"""Fields of a `session.update`, and of the session told to the client."""

RESPONSE: Mapping[str, Home] = {
    **_ANSWER,
    # The schema of the API had this name where the SDKs have the other: clients send either.
    "max_output_tokens": ("max_output_tokens",),
    "conversation": ("conversation",),
    "input": ("input",),
    "metadata": ("metadata",),
}
"""Fields of a `response.create`."""

TRANSCRIPTION: Mapping[str, Home] = {**_INPUT, "include": ("include",), "modalities": None}
"""Fields of a `transcription_session.update`."""

TOLD_TRANSCRIPTION: Mapping[str, Home] = {
    name: _INPUT[name]
    for name in ("input_audio_format", "input_audio_transcription", "turn_detection")
}
"""Fields of a transcription session told to the client: fewer than it may set."""

TOLD_RESPONSE: Mapping[str, Home] = {
    **{name: (name,) for name in ("id", "object", "status", "status_details", "output")},
    "conversation_id": ("conversation_id",),
    **{name: _ANSWER[name] for name in ("modalities", "voice", "output_audio_format")},
    "max_output_tokens": ("max_output_tokens",),
    "usage": ("usage",),
    "metadata": ("metadata",),
}
"""Fields of a response told to the client."""

_FORMATS: dict[str, dict[str, Any]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_FORMAT_NAMES = {nested["type"]: name for name, nested in _FORMATS.items()}

_SPOKEN = ["audio", "text"]
_WRITTEN = ["text"]

_TOOL_MODES = {"auto", "none", "required"}

_COMMON_DETECTION = {"type", "create_response", "interrupt_response"}
_SILENCE_DETECTION = {"threshold", "prefix_padding_ms", "silence_duration_ms"}
_DETECTION = {*_COMMON_DETECTION, *_SILENCE_DETECTION, "eagerness"}
# One type held the fields of both kinds and let the other kind's pass unused.
_UNUSED = {"server_vad": {"eagerness"}, "semantic_vad": _SILENCE_DETECTION}
_TRANSCRIPTION = {"model", "language", "prompt"}
_NOISE_REDUCTION = {"type"}


def nest(flat: Mapping[str, Any], fields: Mapping[str, Home], root: str) -> dict[str, Any]:
    """The settings that `flat` has, each in its home; null stays null.

    `root` is what the whole is called in errors, such as "session".

    Raises:
        Refusal: a field is unknown, or has a value for which there is no translation.
    """
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        param = f"{root}.{name}"
        if name not in fields:
            raise _unknown(param)
        home = fields[name]
        if home is None:
            continue
        place = nested
        for step in home[:-1]:
            place = place.setdefault(step, {})
        convert = _NESTERS.get(name)
        place[home[-1]] = value if convert is None or value is None else convert(value, param)
    return nested


def flatten(nested: Mapping[str, Any], fields: Mapping[str, Home]) -> dict[str, Any]:
    """Those of `fields` that `nested` has, under their flat names."""
    flat: dict[str, Any] = {}
    for name, home in fields.items():
        if home is None:
            continue
        place: Any = nested
        for step in home[:-1]:
            place = place.get(step) or {}
        if home[-1] in place:
            value, convert = place[home[-1]], _FLATTENERS.get(name)
            flat[name] = value if convert is None or value is None else convert(value)
    return flat


def temperature(asked: Mapping[str, Any], root: str) -> float | None:
    """The temperature in flat settings, or None without one.

    Raises:
        Refusal: it is no number from 0.6 to 1.2.
    """
    value = asked.get("temperature")
    if value is None:
        return None
    low, high = _TEMPERATURES
    param = f"{root}.temperature"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Refusal("invalid_type", f"Invalid '{param}': expected a number.", param)
    if not low <= value <= high:
        message = f"Invalid '{param}': {value} is not between {low} and {high}."
        raise Refusal("invalid_value", message, param)
    return value


def flat_path(path: str) -> str:
    """The flat name of a nested field: `session.voice` for `session.audio.output.voice`.

    What is inside the field stays; any other path is given back as it is.
    """
    for nested, flat in _FLAT_PATHS.items():
        rest = path[len(nested) :]
        if path.startswith(nested) and (not rest or rest[0] in ".["):
            return flat + rest
    return path


def fold_transcription_session(session: Mapping[str, Any]) -> dict[str, Any]:
    """The session of a `transcription_session.updated`."""
    flat = flatten(session, TOLD_TRANSCRIPTION)
    detection = flat.get("turn_detection")
    if detection is not None:
        flat["turn_detection"] = _only(detection, {"type", *_SILENCE_DETECTION})
    return flat


def _nest_format(name: object, param: str) -> object:
    found = _FORMATS.get(name) if isinstance(name, str) else None
    if found is None:
        raise _unsupported(name, param, ", ".join(f"'{known}'" for known in _FORMATS))
    return dict(found)


def _flatten_format(nested: Mapping[str, Any]) -> str:
    return _FORMAT_NAMES[nested["type"]]


def _nest_modalities(names: object, param: str) -> object:
    if names == _WRITTEN:
        return ["text"]
    if names in (_SPOKEN, _SPOKEN[::-1]):
        return ["audio"]
    raise _unsupported(names, param, f"{_WRITTEN} and {_SPOKEN}")


def _flatten_modalities(names: Collection[str]) -> list[str]:
    return list(_SPOKEN if "audio" in names else _WRITTEN)


def _nest_tool_choice(choice: object, _param: str) -> object:
    if isinstance(choice, str) and choice not in _TOOL_MODES:
        return {"type": "function", "name": choice}
    if isinstance(choice, dict) and isinstance(function := choice.get("function"), dict):
        return {"type": "function", "name": function.get("name")}
    return choice


def _flatten_tool_choice(choice: object) -> object:
    """A function by its name: the published type of the field is text."""
    return choice.get("name") if isinstance(choice, dict) else choice


def _nest_detection(detection: object, param: str) -> object:
    if not isinstance(detection, dict):
        return detection
    _check_known(detection, _DETECTION, param)
    kind = detection.get("type")
    if kind == "none":  # In no published type, but clients turn detection off by it.
        return None
    unused = _UNUSED.get(kind, set()) if isinstance(kind, str) else set()
    return {name: value for name, value in detection.items() if name not in unused}


def _checker(known: Collection[str]) -> Callable[[object, str], object]:
    def check(value: object, param: str) -> object:
        if isinstance(value, dict):
            _check_known(value, known, param)
        return value

    return check


def _check_known(value: Mapping[str, Any], known: Collection[str], param: str) -> None:
    for name in value:
        if name not in known:
            raise _unknown(f"{param}.{name}")


def _only(value: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    return {name: member for name, member in value.items() if name in known}


def _unknown(param: str) -> Refusal:
    return Refusal("unknown_parameter", f"Unknown parameter: '{param}'.", param)


def _unsupported(value: object, param: str, supported: str) -> Refusal:
    message = f"Invalid '{param}': {value!r:.200}. Supported values are: {supported}."
    return Refusal("invalid_value", message, param)


_NESTERS: dict[str, Callable[[Any, str], object]] = {
    "input_audio_format": _nest_format,
    "output_audio_format": _nest_format,
    "modalities": _nest_modalities,
    "tool_choice": _nest_tool_choice,
    "turn_detection": _nest_detection,
    "input_audio_transcription": _checker(_TRANSCRIPTION),
    "input_audio_noise_reduction": _checker(_NOISE_REDUCTION),
}

_FLATTENERS: dict[str, Callable[[Any], object]] = {
    "input_audio_format": _flatten_format,
    "output_audio_format": _flatten_format,
    "modalities": _flatten_modalities,
    "tool_choice": _flatten_tool_choice,
    "turn_detection": lambda value: _only(value, _DETECTION),
    "input_audio_transcription": lambda value: _only(value, _TRANSCRIPTION),
    "input_audio_noise_reduction": lambda value: _only(value, _NOISE_REDUCTION),
    # A voice of one's own is an object; its id is what the flat field holds.
    "voice": lambda value: value.get("id") if isinstance(value, dict) else value,
}

_FLAT_PATHS = {
    ".".join((root, *home)): f"{root}.{name}"
    for root, fields in (("session", SESSION), ("response", RESPONSE))
    for name, home in fields.items()
    if home is not None and home != (name,)
}
