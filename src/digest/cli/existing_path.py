"""A file or folder named on the command line."""

from typing import Any

import click


class ExistingPath(click.Path):
    """A path that was given: an empty word, as an unset variable leaves, would be the folder that one stands in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Turn what was written into a path, or end with exit code 2."""
        if not str(value):
            self.fail("the path is empty; write . for this folder", param, ctx)
        return super().convert(value, param, ctx)
