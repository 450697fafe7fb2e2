"""Many values as one table expression, which SQLite and PostgreSQL write differently."""

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import BigInteger, FromClause, Integer, String, Text, cast, column, func, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from digest.db import is_postgresql


def values_table(
    session: Session,
    columns: Mapping[str, Sequence[str | None]],
    name: str = "given",
    *,
    searched: bool = False,
) -> FromClause:
    """Return texts as a table to join. One bound value per column, or for all, so the statement is parsed only once.

    `searched`: the join looks rows up in this table, which SQLite must then write out to index it.
    """
    names = list(columns)
    if is_postgresql(session):
        arrays = [literal(list(values), postgresql.ARRAY(Text)) for values in columns.values()]
        return func.unnest(*arrays).table_valued(*(column(each, Text) for each in names)).render_derived(name)
    rows = json.dumps(list(zip(*columns.values(), strict=True)), ensure_ascii=False)
    each = func.json_each(literal(rows, String)).table_valued("value")
    table = select(
        *(
            cast(func.json_extract(each.c.value, f"$[{n}]"), Text).label(
                label
            )  # an index needs the column's type
            for n, label in enumerate(names)
        )
    )
    return table.cte(name).prefix_with("MATERIALIZED") if searched else table.subquery(name)


def numbers(session: Session, values: Sequence[int]) -> FromClause:
    """Return ids as a table with one column, `id`."""
    if is_postgresql(session):
        array = literal(list(values), postgresql.ARRAY(BigInteger))
        return func.unnest(array).table_valued(column("id", BigInteger)).render_derived("given")
    each = func.json_each(literal(json.dumps(list(values)), String)).table_valued("value")
    return select(cast(each.c.value, Integer).label("id")).subquery("given")
