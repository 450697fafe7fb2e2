"""An operator's story, word for word as the guide tells it: a thousand readers, one of whom leaves.

The site stands behind a proxy with TLS, as the guide says: one click is only claimed for an https address.
"""

import http.client
import re
from collections import Counter
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.e2e.machine import Home, body, opened, up, write_pages, write_readers
from tests.relay import Relay

ROOT = Path(__file__).parents[2]
SEEDS = ROOT.parent / "shared" / "seeds"
SITE = "https://news.example.org"
READERS = 1_000
OUTCOMES = ("accepted", "excluded", "failed", "unknown", "remaining")
FIXED = {"issue", "status", "planned", *OUTCOMES, "started_at", "finished_at"}


@pytest.mark.timeout(300)
def test_an_issue_reaches_a_thousand_readers_and_the_next_all_but_the_one_who_left(tmp_path: Path) -> None:
    with Relay() as relay:
        home = Home(tmp_path / "home", {"DIGEST_SMTP_URL": relay.url, "DIGEST_BASE_URL": SITE})
        home.path.mkdir()
        readers = write_readers(tmp_path / "readers.csv", READERS)
        prepare(home, tmp_path)
        with up(home) as running:
            sent = home.json("issues", "send", 1, "--wait")
            assert adds_up(sent, {"issue": 1, "accepted": READERS})
            assert home.json("issues", "report", 1) == sent
            first = mails_of(relay, readers)
            each_reader_has_one_of_their_own(first, readers)
            one_click(link_to_leave(first["reader7@example.org"][0]), running.url)
            relay.mails.clear()
            home.digest("comparisons", "import", write_pages(tmp_path / "more", slice(-2, None)))
            assert len(home.json("issues", "draft")["picks"]) == 2
            sent = home.json("issues", "send", 2, "--wait")
            assert adds_up(sent, {"issue": 2, "accepted": READERS - 1, "excluded": 1})
            assert sent["reasons"]["excluded"] == {"unsubscribed": 1}
            second = mails_of(relay, readers)
            assert set(second) == set(readers) - {"reader7@example.org"}
            assert all(len(mails) == 1 for mails in second.values())


def prepare(home: Home, folder: Path) -> None:
    """Everything before `digest up`."""
    said = home.digest(
        "init", "--name", "Verdicts", "--sender", "news@example.org", "--owner", "you@example.org"
    )
    assert "/desk/enter/" in said
    pages = SEEDS if SEEDS.is_dir() else write_pages(folder / "pages", slice(5))
    home.digest("comparisons", "import", pages)
    listed = home.json("comparisons", "list")
    assert len(listed) == len(list(pages.glob("*.txt")))
    words = ("--confirmed", "--source", "double opt-in at our old tool")
    home.digest("subscribers", "import", folder / "readers.csv", *words)
    draft = home.json("issues", "draft")
    assert draft["issue"] == 1
    assert [pick["position"] for pick in draft["picks"]] == list(range(1, len(draft["picks"]) + 1))
    assert all(pick["why"] and pick["comparison"] for pick in draft["picks"])
    assert {"picks", "rejected"} <= set(draft)


def adds_up(report: dict[str, object], wanted: dict[str, int]) -> bool:
    """The report has the fixed names, what was wanted and zero for all else, and its parts make the whole."""
    assert set(report) >= FIXED
    expected = dict.fromkeys(OUTCOMES, 0) | {"planned": READERS} | wanted
    assert {name: report[name] for name in expected} == expected, report
    assert report["status"] == "sent"
    assert str(report["started_at"]) <= str(report["finished_at"])
    return True


def mails_of(relay: Relay, readers: list[str]) -> dict[str, list[bytes]]:
    """By reader; notices to the owner are none of theirs."""
    found: dict[str, list[bytes]] = {}
    for taken in relay.mails:
        if taken.recipient in set(readers):
            found.setdefault(taken.recipient, []).append(taken.data)
    return found


def each_reader_has_one_of_their_own(mails: dict[str, list[bytes]], readers: list[str]) -> None:
    assert set(mails) == set(readers)
    assert Counter(map(len, mails.values())) == {1: READERS}
    ids, tokens = set(), set()
    for reader, (raw,) in mails.items():
        mail = opened(raw)
        assert mail["To"] == reader
        assert reader not in body(mail, "plain") + body(mail, "html")
        ids.add(mail["Message-ID"])
        tokens.add(own_tokens(mail))
        assert_unfolded(raw)
    assert len(ids) == len(tokens) == READERS
    once = Counter(token for found in tokens for token in found)
    assert set(once.values()) == {1}


def own_tokens(mail: EmailMessage) -> frozenset[str]:
    """What stands in a mail's links for this reader alone."""
    found = re.findall(r"/(?:go|unsubscribe|preferences)/([\w-]+)", body(mail, "html") + body(mail, "plain"))
    assert len(found) > 3
    return frozenset(found)


def assert_unfolded(raw: bytes) -> None:
    head = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    for wanted in (
        rb"List-Unsubscribe: <https://\S+/unsubscribe/[\w-]+>.*",
        rb"List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ):
        (at,) = [number for number, line in enumerate(head) if re.fullmatch(wanted, line)]
        assert not head[at + 1].startswith((b" ", b"\t"))


def link_to_leave(raw: bytes) -> str:
    found = re.search(r"<(http[^>]+)>", str(opened(raw)["List-Unsubscribe"]))
    assert found
    return found[1]


def one_click(link: str, behind: str) -> None:
    """What a mail program does on a press of its own button (RFC 8058): form-data, no cookie, no page before.

    It comes to `behind` as the proxy passes it on.
    """
    assert link.startswith(f"{SITE}/")
    form = b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Host": urlsplit(link).netloc}
    headers |= {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    line = http.client.HTTPConnection(urlsplit(behind).netloc, timeout=30)
    line.request("POST", urlsplit(link).path, form, headers)
    answer = line.getresponse()
    assert answer.status == 200
    assert answer.getheader("Set-Cookie") is None
    line.close()
