"""Build the mails of a frozen issue from its stored bytes alone, so a delivery always gives the same mail."""

import re
from collections.abc import Mapping
from functools import lru_cache

import idna
from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.audience import address as addresses
from digest.audience import origins, tokens, topics
from digest.delivery.ledger.models import FrozenIssue
from digest.delivery.ledger.outcomes import PendingDelivery
from digest.editorial.models import Issue
from digest.errors import BadInput, NotFound
from digest.render.compiled_issue import CompiledIssue
from digest.render.content import from_json
from digest.render.message_template import MergeFields, MessageTemplate, encode_merge_text
from digest.signing import Purpose, Signer, encode_numbers
from digest.smtp.lines import find_line_fault, stuff_dots
from digest.smtp.mail import Mail
from digest.tracking import links

MAX_TEMPLATES = 64  # templates in memory, about 100 kB each; a freeze puts readers of one variant together
_ASCII_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}", re.ASCII)
_UTF8_LOCAL_PART = re.compile(r"[^\x00-\x20\x7f<>()\[\]:;@\\,\"]{1,64}")
_SAMPLE = MergeFields(b"reader@example.org", b"1@example.org", b"A", b"B", b"r@e", b"r@e", b"C")


class MessageFactory:
    """Builds the mails of one frozen issue."""

    def __init__(
        self, publication_id: int, frozen: FrozenIssue, signer: Signer, origin_texts: Mapping[int | None, str]
    ) -> None:
        """`origin_texts` say why readers receive it, by import.

        Raises BadSetting when the signing key is gone, BadInput when the stored bytes are damaged.
        """
        # Encode these once: every token of every mail contains them.
        self._publication, self._issue = encode_numbers(publication_id), encode_numbers(frozen.issue_id)
        self._compiled = CompiledIssue.from_bytes(frozen.compiled)
        self._origins = {number: encode_merge_text(text) for number, text in origin_texts.items()}
        self._unknown_origin = encode_merge_text(origins.UNKNOWN)
        self._template = lru_cache(maxsize=MAX_TEMPLATES)(self._build_template)
        self._sender = from_json(frozen.edition).masthead.sender_address.encode("ascii")
        self._domain = b"@" + self._sender.rpartition(b"@")[2]
        key = frozen.key_id
        self._sign_unsubscribe = tokens.unsubscribe_minter(signer, key).sign
        self._sign_preferences = tokens.preferences_minter(signer, key).sign
        self._sign_click = links.click_minter(signer, key).sign
        # Not the unsubscribe token: replies carry the Message-ID on in their References header.
        self._sign_message_id = signer.minter(Purpose.BOUNCE, key).sign

    @classmethod
    def load(cls, session: Session, issue_id: int, signer: Signer) -> "MessageFactory":
        """The factory for this issue. Raises NotFound when its emails were deleted."""
        frozen = session.get_one(FrozenIssue, issue_id)
        if frozen.emails_deleted_at is not None:
            raise NotFound("the emails of this issue were deleted, as DIGEST_KEEP_EMAILS_DAYS says")
        publication = session.scalars(select(Issue.publication_id).where(Issue.id == issue_id)).one()
        return cls(publication, frozen, signer, origins.load_origins(session, publication))

    def build_pending(self, row: PendingDelivery) -> Mail:
        """The mail of a delivery, whose reader has an address. Raises BadInput as `build` does."""
        return self.build(row.subscriber_id, str(row.address), row.seq, row.variant, row.import_id)

    def build(
        self,
        subscriber_id: int,
        address: str,
        key: int = 0,
        variant: int | None = None,
        import_id: int | None = None,
    ) -> Mail:
        """The reader's mail, ready to send, with the picks of `variant` (a bit mask; None: all of them).

        `import_id` is the import that had subscribed them, if any. Raises BadInput when the address cannot be used in
        an SMTP envelope.
        """
        template = self._template(variant)
        to, wide = encode_recipient(address)
        plain, escaped = _encode_masked(addresses.mask(address))
        publication, issue, packed = self._publication, self._issue, encode_numbers(subscriber_id)
        of_publication, of_issue = publication + packed, issue + packed
        # `_make` takes a third of the time of MergeFields(...), and there is one for each mail.
        reader = MergeFields._make(
            (
                to,
                self._sign_message_id(of_issue) + self._domain,
                self._sign_unsubscribe(of_publication + issue),
                self._sign_preferences(of_publication),
                plain,
                escaped,
                self._sign_click(of_issue),
                *self._origins.get(import_id, self._unknown_origin),
            )
        )
        is_wire_ready = True  # its lines were checked when the template was built
        return Mail._make((self._sender, to, template.fill(reader), wide, key, is_wire_ready))

    def _build_template(self, variant: int | None) -> MessageTemplate:
        picks = self._compiled.picks
        order = tuple(picks[position] for position in topics.variant_positions(variant, len(picks)))
        template = self._compiled.message_template(order)
        _check_lines(template.fill(_SAMPLE))
        return template

    def check_lines(self) -> None:
        """Check the lines of a mail with every block, and with each alone, before any is sent. Raises BadInput."""
        for variant in (None, *(1 << block for block in range(len(self._compiled.picks)))):
            self._template(variant)


def _check_lines(mail: bytes) -> None:
    """Check the lines of one mail, so that those of all others need not be. Raises BadInput."""
    if fault := find_line_fault(mail):
        raise BadInput(f"this issue cannot be sent: {fault}")
    if stuff_dots(mail) != mail:
        raise BadInput("this issue cannot be sent: one of its lines starts with a dot")


def encode_recipient(address: str) -> tuple[bytes, bool]:
    """The address for the SMTP envelope, and whether it needs SMTPUTF8 (RFC 6531). Raises BadInput.

    A non-ASCII domain is sent as Punycode and needs no extension; a non-ASCII local part needs SMTPUTF8.
    """
    if "=?" in address:  # mail programs may decode it as an encoded-word (RFC 2047)
        raise BadInput("5.1.3 this address is not valid")
    if _ASCII_ADDRESS.fullmatch(address):
        return address.encode("ascii"), False
    local, _, domain = address.rpartition("@")
    try:
        domain = idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise BadInput("5.1.3 the domain of this address is not valid") from None
    if _ASCII_ADDRESS.fullmatch(f"{local}@{domain}"):
        return f"{local}@{domain}".encode("ascii"), False
    if local.isascii() or not _UTF8_LOCAL_PART.fullmatch(local):
        raise BadInput("5.1.3 this address is not valid")
    return f"{local}@{domain}".encode(), True


_encode_masked = lru_cache(maxsize=4096)(encode_merge_text)
