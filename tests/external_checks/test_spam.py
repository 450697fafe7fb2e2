"""SpamAssassin is called with a time limit, and its report is parsed."""

import pytest

from digest.errors import Unavailable
from digest.external_checks import spam

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
MAIL = b"From: a@verdicts.dev\r\nTo: b@verdicts.dev\r\nSubject: Hello\r\nMessage-ID: <1@verdicts.dev>\r\n\r\n"

REPORT = """X-Spam-Status: Yes, score=6.1 required=5.0 tests=A,B
\tautolearn=no

Content analysis details:   (6.1 points, 5.0 required)

 pts rule name              description
---- ---------------------- --------------------------------------------------
 1.1 SUBJ_ALL_CAPS          Subject is all capitals
-0.0 NO_RELAYS              Informational: message was not relayed via SMTP
 5.0 TOO_GOOD               Promises more than
                            anybody can keep
"""


def test_the_report_is_parsed_with_the_costliest_rule_first() -> None:
    score = spam.parse_report(REPORT)
    assert (score.points, score.limit) == (6.1, 5.0)
    assert [(rule.points, rule.name, rule.description) for rule in score.rules] == [
        (5.0, "TOO_GOOD", "Promises more than anybody can keep"),
        (1.1, "SUBJ_ALL_CAPS", "Subject is all capitals"),
    ]


def test_output_without_a_score_is_an_error() -> None:
    with pytest.raises(Unavailable):
        spam.parse_report("Killed")


@pytest.mark.skipif(not spam.is_installed(), reason="SpamAssassin is not installed here")
def test_the_standard_test_mail_is_spam() -> None:
    assert spam.score_mail(MAIL + GTUBE).points > 900


@pytest.mark.skipif(not spam.is_installed(), reason="SpamAssassin is not installed here")
def test_a_slow_filter_times_out() -> None:
    with pytest.raises(Unavailable, match="did not respond"):
        spam.score_mail(MAIL, timeout_seconds=0.01)
