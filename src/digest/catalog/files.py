"""Finds and reads the files of an import. Whatever is wrong with a file is reported in one line."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from digest.catalog import clean
from digest.catalog.comparison_input import ComparisonInput, from_json
from digest.catalog.text_page import parse_page
from digest.errors import BadInput

MAX_BYTES = 1_000_000
MAX_FILES = 200_000
EXTENSIONS = frozenset({".txt", ".json"})


@dataclass(frozen=True)
class FileList:
    """The files to read, in order, and an error line for each path that cannot be read."""

    files: tuple[Path, ...]
    refused: tuple[str, ...]


def find_files(paths: Iterable[Path]) -> FileList:
    """The files in `paths`, each once; in a folder every visible .txt and .json file, sorted.

    A file given by name may have any extension: everything but .json is read as a text page.
    """
    files: dict[Path, None] = {}
    refused: list[str] = []
    for path in paths:
        try:
            files.update(dict.fromkeys(_expand(path, refused)))
        except BadInput as error:
            refused.append(str(error))
    return FileList(tuple(files), tuple(refused))


def _expand(path: Path, refused: list[str]) -> list[Path]:
    try:
        if path.is_dir():
            return _list_folder(path, refused)
        if path.is_file():
            return [path]
        problem = "is neither file nor folder" if path.exists() else "there is no such file"
    except (OSError, ValueError) as error:
        problem = f"cannot be read: {_reason(error)}"
    raise BadInput(f"{display_name(path)}: {problem}")


def _list_folder(folder: Path, refused: list[str]) -> list[Path]:
    refused_before = len(refused)
    found = list(islice(_walk(folder, refused), MAX_FILES + 1))
    if len(found) > MAX_FILES:
        raise BadInput(
            f"{display_name(folder)}: more than {MAX_FILES:,} files; import its subfolders one by one"
        )
    if not found and len(refused) == refused_before:
        raise BadInput(
            f"{display_name(folder)}: no comparisons in this folder; text pages end in .txt, JSON files in .json"
        )
    return found


def _walk(folder: Path, refused: list[str]) -> Iterator[Path]:
    def report(error: OSError) -> None:
        refused.append(f"{display_name(error.filename)}: cannot be read: {_reason(error)}")

    for parent, folders, names in os.walk(folder, onerror=report):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in EXTENSIONS and path.is_file():
                yield path


def read_file(path: Path) -> list[ComparisonInput]:
    """The comparisons in the file at `path`: one on a text page, one or more in JSON, each with its source.

    Raises BadInput: one line with the file and the line number or JSON path.
    """
    name = display_name(path)
    return parse_bytes(_data(path, name), name, display_name(path.name), json=path.suffix.lower() == ".json")


def parse_bytes(data: bytes, name: str, source: str, *, json: bool) -> list[ComparisonInput]:
    """The comparisons in a file's content. Errors show `name`; `source` is used where the file gives none.

    Raises BadInput as `read_file`.
    """
    if len(data) > MAX_BYTES:
        raise BadInput(f"{name}: larger than 1 MB; a page has a few kilobytes, and a JSON list can be split")
    text = _text(data, name)
    drafts = from_json(text, name) if json else [parse_page(text, name)]
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
        raise BadInput(f"{name}:{line}: not UTF-8 text; save it as UTF-8") from None


def display_name(path: Path | str) -> str:
    """A file's name that is safe in an error, a database and a terminal: one line of valid text."""
    return str(clean.single_line(os.fsencode(path).decode(errors="replace"))) or "?"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
