"""A compiled issue as a complete mail to a made-up reader, for checks that read the mail itself."""

from digest.render.compiled_issue import CompiledIssue
from digest.render.message_template import MergeFields, encode_merge_text
from digest.render.slots import TYPICAL_TOKEN_CHARS

_ADDRESS = b"reader@example.org"
_MASKED_ADDRESS = "r•••@example.org"


def render_sample_mail(compiled: CompiledIssue, domain: str = "example.org") -> bytes:
    """Return the largest variant as a mail with tokens of the usual length and a Message-ID at `domain`."""
    masked_text, masked_html = encode_merge_text(_MASKED_ADDRESS)
    token = b"x" * TYPICAL_TOKEN_CHARS
    message_id = token + b"@" + domain.encode()
    fields = MergeFields(_ADDRESS, message_id, token, token, masked_text, masked_html, token)
    return compiled.message_template(compiled.largest).fill(fields)
