"""A mail scanner fetches every link of every mail, and causes nothing but clicks."""

import http.client
import json
import re
import time
import urllib.request
from email.message import EmailMessage
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.e2e.machine import Up, body, write_pages, write_readers

WAITING = "waiting@example.org"


@pytest.mark.timeout(300)
def test_fetching_every_link_of_every_mail_changes_nothing_but_clicks(running: Up, tmp_path: Path) -> None:
    home = running.home
    readers = write_readers(tmp_path / "readers.csv", 3)
    home.digest("comparisons", "import", write_pages(tmp_path / "pages", slice(3)))
    home.digest("subscribers", "import", tmp_path / "readers.csv", "--confirmed", "--source", "they asked")
    home.digest("issues", "draft")
    home.digest("issues", "send", 1, "--wait")
    ask(running, WAITING)
    mails = [home.mail(WAITING, "confirm"), *(mail for reader in readers for mail in home.mails(reader))]
    assert len(mails) == 4
    links = {link for mail in mails for link in links_of(mail)}
    kinds = {urlsplit(link).path.split("/")[1] for link in links}
    assert {"go", "unsubscribe", "preferences", "issues", "confirm"} <= kinds
    before = home.dump()
    for link in sorted(links):
        fetch(running, "HEAD", link)
    assert home.dump() == before
    for link in sorted(links):
        fetch(running, "GET", link)
    followed = [link for link in links if "/go/" in link]
    after = counted(running, len(before["click"]) + len(followed))
    assert len(after.pop("click")) == len(before.pop("click")) + len(followed)
    assert after.pop("click_hour") != before.pop("click_hour")
    assert after == before


def counted(running: Up, clicks: int) -> dict[str, list[tuple[Any, ...]]]:
    """What the tables hold as soon as so many clicks are counted: a click leads on first and is counted after."""
    until = time.monotonic() + 60
    while len((found := running.home.dump())["click"]) < clicks and time.monotonic() < until:
        time.sleep(0.05)
    return found


def ask(running: Up, address: str) -> None:
    """A sign-up whose confirmation nobody has pressed yet."""
    request = urllib.request.Request(
        f"{running.url}/subscribe",
        data=json.dumps({"address": address}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def links_of(mail: EmailMessage) -> set[str]:
    """Every address on the web in a mail's parts and headers."""
    html, text = unescape(body(mail, "html")), body(mail, "plain")
    found = re.findall(r'(?:href|src|action)="(https?://[^"]+)"', html)
    found += re.findall(r"https?://[^\s<>]+", text)
    found += re.findall(r"<(https?://[^>]+)>", str(mail.get("List-Unsubscribe", "")))
    return {link.rstrip(".,;") for link in found}


def fetch(running: Up, method: str, link: str) -> None:
    """One request as a scanner makes it, and of what it redirects to."""
    for _ in range(3):
        assert link.startswith(running.url), link
        line = http.client.HTTPConnection(urlsplit(link).netloc, timeout=30)
        line.request(method, urlsplit(link).path or "/", headers={"User-Agent": "Mozilla/5.0 (scanner)"})
        answer = line.getresponse()
        answer.read()
        line.close()
        if answer.status != 302:
            assert answer.status == 200, (method, link, answer.status)
            return
        link = str(answer.getheader("Location"))
    raise AssertionError(f"{link} leads round and round")
