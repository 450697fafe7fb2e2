"""Every bad setting is refused in one line that names it and shows no secret; none is taken for something else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from digest.config import find_ignored, load
from digest.errors import BadSetting

SECRET = "s3cr3t-w0rd"
# A guard asks for an entry for each setting; an empty one means that any text is good.
BAD: dict[str, list[str]] = {
    "HOME": ["/proc/nowhere", "/dev/null", "/dev/null/home", "~no-such-user/digest"],
    "DATABASE_URL": [
        "nonsense",
        "mysql://somewhere/digest",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file:memory?mode=memory",
        "sqlite://var/digest.sqlite3",
        "sqlite:///var/digest.sqlite3?timeout=fast",
        "sqlite:////tmp",
        "sqlite+aiosqlite:////tmp/digest.sqlite3",
        f"postgresql+psycopg2://digest:{SECRET}@db/digest",
        f"postgresql+asyncpg://digest:{SECRET}@db/digest",
        "postgresql+nonsense://db/digest",
        "postgresql://db",
        "postgresql://db/",
        "postgresql://db:port/digest",
        "postgresql://db:0/digest",
        "postgresql://db:99999/digest",
        "postgresql://db/digest?sslmode=sometimes",
        "postgresql://db/digest?no_such_option=1",
        "postgres://",
        f"postgres://digest:{SECRET}@x@db/digest",
        "postgres://d b/digest",
    ],
    "BROKER_URL": [
        "amqp://rabbit",
        "memory://",
        "redis://",
        "redis:///0",
        "redis:valkey",
        "redis://valkey:port",
        "redis://valkey:99999/0",
        "redis://valkey/first",
        "redis://val key/0",
        f"redis://:{SECRET}#x@valkey/0",
        f"redis://me:12/{SECRET}@valkey/0",
        "redis+socket://",
        "redis+socket://valkey/0",
        "valkey:6379",
    ],
    "LIMITS_URL": ["amqp://rabbit", "memory://", "redis://limits:port"],
    "SMTP_URL": [
        "ftp://somewhere",
        "smtp://",
        "smtp:relay.example.org",
        "relay.example.org:587",
        "smtp://relay.example.org:port",
        "smtp://relay.example.org:0",
        "smtp://relay.example.org:99999",
        "smtp://relay.example.org/path",
        f"smtp://user:{SECRET}#word@relay.example.org",
        f"smtp://user:{SECRET}/word@relay.example.org",
        f"smtp://user:{SECRET}?word@relay.example.org",
        f"smtp://user:{SECRET} word@relay.example.org",
        f"smtp://:{SECRET}@relay.example.org",
        "smtp://user@relay.example.org",
        "smtp://user:@relay.example.org",
        "smtp://relay.example.org?starttls=",
        "smtp://relay.example.org?starttls",
        "smtp://relay.example.org?starttls=sometimes",
        "smtp://relay.example.org?conections=4",
        "smtp://relay.example.org?connections=4&connections=8",
        "smtp://relay.example.org?connections=0",
        "smtp://relay.example.org?rate=fast",
        "smtp://relay.example.org?helo=mail",
        "smtp://relay.example.org?auth=magic",
        f"smtp://user:{SECRET}@relay.example.org?starttls=off",
        f"smtp://user:{SECRET}@relay.example.org?auth=xoauth2",
        "smtp://relay.example.org smtp://relay.example.org",
    ],
    "BASE_URL": [
        "news.example.org",
        "https://news.example.org/?a=1",
        "https://example.org/news",
        "https://news .example.org",
        f"https://user:{SECRET}@news.example.org",
        "https://news.example.org:99999",
        "https://news.example.org:port",
    ],
    "SECRET_KEYS": ["short", ",", "a-key-that-is-long-enough, short"],
    "SEND_RATE": ["fast", "0/s", "-1/s", "50", "50/d", "0.1/h", "9999999999/s", f"{'9' * 400}/s", "nan/s"],
    "DOMAIN_RATES": ["gmail.com", "gmail.com=fast", "me@gmail.com=5/s", ",", "a.org=1/s, a.org=2/s"],
    "BACKUP": ["daily", "backups daily", "/srv/backups keep 0", "/srv/backups every 0h", "~/backups"],
    "WARM_UP": ["500", "500@2026-02-30", "0@2026-11-22", "500@2026-11-22 x0.5", "500@tomorrow"],
    "OIDC_ISSUER": [
        "login.example.org",
        "http://login.example.org",
        "https://",
        "https://login.example.org:port",
        "ftp://localhost",
        f"https://user:{SECRET}@login.example.org",
        "https://login.example.org",  # without its client
    ],
    "OIDC_CLIENT_ID": ["alone"],
    "OIDC_CLIENT_SECRET": [SECRET],
    "DKIM_SELECTOR": ["news@2026", "k1, k/2"],
    "TRUSTED_PROXIES": ["the proxy", "none, 10.0.0.7", "10.0.0.0/33", "10.0.0"],
    **{
        name: ["-1", "many", "1.5", "1e3", "99999", "9" * 30]
        for name in (
            "KEEP_REPLIES_DAYS",
            "KEEP_DELIVERIES_DAYS",
            "KEEP_EMAILS_DAYS",
            "KEEP_CLICKS_DAYS",
            "KEEP_LETTERS_DAYS",
            "KEEP_LOG_DAYS",
            "KEEP_MAILBOX_DAYS",
        )
    },
    "ALERT_URL": [
        "hooks.example.org/x",
        "ftp://hooks.example.org/x",
        "https://",
        f"https://hooks.example.org:port/{SECRET}",
    ],
    "ALERT_SECRET": ["short"],
    "RETRY_DELAY": ["15", "-3m", "0s", "1.5h", "25h", "99999999999h", "99999999999999999m", "2 days"],
    "BACKUP_PASSPHRASE": [],
    "LOG": ["loud", "info json", "2"],
}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("DIGEST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DIGEST_HOME", str(tmp_path))


def test_every_bad_setting_is_one_line_that_names_it_and_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = []
    for name, texts in BAD.items():
        for text in texts:
            with monkeypatch.context() as patched:
                patched.setenv(f"DIGEST_{name}", text)
                line = _refusal()
            if not line.startswith("DIGEST_") or f"DIGEST_{name}" not in line:
                wrong.append(f"{name}={text}: {line or 'taken'}")
            elif "\n" in line or SECRET in line or len(line) > 300:
                wrong.append(f"{name}={text}: {line}")
    assert not wrong, "\n".join(wrong)


def test_a_file_s_bad_setting_is_named_with_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "smtp_url"
    secret.write_text(f"ftp://user:{SECRET}@somewhere\n")
    monkeypatch.setenv("DIGEST_SMTP_URL_FILE", str(secret))
    assert _refusal().startswith(f"DIGEST_SMTP_URL in {secret} is not a relay's address; ")
    monkeypatch.delenv("DIGEST_SMTP_URL_FILE")
    config = tmp_path / "site.toml"
    monkeypatch.setenv("DIGEST_CONFIG", str(config))
    monkeypatch.delenv("DIGEST_HOME")
    for text, line in {
        'send_rate = "fast"': f"send_rate in {config} is not a rate; ",
        "send_rate = true": f"send_rate in {config} is not text; ",
        'send_rat = "5/s"': f"send_rat in {config} is not a setting; the nearest name is send_rate",
        "port = 80": f"port in {config} is not a setting; the port is an option: ",
        "send_rate = fast": f"{config} is not valid TOML: ",
        'home = "a\\u0000b"': f"home in {config} is not the path of a folder; ",
    }.items():
        config.write_text(text)
        assert _refusal().startswith(line), text


@pytest.mark.parametrize(
    "variables",
    [
        {"DIGEST_SEND_RATE": "fast"},
        {"DIGEST_DATABASE_URL": "postgresql+psycopg2://db/digest"},
        {"DIGEST_SMTP_URL": "smtp://user:pass#word@relay.example.org"},
    ],
)
@pytest.mark.parametrize("command", [["-m", "digest.app", "init"], ["-c", "import digest.gunicorn_config"]])
def test_every_program_ends_with_2_and_one_line(variables: dict[str, str], command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"digest: {next(iter(variables))} ")
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("DIGEST_HOEM", "DIGEST_HOME"),
        ("DIGEST_SMPT_URL", "DIGEST_SMTP_URL"),
        ("DIGEST_SECRET_KEY", "DIGEST_SECRET_KEYS"),
        ("DIGEST_SMTP_URL_FIEL", "DIGEST_SMTP_URL_FILE"),
        ("digest_smtp_ulr", "DIGEST_SMTP_URL"),
    ],
)
def test_a_misspelt_setting_is_refused(monkeypatch: pytest.MonkeyPatch, written: str, meant: str) -> None:
    monkeypatch.delenv(meant, raising=False)
    monkeypatch.setenv(written, "x")
    assert _refusal().startswith(f"{written.upper()} is not a digest setting; did you mean ")
    assert meant in _refusal()


def test_a_name_that_is_no_setting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_ignored() == {}
    monkeypatch.setenv("DIGEST_PORT", "8080")
    monkeypatch.setenv("DIGEST_QUEUE", "fast")
    load()
    ignored = find_ignored()
    assert "digest up --port" in ignored["DIGEST_PORT"]
    assert ignored["DIGEST_QUEUE"].startswith("the nearest name is ")


def _refusal() -> str:
    try:
        load()
    except BadSetting as error:
        return str(error)
    return ""
