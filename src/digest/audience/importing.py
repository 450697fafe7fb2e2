"""Bringing in an audience: every good row of a CSV file, and nobody who left, complained or was forgotten.

The door reads chunks and gives each to `import_chunk` in a transaction of its own. A run that was cut short is
simply repeated: what is there already is known, and changes nothing.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto

from sqlalchemy.orm import Session

from digest.audience import arrivals, signup, suppression
from digest.audience.arrivals import Prior, Terms
from digest.audience.columns import Status
from digest.audience.models import Standing
from digest.audience.upload import Bad, Chunk, Row
from digest.signing import Signer


@dataclass
class Result:
    """What became of the rows: rows = added + known + left + suppressed + not_subscribed + repeated + bad."""

    rows: int = 0
    added: int = 0  # with --confirmed readers, else pending
    known: int = 0
    left: int = 0
    suppressed: int = 0
    not_subscribed: int = 0
    repeated: int = 0
    bad: int = 0
    bad_rows: list[Bad] = field(default_factory=list)
    invited: list[int] = field(default_factory=list)  # subscriber ids: post each a confirmation letter

    def add(self, other: "Result") -> None:
        """Take in what became of another chunk."""
        for name in ("rows", "added", "known", "left", "suppressed", "not_subscribed", "repeated", "bad"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.bad_rows += other.bad_rows
        self.invited += other.invited


class Act(Enum):
    """What is done about a row."""

    ADD = auto()
    ACTIVATE = auto()
    INVITE = auto()
    ADD_LEFT = auto()
    LEAVE = auto()
    SUPPRESS = auto()
    KNOWN = auto()
    STAYS_LEFT = auto()
    STAYS_SUPPRESSED = auto()
    UNCLEAR = auto()


COUNTED = {
    Act.ADD: "added",
    Act.ACTIVATE: "added",
    Act.INVITE: "known",
    Act.ADD_LEFT: "left",
    Act.LEAVE: "left",
    Act.SUPPRESS: "suppressed",
    Act.KNOWN: "known",
    Act.STAYS_LEFT: "left",
    Act.STAYS_SUPPRESSED: "suppressed",
    Act.UNCLEAR: "not_subscribed",
}


def import_chunk(session: Session, signer: Signer, chunk: Chunk, terms: Terms) -> Result:
    """Import one chunk. Doing it again changes nothing.

    Nobody who left or is suppressed is revived. A file may take out whom a file brought, never one who
    confirmed here. Without `terms.confirmed` new ones are pending, and only `terms.invite` has them written to.
    """
    prior = arrivals.known(session, terms.publication_id, chunk.rows)
    hashed = suppression.find(session, signer, chunk.rows.keys() - prior.keys())
    acts: dict[Act, list[Row]] = {act: [] for act in Act}
    for key, row in chunk.rows.items():
        forgotten = hashed[key].reason if key in hashed else None
        acts[decide(row.status, prior.get(key), forgotten, terms)].append(row)
    _write(session, signer, acts, prior, terms)
    counts = Counter({COUNTED[act]: 0 for act in Act})
    for act, done in acts.items():
        counts[COUNTED[act]] += len(done)
    return Result(
        rows=chunk.read,
        repeated=chunk.repeated,
        bad=len(chunk.bad),
        bad_rows=list(chunk.bad),
        invited=_invited(session, acts, terms) if terms.invite and not terms.confirmed else [],
        **counts,
    )


def decide(status: Status, prior: Prior | None, forgotten: str | None, terms: Terms) -> Act:
    """What to do about a row, by what the file says and what we know. `forgotten`: why its hash is suppressed."""
    barred = forgotten or (prior and prior.suppressed_for)
    own = prior is not None and prior.own
    if status == Status.COMPLAINED and barred != suppression.Reason.COMPLAINT:
        return Act.SUPPRESS
    if barred:
        return Act.STAYS_SUPPRESSED
    if status == Status.BOUNCED:
        return Act.KNOWN if own else Act.SUPPRESS
    if status == Status.UNCLEAR:
        return Act.UNCLEAR
    return _choice(status, prior.standing if prior else None, own, terms)


def _choice(status: Status, standing: str | None, own: bool, terms: Terms) -> Act:
    if standing == Standing.LEFT:
        return Act.STAYS_LEFT
    if status == Status.LEFT:
        return Act.ADD_LEFT if standing is None else Act.KNOWN if own else Act.LEAVE
    if standing == Standing.PENDING:
        return Act.ACTIVATE if terms.confirmed else Act.INVITE
    return Act.ADD if standing is None else Act.KNOWN


def _write(
    session: Session,
    signer: Signer,
    acts: dict[Act, list[Row]],
    prior: dict[str, Prior],
    terms: Terms,
) -> None:
    complaints = [row.key for row in acts[Act.SUPPRESS] if row.status == Status.COMPLAINED]
    bounces = [row.key for row in acts[Act.SUPPRESS] if row.status == Status.BOUNCED]
    suppression.suppress_keys(
        session, signer, complaints, suppression.Reason.COMPLAINT, terms.now, source=terms.source
    )
    suppression.suppress_keys(
        session, signer, bounces, suppression.Reason.BOUNCE, terms.now, source=terms.source
    )
    standing = Standing.ACTIVE if terms.confirmed else Standing.PENDING
    arrivals.add(session, acts[Act.ADD], standing, terms)
    arrivals.add(session, acts[Act.ADD_LEFT], Standing.LEFT, terms)
    arrivals.move(session, _ids(acts[Act.ACTIVATE], prior), Standing.ACTIVE, terms)
    arrivals.move(session, _ids(acts[Act.LEAVE], prior), Standing.LEFT, terms)


def _ids(some: list[Row], prior: dict[str, Prior]) -> list[int]:
    return [prior[row.key].subscriber_id for row in some]


def _invited(session: Session, acts: dict[Act, list[Row]], terms: Terms) -> list[int]:
    """Those who are pending and due a letter; the same bounds hold as for the form."""
    keys = [row.key for act in (Act.ADD, Act.INVITE) for row in acts[act]]
    ids = [prior.subscriber_id for prior in arrivals.known(session, terms.publication_id, keys).values()]
    return sorted(signup.take_letters(session, ids, terms.publication_id, terms.now))
