"""What a provider's log says became of an email, in the forms of mail servers and of providers' exports."""

import json

import pytest
from tests.delivery.factories import KEYS

from digest.delivery.ledger.log_events import LogEvent, meanings
from digest.delivery.ledger.provider_log import LogPart, read_mentions
from digest.signing import Signer

SIGNER = Signer(KEYS)
ACCEPTED, DEFERRED, REFUSED, UNSTATED = (
    LogEvent.ACCEPTED,
    LogEvent.DEFERRED,
    LogEvent.REFUSED,
    LogEvent.UNSTATED,
)
LINES = {
    "postfix/smtp[1]: 4F1: to=<a@x.org>, relay=mx, dsn=2.0.0, status=sent (250 ok)": ACCEPTED,
    "postfix/smtp[1]: 4F1: to=<a@x.org>, dsn=5.1.1, status=bounced (host said: 550 sent before)": REFUSED,
    "postfix/smtp[1]: 4F1: to=<a@x.org>, status=deferred (delivery temporarily suspended)": DEFERRED,
    "postfix/qmgr[1]: 4F1: to=<a@x.org>, status=expired, returned to sender": REFUSED,
    "postfix/smtpd[1]: NOQUEUE: reject: RCPT from h[192.0.2.1]: 550 to=<a@x.org>": REFUSED,
    "1rX => a@x.org R=dnslookup T=remote_smtp": ACCEPTED,
    "1rX ** a@x.org R=dnslookup: 550 no such user": REFUSED,
    "1rX == a@x.org R=dnslookup defer (-44)": DEFERRED,
    "sendmail: to=<a@x.org>, dsn=2.0.0, stat=Sent (ok)": ACCEPTED,
    "sendmail: to=<a@x.org>, dsn=4.0.0, stat=Deferred: Connection timed out": DEFERRED,
    "sendmail: to=<a@x.org>, dsn=5.1.1, stat=User unknown": REFUSED,
    "rcpt=a@x.org status=accepted by mx.example.org": ACCEPTED,
    "rcpt=a@x.org status=delivery failed": REFUSED,
    "rcpt=a@x.org status=250": ACCEPTED,
    "rcpt=a@x.org status=550": REFUSED,
    '{"email":"a@x.org","event":"processed"}': ACCEPTED,
    '{"email":"a@x.org","event":"dropped"}': REFUSED,
    '{"recipient":"a@x.org","event":"failed","severity":"temporary"}': REFUSED,
    '{"eventType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"a@x.org"}]}}': REFUSED,
    '{"type":"email.delivered","data":{"to":["a@x.org"]}}': ACCEPTED,
    '{"type":"email.delivery_delayed","data":{"to":["a@x.org"]}}': DEFERRED,
    '{"RecordType":"Delivery","Recipient":"a@x.org"}': ACCEPTED,
    "a@x.org": UNSTATED,
    "accepted;a@x.org;": UNSTATED,
}


def read(*texts: str, **words: list[str]) -> list[LogPart]:
    said = meanings(words.get("sent", []), words.get("refused", []))
    return list(read_mentions(texts, SIGNER, said))


def by_event(*texts: str, **words: list[str]) -> dict[str, LogEvent]:
    (part,) = read(*texts, **words)
    return {address: event for event, named in part.by_event.items() for address in named.addresses}


def test_an_entry_says_what_became_of_its_email() -> None:
    wrong = [line for line, event in LINES.items() if by_event(line).get("a@x.org") != event]
    assert wrong == []


@pytest.mark.parametrize(
    "header", ["Date;Recipient;Event", "time\tto\tdelivery status", "Email,Last Event", "ts;email;st_text"]
)
def test_the_column_of_events_is_found_by_its_name(header: str) -> None:
    separator = next(c for c in ";\t," if c in header)
    rows = [["2026-01-01", "a@x.org", "Delivered"], ["2026-01-01", "b@x.org", "hard_bounce"]]
    width = header.count(separator) + 1
    text = "\n".join([header, *(separator.join(row[-width:]) for row in rows)])
    assert by_event(text) == {"a@x.org": ACCEPTED, "b@x.org": REFUSED}


def test_the_objects_of_a_json_export_are_entries_however_they_are_written() -> None:
    entries = [
        {"to": "a@x.org", "message": {"headers": {"id": "1 } {"}}, "event": "delivered"},
        {"to": "b@x.org", "message": {}, "event": "bounce"},
    ]
    texts = [
        json.dumps(entries),
        json.dumps(entries, indent=2),
        json.dumps({"total": 2, "items": entries}),
        json.dumps({"items": entries}, indent=1),
        "\n".join(map(json.dumps, entries)),
    ]
    for text in texts:
        for size in (len(text), 7):  # as parts of a long line arrive
            parts = [text[:60], *(text[at : at + size] for at in range(60, len(text), size))]
            assert by_event(*parts) == {"a@x.org": ACCEPTED, "b@x.org": REFUSED}, text


def test_a_word_that_is_not_understood_is_named_until_somebody_explains_it() -> None:
    text = "to,status\na@x.org,zugestellt\nb@x.org,abgewiesen\nc@x.org,not accepted\nd@x.org,sent\n"
    assert list(read(text)[0].unknown) == ["zugestellt", "abgewiesen", "not accepted"]
    found = by_event(text, sent=["Zugestellt"], refused=["abgewiesen", "not accepted"])
    assert found == {"a@x.org": ACCEPTED, "b@x.org": REFUSED, "c@x.org": REFUSED, "d@x.org": ACCEPTED}
