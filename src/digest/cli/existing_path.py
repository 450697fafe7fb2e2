"""A file or folder named on the command line."""

from typing import Any

import click


class ExistingPath(click.Path):
    """A path that is not empty: an empty string, as an unset shell variable gives, would mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert the value to a path, or exit with code 2."""
        if not str(value):
            self.fail("the path is empty; write . for this folder", param, ctx)
        return super().convert(value, param, ctx)
