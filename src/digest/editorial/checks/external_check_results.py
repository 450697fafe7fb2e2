"""What workers saw outside, as findings on an issue, and how far they have come."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from digest.editorial.checks import external_check_queue, issue_checks
from digest.editorial.checks.external_check_queue import Outside, Seen
from digest.editorial.checks.finding import Check, Level, note, warn
from digest.editorial.models import Issue
from digest.render.content import Edition

CALM_POINTS = 1.0  # a score up to which nobody needs to look
_SHOWN = 60  # characters of a URL


@dataclass(frozen=True)
class Sight:
    """The findings, what is good in words by kind, and (looked at, to look at) by kind."""

    checks: tuple[Check, ...]
    words: Mapping[str, str] = field(default_factory=dict)
    progress: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def pending(self) -> bool:
        """Whether a worker has still to look at something."""
        return any(done < of for done, of in self.progress.values())


NOTHING = Sight(())


def sight(session: Session, issue: Issue, edition: Edition, outside: Outside) -> Sight:
    """What is known by now of all that is outside."""
    known = external_check_queue.seen(session, external_check_queue.wanted(issue, edition, outside))
    of: dict[str, int] = defaultdict(int)
    done: dict[str, int] = defaultdict(int)
    for one in known:
        of[one.wanted.kind] += 1
        done[one.wanted.kind] += one.at is not None
    there = [one for one in known if one.at is not None]
    found = (
        *_links(issue, there),
        *_sender(there, trial=issue_checks.on_trial(edition.base_url)),
        *_spam(there),
    )
    return Sight(found, _words(there), {kind: (done[kind], many) for kind, many in of.items()})


def _links(issue: Issue, known: Sequence[Seen]) -> Iterator[Check]:
    places = {
        url: (where, place)
        for where, place, text in reversed(issue_checks.texts(issue))
        for url in issue_checks.links(text)
    }
    for one in known:
        if one.wanted.kind != "link" or not one.found.get("trouble"):
            continue
        url = one.wanted.target
        if one.found.get("unsure"):
            yield note(
                "link", f"{_short(url)} could not be looked at: {one.found['trouble']}.", "It is tried again."
            )
            continue
        where, place = places.get(url, ("the mail", ""))
        text = f"{where.capitalize()} links to {_short(url)}, and {one.found['trouble']}."
        mend = "Open it yourself; mend or remove it."
        yield Check("dead link", Level.WARNING, text, mend, place, bound=f"{url} {one.found['trouble']}")


def _sender(known: Sequence[Seen], *, trial: bool) -> Iterator[Check]:
    for one in known:
        if one.wanted.kind != "sender":
            continue
        if one.found.get("trouble"):
            text = f"{one.wanted.target} could not be looked at: {one.found['trouble']}."
            yield note("sender", text, "It is tried again.")
        for proof in one.found.get("proofs", ()):
            if proof["state"] in {"missing", "weak"}:
                # Without a key that we can name, nobody knows that none is there.
                unsure = proof["name"] == "DKIM" and "usual names" in proof["seen"]
                level = Level.NOTE if unsure or trial else Level.WARNING
                name = f"sender {proof['name']}"
                yield Check(name, level, proof["seen"], proof["mend"], "", record=proof["record"])
            elif proof["state"] == "unknown":
                yield note(f"sender {proof['name']}", proof["seen"], proof["mend"])


def _spam(known: Sequence[Seen]) -> Iterator[Check]:
    for one in known:
        if one.wanted.kind != "spam" or one.found.get("absent"):
            continue
        if one.found.get("trouble"):
            yield note(
                "spam", f"The spam filter gave no score: {one.found['trouble']}.", "It is asked again."
            )
        elif one.found["points"] > CALM_POINTS:
            says = "; ".join(f"{rule['says']} ({rule['points']:g})" for rule in one.found["rules"][:3])
            text = f"SpamAssassin gives it {one.found['points']:g} of {one.found['limit']:g} points: {says}."
            yield warn("spam", text, "Change what it minds.", "subject")


def _words(known: Sequence[Seen]) -> dict[str, str]:
    words = {}
    links = [one for one in known if one.wanted.kind == "link"]
    if links:
        fine = sum(not one.found.get("trouble") for one in links)
        words["link"] = f"{fine} of {len(links)} lead{'s' if fine == 1 else ''} to a page"
    for one in known:
        if one.wanted.kind == "sender" and one.found.get("trouble"):
            words["sender"] = f"{one.wanted.target} could not be looked at"
        elif one.wanted.kind == "sender":
            good = [proof["name"] for proof in one.found.get("proofs", ()) if proof["state"] == "good"]
            words["sender"] = f"{one.wanted.target}: {', '.join(good) or 'nothing'} found"
        elif one.wanted.kind == "spam":
            points, limit = one.found.get("points"), one.found.get("limit")
            words["spam"] = "No filter is installed beside the worker"
            if points is not None:
                words["spam"] = f"{points:g} of {limit:g} points"
    return words


def _short(url: str) -> str:
    return url if len(url) <= _SHOWN else url[: _SHOWN - 1] + "…"
