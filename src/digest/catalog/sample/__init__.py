"""Sample comparisons: invented tools, some weeks of them, in the shape in which real pages come."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.resources import files

from sqlalchemy.orm import Session

from digest.catalog.importing import store
from digest.catalog.page import parse

# How many days before the demo's present each was published.
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


def pages() -> Iterator[tuple[str, str, int]]:
    """Each page's name, its text, and how many days ago it was published; the oldest first."""
    for name, days in DAYS_AGO.items():
        yield name, (files(__name__) / name).read_text(encoding="utf-8"), days


def bring(session: Session, now: datetime) -> int:
    """Import all of them, as if they had come one by one until `now`; gives how many."""
    many = 0
    for name, text, days in pages():
        then = now - timedelta(days=days)
        stored = store(session, [parse(text, name)], then, published=then)
        many += sum(one.change != "unchanged" for one in stored)
    return many
