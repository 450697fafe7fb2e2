"""What workers saw outside, as findings on an issue, and how far they have come."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from digest.editorial.checks import external_check_queue, issue_checks
from digest.editorial.checks.external_check_queue import MailSetup, CheckResult
from digest.editorial.checks.finding import Finding, Level, note, warning
from digest.editorial.models import Issue
from digest.render.content import Edition

ACCEPTABLE_SPAM_SCORE = 1.0  # a score up to which nobody needs to look
_SHOWN = 60  # characters of a URL


@dataclass(frozen=True)
class CheckResults:
    """The findings, what is good in words by kind, and (looked at, to look at) by kind."""

    findings: tuple[Finding, ...]
    summaries: Mapping[str, str] = field(default_factory=dict)
    progress: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_pending(self) -> bool:
        """Whether a worker has still to look at something."""
        return any(done < of for done, of in self.progress.values())


NO_RESULTS = CheckResults(())


def collect_results(session: Session, issue: Issue, edition: Edition, mail_setup: MailSetup) -> CheckResults:
    """What is known by now of all that is outside."""
    known = external_check_queue.fetch_results(session, external_check_queue.list_requests(issue, edition, mail_setup))
    of: dict[str, int] = defaultdict(int)
    done: dict[str, int] = defaultdict(int)
    for one in known:
        of[one.request.kind] += 1
        done[one.request.kind] += one.checked_at is not None
    there = [one for one in known if one.checked_at is not None]
    found = (
        *_links(issue, there),
        *_sender(there, trial=issue_checks.is_local_site(edition.base_url)),
        *_spam(there),
    )
    return CheckResults(found, _words(there), {kind: (done[kind], many) for kind, many in of.items()})


def _links(issue: Issue, known: Sequence[CheckResult]) -> Iterator[Finding]:
    places = {
        url: (where, place)
        for where, place, text in reversed(issue_checks.editor_texts(issue))
        for url in issue_checks.extract_links(text)
    }
    for one in known:
        if one.request.kind != "link" or not one.result.get("trouble"):
            continue
        url = one.request.target
        if one.result.get("unsure"):
            yield note(
                "link", f"{_short(url)} could not be looked at: {one.result['trouble']}.", "It is tried again."
            )
            continue
        where, place = places.get(url, ("the mail", ""))
        text = f"{where.capitalize()} links to {_short(url)}, and {one.result['trouble']}."
        mend = "Open it yourself; mend or remove it."
        yield Finding("dead link", Level.WARNING, text, mend, place, fingerprint_key=f"{url} {one.result['trouble']}")


def _sender(known: Sequence[CheckResult], *, trial: bool) -> Iterator[Finding]:
    for one in known:
        if one.request.kind != "sender":
            continue
        if one.result.get("trouble"):
            text = f"{one.request.target} could not be looked at: {one.result['trouble']}."
            yield note("sender", text, "It is tried again.")
        for proof in one.result.get("proofs", ()):
            if proof["state"] in {"missing", "weak"}:
                # Without a key that we can name, nobody knows that none is there.
                unsure = proof["name"] == "DKIM" and "usual names" in proof["seen"]
                level = Level.NOTE if unsure or trial else Level.WARNING
                name = f"sender {proof['name']}"
                yield Finding(name, level, proof["seen"], proof["mend"], "", dns_record=proof["record"])
            elif proof["state"] == "unknown":
                yield note(f"sender {proof['name']}", proof["seen"], proof["mend"])


def _spam(known: Sequence[CheckResult]) -> Iterator[Finding]:
    for one in known:
        if one.request.kind != "spam" or one.result.get("absent"):
            continue
        if one.result.get("trouble"):
            yield note(
                "spam", f"The spam filter gave no score: {one.result['trouble']}.", "It is asked again."
            )
        elif one.result["points"] > ACCEPTABLE_SPAM_SCORE:
            says = "; ".join(f"{rule['says']} ({rule['points']:g})" for rule in one.result["rules"][:3])
            text = f"SpamAssassin gives it {one.result['points']:g} of {one.result['limit']:g} points: {says}."
            yield warning("spam", text, "Change what it minds.", "subject")


def _words(known: Sequence[CheckResult]) -> dict[str, str]:
    words = {}
    links = [one for one in known if one.request.kind == "link"]
    if links:
        fine = sum(not one.result.get("trouble") for one in links)
        words["link"] = f"{fine} of {len(links)} lead{'s' if fine == 1 else ''} to a page"
    for one in known:
        if one.request.kind == "sender" and one.result.get("trouble"):
            words["sender"] = f"{one.request.target} could not be looked at"
        elif one.request.kind == "sender":
            good = [proof["name"] for proof in one.result.get("proofs", ()) if proof["state"] == "good"]
            words["sender"] = f"{one.request.target}: {', '.join(good) or 'nothing'} found"
        elif one.request.kind == "spam":
            points, limit = one.result.get("points"), one.result.get("limit")
            words["spam"] = "No filter is installed beside the worker"
            if points is not None:
                words["spam"] = f"{points:g} of {limit:g} points"
    return words


def _short(url: str) -> str:
    return url if len(url) <= _SHOWN else url[: _SHOWN - 1] + "…"
