"""A setting comes from the environment, a file that it names, digest.toml, or its default, in this order."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from digest.app import create_context
from digest.cli import main
from digest.cli.doctor.home import check_home
from digest.config import NAMES, load
from digest.errors import BadSetting
from digest.smtp.url import relay_from_url

PASSWORD, KEY, HOOK = "s3cr3t-w0rd", "a-signing-key-of-32-characters-00", "T0/B0/hook"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("DIGEST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DIGEST_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def test_the_environment_comes_before_a_file_it_names_and_that_before_digest_toml(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load().retry_delay.total_seconds() == 900
    Path("digest.toml").write_text('retry_delay = "1m"')
    assert load().retry_delay.total_seconds() == 60
    (tmp_path / "delay").write_text("2m\n")
    monkeypatch.setenv("DIGEST_RETRY_DELAY_FILE", str(tmp_path / "delay"))
    assert load().retry_delay.total_seconds() == 120
    monkeypatch.setenv("DIGEST_RETRY_DELAY", "3m")
    with pytest.raises(BadSetting, match="DIGEST_RETRY_DELAY and DIGEST_RETRY_DELAY_FILE are both set"):
        load()
    monkeypatch.delenv("DIGEST_RETRY_DELAY_FILE")
    assert load().retry_delay.total_seconds() == 180
    assert load(retry_delay="4m").retry_delay.total_seconds() == 240


def test_every_setting_is_read_from_a_file_for_docker_and_kubernetes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in NAMES:
        monkeypatch.delenv(f"DIGEST_{name.upper()}", raising=False)
        monkeypatch.setenv(f"DIGEST_{name.upper()}_FILE", str(tmp_path / "absent" / name))
        with pytest.raises(BadSetting, match=f"^DIGEST_{name.upper()}_FILE: .* cannot be read: No such file"):
            load()
        monkeypatch.delenv(f"DIGEST_{name.upper()}_FILE")


def test_an_empty_file_is_an_error_and_an_empty_variable_is_unset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_text("\n")
    monkeypatch.setenv("DIGEST_SMTP_URL_FILE", "")
    assert load().smtp_url is None
    monkeypatch.setenv("DIGEST_SMTP_URL_FILE", str(tmp_path / "empty"))
    with pytest.raises(BadSetting, match=r"DIGEST_SMTP_URL_FILE: .* is empty"):
        load()


def test_lists_and_tables_of_digest_toml_are_what_the_variables_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"""
        keep_replies_days = 90
        secret_keys = ["{KEY}", "an-older-signing-key"]
        smtp_url = ["smtp://127.0.0.1:2525", "smtp://127.0.0.1:2526"]
        trusted_proxies = ["10.0.0.0/8", "127.0.0.1"]
        [domain_rates]
        "gmail.com" = "20/s"
        "yahoo.com" = "300/m"
    """
    Path("site.toml").write_text(text)
    assert load().keep_replies_days == 180, "only digest.toml is found by itself"
    monkeypatch.setenv("DIGEST_CONFIG", "site.toml")
    settings = load()
    assert settings.keep_replies_days == 90
    assert settings.keys() == (KEY, "an-older-signing-key")
    assert settings.smtp() == "smtp://127.0.0.1:2525 smtp://127.0.0.1:2526"
    assert settings.domain_rates == {"gmail.com": 20.0, "yahoo.com": 5.0}
    assert [str(each) for each in settings.trusted_proxies] == ["10.0.0.0/8", "127.0.0.1/32"]
    monkeypatch.setenv("DIGEST_CONFIG", "none")
    assert load().keep_replies_days == 180
    monkeypatch.setenv("DIGEST_CONFIG", "absent.toml")
    with pytest.raises(BadSetting, match=r"DIGEST_CONFIG: absent\.toml cannot be read"):
        load()


def test_config_shows_every_setting_and_its_source_without_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "smtp_url").write_text(
        f"smtp://me:{PASSWORD}@relay.example.org?name=a smtps://o:{PASSWORD}@b.example"
    )
    Path("digest.toml").write_text(f'secret_keys = ["{KEY}"]\nlog = "error"')
    monkeypatch.setenv("DIGEST_SMTP_URL_FILE", str(tmp_path / "smtp_url"))
    monkeypatch.setenv("DIGEST_DATABASE_URL", f"postgres://digest:{PASSWORD}@db/digest?password={PASSWORD}")
    monkeypatch.setenv("DIGEST_BROKER_URL", f"redis://:{PASSWORD}@valkey/0")
    shown = _run("config")
    assert shown.exit_code == 0, shown.output
    assert PASSWORD not in shown.output
    assert KEY not in shown.output
    rows = {row["variable"]: row for row in json.loads(_run("config", "--json").output)}
    assert list(rows) == [f"DIGEST_{name.upper()}" for name in NAMES]
    assert {
        name: (row["value"], row["source"]) for name, row in rows.items() if row["source"] != "default"
    } == {
        "DIGEST_HOME": (str(tmp_path / "home"), "environment"),
        "DIGEST_DATABASE_URL": ("postgres://digest:…@db/digest?password=…", "environment"),
        "DIGEST_BROKER_URL": ("redis://:…@valkey/0", "environment"),
        "DIGEST_SMTP_URL": (
            "smtp://me:…@relay.example.org?name=a smtps://o:…@b.example",
            str(tmp_path / "smtp_url"),
        ),
        "DIGEST_SECRET_KEYS": ("…", "digest.toml"),
        "DIGEST_LOG": ("error", "digest.toml"),
    }
    assert rows["DIGEST_RETRY_DELAY"]["value"] == "15m"
    assert rows["DIGEST_BASE_URL"]["value"] == "http://127.0.0.1:8000"
    assert rows["DIGEST_SEND_RATE"]["value"] is None


def test_a_token_that_is_user_and_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SMTP_URL", f"smtp://{PASSWORD}:{PASSWORD}@smtp.postmarkapp.com:587")
    assert PASSWORD not in _run("config").output
    assert relay_from_url(load().smtp()).label == "smtp.postmarkapp.com:587"


def test_a_digest_toml_of_somebody_else_counts_only_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write into the working directory must not choose where all email goes."""
    Path("digest.toml").write_text("keep_replies_days = 90")
    Path("digest.toml").chmod(0o646)
    with pytest.raises(BadSetting, match=r"digest\.toml could have been written by another user"):
        load()
    monkeypatch.setenv("DIGEST_CONFIG", "none")
    assert load().keep_replies_days == 180
    monkeypatch.setenv("DIGEST_CONFIG", "digest.toml")
    assert load().keep_replies_days == 90


def test_doctor_says_that_others_can_read_a_file_with_secrets(tmp_path: Path) -> None:
    ours = [folder for folder in tmp_path.parents if folder.name.startswith(("pytest-", "popen-"))]
    for folder in (tmp_path, *ours):
        folder.chmod(0o755)
    Path("digest.toml").write_text(f'secret_keys = ["{KEY}"]')
    Path("digest.toml").chmod(0o644)
    found = [finding.summary for finding in check_home(create_context())]
    assert any("read digest.toml, which contains secrets" in summary for summary in found)
    Path("digest.toml").chmod(0o600)
    assert not any("digest.toml" in finding.summary for finding in check_home(create_context()))


def test_the_processes_of_a_demo_see_no_setting_from_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A demo must never send real email, in whatever folder it is tried and whatever its child processes read."""
    Path("digest.toml").write_text('smtp_url = "smtp://relay.example.org"')
    (tmp_path / "rate").write_text("1/s")
    monkeypatch.setenv("DIGEST_SEND_RATE_FILE", str(tmp_path / "rate"))
    context = create_context(home=tmp_path / "demo", config="none", smtp_url=None, send_rate=None)
    for name, value in context.settings().environment.items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert settings.smtp_url is None
    assert settings.send_rate is None
    assert settings.home == tmp_path / "demo"


def _run(*words: str) -> Result:
    return CliRunner().invoke(main, words, obj=create_context())
