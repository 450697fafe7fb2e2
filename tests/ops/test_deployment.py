"""What the files for Docker, systemd and Kubernetes promise."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from digest.cli.doctor.home_permissions import find_exposed
from digest.config import NAMES

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
SYSTEMD = ROOT / "docs/systemd"
UNITS = sorted(SYSTEMD.glob("*.service"))
COMMON_UNIT = (SYSTEMD / "digest-.service.d/common.conf").read_text()
KUBERNETES: list[dict[str, Any]] = list(yaml.safe_load_all((ROOT / "docs/kubernetes.yml").read_text()))
PODS = {
    resource["metadata"]["name"]: resource["spec"]["template"]["spec"]
    for resource in KUBERNETES
    if "template" in resource.get("spec", {})
}


def test_no_password_is_built_in() -> None:
    for name in ("POSTGRES_PASSWORD", "DIGEST_SECRET_KEYS"):
        uses = re.findall(rf"\$\{{{name}(.*?)\}}", COMPOSE)
        assert uses, name
        assert all(use.startswith(":?") for use in uses), name
        assert re.search(rf"#.*{name}=%s", COMPOSE), f"how {name} is drawn"


def test_the_file_with_the_secrets_is_neither_committed_nor_copied_into_the_image() -> None:
    for name in (".gitignore", ".dockerignore"):
        assert ".env" in (ROOT / name).read_text().splitlines()


def test_the_backup_before_an_upgrade_outlives_the_container_that_made_it() -> None:
    migrate = yaml.safe_load(COMPOSE)["services"]["migrate"]
    assert [volume.partition(":")[2] for volume in migrate["volumes"]] == ["/var/lib/digest"]
    assert migrate["volumes"][0].partition(":")[0] in yaml.safe_load(COMPOSE)["volumes"]
    (home,) = [volume for volume in PODS["digest-init"]["volumes"] if volume["name"] == "home"]
    assert "persistentVolumeClaim" in home


def test_every_image_has_a_version() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    images = re.findall(r"image: (\S+)", COMPOSE) + re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    images += [pod["containers"][0]["image"] for pod in PODS.values()]
    assert len(images) >= 10
    assert [image for image in images if not re.search(r":v?\d+\.\d+\.\d+|:\d+\.\d+-", image)] == []


def test_a_service_s_files_are_its_own() -> None:
    assert {"UMask=0077", "StateDirectoryMode=0700"} <= set(COMMON_UNIT.splitlines())


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_service_reaches_little_of_its_machine(unit: Path) -> None:
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", unit],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{SYSTEMD}:"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert float(told.split("Overall exposure level")[1].split()[2]) < 3


def test_every_setting_reaches_every_process() -> None:
    """From .env, /etc/digest.env, or the ConfigMap and the Secret; what the files set themselves can be overridden."""
    settings = {f"DIGEST_{name.upper()}" for name in NAMES}
    services = yaml.safe_load(COMPOSE)["services"].values()
    for service in (each for each in services if each["image"].startswith("digest:")):
        assert service["env_file"] == [{"path": ".env", "required": False}]
        set_here = service["environment"]
        assert set(set_here) <= settings
        assert {name for name in set_here if f"${{{name}:" not in set_here[name]} == {"DIGEST_HOME"}
    for pod in PODS.values():
        container = pod["containers"][0]
        assert container["envFrom"] == [{kind: {"name": "digest"}} for kind in ("configMapRef", "secretRef")]
        assert "env" not in container
    (config,) = (resource["data"] for resource in KUBERNETES if resource["kind"] == "ConfigMap")
    assert set(config) <= settings
    assert "EnvironmentFile=/etc/digest.env" in COMMON_UNIT.splitlines()
    assert re.findall(r"Environment=(\w+)", "".join(map(Path.read_text, UNITS)) + COMMON_UNIT) == [
        "DIGEST_HOME"
    ]


def test_the_folder_of_backups_belongs_to_the_process_that_makes_them() -> None:
    """A new volume takes the owner of the image's folder; a unit's file system is read-only otherwise."""
    assert yaml.safe_load(COMPOSE)["services"]["worker"]["volumes"] == ["backups:/srv/backups"]
    assert (
        "install -d -m 700 -o digest -g digest /var/lib/digest /srv/backups"
        in (ROOT / "Dockerfile").read_text()
    )
    assert "ReadWritePaths=-/srv/backups" in (SYSTEMD / "digest-worker.service").read_text().splitlines()


def test_kubernetes_accepts_the_example() -> None:
    for resource in KUBERNETES:
        kubernetes_validate.validate(resource, "1.37", strict=True)


@pytest.mark.parametrize("name", PODS)
def test_a_pod_runs_as_its_own_user_and_writes_only_into_its_volumes(name: str) -> None:
    assert (
        PODS[name]["securityContext"].items()
        >= {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "fsGroup": 10001,
        }.items()
    )
    container = PODS[name]["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp", "/var/lib/digest"]


def test_a_container_runs_as_its_own_user_and_writes_only_into_its_volume() -> None:
    for name, service in yaml.safe_load(COMPOSE)["services"].items():
        if service["image"].startswith("digest:"):
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "\nUSER digest\nVOLUME /var/lib/digest\n" in dockerfile


def test_the_top_level_files_are_the_apps_of_the_wheel() -> None:
    for file, module in (("web.py", "digest.wsgi"), ("worker.py", "digest.celery_app")):
        assert (ROOT / file).read_text().startswith(f"from {module} import app")
        assert module in (ROOT / "docs/operator.md").read_text()


def test_a_visitor_meets_the_server_that_half_sent_requests_do_not_silence() -> None:
    """gunicorn waits for each with a thread; tests/ops/test_web_server.py tries the other one."""
    assert 'CMD ["digest", "web", "--host", "0.0.0.0"]' in (ROOT / "Dockerfile").read_text()
    assert "/bin/digest web" in (ROOT / "docs/systemd/digest-web.service").read_text()


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
