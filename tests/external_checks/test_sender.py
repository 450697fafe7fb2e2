"""What receivers look up before they believe a sender is looked up before they do, and the missing record is written out."""

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


def proofs(zone: dict[str, list[str]], domain: str = "verdicts.dev", **given: object) -> dict[str, SenderAuthResult]:
    found = check_sender(domain, lookup=lambda name: zone.get(name, []), **{"relay": "smtp.gmail.com", **given})
    return {proof.mechanism: proof for proof in found}


def test_a_domain_with_all_three_is_good() -> None:
    assert {proof.status for proof in proofs(GOOD).values()} == {"good"}


def test_what_is_missing_is_written_out_to_be_copied() -> None:
    found = proofs({})
    assert {proof.status for proof in found.values()} == {"missing"}
    assert found["SPF"].dns_record == 'verdicts.dev. IN TXT "v=spf1 include:_spf.google.com ~all"'
    assert found["DMARC"].dns_record.startswith('_dmarc.verdicts.dev. IN TXT "v=DMARC1; p=none; rua=mailto:')
    assert "DIGEST_DKIM_SELECTOR" in found["DKIM"].fix


def test_a_relay_that_we_do_not_know_is_allowed_by_its_name() -> None:
    assert proofs({}, relay="mail.verdicts.dev")["SPF"].dns_record.endswith('"v=spf1 a:mail.verdicts.dev ~all"')


@pytest.mark.parametrize(
    ("records", "says"),
    [
        (["v=spf1 mx ~all", "v=spf1 a ~all"], "2 SPF records"),
        (["v=spf1 +all"], "everybody"),
        (["v=spf1 mx -all"], "does not name your provider"),
    ],
)
def test_an_spf_record_that_does_not_do_is_told(records: list[str], says: str) -> None:
    spf = proofs(GOOD | {"verdicts.dev": records})["SPF"]
    assert spf.status == "weak"
    assert says in spf.summary


def test_a_named_selector_is_the_only_one_that_is_asked() -> None:
    named = {**GOOD, "news2026._domainkey.verdicts.dev": [f"k=rsa; p={KEY}"]}
    assert "news2026" in proofs(named, selectors=("news2026",))["DKIM"].summary
    gone = proofs(GOOD, selectors=("news2026",))["DKIM"]
    assert (gone.status, gone.dns_record[:34]) == ("missing", "news2026._domainkey.verdicts.dev. ")


@pytest.mark.parametrize(
    ("record", "state"), [(f"p={SMALL}", "weak"), ("v=DKIM1; p=", "missing"), ("p=%%%", "missing")]
)
def test_a_key_that_is_short_revoked_or_garbled_is_told(record: str, state: str) -> None:
    zone = {**GOOD, "google._domainkey.verdicts.dev": [record]}
    assert proofs(zone)["DKIM"].status == state


def test_a_dns_that_is_silent_proves_nothing_either_way() -> None:
    def silent(_: str) -> list[str]:
        raise Unavailable("no answer")

    assert {proof.status for proof in check_sender("verdicts.dev", relay="x", lookup=silent)} == {"unknown"}


@pytest.mark.parametrize(
    ("zone", "domain", "says"),
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
def test_the_policy_that_holds_is_found_and_no_order_is_asked_of_its_tags(
    zone: dict[str, list[str]], domain: str, says: str
) -> None:
    proof = proofs(zone, domain)["DMARC"]
    assert proof.status == "good"
    assert proof.summary.endswith(f"says {says}.")


def test_tags_that_the_standard_took_away_are_told() -> None:
    proof = proofs({"_dmarc.verdicts.dev": ["v=DMARC1; p=none; pct=50; ri=3600"]})["DMARC"]
    assert (proof.status, "pct, ri" in proof.summary) == ("weak", True)


def asked(domain: str, zone: dict[str, list[str]] | None = None) -> list[str]:
    names: list[str] = []

    def ask(name: str) -> list[str]:
        names.append(name.removeprefix("_dmarc."))
        return (zone or {}).get(name, [])

    find_policy(domain, ask)
    return names


def test_the_walk_goes_up_to_the_top_and_takes_a_long_name_in_one_stride() -> None:
    assert asked("a.mail.verdicts.dev") == ["a.mail.verdicts.dev", "mail.verdicts.dev", "verdicts.dev", "dev"]
    assert asked("a.b.c.d.e.f.g.h.i.verdicts.dev") == [
        "a.b.c.d.e.f.g.h.i.verdicts.dev",
        *("e.f.g.h.i.verdicts.dev".split(".", n)[-1] for n in range(7)),
    ]


def test_the_walk_ends_where_a_record_says_what_it_is() -> None:
    zone = {
        "_dmarc.mail.verdicts.dev": ["v=DMARC1; p=none; psd=n"],
        "_dmarc.verdicts.dev": ["v=DMARC1; p=reject"],
    }
    assert asked("a.mail.verdicts.dev", zone) == ["a.mail.verdicts.dev", "mail.verdicts.dev"]
    found = find_policy("a.mail.verdicts.dev", lambda name: zone.get(name, []))
    assert found is not None
    assert (found.domain, found.is_own, found.tags["p"]) == ("mail.verdicts.dev", False, "none")


def test_the_name_below_a_public_suffix_speaks_before_the_suffix() -> None:
    zone = {"_dmarc.gov": ["v=DMARC1; p=reject; psd=y"], "_dmarc.agency.gov": ["v=DMARC1; p=none"]}
    below = find_policy("mail.agency.gov", lambda name: zone.get(name, []))
    suffix = find_policy("mail.other.gov", lambda name: zone.get(name, []))
    assert (below and below.domain, suffix and suffix.domain) == ("agency.gov", "gov")


def test_two_records_at_one_name_are_none() -> None:
    assert find_policy("verdicts.dev", lambda _: ["v=DMARC1; p=none", "v=DMARC1; p=reject"]) is None
