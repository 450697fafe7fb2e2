"""The files of an import: which there are, and what is in each. Everything wrong with one is a single line."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from digest.catalog import clean
from digest.catalog.draft import Draft, from_json
from digest.catalog.page import parse
from digest.errors import BadInput

MAX_BYTES = 1_000_000
MAX_FILES = 200_000
KINDS = frozenset({".txt", ".json"})


@dataclass(frozen=True)
class Found:
    """The files to read, in order, and a line for each path that cannot be looked at."""

    files: tuple[Path, ...]
    refused: tuple[str, ...]


def find(paths: Iterable[Path]) -> Found:
    """The files that `paths` name: each file once, and in a folder every .txt and .json, sorted, none hidden.

    A file that is named itself may be called anything: what is not .json is taken for a text page.
    """
    files: dict[Path, None] = {}
    refused: list[str] = []
    for path in paths:
        try:
            files.update(dict.fromkeys(_within(path, refused)))
        except BadInput as error:
            refused.append(str(error))
    return Found(tuple(files), tuple(refused))


def _within(path: Path, refused: list[str]) -> list[Path]:
    try:
        if path.is_dir():
            return _in_folder(path, refused)
        if path.is_file():
            return [path]
        what = "is neither file nor folder" if path.exists() else "there is no such file"
    except (OSError, ValueError) as error:
        what = f"cannot be read: {_reason(error)}"
    raise BadInput(f"{shown(path)}: {what}")


def _in_folder(folder: Path, refused: list[str]) -> list[Path]:
    before, found = len(refused), list(islice(_walk(folder, refused), MAX_FILES + 1))
    if len(found) > MAX_FILES:
        raise BadInput(f"{shown(folder)}: more than {MAX_FILES:,} files; import its folders one by one")
    if not found and len(refused) == before:
        raise BadInput(f"{shown(folder)}: no comparison in this folder; pages end in .txt, JSON in .json")
    return found


def _walk(folder: Path, refused: list[str]) -> Iterator[Path]:
    def closed(error: OSError) -> None:
        refused.append(f"{shown(error.filename)}: cannot be read: {_reason(error)}")

    for here, folders, names in os.walk(folder, onerror=closed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(here, name)
            if not name.startswith(".") and path.suffix.lower() in KINDS and path.is_file():
                yield path


def read(path: Path) -> list[Draft]:
    """The comparisons in the file at `path`: one on a page, one or more in JSON, each with its source.

    Raises BadInput, one line that names the file and the line or JSON path.
    """
    name = shown(path)
    return read_bytes(_data(path, name), name, shown(path.name), json=path.suffix.lower() == ".json")


def read_bytes(data: bytes, name: str, source: str, *, json: bool) -> list[Draft]:
    """The comparisons in a file's content. `name` stands in errors; `source` for those that name none themselves.

    Raises BadInput as `read`.
    """
    if len(data) > MAX_BYTES:
        raise BadInput(f"{name}: larger than 1 MB; a page is a few kilobytes, and a JSON list can be split")
    text = _text(data, name)
    drafts = from_json(text, name) if json else [parse(text, name)]
    return [draft if draft.source else draft.model_copy(update={"source": source}) for draft in drafts]


def _data(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise BadInput(f"{name}: cannot be read: {_reason(error)}") from None


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{name}:{line}: is not UTF-8 text; save it as UTF-8") from None


def shown(path: Path | str) -> str:
    """A file's name as it can stand in an error, in a database and on a terminal: one line of valid text."""
    return str(clean.line(os.fsencode(path).decode(errors="replace"))) or "?"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
