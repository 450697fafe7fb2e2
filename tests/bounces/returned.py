"""Messages as mail systems write them, made from a few facts."""

from textwrap import dedent

ORIGINAL = """\
Return-Path: <bounces+k7@news.example>
Received: by mail.news.example; Mon, 7 Dec 2026 09:00:01 +0000
From: Verdicts <hello@news.example>
To: {to}
Subject: Issue 41: user unknown, mailbox full, blocked as spam
Message-ID: <token-41@news.example>
Feedback-ID: 41:verdicts:issue:news
List-Unsubscribe-Post: List-Unsubscribe=One-Click

The email itself talks of a mailbox that is full.
"""


def bounce(
    *,
    fields: str,
    text: str = "Your message could not be delivered.",
    to: str = "ann@reader.example",
    header: str = "",
    original: str = ORIGINAL,
) -> bytes:
    """A delivery status notification (RFC 3464) with these fields about its recipients."""
    return f"""\
From: Mail Delivery System <MAILER-DAEMON@mx.example>
To: bounces+k7@news.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
{header}MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=utf-8

{text}

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

{dedent(fields).strip()}

--b1
Content-Type: message/rfc822

{original.format(to=to)}
--b1--
""".encode()


def failed(reply: str = "", status: str = "5.0.0", to: str = "ann@reader.example", more: str = "") -> bytes:
    """A delivery that failed with one reply of a mail server."""
    fields = f"Final-Recipient: rfc822; {to}\nAction: failed\nStatus: {status}\n{more}"
    return bounce(fields=fields + (f"Diagnostic-Code: smtp; {reply}\n" if reply else ""), to=to)


def message(
    text: str, subject: str = "", sender: str = "MAILER-DAEMON@mx.example", header: str = ""
) -> bytes:
    """A message in words alone."""
    return (
        f"From: {sender}\nTo: bounces+k7@news.example\nSubject: {subject}\n{header}"
        f"Content-Type: text/plain; charset=utf-8\n\n{dedent(text)}"
    ).encode()


def feedback(fields: str, original: str = ORIGINAL) -> bytes:
    """A complaint (RFC 5965)."""
    return f"""\
From: feedback@provider.example
To: complaints@news.example
Subject: FW: Issue 41
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: text/plain

This is an email abuse report.

--b1
Content-Type: message/feedback-report

{dedent(fields).strip()}

--b1
Content-Type: message/rfc822

{original.format(to="ann@reader.example")}
--b1--
""".encode()
