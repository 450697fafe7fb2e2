"""A row for any table, made from what the models say of its columns."""

import re
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Date,
    LargeBinary,
    String,
    Table,
    select,
)

from digest.db import UtcDateTime, utcnow

_VALUES = {UtcDateTime: utcnow(), Boolean: False, LargeBinary: b"\0\xff bytes", Date: utcnow().date()}


def make_row(connection: Connection, table: Table) -> dict[str, Any]:
    """Values for every column that needs one: parents that exist, and the first value that a check allows."""
    row: dict[str, Any] = {}
    for key in table.foreign_key_constraints:
        columns, parents = list(key.columns), [element.column for element in key.elements]
        found = connection.execute(select(*parents).limit(1)).one()
        row |= {column.name: value for column, value in zip(columns, found, strict=True)}
    for column in table.c:
        if column.name not in row and not _is_generated(column, table):
            row[column.name] = _value(column, table)
    return row


def _is_generated(column: Column[Any], table: Table) -> bool:
    is_only_key = column.primary_key and len(table.primary_key) == 1
    return column.computed is not None or (is_only_key and column is table.autoincrement_column)


def _value(column: Column[Any], table: Table) -> Any:
    checks = [str(check.sqltext) for check in table.constraints if isinstance(check, CheckConstraint)]
    if allowed := re.search(rf"\b{column.name} = '([^']+)'", "\n".join(checks)):
        return allowed[1]
    for kind, value in _VALUES.items():
        if isinstance(column.type, kind):
            return value
    return f"é{column.name}"[: column.type.length] if isinstance(column.type, String) else 1
