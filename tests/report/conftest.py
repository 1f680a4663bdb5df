from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


def _load_synthetic() -> ModuleType:
    # importmode=importlib puts no test folder on sys.path.
    name = "tests_report_synthetic"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, Path(__file__).with_name("synthetic.py")
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    return _load_synthetic()


@pytest.fixture(scope="session")
def run60(synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 60 turns that no test may change."""
    return synthetic.write_run(tmp_path_factory.mktemp("runs") / "run60")


@pytest.fixture
def synthetic_run(synthetic: ModuleType, tmp_path: Path) -> Callable[..., Path]:
    """Writes a run folder of its own; keywords as synthetic.write_run."""

    def write(**options: object) -> Path:
        return synthetic.write_run(tmp_path / "run", **options)

    return write
