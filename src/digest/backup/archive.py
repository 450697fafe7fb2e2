"""The file of a backup: a tar archive, compressed with Zstandard and, with a passphrase, encrypted in the age format.

Standard programs open it: `age -d FILE | zstd -d | tar t`.
"""

import hashlib
import io
import json
import os
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from digest.backup.age import DecryptingReader, EncryptingWriter, is_encrypted
from digest.errors import BadInput

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CONTENTS, MANIFEST = "contents.json", "manifest.json"
MAX_MEMBER_BYTES: Final = 64 << 20  # what we write is far smaller: a larger one is no backup of ours
_COPY_BYTES: Final = 1 << 20
_OPTIONS: Final[Mapping[int, int]] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.checksum_flag: 1,
    zstd.CompressionParameter.nb_workers: 1,  # on a thread of its own, while the next rows are read
}


class ArchiveWriter:
    """Adds files to an archive, and keeps a checksum of each group of them for the manifest."""

    def __init__(self, out: BinaryIO, when: float) -> None:
        self._tar = tarfile.TarFile(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, copybufsize=_COPY_BYTES)
        self._when = when
        self._sums: dict[str, Any] = {}

    def add(self, name: str, data: bytes, group: str = "") -> None:
        """Add a file. The checksum of a `group` is over all its files in their order; a file alone is its own."""
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = len(data), int(self._when), 0o600
        self._tar.addfile(info, io.BytesIO(data))
        self._sums.setdefault(group or name, hashlib.sha256()).update(data)

    def add_json(self, name: str, value: object) -> None:
        """Add a file of JSON."""
        self.add(name, json.dumps(value, indent=1).encode())

    def checksums(self) -> dict[str, str]:
        """The checksum of each group so far."""
        return {group: found.hexdigest() for group, found in self._sums.items()}

    def close(self) -> None:
        """Write the end of the archive."""
        self._tar.close()


@contextmanager
def create_archive(path: Path, passphrase: str | None, when: float) -> Iterator[ArchiveWriter]:
    """Write an archive beside `path` and give it that name when it is whole and on the disk.

    Raises BadInput when `path` exists already, or another process began to write it; OSError, as on a full disk.
    Nothing is left behind then.
    """
    _require_new(path)
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        try:
            with ExitStack() as layers:
                sink: Any = file
                if passphrase:
                    sink = layers.enter_context(EncryptingWriter(file, passphrase))
                compressed = layers.enter_context(zstd.ZstdFile(sink, "wb", options=_OPTIONS))
                writer = ArchiveWriter(cast("BinaryIO", compressed), when)
                yield writer
                writer.close()
            file.flush()
            os.fsync(file.fileno())
            _give_name(partial, path, file)
        except BaseException:
            with suppress(OSError):
                if _is_ours(partial, file):
                    partial.unlink()
            raise
    sync(path.parent)


def _give_name(partial: Path, path: Path, file: BinaryIO) -> None:
    _require_new(path)
    if not _is_ours(partial, file):
        raise BadInput(f"another process writes a backup to {path}, so this one was given up")
    partial.rename(path)


def _require_new(path: Path) -> None:
    if path.exists():
        raise BadInput(f"{path} exists; choose another name")


def _is_ours(path: Path, file: BinaryIO) -> bool:
    """Whether `path` still names the open file."""
    return path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno()))


@dataclass(frozen=True)
class Member:
    """A file of an archive."""

    name: str
    data: bytes

    def json(self) -> Any:
        """Its content as JSON. Raises BadInput."""
        try:
            return json.loads(self.data)
        except ValueError:
            raise BadInput(f"its {self.name} cannot be read") from None


@contextmanager
def open_archive(path: Path, passphrase: str | None) -> Iterator[Iterator[Member]]:
    """The files of an archive in their order, each checked against the manifest once the last was read.

    Raises BadInput, in one line that names `path`, for a file that is no backup, is encrypted with another passphrase,
    is cut off or was changed. Until the last file was read, nothing is known to be whole.
    """
    try:
        with path.open("rb") as file, ExitStack() as layers:
            source = cast("Any", file)
            if is_encrypted(file.peek(32)[:22]):
                decrypted = layers.enter_context(_decrypt(file, passphrase))
                source = layers.enter_context(io.BufferedReader(decrypted, _COPY_BYTES))
            compressed = layers.enter_context(zstd.ZstdFile(source, "rb"))
            yield _read_members(cast("BinaryIO", compressed))
    except BadInput as error:
        raise BadInput(f"{path} cannot be restored: {error}") from None
    except (EOFError, zstd.ZstdError, tarfile.TarError):
        raise BadInput(f"{path} cannot be restored: it is not a backup, is cut off, or was changed") from None
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None


def _decrypt(file: BinaryIO, passphrase: str | None) -> DecryptingReader:
    if not passphrase:
        raise BadInput("it is encrypted; set DIGEST_BACKUP_PASSPHRASE or give --passphrase-file")
    return DecryptingReader(file, passphrase)


def _read_members(source: BinaryIO) -> Iterator[Member]:
    sums: dict[str, Any] = {}
    with tarfile.open(fileobj=source, mode="r|", bufsize=_COPY_BYTES) as archive:
        for info in archive:
            file = archive.extractfile(info)
            if file is None or info.size > MAX_MEMBER_BYTES:
                raise BadInput(f"it holds {info.name!r}, which no backup has")
            member = Member(info.name, file.read())
            if len(member.data) != info.size:
                raise EOFError
            archive.members.clear()  # type: ignore[attr-defined]  # they are kept for an index that nobody asks for
            if member.name == MANIFEST:
                _check_sums(member.json(), sums)
                yield member
                return
            sums.setdefault(_group(member.name), hashlib.sha256()).update(member.data)
            yield member
    raise EOFError


def group_name(table: str) -> str:
    """The folder of a table's files, whose checksum is taken over all of them."""
    return f"tables/{table}"


def _group(name: str) -> str:
    return name.rpartition("/")[0] if name.startswith("tables/") else name


def _check_sums(manifest: Mapping[str, Any], sums: Mapping[str, Any]) -> None:
    expected = manifest.get("sha256")
    if not isinstance(expected, dict) or expected != {
        name: found.hexdigest() for name, found in sums.items()
    }:
        raise BadInput("its checksums are wrong: it was changed")


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, survive a power failure."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
