"""What a mail server's reply means: for this reader alone, for all of them, or for us."""

import pytest

from digest.delivery.relays.replies import ReplyMeaning, classify_reply
from digest.smtp.replies import Reply, Stage

ACCEPTED, LATER, FAILED = ReplyMeaning.ACCEPTED, ReplyMeaning.LATER, ReplyMeaning.FAILED
REFUSED, BUSY = ReplyMeaning.REFUSED, ReplyMeaning.BUSY
OF_ONE_READER = (Stage.RCPT, Stage.DATA, Stage.BODY)
OF_ALL = (Stage.CONNECT, Stage.LOGIN, Stage.MAIL)


def meaning(stage: Stage, line: str) -> ReplyMeaning:
    code, _, text = line.partition(" ")
    return classify_reply(stage, Reply(int(code), text)).meaning


@pytest.mark.parametrize("line", ["250 2.0.0 queued", "250 ok", "200 fine", "299 well"])
def test_only_a_positive_reply_after_the_data_means_that_the_mail_was_accepted(line: str) -> None:
    assert meaning(Stage.BODY, line) is ACCEPTED
    assert all(meaning(stage, line) is not ACCEPTED for stage in Stage if stage is not Stage.BODY)


@pytest.mark.parametrize(
    "line", ["530 5.7.0 login first", "534 too weak", "535 5.7.8 no", "538 encrypt", "550 5.7.1 no"]
)
@pytest.mark.parametrize("stage", Stage)
def test_a_login_or_policy_refusal_concerns_us_at_every_stage(stage: Stage, line: str) -> None:
    assert meaning(stage, line) is REFUSED


@pytest.mark.parametrize("status", ["5.1.7", "5.1.8", "5.3.4", "5.4.5", "5.5.1"])
@pytest.mark.parametrize("stage", OF_ONE_READER)
def test_a_fault_of_sender_size_quota_or_protocol_fails_no_reader(stage: Stage, status: str) -> None:
    assert meaning(stage, f"554 {status} no") is REFUSED


@pytest.mark.parametrize("stage", OF_ALL)
def test_before_a_recipient_is_named_a_reply_concerns_all(stage: Stage) -> None:
    assert meaning(stage, "550 5.1.1 no") is REFUSED
    assert meaning(stage, "451 4.3.0 later") is BUSY
    assert meaning(stage, "421 closing") is BUSY


@pytest.mark.parametrize("stage", OF_ONE_READER)
def test_once_a_recipient_is_named_a_reply_concerns_that_reader(stage: Stage) -> None:
    assert meaning(stage, "450 4.2.1 greylisted") is LATER
    assert meaning(stage, "452 4.2.2 full") is LATER
    assert meaning(stage, "550 5.1.1 no such user") is FAILED
    assert meaning(stage, "554 no") is FAILED


def test_552_without_a_status_is_a_full_mailbox_at_rcpt_and_our_size_after_it() -> None:
    assert meaning(Stage.RCPT, "552 full") is LATER
    assert meaning(Stage.DATA, "552 too large") is REFUSED
    assert meaning(Stage.BODY, "552 too large") is REFUSED
    assert meaning(Stage.RCPT, "552 5.2.2 full") is FAILED  # with a status, that decides
    assert meaning(Stage.BODY, "552 5.2.3 too large for this mailbox") is FAILED


@pytest.mark.parametrize(
    ("line", "bad"),
    [
        *((f"550 {status} no", True) for status in ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10")),
        *((f"{code} no", True) for code in (551, 553, 556)),
        *((f"{code} 5.2.1 disabled", False) for code in (550, 551, 553)),
        *(
            (line, False)
            for line in ("550 no", "554 no", "550 5.2.2 full", "450 4.1.1 perhaps later", "550 4.1.1 x")
        ),
    ],
)
def test_only_a_mailbox_that_does_not_exist_is_a_bad_address(line: str, bad: bool) -> None:
    code, _, text = line.partition(" ")
    assert classify_reply(Stage.RCPT, Reply(int(code), text)).bad_address is bad


def test_the_reason_is_the_same_for_many_readers() -> None:
    assert classify_reply(Stage.RCPT, Reply(550, "5.1.1 <ada@example.org> unknown")).reason == "550 5.1.1"
    assert classify_reply(Stage.RCPT, Reply(450, "try <ada@example.org> later")).reason == "450"
