"""Turns `rtbench serve` into one call; what it needs is imported when it runs."""

# ruff: noqa: PLC0415, PLR0917 - a command loads what it needs; its options are its signature

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.problem import Problem

DEFAULT_PORT = 8765
KEY_VARIABLE = "RTBENCH_SERVER_KEY"
EXIT_CODES = "Exit codes: 0 ended by Ctrl-C or a signal, 2 wrong usage."


class Engine(StrEnum):
    """What the embedded server hears with."""

    NEURAL = "neural"
    ENERGY = "energy"


def complete_profile(incomplete: str) -> list[str]:
    """Profiles that come with rtbench and begin like that."""
    from bench.server.profiles.loading import profile_names

    return [name for name in profile_names() if name.startswith(incomplete)]


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes any free one.")
    ] = DEFAULT_PORT,
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, max=64, help="Processes that share it.")
    ] = 1,
    vad: Annotated[
        Engine, typer.Option(help="neural hears speech, energy hears loudness and is lighter.")
    ] = Engine.NEURAL,
    profile: Annotated[
        str,
        typer.Option(
            help="How it behaves: default, instant, typical, slow_tail, overloaded, flaky, "
            "withheld, or a path to a TOML file.",
            autocompletion=complete_profile,
        ),
    ] = "default",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:SHARE][@WHERE]",
            help="Something that goes wrong, such as close_1011:0.1@turn=1; may be repeated.",
        ),
    ] = None,
    reply_delay_ms: Annotated[
        float | None, typer.Option(min=0, help="Median, end of turn to first audio.")
    ] = None,
    reply_jitter_ms: Annotated[
        float, typer.Option(min=0, help="Spread around --reply-delay-ms.")
    ] = 0.0,
    leading_silence_ms: Annotated[
        int | None, typer.Option(min=0, help="Silence at the start of a reply.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.1, help="Delivery, as a multiple of real time.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of every random choice.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="File for what was done when, as JSON lines.")
    ] = None,
    api_key: Annotated[
        str,
        typer.Option(
            metavar="VARIABLE",
            help="Environment variable with the key that clients must bring, if it is set.",
        ),
    ] = KEY_VARIABLE,
    tls: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Serve wss with a certificate made and kept there."),
    ] = None,
) -> None:
    """Run the embedded Realtime server: it hears, answers, and knows its own delays.

    It recognises the clips of the catalogue, remembers names, calls tools and
    logs what it did when. Health: /healthz, counts for Prometheus: /metrics.

    Example: rtbench serve --workers 2 --profile typical --fault no_reply:0.01
    """
    from bench.server.app import ServerSettings, run_server
    from bench.server.profiles.fault import parse_fault
    from bench.server.profiles.loading import load_profile
    from bench.server.profiles.tuning import tune

    if reply_jitter_ms and not reply_delay_ms:
        raise Problem("--reply-jitter-ms needs a --reply-delay-ms above 0 to spread around")
    behaviour = tune(
        load_profile(profile),
        seed=seed,
        reply_delay_ms=reply_delay_ms,
        reply_jitter_ms=reply_jitter_ms,
        leading_silence_ms=leading_silence_ms,
        speed=speed,
        faults=[parse_fault(text) for text in fault or ()],
    )
    settings = ServerSettings(
        host=host,
        port=port,
        workers=workers,
        profile=behaviour,
        vad=vad.value,
        truth=truth,
        api_key=_key(api_key),
        tls=tls,
        on_ready=lambda url: typer.echo(f"listening on {url}"),
    )
    raise typer.Exit(run_server(settings))


def _key(variable: str) -> str | None:
    if variable != KEY_VARIABLE and not os.environ.get(variable):
        # What was given may be the key itself: it must not be repeated.
        raise Problem(
            "--api-key names an environment variable that holds the key; the one named is unset"
        )
    return os.environ.get(variable) or None
