"""Rates in settings: parsed, or refused in one line that names the variable."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.relay import Relay, Script

from digest.cli.doctor.relay import check_relay
from digest.config import load
from digest.errors import BadSetting
from digest.rates import WarmUp
from digest.smtp.url import relay_from_url


def test_rates_per_domain_and_a_warm_up_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_DOMAIN_RATES", "Gmail.com=20/s, yahoo.com = 300/m,")
    monkeypatch.setenv("DIGEST_WARM_UP", "500@2026-11-22 x1.5")
    settings = load(home=tmp_path)
    assert settings.domain_rates == {"gmail.com": 20.0, "yahoo.com": 5.0}
    assert settings.warm_up == WarmUp(500, date(2026, 11, 22), 1.5)
    assert load(home=tmp_path, warm_up="500@2026-11-22").warm_up == WarmUp(500, date(2026, 11, 22), 1.0)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("domain_rates", "gmail.com"),
        ("domain_rates", "gmail.com=fast"),
        ("domain_rates", "me@gmail.com=5/s"),
        ("warm_up", "500"),
        ("warm_up", "500@2026-02-30"),
        ("warm_up", "0@2026-11-22"),
        ("warm_up", "500@2026-11-22 x0.5"),
    ],
)
def test_an_invalid_rate_is_refused_in_one_line(tmp_path: Path, name: str, written: str) -> None:
    with pytest.raises(BadSetting, match=f"DIGEST_{name.upper()}") as caught:
        load(home=tmp_path, **{name: written})
    assert "\n" not in str(caught.value)


def test_the_doctor_checks_each_account() -> None:
    with Relay() as good, Relay(Script(login="535 5.7.8 no")) as shut:
        relay = relay_from_url(f"{good.url}?name=first smtp://me:x@127.0.0.1:{shut.port}?name=second")
        context: Any = SimpleNamespace(
            settings=lambda: SimpleNamespace(is_embedded_mailbox=False),
            services=lambda: SimpleNamespace(relay=relay),
        )
        first, second = check_relay(context)
        assert (first.status, second.status) == ("ok", "warn")
        assert "second" in second.summary
        assert "rejected the user name or password. (535 5.7.8 no)" in second.summary
        assert "Write @ as %40" in second.fix
        relay = relay.accounts[1]
        assert [finding.status for finding in check_relay(context)] == ["bad"]
