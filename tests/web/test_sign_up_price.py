"""Signing up while many do: it costs some seconds, and never closes for anybody else."""

import base64
import html
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import altcha
import pytest
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import func, select
from tests.web.conftest import fill
from tests.web.factories import Site, make_site

from digest.audience import signup
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Letter
from digest.editorial import users
from digest.web.public import proof_of_work, sign_up_price

NUMBERS = count()
FREE, FREE_OF_SITE, PATIENT, PATIENT_OF_HOST = 3, 9, 4, 3


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime.fromisoformat("2026-11-29T12:00:00+00:00"), tick=False) as traveller:
        yield traveller


@pytest.fixture
def shop(sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site with an owner, low limits, and challenges that are solved quickly."""
    monkeypatch.setattr(proof_of_work, "COST", 10)
    monkeypatch.setattr(sign_up_price, "FREE_PER_NETWORK", f"{FREE}/hour")
    monkeypatch.setattr(sign_up_price, "FREE_PER_SITE", f"{FREE_OF_SITE}/hour")
    monkeypatch.setattr(sign_up_price, "PATIENT_PER_NETWORK", f"{PATIENT}/hour")
    made = fill(make_site(sqlite, tmp_path))
    with made.db.begin() as session:
        users.invite_user(session, "owner@verdicts.io", "owner", utcnow())
    return made


def ask(shop: Site, network: str, address: str = "", **more: str) -> str:
    """What a visitor from this network sees after pressing Subscribe."""
    token = signup.form_token(shop.signer, utcnow() - timedelta(minutes=1))
    data = {"address": address or f"reader{next(NUMBERS)}@gmail.com", "form": token} | more
    client: FlaskClient = shop.app.test_client()
    return client.post("/subscribe", data=data, headers={"X-Forwarded-For": network}).text


def is_accepted(page: str) -> bool:
    return "Check your inbox" in page


def fill_network(shop: Site, network: str = "9.9.9.9") -> None:
    for _ in range(FREE):
        assert is_accepted(ask(shop, network))


def step(page: str) -> tuple[dict[str, str], dict[str, object]]:
    """The hidden fields of the page in between, and its challenge."""
    assert "One more step" in page
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    challenge = re.search(r'data-challenge="([^"]+)"', page)
    assert challenge
    return {name: html.unescape(value) for name, value in fields}, json.loads(html.unescape(challenge[1]))


def solve(challenge: dict[str, object]) -> str:
    """What static/sign-up.js sends."""
    solution = altcha.solve_challenge(altcha.Challenge.from_dict(challenge))
    assert solution is not None
    return base64.b64encode(
        json.dumps({"challenge": challenge, "solution": solution.to_dict()}).encode()
    ).decode()


def test_a_flood_from_one_network_closes_the_form_for_nobody_else(shop: Site) -> None:
    pages = [ask(shop, "9.9.9.9") for _ in range(60)]
    assert [is_accepted(page) for page in pages] == [True] * FREE + [False] * (60 - FREE)
    assert is_accepted(ask(shop, "9.9.8.9", "ada@gmail.com"))  # the same provider, and another network
    assert is_accepted(ask(shop, "2001:db8:1:2::9"))


def test_an_address_cannot_be_locked_by_others_who_enter_it(shop: Site) -> None:
    for number in range(10):
        assert is_accepted(ask(shop, f"9.9.{number}.9", "ada@example.org"))
    assert is_accepted(ask(shop, "8.8.8.8", "ada@example.org"))
    with shop.db.read() as session:
        assert session.scalar(select(func.count()).select_from(Letter)) == 1


def test_twenty_an_hour_are_free_from_a_network_and_three_hundred_in_all() -> None:
    limits = (sign_up_price.FREE_PER_NETWORK, sign_up_price.FREE_PER_SITE, sign_up_price.FREE_IN_ALL)
    assert limits == ("20/hour", "100/hour", "300/hour")


def test_ipv6_is_counted_by_64_and_by_48(shop: Site) -> None:
    fill_network(shop, "2001:db8:1:1::1")
    assert not is_accepted(ask(shop, "2001:db8:1:1:ffff::1"))
    for subnet in range(2, 1 + FREE_OF_SITE // FREE):
        fill_network(shop, f"2001:db8:1:{subnet}::1")
    assert not is_accepted(ask(shop, "2001:db8:1:99::1"))
    assert is_accepted(ask(shop, "2001:db8:2::1"))


def test_a_browser_pays_with_some_seconds_of_work_once_for_one_address(shop: Site) -> None:
    fill_network(shop)
    fields, challenge = step(ask(shop, "9.9.9.9", "ada@example.org"))
    assert fields["address"] == "ada@example.org"
    paid = fields | {"proof": solve(challenge)}
    other = paid | {"address": "bob@example.org", "keep": "bob@example.org"}
    assert not is_accepted(ask(shop, "9.9.9.9", **other))
    assert is_accepted(ask(shop, "9.9.9.9", **paid))
    assert not is_accepted(ask(shop, "9.9.9.9", **paid))  # and not again


def test_what_is_no_proof_is_asked_for_again(shop: Site) -> None:
    fill_network(shop)
    fields, _ = step(ask(shop, "9.9.9.9", "ada@example.org"))
    for proof in ("", "x", "e30=", "W10=", "bnVsbA==", "eyJjaGFsbGVuZ2UiOiAiYSIsICJzb2x1dGlvbiI6IDF9"):
        step(ask(shop, "9.9.9.9", **(fields | {"proof": proof})))


def test_a_challenge_of_our_own_making_or_an_easier_one_is_worth_nothing(shop: Site) -> None:
    fill_network(shop)
    fields, challenge = step(ask(shop, "9.9.9.9", "ada@example.org"))
    for change in (
        {"cost": 1, "keyPrefix": "00"},
        {"keyPrefix": ""},
        {"data": {}, "keyPrefix": "00"},
        {"keyPrefix": "", "expiresAt": 4_000_000_000},
    ):
        forged = challenge | {"parameters": {**challenge["parameters"], **change}}  # type: ignore[dict-item]
        step(ask(shop, "9.9.9.9", **(fields | {"proof": solve(forged)})))


def test_a_proof_expires(shop: Site, clock: time_machine.Traveller) -> None:
    fill_network(shop)
    fields, challenge = step(ask(shop, "9.9.9.9", "ada@example.org"))
    proof = solve(challenge)
    clock.shift(timedelta(minutes=21))
    assert proof_of_work.verify(shop.signer, proof, "ada@example.org") is None
    assert fields["address"] == "ada@example.org"


def test_without_javascript_one_waits_a_minute(shop: Site, clock: time_machine.Traveller) -> None:
    fill_network(shop)
    fields, _ = step(ask(shop, "9.9.9.9", "ada@example.org"))
    clock.shift(timedelta(seconds=30))
    early = ask(shop, "9.9.9.9", **fields)
    assert "That was less than a minute" in early
    assert step(early)[0]["wait"] == fields["wait"]  # the minute does not start anew
    clock.shift(timedelta(seconds=31))
    other = fields | {"address": "bob@example.org", "keep": "bob@example.org"}
    assert not is_accepted(ask(shop, "9.9.9.9", **other))
    assert is_accepted(ask(shop, "9.9.9.9", **fields))
    assert not is_accepted(ask(shop, "9.9.9.9", **fields))


def test_waiting_is_bounded_for_each_network(shop: Site, clock: time_machine.Traveller) -> None:
    fill_network(shop)
    waiting = [step(ask(shop, "9.9.9.9"))[0] for _ in range(PATIENT_OF_HOST + PATIENT + 1)]
    clock.shift(timedelta(seconds=61))
    pages = [ask(shop, "9.9.9.9", **fields) for fields in waiting]
    assert [is_accepted(page) for page in pages] == [True] * (PATIENT_OF_HOST + PATIENT) + [False]
    assert waiting[-1]["address"] in pages[-1]
    assert "Try again in an hour" in pages[-1]


def test_a_neighbour_who_waits_a_lot_shuts_nobody_out(shop: Site, clock: time_machine.Traveller) -> None:
    fill_network(shop)
    theirs = [step(ask(shop, "9.9.9.9"))[0] for _ in range(PATIENT_OF_HOST + PATIENT + 1)]
    ours = [step(ask(shop, "9.9.9.7"))[0] for _ in range(PATIENT_OF_HOST + 1)]
    clock.shift(timedelta(seconds=61))
    for fields in theirs:
        ask(shop, "9.9.9.9", **fields)
    assert [is_accepted(ask(shop, "9.9.9.7", **fields)) for fields in ours] == [True] * PATIENT_OF_HOST + [
        False
    ]


def test_a_launch_day_raises_the_price_for_all_and_tells_the_owners_once(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_up_price, "FREE_IN_ALL", "5/hour")
    pages = [ask(shop, f"9.{n}.9.9") for n in range(9)]
    assert [is_accepted(page) for page in pages] == [True] * 5 + [False] * 4
    fields, challenge = step(pages[-1])
    assert is_accepted(ask(shop, "9.8.9.9", **(fields | {"proof": solve(challenge)})))
    with shop.db.read() as session:
        facts = session.scalars(select(Letter.facts).where(Letter.kind == "notice")).all()
    assert len(facts) == 1
    assert "Many people are signing up" in facts[0]


def test_a_network_that_pays_a_thousand_times_an_hour_is_refused_and_keeps_its_text(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_up_price, "PAID_PER_NETWORK", "2/hour")
    fill_network(shop)

    def pay(address: str) -> str:
        fields, challenge = step(ask(shop, "9.9.9.9", address))
        return ask(shop, "9.9.9.9", **(fields | {"proof": solve(challenge)}))

    for _ in range(20):  # a neighbour who only asks uses up nothing
        step(ask(shop, "9.9.9.9"))
    pages = [pay(f"reader{n}@example.org") for n in range(3)]
    assert [is_accepted(page) for page in pages] == [True, True, False]
    assert "Try again in an hour" in pages[-1]
    assert 'value="reader2@example.org"' in pages[-1]


def test_a_proof_that_another_process_accepts_again_sends_no_second_email(shop: Site) -> None:
    fill_network(shop)
    fields, challenge = step(ask(shop, "9.9.9.9", "ada@example.org"))
    paid = fields | {"proof": solve(challenge)}
    for _ in range(3):  # processes that count in their own memory
        assert is_accepted(ask(shop, "9.9.9.9", **paid))
        shop.app.extensions["digest"].limiter._local.storage.reset()
    with shop.db.read() as session:
        letters = session.scalar(select(func.count()).select_from(Letter))
    assert letters == FREE + 1


def test_a_program_gets_the_challenge_as_json(shop: Site) -> None:
    client = shop.app.test_client()
    answers = [client.post("/subscribe", json={"address": f"a{n}@example.org"}) for n in range(FREE + 1)]
    assert [answer.status_code for answer in answers] == [200] * FREE + [429]
    proof = solve(answers[-1].get_json()["challenge"])
    assert (
        client.post("/subscribe", json={"address": f"a{FREE}@example.org", "proof": proof}).status_code == 200
    )


def test_the_page_in_between_runs_our_script_alone(shop: Site) -> None:
    fill_network(shop)
    token = signup.form_token(shop.signer, utcnow() - timedelta(minutes=1))
    data = {"address": "ada@example.org", "form": token}
    answer = shop.app.test_client().post("/subscribe", data=data, headers={"X-Forwarded-For": "9.9.9.9"})
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "connect-src" not in policy  # the default allows nothing
    assert "unsafe" not in policy
