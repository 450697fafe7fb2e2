"""Build a mail from an outbox row: the stored facts, links with freshly minted tokens, and the current recipient."""

import json
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from digest.audience import address as addresses
from digest.audience import tokens
from digest.audience.models import Subscriber, Subscription, SubscriptionStatus
from digest.delivery.ledger.message_factory import encode_recipient
from digest.delivery.ledger.models import Letter
from digest.delivery.letters.copies import rebuild_mail
from digest.delivery.letters.outbox import COPY_KIND, TEST_KIND
from digest.delivery.letters.test_sends import pick_ids_for_topics
from digest.editorial import editions, issues, users
from digest.editorial.models import User
from digest.publications import publications
from digest.publications.models import Publication
from digest.render.compile import compile_issue
from digest.render.compose import compose
from digest.render.letters import render_letter as render
from digest.render.message_template import MergeFields, encode_merge_text
from digest.signing import Purpose, Signer
from digest.smtp.mail import Mail

CONFIRM_HOURS = f"{int(tokens.CONFIRM_FOR.total_seconds()) // 3600} hours"
SIGN_IN_MINUTES = f"{int(users.EMAIL_LINK_LIFETIME.total_seconds()) // 60} minutes"
EXPIRES = {"sign_in": SIGN_IN_MINUTES, "invitation": f"{users.INVITATION_LIFETIME.days} days"}


class LetterNotWanted(Exception):
    """The letter must no longer be sent. The message says why, for example unsubscribed, suppressed or erased."""


def build_mail(session: Session, letter: Letter, *, signer: Signer, base_url: str, now: datetime) -> Mail:
    """Build the mail of a letter. The Message-ID is the same each time.

    Raises LetterNotWanted when the reader unsubscribed, is suppressed or was erased, and DigestError when the mail
    cannot be built.
    """
    publication = _publication(session, letter)
    to = find_recipient(session, letter, publication.id)
    recipient, wide = encode_recipient(to)
    sender = publication.sender_address
    if letter.kind == COPY_KIND:
        data = rebuild_mail(
            session, int(json.loads(letter.facts)["issue_id"]), letter.subscriber_id or 0, signer
        )
        return Mail(sender.encode("ascii"), recipient, data, wide, letter.id, is_wire_ready=True)
    name = signer.minter(Purpose.BOUNCE).mint(0, letter.id).decode("ascii")
    message_id = f"{name}@{sender.rpartition('@')[2]}"
    if letter.kind == TEST_KIND:
        data = _build_test_send(
            session, letter, recipient, message_id.encode("ascii"), signer=signer, base_url=base_url
        )
        return Mail(sender.encode("ascii"), recipient, data, wide, letter.id)
    facts = _template_variables(session, letter, publication, signer=signer, base_url=base_url, now=now)
    rendered = render(letter.kind, facts)
    data = compose(
        sender=(publication.sender_name, sender),
        to=recipient.decode(),
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        message_id=message_id,
        date=now,
        headers=dict(rendered.headers),
        wide=wide,
    )
    # A notice has a null sender (RFC 5321, 4.5.5), because nobody asked for it: its bounce cannot loop.
    envelope_sender = b"" if letter.kind == "notice" else sender.encode("ascii")
    return Mail(envelope_sender, recipient, data, wide, letter.id)


def find_recipient(session: Session, letter: Letter, publication_id: int) -> str:
    """The address that the letter goes to now. Raises LetterNotWanted."""
    if letter.address is not None:
        return letter.address
    if letter.user_id is not None:
        user = session.get(User, letter.user_id)
        if user is None or user.removed_at is not None:
            raise LetterNotWanted("gone")
        return user.address
    subscriber = session.get(Subscriber, letter.subscriber_id)
    if subscriber is None or subscriber.address is None or subscriber.erased_at is not None:
        raise LetterNotWanted("erased")
    # A suppressed reader who signs up again may get a confirmation, unless they once complained.
    if subscriber.suppressed_at is not None and (
        letter.kind != "confirm" or subscriber.suppressed_for == "complaint"
    ):
        raise LetterNotWanted("suppressed")
    choice = session.get(Subscription, (subscriber.id, publication_id))
    if letter.kind in {"welcome", COPY_KIND} and (
        choice is None or choice.status != SubscriptionStatus.ACTIVE.value
    ):
        raise LetterNotWanted("unsubscribed")
    return subscriber.address


def _publication(session: Session, letter: Letter) -> Publication:
    if letter.publication_id is not None:
        return session.get_one(Publication, letter.publication_id)
    return publications.find(session)


def _template_variables(
    session: Session,
    letter: Letter,
    publication: Publication,
    *,
    signer: Signer,
    base_url: str,
    now: datetime,
) -> dict[str, object]:
    given: dict[str, object] = json.loads(letter.facts)
    given["asked_at"] = _format_time(given.get("asked_at"), letter.created_at)
    facts: dict[str, object] = {
        "publication": publication.name,
        "postal_address": publication.postal_address,
        "tagline": publication.tagline,
        "expires": EXPIRES.get(letter.kind, CONFIRM_HOURS),
    }
    if "link_path" in given:
        given["link_url"] = f"{base_url}{given.pop('link_path')}"
    return (
        facts
        | given
        | _link_variables(session, letter, publication.id, signer=signer, base_url=base_url, now=now)
    )


def _link_variables(
    session: Session, letter: Letter, publication_id: int, *, signer: Signer, base_url: str, now: datetime
) -> dict[str, object]:
    reader = letter.subscriber_id
    match letter.kind:
        case "confirm" if reader:
            token = tokens.confirm_token(signer, publication_id, reader, now)
            return {"confirm_url": f"{base_url}/confirm/{token}"}
        case "welcome" | "known" if reader:
            unsubscribe = tokens.unsubscribe_token(signer, publication_id, reader)
            preferences = tokens.preferences_token(signer, publication_id, reader)
            return {
                "unsubscribe_url": f"{base_url}/unsubscribe/{unsubscribe}",
                "preferences_url": f"{base_url}/preferences/{preferences}",
            }
        case "sign_in" | "invitation" if letter.user_id:
            invited = letter.kind == "invitation"
            lifetime = users.INVITATION_LIFETIME if invited else users.EMAIL_LINK_LIFETIME
            user = session.get_one(User, letter.user_id)
            token = users.create_sign_in_token(signer, user, now, lifetime)
            return {"sign_in_url": f"{base_url}/desk/enter/{token}"}
    return {}


def _build_test_send(
    session: Session, letter: Letter, to: bytes, message_id: bytes, *, signer: Signer, base_url: str
) -> bytes:
    facts = json.loads(letter.facts)
    issue = issues.get_by_id(session, int(facts["issue_id"]))
    plain, escaped = encode_merge_text(addresses.mask(str(letter.address)))
    unsubscribe = tokens.unsubscribe_token(signer, issue.publication_id, 0)
    preferences = tokens.preferences_token(signer, issue.publication_id, 0)
    edition = editions.build_edition(session, issue, base_url)
    template = compile_issue(edition, test=True).message_template(
        pick_ids_for_topics(edition, facts.get("topics", ()))
    )
    return template.fill(
        MergeFields(to, message_id, unsubscribe.encode(), preferences.encode(), plain, escaped, click=b"")
    )


def _format_time(given: object, default: datetime) -> str:
    """`given` (ISO 8601) or else `default` in a readable form."""
    try:
        at = datetime.fromisoformat(str(given)) if given else default
    except ValueError:
        return str(given)
    at = at.astimezone(UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"
