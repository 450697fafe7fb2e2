"""The command starts fast, explains itself, and exits with meaningful codes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from digest.cli import COMMANDS, HIDDEN

HEAVY = ("celery", "flask", "sqlalchemy", "pydantic", "alembic", "mjml")


def run(*words: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    if home:
        environment["DIGEST_HOME"] = str(home)
    return subprocess.run(
        [sys.executable, "-m", "digest.app", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", ["", *COMMANDS, *HIDDEN])
def test_help_needs_no_settings_and_creates_nothing(name: str, tmp_path: Path) -> None:
    done = run(*name.split(), "--help", home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_instant(name: str) -> None:
    # Importing is what takes time, and it is the same on every machine: so look at what is imported.
    code = "import sys\nfrom digest.app import main\ntry: main()\nexcept SystemExit: pass\nprint([m for m in sys.modules])"
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, *name.split(), "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    taken = time.monotonic() - started
    assert "Usage:" in done.stdout
    assert not [module for module in HEAVY if f"'{module}'" in done.stdout]
    assert taken < 5


def test_wrong_usage_exits_with_2() -> None:
    assert run("comparisons", "nonsense").returncode == 2
    assert run("up", "--port", "70000").returncode == 2
    assert run("nonsense").returncode == 2
    unknown = run("worker", "--queues", "clock,sent")
    assert unknown.returncode == 2
    assert "'sent' is not a queue; choose from clock, letters, send." in unknown.stderr


def test_the_version_is_printed() -> None:
    assert "0.1.0" in run("--version").stdout


def test_a_demo_deletes_only_a_demo(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    done = run("demo", "--once", "--home", str(tmp_path))
    assert done.returncode == 1
    assert "not from a demo" in done.stderr
    assert (tmp_path / "precious").exists()
