"""Locks of an upgrade. They end with the process that holds them, so no clock says how long an upgrade may take.

On PostgreSQL they are advisory locks of transactions. A SQLite database belongs to one machine: there, a lock on a
file beside it keeps work from beginning, and the lock that every writer needs keeps writers out.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Final

from sqlalchemy import Connection, Engine, text

FILE_SUFFIX: Final = "-upgrade"  # beside "-wal" and "-shm"
FILE_MODE: Final = 0o644  # it is empty, and workers may run as another user
_NAMESPACE: Final = 0x64696765  # of our advisory locks: any number that others do not use
_SHARE: Final = text("SELECT pg_try_advisory_xact_lock_shared(:namespace, :lock)")
_TRY: Final = text("SELECT pg_try_advisory_xact_lock(:namespace, :lock)")
_WAIT: Final = text("SELECT pg_advisory_xact_lock(:namespace, :lock)")


class Lock(IntEnum):
    """What an upgrade keeps others from."""

    UPGRADE = 1  # another upgrade
    WORK = 2  # beginning anything: claims and steps of tasks share it
    WRITE = 3  # writing at all: pages and commands share it


def share(connection: Connection, lock: Lock) -> bool:
    """Whether no upgrade holds the lock; then none gets it before the connection's transaction ends."""
    if connection.dialect.name == "postgresql":
        return bool(connection.scalar(_SHARE, _key(lock)))
    return lock is not Lock.WORK or not is_file_locked(connection.engine)  # writers are alone on SQLite


def acquire(connection: Connection, lock: Lock, tell_waiting: Callable[[], None]) -> None:
    """Hold the lock until the transaction of this connection to PostgreSQL ends; `tell_waiting` before a wait."""
    if not connection.scalar(_TRY, _key(lock)):
        tell_waiting()
        connection.execute(_WAIT, _key(lock))


def try_acquire(connection: Connection, lock: Lock) -> bool:
    """The same, without waiting: others do not have to queue behind us."""
    return bool(connection.scalar(_TRY, _key(lock)))


@contextmanager
def lock_file(engine: Engine, tell_waiting: Callable[[], None]) -> Iterator[None]:
    """Keep others from work on this SQLite database while the block runs; `tell_waiting` before a wait."""
    file = _open(_path(engine))
    try:
        with suppress(OSError):  # of another user
            os.fchmod(file, FILE_MODE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell_waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _open(path: str) -> int:
    """The file, which is created; for writing where that is allowed, because NFS locks no other for one alone."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    except PermissionError:  # another user has left it
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def is_file_locked(engine: Engine) -> bool:
    """Whether an upgrade of this SQLite database holds its lock. The file stays: removing it would be a race."""
    try:
        file = os.open(_path(engine), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _key(lock: Lock) -> dict[str, int]:
    return {"namespace": _NAMESPACE, "lock": lock.value}


def _path(engine: Engine) -> str:
    return f"{engine.url.database}{FILE_SUFFIX}"
