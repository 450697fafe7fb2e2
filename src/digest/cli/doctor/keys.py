"""The signing keys: those of every machine must be the same, and none that is still needed may be missing."""

from collections.abc import Iterator

from digest.cli import AppContext
from digest.cli.doctor.finding import Finding

_ADD_IT = "add the old key again, after the new one: DIGEST_SECRET_KEYS=new,old"


def check_keys(context: AppContext) -> Iterator[Finding]:
    """Where they are, and whether keys were left behind."""
    settings = context.settings()
    file = settings.home / "secret-keys"
    if settings.has_generated_keys:
        if settings.is_embedded_database:
            yield Finding("keys", "ok", f"in {file}")
            return
        summary = f"signing keys are in {file}; another machine would generate different ones"
        yield Finding("keys", "warn", summary, "set the same DIGEST_SECRET_KEYS on every machine")
        return
    if file.exists():
        summary = f"the keys in {file} are not used, because DIGEST_SECRET_KEYS is set; links they signed do not work"
        fix = "if emails were sent with them, add them at the end of DIGEST_SECRET_KEYS; then delete the file"
        yield Finding("keys", "warn", summary, fix)
        return
    yield Finding("keys", "ok", "DIGEST_SECRET_KEYS is set")


def check_key_use(context: AppContext) -> Iterator[Finding]:
    """Whether an issue was signed with a key that is gone: its links and its retries would fail."""
    from sqlalchemy import select

    from digest.delivery.ledger.models import FrozenIssue
    from digest.editorial.models import Issue, State

    services = context.services()
    known = services.signer.key_ids
    with services.db.read() as session:
        rows = select(Issue.number, Issue.state).join(FrozenIssue, FrozenIssue.issue_id == Issue.id)
        orphans = session.execute(rows.where(FrozenIssue.key_id.not_in(known)).order_by(Issue.id)).all()
    if not orphans:
        yield Finding("key use", "ok", "every issue's key is there")
        return
    unfinished = [number for number, state in orphans if state in {State.SENDING, State.PAUSED}]
    if unfinished:
        summary = f"issue {unfinished[0]} is being sent with a signing key that is gone"
        yield Finding("key use", "bad", summary, _ADD_IT)
        return
    summary = f"links in {len(orphans)} sent issues no longer work, not even to unsubscribe: their signing key is gone"
    yield Finding("key use", "warn", summary, _ADD_IT)
