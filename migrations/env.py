"""Runs the migrations on the connection that digest.schema hands over."""

import re
from typing import Any

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

import digest.access.models
import digest.delivery.ledger.models
import digest.installation.models
import digest.monitoring.models
import digest.tracking.models  # noqa: F401  every table is known from here on
from digest.db import Base, UtcDateTime


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | bool:
    """Write our own column type by its name."""
    if kind == "type" and isinstance(item, UtcDateTime):
        autogen.imports.add("import digest.db")
        return "digest.db.UtcDateTime()"
    return False


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Leave out the partitions of the delivery table: a task creates and drops them."""
    return kind != "table" or not re.fullmatch(r"delivery_\d+_\d+", name or "")


def require_unenforced_keys(connection: Connection) -> None:
    """Raise RuntimeError if dropping a table would delete the rows that refer to it (`schema.open_for_migrations`)."""
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("pragma foreign_keys").scalar():
        raise RuntimeError("migrations on SQLite need a connection that does not enforce foreign keys")


def check_keys(connection: Connection) -> None:
    """Raise RuntimeError if a migration left rows that refer to others which are gone; then nothing is committed."""
    if connection.dialect.name == "sqlite":
        lost = connection.exec_driver_sql(
            'SELECT DISTINCT "table", parent FROM pragma_foreign_key_check'
        ).all()
        if lost:
            tables = ", ".join(sorted(f"{table} -> {parent}" for table, parent in lost))
            raise RuntimeError(f"rows would refer to others that are gone: {tables}")


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_item=render_item,
    include_name=include_name,
    render_as_batch=True,  # SQLite alters a table by making it anew
    compare_type=True,
    transactional_ddl=True,
)
require_unenforced_keys(connection)
with context.begin_transaction():
    context.run_migrations()
    check_keys(connection)
