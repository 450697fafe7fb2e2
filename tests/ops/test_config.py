"""What settings mean, and what is used where none is given."""

import os
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from digest.config import load
from digest.errors import BadSetting


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DIGEST_")]:
        monkeypatch.delenv(name)


def test_two_bad_settings_are_both_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DIGEST_SEND_RATE", "fast")
    monkeypatch.setenv("DIGEST_LOG", "loud")
    with pytest.raises(BadSetting, match=r"DIGEST_SEND_RATE.*DIGEST_LOG"):
        load(home=tmp_path)


@pytest.mark.parametrize(
    ("written", "per_second"),
    [("50/s", 50.0), ("600/m", 10.0), ("7200/h", 2.0), ("1.5 / s", 1.5), ("90/min", 1.5)],
)
def test_a_rate_is_mails_a_second(tmp_path: Path, written: str, per_second: float) -> None:
    assert load(home=tmp_path, send_rate=written).send_rate == per_second


@pytest.mark.parametrize(
    ("written", "networks"),
    [
        ("", ["127.0.0.0/8", "::1/128"]),
        ("none", []),
        ("127.0.0.1, 172.16.0.0/12 fd00::7/64", ["127.0.0.1/32", "172.16.0.0/12", "fd00::/64"]),
    ],
)
def test_proxies_are_networks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, written: str, networks: list[str]
) -> None:
    monkeypatch.setenv("DIGEST_TRUSTED_PROXIES", written)
    assert [str(one) for one in load(home=tmp_path).trusted_proxies] == networks


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("alert_url", "alerts.example.org/hook"),
        ("alert_url", "ftp://alerts.example.org"),
        ("alert_url", "https://alerts.example.org:99999/"),
        ("alert_url", "https://alerts example.org/"),
        ("alert_secret", "whsec_no*base64"),
        ("alert_secret", "short"),
    ],
)
def test_a_webhook_that_cannot_work_is_refused(tmp_path: Path, name: str, written: str) -> None:
    with pytest.raises(BadSetting, match=f"DIGEST_{name.upper()} is not a web"):
        load(home=tmp_path, **{name: written})
    assert load(home=tmp_path, alert_url="http://10.0.0.7:8080/hook").alert_url == "http://10.0.0.7:8080/hook"


@pytest.mark.parametrize(("written", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200)])
def test_a_delay_is_a_length_of_time(tmp_path: Path, written: str, seconds: int) -> None:
    assert load(home=tmp_path, retry_delay=written).retry_delay == timedelta(seconds=seconds)


def test_without_settings_everything_is_embedded(tmp_path: Path) -> None:
    settings = load(home=tmp_path)
    assert settings.database == f"sqlite:///{tmp_path}/digest.sqlite3"
    assert settings.broker == f"redis+socket://{tmp_path}/run/valkey.sock"
    assert settings.smtp().startswith("smtp://127.0.0.1:")
    assert settings.site() == "http://127.0.0.1:8000"


def test_what_platforms_hand_out_is_taken(tmp_path: Path) -> None:
    settings = load(
        home=tmp_path, database_url="postgres://u:p%40ss@db/digest", broker_url="valkey://:secret@valkey:6379"
    )
    assert settings.database == "postgresql+psycopg://u:p%40ss@db/digest"
    assert settings.broker == "redis://:secret@valkey:6379"
    assert load(home=tmp_path, database_url="postgresql:///digest?host=/run/pg&sslmode=require").database


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DIGEST_SMTP_URL", "")
    assert load(home=tmp_path).smtp_url is None


def test_keys_are_generated_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    keys = load(home=tmp_path).keys()
    assert load(home=tmp_path).keys() == keys
    assert len(keys[0]) >= 32
    assert stat.S_IMODE((tmp_path / "secret-keys").stat().st_mode) == 0o600


def test_keys_in_the_environment_are_taken_newest_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DIGEST_SECRET_KEYS", "the-newest-key-0123456789, the-older-key-0123456789")
    assert load(home=tmp_path).keys() == ("the-newest-key-0123456789", "the-older-key-0123456789")
    assert not (tmp_path / "secret-keys").exists()


def test_a_deep_home_gets_a_short_socket_path(tmp_path: Path) -> None:
    deep = tmp_path / ("a-long-name-" * 6) / ("and-another-" * 6)
    settings = load(home=deep)
    assert len(str(settings.run_dir / "valkey.sock")) <= 100
    assert stat.S_IMODE(settings.run_dir.stat().st_mode) == 0o700
    settings.run_dir.rmdir()


def test_processes_that_start_at_once_use_the_same_keys_and_port(tmp_path: Path) -> None:
    ask = "import sys; from digest.config import load; s = load(home=sys.argv[1]); print(s.keys(), s.mailbox_port())"
    started = [
        subprocess.Popen([sys.executable, "-c", ask, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert len({process.communicate(timeout=60)[0] for process in started}) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"oidc_issuer": "https://login.example.org"},
            "DIGEST_OIDC_ISSUER needs DIGEST_OIDC_CLIENT_ID and DIGEST_OIDC_CLIENT_SECRET",
        ),
        ({"oidc_client_id": "x", "oidc_client_secret": "y"}, "needs DIGEST_OIDC_ISSUER"),
        ({"oidc_issuer": "http://login.example.org"}, "DIGEST_OIDC_ISSUER is not the https address"),
        ({"oidc_issuer": "login.example.org"}, "DIGEST_OIDC_ISSUER is not the https address"),
    ],
)
def test_a_provider_needs_https_and_all_its_settings(
    tmp_path: Path, given: dict[str, str], said: str
) -> None:
    with pytest.raises(BadSetting, match=said):
        load(home=tmp_path, **given)
    whole = {"oidc_issuer": "https://login.example.org", "oidc_client_id": "x", "oidc_client_secret": "y"}
    assert load(home=tmp_path, **whole).provider() == ("https://login.example.org", "x", "y")
    assert load(home=tmp_path).provider() is None


def test_the_limits_are_kept_apart_from_the_broker(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="DIGEST_LIMITS_URL"):
        load(home=tmp_path, broker_url="redis://valkey:6379/0", limits_url="redis://:secret@valkey/1")
    with pytest.raises(BadSetting, match="DIGEST_LIMITS_URL"):
        load(home=tmp_path, limits_url="amqp://rabbit")
    settings = load(home=tmp_path, broker_url="redis://valkey:6379/0", limits_url="redis://limits:6379/0")
    assert settings.limits_url == "redis://limits:6379/0"
