"""Adding one reader, and exporting all of them."""

from collections.abc import Iterator
from typing import Final

from flask import Response as Answer
from flask import g, stream_with_context
from sqlalchemy import select
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.audience import export
from digest.audience.address import normalize
from digest.audience.importing.add_one import add_reader
from digest.audience.models import Subscriber
from digest.db import utcnow
from digest.delivery.letters.subscriber_imports import send_invitations
from digest.editorial.models import Role
from digest.errors import BadInput
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.audience import blueprint
from digest.web.desk.auth import requires_role
from digest.web.desk.view_helpers import (
    flash_done,
    flash_problem,
    form_field,
    redirect_to,
    render_page,
    services,
)

MAX_SOURCE_CHARS: Final = 500


@blueprint.get("/subscribers/add")
@requires_role(Role.EDITOR)
def add_form() -> str:
    """The form to add one reader."""
    return render_page("subscriber_add.html", address="", source="", problem="")


@blueprint.post("/subscribers/add")
def add_subscriber() -> Response | str:
    """Add one reader, who confirms by email unless they have consented already."""
    address, source = form_field("address"), form_field("source")[:MAX_SOURCE_CHARS]
    is_confirmed = form_field("consent") == "confirmed"
    try:
        key = normalize(address).key
        if is_confirmed and not source:
            raise BadInput("enter where this reader gave consent")  # noqa: TRY301
    except BadInput as error:
        return render_page("subscriber_add.html", address=address, source=source, problem=str(error))
    with services().db.begin() as db:
        result, terms = add_reader(
            db,
            services().signer,
            address,
            publication_id=current_publication.get(db).id,
            source=source or "added at the desk",
            confirmed=is_confirmed,
            user_id=g.me.id,
            now=utcnow(),
        )
        send_invitations(db, result.invited, terms)
        number = db.scalar(select(Subscriber.id).where(Subscriber.address_key == key))
        if result.added:
            record(db, Verb.ADD, "subscriber", number)
    services().enqueue_soon("letters")
    if result.added and is_confirmed:
        flash_done("Reader added.")
    elif result.added:
        flash_done("Reader added. They will get issues once they confirm.")
    else:
        flash_problem(_why_not(result.known, result.unsubscribed))
    return (
        redirect_to("audience.subscriber", number=number) if number else redirect_to("audience.subscribers")
    )


@blueprint.post("/subscribers/export")
def export_all() -> Answer:
    """All readers with their status as CSV, which an import reads back."""
    with services().db.begin() as db:
        publication = current_publication.get(db)
        publication_id, slug = publication.id, publication.slug
        record(db, Verb.EXPORT, "subscriber")
    headers = Headers()
    headers.set("Content-Disposition", "attachment", filename=f"readers-{slug}.csv")
    return Answer(stream_with_context(_lines(publication_id)), mimetype="text/csv", headers=headers)


def _lines(publication_id: int) -> Iterator[str]:
    yield export.csv_line(export.COLUMNS)
    above, now = 0, utcnow()
    with services().db.read() as db:
        while lines := export.fetch_page(db, publication_id, now, above=above):
            above = lines[-1].subscriber_id
            yield "".join(export.csv_lines(lines))


def _why_not(known: int, unsubscribed: int) -> str:
    if known:
        return "Nothing was added: they are a reader already, or have not confirmed yet."
    if unsubscribed:
        return "Nothing was added: they unsubscribed. Only they can resubscribe, by signing up again."
    return "Nothing was added: this address is suppressed."
