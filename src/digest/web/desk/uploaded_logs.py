"""A log of the mail provider, or a list of addresses, uploaded with a form of the desk."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Final

from flask import request

from digest.delivery.ledger.log_events import Meanings, meanings
from digest.errors import BadInput
from digest.web.desk.view_helpers import form_words

MAX_LOG_CHARS: Final = 100_000_000  # decompressed: some ten seconds of reading


@contextmanager
def uploaded_file() -> Iterator[tuple[Path, str]]:
    """The form's file, deleted afterwards, and its name, which may be empty. Raises BadInput when there is none."""
    file = request.files.get("file")
    if file is None or not file.filename:
        raise BadInput("choose a file first")
    with tempfile.TemporaryDirectory(prefix="digest-log-") as folder:
        path = Path(folder) / "log"
        file.save(path)
        yield path, PurePath(file.filename.replace("\\", "/")).name


def form_meanings() -> Meanings:
    """What the form says that words of the log mean."""
    return meanings(form_words("sent_words"), form_words("refused_words"))
