"""What a provider's log says became of an email, in the forms of mail servers and of providers' exports."""

import json
from datetime import UTC, datetime, timedelta

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


EXCHANGE = """#Software: Microsoft Exchange Server
#Log-type: Message Tracking Log
#Date: 2026-11-29T00:00:00.123Z
#Fields: date-time,client-ip,source,event-id,internal-message-id,message-id,recipient-address,recipient-status
2026-11-29T08:00:01.000Z,192.0.2.1,SMTP,RECEIVE,1,<1@x.org>,a@x.org;b@x.org;c@x.org,
2026-11-29T08:00:02.000Z,192.0.2.1,SMTP,SEND,1,<1@x.org>,a@x.org,250 2.1.5 Recipient OK
2026-11-29T08:00:03.000Z,192.0.2.1,SMTP,FAIL,1,<1@x.org>,b@x.org,550 5.1.1
2026-11-29T08:00:04.000Z,192.0.2.1,SMTP,DEFER,1,<1@x.org>,c@x.org,451 4.4.0
"""
QMAIL = """@400000006553f1000aaaaaaa new msg 9
@400000006553f1000aaaaaab info msg 9: bytes 900 from <news@example.org> qp 7 uid 80
@400000006553f1000aaaaaac starting delivery 1: msg 9 to remote a@x.org
@400000006553f1000aaaaaad starting delivery 2: msg 9 to remote b@x.org
@400000006553f1000aaaaaae starting delivery 3: msg 9 to remote c@x.org
@400000006553f1000aaaaaaf starting delivery 4: msg 9 to remote d@x.org
@400000006553f1010aaaaaaa delivery 2: failure: 192.0.2.1_does_not_like_recipient./
@400000006553f1010aaaaaab delivery 1: success: 192.0.2.1_accepted_message./
@400000006553f1010aaaaaac delivery 3: deferral: Sorry,_I_wasn't_able_to_establish_an_SMTP_connection./
"""


def test_a_tracking_log_of_exchange_is_read_below_its_comments_by_its_event_column() -> None:
    quoted = EXCHANGE.partition("#Fields:")[2].replace("event-id", '"EventId"')
    for text in (EXCHANGE, EXCHANGE + EXCHANGE, "#TYPE System.Object\n" + quoted):
        (part,) = read(text)
        assert not part.unknown
        named = {
            event: mentions.addresses & {"a@x.org", "b@x.org", "c@x.org"}
            for event, mentions in part.by_event.items()
        }
        assert named.pop(ACCEPTED) == {"a@x.org", "b@x.org", "c@x.org"}  # all were received
        assert named == {REFUSED: {"b@x.org"}, DEFERRED: {"c@x.org"}}


def test_a_delivery_of_qmail_is_read_together_with_its_end_in_a_later_line() -> None:
    found = by_event(QMAIL)
    del found["news@example.org"]
    assert found == {"a@x.org": ACCEPTED, "b@x.org": REFUSED, "c@x.org": DEFERRED, "d@x.org": DEFERRED}
    again = QMAIL.splitlines()[5] + "\n" + QMAIL  # its end was lost when qmail was restarted
    assert by_event(again)["d@x.org"] == DEFERRED
    assert by_event("@400000006553f101 delivery 1: failure: 550_<a@x.org>_unknown/") == {"a@x.org": REFUSED}
    assert read(QMAIL)[0].span.last == datetime(2023, 11, 14, 22, 13, 10, tzinfo=UTC)


EPOCH, AT = 1_795_900_000, datetime(2026, 11, 28, 21, 6, 40, tzinfo=UTC)
TIMED = [
    f'{{"email":"a@x.org","phone":1700000000,"timestamp":{EPOCH}}}',
    f'{{"email":"a@x.org","sentAt":"{EPOCH}123"}}',
    f"ts={EPOCH}.5 to=a@x.org",
    f"{EPOCH}.123456 delivery to a@x.org",
    f"Nov 28 21:06:40 mx qmail: {EPOCH}.123456 starting delivery 1: msg 9 to remote a@x.org",
    f"Email,Phone,Send Time\na@x.org,1700000000,{EPOCH}",
    f'email,"Event Date"\na@x.org,{AT.isoformat()}',
    f"{AT.isoformat()} timestamp=1700000000 to=a@x.org",
]
TIMELESS = [
    f'{{"email":"a@x.org","phone":"{EPOCH}","id":{EPOCH}}}',
    f"{EPOCH} a@x.org",
    f"a@x.org,{EPOCH},sent",
    f"Email,Phone\na@x.org,{EPOCH}",
    f"estate={EPOCH} update_id={EPOCH} to=a@x.org",
]


def test_a_number_is_a_time_only_where_a_name_says_so() -> None:
    now = AT + timedelta(days=1)
    for text in TIMED + TIMELESS:
        (part,) = read_mentions([text], SIGNER, now=now)
        wanted = None if text in TIMELESS else AT
        assert (part.span.first, part.span.last) == (wanted, wanted), text


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
