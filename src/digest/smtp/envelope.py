"""The replies to an envelope whose commands were written at once (RFC 2920), and what they decide."""

from typing import NamedTuple

from digest.smtp.replies import CLOSING, START_MAIL_INPUT, Reply, Stage
from digest.smtp.reply_reader import COMMAND_SECONDS, DATA_SECONDS, RSET, OutOfStep, ReplyReader

_USUAL_REPLIES = 3  # lines, to MAIL, RCPT and DATA


class EnvelopeReply(NamedTuple):
    """The reply that decides about an envelope, and where it was given."""

    stage: Stage
    reply: Reply
    awaits_data: bool = False  # the relay accepted DATA for an envelope without a recipient (RFC 2920, 3.1)


_ACCEPTED = EnvelopeReply(Stage.DATA, Reply(START_MAIL_INPUT, "go on"))


def take_accepted(replies: ReplyReader) -> EnvelopeReply | None:
    """The usual replies to MAIL, RCPT and DATA, when all of them have arrived and nothing else; None otherwise."""
    lines = replies.lines
    if len(lines) != _USUAL_REPLIES:
        return None
    sender, recipient, data = lines
    if sender[:4] != b"250 " or recipient[:4] != b"250 " or data[:4] != b"354 ":
        return None
    lines.clear()
    return _ACCEPTED


async def read_pipelined(replies: ReplyReader, *, reset: bool) -> EnvelopeReply:
    """Read the replies to MAIL, RCPT and DATA, and before them to RSET if there was one.

    A 354 in its place proves that every reply before it was in its place, too; without one nothing more may have
    arrived. Raises OSError, ProtocolError and OutOfStep as `ReplyReader.read` does.
    """
    if reset and (done := await replies.read(RSET, COMMAND_SECONDS)).code == CLOSING:
        return EnvelopeReply(Stage.MAIL, done)
    sender = await replies.read(Stage.MAIL, COMMAND_SECONDS)
    if sender.code == CLOSING:
        return EnvelopeReply(Stage.MAIL, sender)
    recipient = await replies.read(Stage.RCPT, COMMAND_SECONDS)
    if recipient.code == CLOSING:
        return EnvelopeReply(Stage.RCPT, recipient)
    data = await replies.read(Stage.DATA, DATA_SECONDS)
    if not sender.is_positive:
        check_recipient_refused(sender, recipient)
    if data.code != START_MAIL_INPUT:
        replies.expect_nothing_more()
    return _decide(sender, recipient, data)


def check_recipient_refused(sender: Reply, recipient: Reply) -> None:
    """Raise OutOfStep when RCPT was accepted though MAIL was refused: one of the two replies is another command's."""
    if recipient.is_positive:
        raise OutOfStep(f"RCPT was answered with {recipient} though MAIL was answered with {sender}")


def _decide(sender: Reply, recipient: Reply, data: Reply) -> EnvelopeReply:
    awaits_data = data.code == START_MAIL_INPUT
    if not sender.is_positive:
        return EnvelopeReply(Stage.MAIL, sender, awaits_data)
    if not recipient.is_positive:
        return EnvelopeReply(Stage.RCPT, recipient, awaits_data)
    return EnvelopeReply(Stage.DATA, data)
