"""What messages mean, by their form: reports for programs, texts for people, complaints, automatic replies."""

import pytest
from tests.bounces.returned import ORIGINAL, bounce, failed, feedback, message

from digest.bounces.classify import classify
from digest.bounces.report import BounceReport, Kind


def told(report: BounceReport) -> list[tuple[str, str]]:
    return [(recipient.address, recipient.kind.value) for recipient in report.recipients]


def test_a_bounce_names_reader_kind_status_evidence_and_email() -> None:
    report = classify(failed("550 5.1.1 <ann@reader.example>: User unknown", status="5.1.1"))
    (ann,) = report.recipients
    assert (report.kind, ann.address, ann.kind, ann.status) == (
        Kind.HARD,
        "ann@reader.example",
        Kind.HARD,
        "5.1.1",
    )
    assert ann.evidence == "Diagnostic-Code: 550 5.1.1 <ann@reader.example>: User unknown"
    assert report.original.message_id == "token-41@news.example"
    assert report.original.feedback_id == "41:verdicts:issue:news"
    assert report.delivered_to == ("bounces+k7@news.example",)


def test_the_words_of_the_returned_email_decide_nothing() -> None:
    assert classify(failed("550 5.0.0 error")).kind == Kind.SOFT
    assert classify(ORIGINAL.format(to="ann@reader.example").encode()).kind == Kind.NOTHING


def test_each_recipient_of_a_report_has_its_own_kind() -> None:
    fields = """
        Final-Recipient: rfc822; ann@reader.example
        Action: failed
        Status: 5.1.1

        Final-Recipient: rfc822; bob@reader.example
        Action: failed
        Status: 5.2.2

        Final-Recipient: rfc822; cem@reader.example
        Action: delayed
        Status: 4.4.1

        Final-Recipient: rfc822; dan@reader.example
        Action: relayed
        Status: 2.0.0
    """
    report = classify(bounce(fields=fields))
    assert told(report) == [
        ("ann@reader.example", "hard"),
        ("bob@reader.example", "soft"),
        ("cem@reader.example", "delay"),
        ("dan@reader.example", "nothing"),
    ]
    assert report.kind == Kind.HARD


def test_a_report_without_empty_lines_or_with_too_many_is_read() -> None:
    dense = "Final-Recipient: rfc822; ann@reader.example\nAction: failed\nStatus: 5.1.1\n"
    report = classify(bounce(fields=dense + dense.replace("ann", "bob")))
    assert told(report) == [("ann@reader.example", "hard"), ("bob@reader.example", "hard")]
    assert told(classify(bounce(fields=dense.replace("Action", "\nAction")))) == [
        ("ann@reader.example", "hard")
    ]


def test_sendmail_reports_any_refusal_as_an_unknown_user() -> None:
    assert classify(failed("550 recipient rejected", status="5.1.1")).kind == Kind.SOFT
    assert classify(failed("550 we are closed", status="5.1.1")).kind == Kind.SOFT
    assert classify(failed(status="5.1.1")).kind == Kind.HARD


def test_sendmails_transcript_shows_that_a_filter_refused_the_whole_email() -> None:
    transcript = "<ann@ezweb.ne.jp>\n    (reason: 550 : User unknown)\n\n>>> DATA\n<<< 550 : User unknown\n554 5.0.0 Service unavailable"
    fields = """
        Final-Recipient: rfc822; ann@ezweb.ne.jp
        Action: failed
        Status: 5.2.0
        Diagnostic-Code: SMTP; 550 : User unknown
    """
    assert classify(bounce(fields=fields, text=transcript)).kind == Kind.SOFT
    assert (
        classify(
            bounce(
                fields=fields.replace("ezweb.ne.jp", "reader.example"),
                text=transcript.replace("ezweb.ne.jp", "reader.example"),
            )
        ).kind
        == Kind.SOFT
    )
    assert classify(bounce(fields=fields)).kind == Kind.HARD


@pytest.mark.parametrize(
    ("address", "made"),
    [
        ("original-recipient", failed("550 5.1.1 unknown user", to="new@far.example", more="Original-Recipient: rfc822;ann@reader.example\n")),
        ("x-failed-recipients", bounce(fields="Final-Recipient: rfc822;new@far.example\nAction: failed\nStatus: 5.1.1", header="X-Failed-Recipients: ann@reader.example\n", to="x@y.example, z@y.example")),
        ("text", bounce(fields="Final-Recipient: rfc822;new@far.example\nAction: failed\nStatus: 5.1.1", text="new@far.example\n    (generated from ann@reader.example)", to="x@y.example, z@y.example")),
        ("to", bounce(fields="Final-Recipient: rfc822;new@far.example\nAction: failed\nStatus: 5.1.1")),
    ],
)  # fmt: skip
def test_after_forwarding_the_address_that_we_emailed_counts(address: str, made: bytes) -> None:
    (recipient,) = classify(made).recipients
    assert (recipient.address, recipient.final_address) == ("ann@reader.example", "new@far.example"), address


def test_long_replies_may_break_the_fields_of_a_report() -> None:
    fields = """
        Diagnostic-Code: smtp; 550-please log in
        550 relaying denied
        Status: 5.0.0
        Action: failed
        Final-Recipient: rfc822; ann@reader.example
    """
    assert told(classify(bounce(fields=fields))) == [("ann@reader.example", "block")]


def test_ends_of_lines_may_be_of_any_kind() -> None:
    raw = failed("550 5.1.1 User unknown")
    for end in (b"\r\n", b"\r"):
        assert told(classify(raw.replace(b"\n", end))) == [("ann@reader.example", "hard")]


def test_a_report_may_be_inside_an_attached_message_or_in_plain_text() -> None:
    inner = failed("550 5.1.1 User unknown").decode()
    attached = f'Subject: Fwd\nContent-Type: multipart/mixed; boundary="o"\n\n--o\nContent-Type: message/rfc822\n\n{inner}\n--o--\n'
    assert told(classify(attached.encode())) == [("ann@reader.example", "hard")]
    flat = message(
        "Final-Recipient: rfc822; ann@reader.example\nAction: failed\nStatus: 5.1.1\n", "failure notice"
    )
    assert told(classify(flat)) == [("ann@reader.example", "hard")]


QMAIL = """\
    Hi. This is the qmail-send program at mx.example.
    I'm afraid I wasn't able to deliver your message to the following addresses.
    This is a permanent error; I've given up. Sorry it didn't work out.

    <ann@reader.example>:
    192.0.2.7 does not like recipient.
    Remote host said: 550 5.1.1 no such user
    Giving up on 192.0.2.7.

    --- Below this line is a copy of the message.

    Return-Path: <bounces+k7@news.example>
    Message-ID: <token-41@news.example>
    Subject: mailbox full
    """
EXIM = """\
    This message was created automatically by mail delivery software.

    A message that you sent could not be delivered to one or more of its
    recipients. This is a permanent error. The following address(es) failed:

      ann@reader.example
        SMTP error from remote mail server after RCPT TO:<ann@reader.example>:
        550 No such person at this address
      bob@reader.example
        mailbox is full: retry timeout exceeded
    """
WARNING = """\
    A message that you sent has not yet been delivered to one or more of its recipients.
      ann@reader.example
        Delay reason: mailbox is full
    No action is required on your part. Delivery attempts will continue for some time.
    """


def test_bounces_in_words_alone() -> None:
    qmail = classify(message(QMAIL, "failure notice"))
    assert told(qmail) == [("ann@reader.example", "hard")]
    assert (qmail.status, qmail.original.message_id) == ("5.1.1", "token-41@news.example")
    assert "no such user" in qmail.evidence
    exim = classify(message(EXIM, "Mail delivery failed: returning message to sender"))
    assert told(exim) == [("ann@reader.example", "hard"), ("bob@reader.example", "soft")]
    assert told(classify(message(WARNING, "Warning: message delayed 24 hours"))) == [
        ("ann@reader.example", "delay")
    ]


def test_message_ids_of_the_returned_email_are_no_recipients() -> None:
    text = """\
    A message that you sent could not be delivered to one or more of its recipients.

    ann@reader.example Invalid Address, ERROR_CODE :550, ERROR_CODE :5.1.1 User Unknown

    Received:from mail.news.example
    Message-ID:<token-41@news.example>
    From:<hello@news.example>
    """
    assert told(classify(message(text, "Undelivered Mail Returned to Sender"))) == [
        ("ann@reader.example", "hard")
    ]


def test_a_variable_return_path_names_the_reader_of_a_bounce_that_does_not() -> None:
    raw = message("Your message could not be delivered.", "Undeliverable mail").replace(
        b"bounces+k7@news.example", b"bounces+ann=reader.example@news.example"
    )
    assert told(classify(raw)) == [("ann@reader.example", "soft")]


def test_a_persons_word_makes_no_address_hard() -> None:
    text = "Bob <bob@reader.example> left, the user is unknown here, and your email could not be delivered."
    told_by_ann = classify(message(text, "Undeliverable newsletter", "ann@reader.example"))
    assert Kind.HARD not in {recipient.kind for recipient in told_by_ann.recipients}


def test_reports_about_our_sending_are_not_bounces() -> None:
    text = "This is a DMARC aggregate report. SPF and DKIM policy results for news.example are attached."
    assert (
        classify(message(text, "Report Domain: news.example", "postmaster@mx.example")).kind == Kind.NOTHING
    )


def test_html_bounces_are_read() -> None:
    raw = message("<html><style>p{}</style><p>Delivery has failed to these recipients:</p><a href='mailto:ann@reader.example'>ann@reader.example</a><br>The email address you entered couldn&#39;t be found.</html>", "Undeliverable: Issue 41", "postmaster@mx.example")  # fmt: skip
    assert told(classify(raw.replace(b"text/plain", b"text/html"))) == [("ann@reader.example", "hard")]


def test_complaints() -> None:
    arf = classify(feedback("Feedback-Type: abuse\nUser-Agent: x/1\nOriginal-Rcpt-To: <ann@reader.example>"))
    assert told(arf) == [("ann@reader.example", "complaint")]
    assert (arf.evidence, arf.original.message_id) == ("Feedback-Type: abuse", "token-41@news.example")
    assert told(classify(feedback("Feedback-Type: abuse\nVersion: 1"))) == [
        ("ann@reader.example", "complaint")
    ]
    assert classify(feedback("Feedback-Type: not-spam\nVersion: 1")).kind == Kind.NOTHING
    assert classify(feedback("Feedback-Type: auth-failure\nVersion: 1")).kind == Kind.NOTHING
    original = "X-HmXmrOriginalRecipient: ann@reader.example\n" + ORIGINAL.format(to="ann@reader.example")
    jmrp = f'From: staff@hotmail.com\nSubject: complaint about message from 192.0.2.7\nContent-Type: multipart/mixed; boundary="o"\n\n--o\nContent-Type: message/rfc822\n\n{original}\n--o--\n'
    assert told(classify(jmrp.encode())) == [("ann@reader.example", "complaint")]


@pytest.mark.parametrize(
    ("subject", "header"),
    [
        ("Automatic reply: Issue 41", ""),
        ("Abwesenheitsnotiz: Issue 41", ""),
        ("Out of Office", "Return-Path: <>\n"),
        ("Réponse automatique : vacances", ""),
        ("自动回复: Issue 41", ""),
        ("Re: Issue 41", "Auto-Submitted: auto-replied (vacation)\n"),
        ("My new address", "X-Autoreply: yes\n"),
        ("On vacation", "Precedence: bulk\n"),
        ("Please confirm your message to Ann", ""),
    ],
)
def test_automatic_replies_are_not_bounces(subject: str, header: str) -> None:
    text = "I no longer work here, this user is unknown. My mailbox is full. Write to bob@reader.example."
    report = classify(message(text, subject, "Ann <ann@reader.example>", header))
    assert told(report) == [("ann@reader.example", "autoreply")]


@pytest.mark.parametrize(
    "raw",
    [
        message("Is user unknown a bounce? My mailbox is full.", "Re: Undelivered Mail", "ann@reader.example", "In-Reply-To: <a@b>\n"),
        message("Thank you for the last issue!", "Re: Issue 41", "ann@reader.example"),
        message("Welcome to our mail system.", "Your account", "postmaster@mx.example"),
        b"import timeout\n\nThe user is unknown: <ann@reader.example>\n",
        message("I agree.", "Re: Issue 41", "ann@reader.example", "Precedence: bulk\nIn-Reply-To: <a@b>\n"),
        b"", b"\0\0\0", b"\xff\xfe\x00", b"no header at all", b": \n:\n\n",
    ],
)  # fmt: skip
def test_ordinary_emails_and_garbage_mean_nothing(raw: bytes) -> None:
    report = classify(raw)
    assert (report.kind, report.recipients) == (Kind.NOTHING, ())


def test_a_receipt_means_nothing_unless_it_is_a_refusal() -> None:
    def receipt(subject: str, text: str, disposition: str) -> bytes:
        return (
            f"From: ann@reader.example\nTo: bounces@news.example\nSubject: {subject}\nContent-Type: multipart/report; boundary=b\n\n"
            f"--b\n\n{text}\n--b\nContent-Type: message/disposition-notification\n\n"
            f"Final-Recipient: rfc822;ann@reader.example\nDisposition: {disposition}\n\n--b--\n"
        ).encode()

    read = receipt(
        "Read: Issue 41", "Your message was displayed.", "manual-action/MDN-sent-manually; displayed"
    )
    assert classify(read).kind == Kind.NOTHING
    full = receipt(
        "Automatically rejected mail",
        "Your message to <ann@reader.example> was automatically rejected:\nQuota exceeded",
        "automatic-action/MDN-sent-automatically; deleted",
    )
    assert classify(full).kind == Kind.SOFT
    own_words = read.replace(b"Your message was displayed.", b"This message was deleted: 550 user unknown")
    assert classify(own_words).kind == Kind.SOFT, "the text of a filter is written by a person"
