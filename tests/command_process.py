"""`digest …` in a process of its own, forked from one that has the whole command line loaded."""

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pkgutil import walk_packages

import idna  # noqa: F401  loaded late, as the next ones
import psycopg  # noqa: F401
from mjml import mjml2html  # noqa: F401

import digest.cli
import digest.render.compile
from digest import app

for module in walk_packages(digest.cli.__path__, "digest.cli."):
    import_module(module.name)


def main(words: list[str], environment: Mapping[str, str], output: str, errors: str) -> int:
    """Run `digest` with these words; what it prints goes into two files."""
    os.environ.clear()
    os.environ.update(environment)
    for file, number in ((output, 1), (errors, 2)):
        os.dup2(os.open(file, os.O_WRONLY), number)
    sys.argv = ["digest", *words]
    try:
        app.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
