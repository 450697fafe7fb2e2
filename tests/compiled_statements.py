"""Statements that SQLAlchemy has compiled, for all engines of a session."""

from sqlalchemy import Engine

from digest.db import Database

MAX_STATEMENTS = 5_000
_ENGINES: dict[str, Engine] = {}  # the first of each kind, whose statements the others share


def share_compiled_statements(database: Database) -> Database:
    """Let an engine use the statements compiled by the tests before: compiling them again takes a third of the time."""
    for engine in (database.engine, database._read.kw["bind"]):
        if engine.name not in _ENGINES:
            _ENGINES[engine.name] = engine
            engine._compiled_cache.capacity = MAX_STATEMENTS
        engine.dialect = _ENGINES[engine.name].dialect
        engine._compiled_cache = _ENGINES[engine.name]._compiled_cache
    return database
