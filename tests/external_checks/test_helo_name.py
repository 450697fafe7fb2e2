"""The name by which we introduce ourselves to mail servers, as receivers look at it."""

from ipaddress import ip_address

import pytest

from digest.errors import Unavailable
from digest.external_checks.dns import Address
from digest.external_checks.helo_name import check_helo_name


def lookup(name: str) -> list[Address]:
    if name == "slow.example.org":
        raise Unavailable("no DNS response")
    return [ip_address("192.0.2.1")] if name == "news.example.org" else []


@pytest.mark.parametrize(
    ("name", "good", "summary"),
    [
        ("news.example.org", True, "news.example.org"),
        ("gone.example.org", False, "has no address in DNS"),
        ("slow.example.org", True, "not looked up: no DNS response"),
        ("[93.184.215.14]", True, "[93.184.215.14]"),
        ("[172.17.0.2]", False, "an address that only this network knows"),
        ("[IPv6:fe80::1]", False, "an address that only this network knows"),
    ],
)
def test_a_name_is_good_when_receivers_can_look_it_up(name: str, good: bool, summary: str) -> None:
    result = check_helo_name(name, lookup=lookup)
    assert result.is_good is good
    assert summary in result.summary
    assert bool(result.fix) is not good
