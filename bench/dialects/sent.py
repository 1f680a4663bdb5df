"""Turns what a caller wants to do into the client event for it, in OpenAI's GA shape.

That shape is the canonical one: other dialects translate from it. The functions' parameters
are the fields that `Dialect.client_event` takes for each kind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from bench.dialects.base import Kind

Event = dict[str, Any]


def event_text(event: Event) -> bytes:
    """Compact JSON of a client event."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def given(**values: Any) -> Event:
    """Those of `values` that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def ga_event(kind: Kind, **fields: Any) -> Event:
    """The GA event of a kind.

    Raises:
        TypeError: a field is missing or none of that kind, or a client never sends that kind.
    """
    make = _EVENTS.get(kind)
    if make is None:
        raise TypeError(f"{kind} is no kind that is made of fields")
    return make(**fields)


def text_item(text: str, role: str = "user") -> Event:
    """A message of text; `role` is user, system or, to replay a history, assistant."""
    part = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": part, "text": text}]}


def image_item(image_url: str, text: str | None = None) -> Event:
    """A picture, as a data: URL, with words about it if there are any."""
    content = [{"type": "input_image", "image_url": image_url}]
    if text is not None:
        content.append({"type": "input_text", "text": text})
    return {"type": "message", "role": "user", "content": content}


def tool_result_item(call_id: str, output: str) -> Event:
    """What a called tool gave back."""
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def _append(audio: str) -> Event:
    """`audio` is Base64."""
    return {"type": "input_audio_buffer.append", "audio": audio}


def _commit() -> Event:
    return {"type": "input_audio_buffer.commit"}


def _clear() -> Event:
    return {"type": "input_audio_buffer.clear"}


def _create_item(item: Event, previous_item_id: str | None = None) -> Event:
    """`item` is one of this module's, or any the server knows."""
    event = {"type": "conversation.item.create", "item": item}
    return event if previous_item_id is None else {**event, "previous_item_id": previous_item_id}


def _truncate_item(item_id: str, audio_end_ms: int, content_index: int = 0) -> Event:
    """`audio_end_ms` is what the listener has heard of the reply."""
    return {
        "type": "conversation.item.truncate",
        "item_id": item_id,
        "content_index": content_index,
        "audio_end_ms": audio_end_ms,
    }


def _delete_item(item_id: str) -> Event:
    return {"type": "conversation.item.delete", "item_id": item_id}


def _create_response(
    *,
    instructions: str | None = None,
    output_modality: str | None = None,
    voice: str | None = None,
    tools: Sequence[Event] | None = None,
    tool_choice: str | Event | None = None,
    max_output_tokens: int | None = None,
    conversation: str | None = None,
    input: Sequence[Event] | None = None,  # noqa: A002 - the wire's word
    metadata: dict[str, str] | None = None,
) -> Event:
    """Overrides for one response; `conversation` "none" keeps it out of the conversation."""
    response = given(
        instructions=instructions,
        output_modalities=None if output_modality is None else [output_modality],
        audio=None if voice is None else {"output": {"voice": voice}},
        tools=None if tools is None else list(tools),
        tool_choice=tool_choice,
        max_output_tokens=max_output_tokens,
        conversation=conversation,
        input=None if input is None else list(input),
        metadata=metadata,
    )
    return {"type": "response.create", **({"response": response} if response else {})}


def _cancel_response(response_id: str | None = None) -> Event:
    event = {"type": "response.cancel"}
    return event if response_id is None else {**event, "response_id": response_id}


_EVENTS: dict[Kind, Callable[..., Event]] = {
    Kind.APPEND: _append,
    Kind.COMMIT: _commit,
    Kind.CLEAR: _clear,
    Kind.ITEM_CREATE: _create_item,
    Kind.ITEM_TRUNCATE: _truncate_item,
    Kind.ITEM_DELETE: _delete_item,
    Kind.RESPONSE_CREATE: _create_response,
    Kind.RESPONSE_CANCEL: _cancel_response,
}
