"""Every scenario is short, asks a question, is documented, imports and is typed."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "scenarios"
FILES = sorted(FOLDER.glob("*.py"))
NAMES = [path.stem for path in FILES]
LOADED = """
import json, sys
from locust.util.load_locustfile import load_locustfile

def users(path):
    classes = load_locustfile(path)[0]
    return {name: [task.__name__ for task in made.tasks] for name, made in classes.items()}

print(json.dumps({path: users(path) for path in sys.argv[1:]}))
"""


@pytest.fixture(scope="module")
def classes() -> dict[str, dict[str, list[str]]]:
    """Tasks of the users that Locust finds, by scenario; Locust lives in a process of its own."""
    command = [sys.executable, "-W", "error::SyntaxWarning", "-c", LOADED, *map(str, FILES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {Path(path).stem: users for path, users in found.items()}


def test_all_that_were_promised_are_there() -> None:
    promised = "ask conversation barge_in backchannel pauses noise telephony manual_turns"
    promised += " semantic_vad tools transcription long_session cold_start languages mixed sweep"
    assert set(NAMES) == set(promised.split())


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_is_short_and_asks_a_question(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert question_of(path).endswith("?")


def test_the_readme_has_a_row_for_each_and_for_nothing_else() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| `(\w+)` \| ([^|]+\?) \|(?: [^|]+ \|){3}$", readme)
    assert sorted(rows) == [(name, question_of(FOLDER / f"{name}.py")) for name in NAMES]


def test_locust_finds_users_with_tasks_in_each(classes: dict[str, dict[str, list[str]]]) -> None:
    assert list(classes) == NAMES
    for name, users in classes.items():
        assert users, name
        assert all(users.values()), name
    assert len(classes["mixed"]) >= 4


def test_are_typed() -> None:
    done = mypy(*FILES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_mistake_in_one_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    text = (FOLDER / "ask.py").read_text(encoding="utf-8").replace('"question"', "1")
    wrong.write_text(text, encoding="utf-8")
    done = mypy(wrong)
    assert done.returncode == 1
    assert 'expected "str"' in done.stdout


@pytest.mark.parametrize(("clip", "complaints"), [('"short"', ""), ("1", 'expected "str"')])
def test_the_example_of_ones_own_is_typed(tmp_path: Path, clip: str, complaints: str) -> None:
    """In a folder that knows nothing of the repository, as its reader would check it."""
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"(?s)```python\n(.*?)```", readme)
    (tmp_path / "lights.py").write_text(example.replace('"short"', clip), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "lights.py"]
    cache = ROOT / ".mypy_cache" / "outside"
    done = subprocess.run(
        [*command, f"--cache-dir={cache}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == (1 if complaints else 0), done.stdout + done.stderr
    assert complaints in done.stdout


def question_of(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "?").splitlines()[0]


def mypy(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml"]
    return subprocess.run(
        [*command, *paths], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
