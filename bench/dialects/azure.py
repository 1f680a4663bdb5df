"""Azure OpenAI: OpenAI's two shapes behind addresses and keys of its own."""

from __future__ import annotations

from bench.dialects.address import Address
from bench.dialects.headers import Header, Template
from bench.dialects.openai import GA_KINDS, GaShape
from bench.dialects.openai_beta import BETA_KINDS, BetaShape
from bench.dialects.received import Reader
from bench.dialects.server import Server

PREVIEW_API_VERSION = "2025-04-01-preview"
"""Unless the host names another: wss://NAME.openai.azure.com?api-version=VERSION."""

_KEY = "AZURE_OPENAI_API_KEY"
_HEADERS = (
    Header("api-key", Template(f"${{{_KEY}}}")),
    Header("Authorization", Template("Bearer ${AZURE_OPENAI_AD_TOKEN}")),
)

AZURE = Server(
    "azure",
    key_variable=_KEY,
    address=Address(
        path="/openai/v1/realtime",
        query={"model": "{model}"},  # the name of the deployment
        transcription_query={"intent": "transcription"},
        headers=_HEADERS,
    ),
    shape=GaShape(),
    parse=Reader(GA_KINDS).parse,
    default_voice="marin",
)

AZURE_PREVIEW = Server(
    "azure-preview",
    key_variable=_KEY,
    address=Address(
        path="/openai/realtime",
        query={"api-version": PREVIEW_API_VERSION, "deployment": "{model}"},
        transcription_query={"api-version": PREVIEW_API_VERSION, "intent": "transcription"},
        headers=_HEADERS,
    ),
    shape=BetaShape(),
    parse=Reader(BETA_KINDS).parse,
    default_model="gpt-4o-realtime-preview",
    default_voice="alloy",
)
