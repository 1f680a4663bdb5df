"""Whatever a client sends, a session answers and goes on."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def fuzzing() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "fuzzing", Path(__file__).with_name("fuzzing.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzzing"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(4))
def test_almost_right_messages_break_nothing(seed: int, fuzzing: ModuleType) -> None:
    draw, target = random.Random(seed), fuzzing.Target()
    answered = sum(target.send(fuzzing.message(draw)) for _ in range(1_500))
    assert answered > 1_500
    # It still does what it is asked to.
    assert target.send(b'{"type":"input_audio_buffer.clear"}') >= 1
