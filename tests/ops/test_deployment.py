"""What the files for Docker, systemd and Kubernetes promise."""

import re
from pathlib import Path

import pytest

from digest.cli.home_permissions import find_exposed

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
UNITS = sorted((ROOT / "docs/systemd").glob("*.service"))


def test_no_password_is_built_in() -> None:
    for name in ("POSTGRES_PASSWORD", "DIGEST_SECRET_KEYS"):
        uses = re.findall(rf"\$\{{{name}(.*?)\}}", COMPOSE)
        assert uses, name
        assert all(use.startswith(":?") for use in uses), name
        assert re.search(rf"#.*{name}=%s", COMPOSE), f"how {name} is drawn"


def test_the_file_with_the_secrets_is_neither_committed_nor_copied_into_the_image() -> None:
    for name in (".gitignore", ".dockerignore"):
        assert ".env" in (ROOT / name).read_text().splitlines()


def test_every_image_has_a_version() -> None:
    images = re.findall(r"image: (\S+)", COMPOSE)
    assert len(images) >= 4
    assert [
        image for image in images if image != "digest" and not re.search(r":v?\d+\.\d+\.?\d*", image)
    ] == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_service_s_files_are_its_own(unit: Path) -> None:
    lines = unit.read_text().splitlines()
    assert {"UMask=0077", "StateDirectoryMode=0700"} <= set(lines)


def test_no_link_that_signs_in_is_printed_into_a_container_s_log() -> None:
    assert 'command: ["digest", "init", "--no-link"]' in COMPOSE


def test_a_database_outside_a_private_home_is_checked_too(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "open"
    home.mkdir(mode=0o700)
    elsewhere.mkdir()
    tmp_path.chmod(0o755)
    elsewhere.chmod(0o755)
    database = elsewhere / "digest.sqlite3"
    database.touch()
    for mode, exposed in ((0o644, database), (0o600, None)):
        database.chmod(mode)
        assert find_exposed(home, f"sqlite:///{database}") in {exposed, None}
    assert find_exposed(home, "postgresql://digest@db/digest") is None
    home.chmod(0o750)
    assert find_exposed(home, "postgresql://digest@db/digest") == home
