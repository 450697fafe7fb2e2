"""Sender authentication records are checked, and a missing record is suggested in full."""

import base64

import pytest

from digest.errors import Unavailable
from digest.external_checks.dmarc_policy import find_policy
from digest.external_checks.sender_auth import SenderAuthResult, check_sender

KEY = base64.b64encode(b"x" * 294).decode()
SMALL = base64.b64encode(b"x" * 162).decode()
GOOD = {
    "verdicts.dev": ["v=spf1 include:_spf.google.com ~all", "some-site-verification=1"],
    "google._domainkey.verdicts.dev": [f"v=DKIM1; k=rsa; p={KEY}"],
    "_dmarc.verdicts.dev": ["v=DMARC1; p=none; rua=mailto:a@verdicts.dev"],
}


def check(
    zone: dict[str, list[str]], domain: str = "verdicts.dev", **options: object
) -> dict[str, SenderAuthResult]:
    results = check_sender(
        domain, lookup=lambda name: zone.get(name, []), **{"relay": "smtp.gmail.com", **options}
    )
    return {result.mechanism: result for result in results}


def test_a_domain_with_spf_dkim_and_dmarc_is_good() -> None:
    assert {result.status for result in check(GOOD).values()} == {"good"}


def test_a_missing_record_comes_with_the_record_to_publish() -> None:
    results = check({})
    assert {result.status for result in results.values()} == {"missing"}
    assert results["SPF"].dns_record == 'verdicts.dev. IN TXT "v=spf1 include:_spf.google.com ~all"'
    assert results["DMARC"].dns_record.startswith(
        '_dmarc.verdicts.dev. IN TXT "v=DMARC1; p=none; rua=mailto:'
    )
    assert "DIGEST_DKIM_SELECTOR" in results["DKIM"].fix


def test_an_unknown_relay_is_allowed_by_its_host_name() -> None:
    assert check({}, relay="mail.verdicts.dev")["SPF"].dns_record.endswith(
        '"v=spf1 a:mail.verdicts.dev ~all"'
    )


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (["v=spf1 mx ~all", "v=spf1 a ~all"], "2 SPF records"),
        (["v=spf1 +all"], "anyone"),
        (["v=spf1 mx -all"], "does not include your provider"),
    ],
)
def test_a_wrong_spf_record_is_weak_and_explained(records: list[str], expected: str) -> None:
    spf = check(GOOD | {"verdicts.dev": records})["SPF"]
    assert spf.status == "weak"
    assert expected in spf.summary


def test_only_the_configured_selectors_are_queried() -> None:
    named = {**GOOD, "news2026._domainkey.verdicts.dev": [f"k=rsa; p={KEY}"]}
    assert "news2026" in check(named, selectors=("news2026",))["DKIM"].summary
    missing = check(GOOD, selectors=("news2026",))["DKIM"]
    assert (missing.status, missing.dns_record[:34]) == ("missing", "news2026._domainkey.verdicts.dev. ")


@pytest.mark.parametrize(
    ("record", "state"), [(f"p={SMALL}", "weak"), ("v=DKIM1; p=", "missing"), ("p=%%%", "missing")]
)
def test_a_short_revoked_or_malformed_key_is_not_good(record: str, state: str) -> None:
    zone = {**GOOD, "google._domainkey.verdicts.dev": [record]}
    assert check(zone)["DKIM"].status == state


def test_a_dns_failure_gives_an_unknown_result() -> None:
    def silent(_: str) -> list[str]:
        raise Unavailable("no response")

    assert {result.status for result in check_sender("verdicts.dev", relay="x", lookup=silent)} == {"unknown"}


@pytest.mark.parametrize(
    ("zone", "domain", "expected"),
    [
        ({"_dmarc.verdicts.dev": ["v=DMARC1; p=reject"]}, "news.verdicts.dev", "p=reject"),
        ({"_dmarc.verdicts.dev": ["v=DMARC1; p=reject; sp=none"]}, "news.verdicts.dev", "sp=none"),
        ({"_dmarc.verdicts.dev": ["v=DMARC1; rua=mailto:a@b.c"]}, "verdicts.dev", "p=none"),
        (
            {"_dmarc.verdicts.dev": ["v=DMARC1; t=y; p=quarantine; np=reject; unheard=of"]},
            "verdicts.dev",
            "p=quarantine",
        ),
    ],
)
def test_the_applicable_policy_is_found_whatever_the_order_of_tags(
    zone: dict[str, list[str]], domain: str, expected: str
) -> None:
    result = check(zone, domain)["DMARC"]
    assert result.status == "good"
    assert result.summary.endswith(f"sets {expected}.")


def test_obsolete_tags_are_reported() -> None:
    result = check({"_dmarc.verdicts.dev": ["v=DMARC1; p=none; pct=50; ri=3600"]})["DMARC"]
    assert (result.status, "pct, ri" in result.summary) == ("weak", True)


def names_queried(domain: str, zone: dict[str, list[str]] | None = None) -> list[str]:
    names: list[str] = []

    def lookup(name: str) -> list[str]:
        names.append(name.removeprefix("_dmarc."))
        return (zone or {}).get(name, [])

    find_policy(domain, lookup)
    return names


def test_the_tree_walk_reaches_the_top_and_shortens_long_names() -> None:
    assert names_queried("a.mail.verdicts.dev") == [
        "a.mail.verdicts.dev",
        "mail.verdicts.dev",
        "verdicts.dev",
        "dev",
    ]
    assert names_queried("a.b.c.d.e.f.g.h.i.verdicts.dev") == [
        "a.b.c.d.e.f.g.h.i.verdicts.dev",
        *("e.f.g.h.i.verdicts.dev".split(".", n)[-1] for n in range(7)),
    ]


def test_the_tree_walk_stops_at_a_record_with_psd() -> None:
    zone = {
        "_dmarc.mail.verdicts.dev": ["v=DMARC1; p=none; psd=n"],
        "_dmarc.verdicts.dev": ["v=DMARC1; p=reject"],
    }
    assert names_queried("a.mail.verdicts.dev", zone) == ["a.mail.verdicts.dev", "mail.verdicts.dev"]
    record = find_policy("a.mail.verdicts.dev", lambda name: zone.get(name, []))
    assert record is not None
    assert (record.domain, record.is_own, record.tags["p"]) == ("mail.verdicts.dev", False, "none")


def test_the_record_below_a_public_suffix_takes_precedence() -> None:
    zone = {"_dmarc.gov": ["v=DMARC1; p=reject; psd=y"], "_dmarc.agency.gov": ["v=DMARC1; p=none"]}
    below = find_policy("mail.agency.gov", lambda name: zone.get(name, []))
    suffix = find_policy("mail.other.gov", lambda name: zone.get(name, []))
    assert (below and below.domain, suffix and suffix.domain) == ("agency.gov", "gov")


def test_two_records_at_one_name_are_none() -> None:
    assert find_policy("verdicts.dev", lambda _: ["v=DMARC1; p=none", "v=DMARC1; p=reject"]) is None
