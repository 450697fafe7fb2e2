"""No input raises, hangs or fills the memory: messages come from anybody."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.bounces.returned import bounce, failed, feedback, message

from digest.bounces.classify import classify
from digest.bounces.report import BounceReport

SAMPLES = [
    failed("550 5.1.1 User unknown"),
    bounce(fields="Original-Recipient: utf-8; änn@reader.example\nAction: failed"),
    feedback("Feedback-Type: abuse\nOriginal-Rcpt-To: ann@reader.example"),
    message("<ann@reader.example>: 550 user unknown", "=?koi8-r?B?7sXEz9PUwdfMxc7P?= failure notice"),
]
PIECES = [b"\n", b"\n\n", b"--b1\n", b"--b1--\n", b"=?x?b?a=?=", b"Content-Type: text/plain; charset=no-such\n", b"Content-Transfer-Encoding: base64\n", b"\xff\x80", b"\0", b"Final-Recipient: rfc822;\n", b"message/delivery-status", b"\xed\xa0\x80", b"=", b"%", b'"']  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(PIECES) | st.binary(max_size=8)), max_size=8),
    st.floats(0, 1),
)
def test_damaged_messages_are_read(sample: bytes, insertions: list[tuple[float, bytes]], cut: float) -> None:
    for place, piece in insertions:
        at = int(place * len(sample))
        sample = sample[:at] + piece + sample[at + len(piece) // 2 :]
    report = classify(sample[: int(len(sample) * max(cut, 0.3))])
    assert isinstance(report, BounceReport)
    assert all(recipient.evidence.isprintable() and recipient.address for recipient in report.recipients)


@pytest.mark.parametrize("name", ["From", "To", "Subject", "Return-Path", "X-Failed-Recipients"])
def test_an_encoded_word_that_cannot_be_decoded_is_read_as_it_is(name: str) -> None:
    words = f"{name}: <bounces+k7@n=?x?b?a=?=ews.example>\n".encode()
    assert classify(words + failed("550 5.1.1 User unknown")).recipients


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read(raw: bytes) -> None:
    assert isinstance(classify(raw), BounceReport)
    for charset in (b"utf-7", b"idna", b"punycode", b"hex", b"unicode_escape"):
        head = b"From: postmaster@mx.example\nContent-Type: text/plain; charset=" + charset
        assert isinstance(classify(head + b"\n\n" + raw), BounceReport)


LEVEL = b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n'
HUGE = {
    "header": b"X-A: " + b"a" * 3_000_000,
    "folded header": b"Subject: a\n" + b" folded\n" * 60_000,
    "many fields": b"X-A: b\n" * 40_000,
    "parameters": b"Content-Type: text/plain; " + b";" * 300_000,
    "quoted parameters": b'Content-Type: multipart/mixed; a="' + b"; " * 150_000,
    "nested multiparts": b"".join(LEVEL % (n, n) for n in range(3_000)) + b"x\n" * 5_000,
    "nested messages": b"Content-Type: message/rfc822\n\n" * 3_000,
    "addresses": b"From: postmaster@mx.example\nSubject: failure notice\n\n"
    + b"<ann@reader.example>: user unknown\n" * 8_000,
    "recipients": b"Content-Type: message/delivery-status\n\n"
    + b"Final-Recipient: rfc822;a@b.example\nAction: failed\n\n" * 6_000,
    "words": b"From: postmaster@mx.example\nSubject: failure notice\n\n"
    + b"user account mailbox address " * 10_000,
    "tags": b"Subject: failure notice\nFrom: postmaster@mx.example\nContent-Type: text/html\n\n"
    + b"<style <a " * 30_000,
    "addresses in a field": b"From: " + b"a@b.example, " * 80_000,
    "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 70_000,
    "base64": b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\nSubject: failure notice\n\n"
    + b"QUJD=" * 50_000,
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_messages_are_read_in_a_moment(name: str) -> None:
    started = time.process_time()
    assert isinstance(classify(HUGE[name]), BounceReport)
    assert time.process_time() - started < 3
