"""Sample comparisons of invented tools, spread over a few weeks, in the form of real pages."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.resources import files

from sqlalchemy.orm import Session

from digest.catalog.importing import import_comparisons
from digest.catalog.text_page import parse_page

# How many days before the demo starts each was published.
DAYS_AGO = {
    "larkspur-4b-vs-quillon-mini.txt": 33,
    "patchwise-vs-tandem-review.txt": 29,
    "murmur-studio-vs-vox-atelier.txt": 26,
    "footnote-vs-delver-pro.txt": 22,
    "tablet-and-chisel-vs-askgrid.txt": 19,
    "framewright-vs-stillmotion.txt": 15,
    "kettle-runtime-vs-portage-gateway.txt": 12,
    "larkspur-4b-vs-harrow-34b.txt": 9,
    "patchwise-vs-loomline.txt": 6,
    "quillon-mini-vs-harrow-34b.txt": 5,
    "footnote-vs-marginalia-two.txt": 3,
    "tandem-review-vs-loomline.txt": 1,
}


def sample_pages() -> Iterator[tuple[str, str, int]]:
    """Each page's name, its text and its age in days; the oldest first."""
    for name, days in DAYS_AGO.items():
        yield name, (files(__name__) / name).read_text(encoding="utf-8"), days


def import_sample(session: Session, now: datetime) -> int:
    """Import all of them, each dated by its age before `now`; returns the number that is new."""
    count = 0
    for name, text, days in sample_pages():
        published = now - timedelta(days=days)
        results = import_comparisons(session, [parse_page(text, name)], published, published=published)
        count += sum(result.change != "unchanged" for result in results)
    return count
