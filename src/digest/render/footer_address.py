"""The publication's name and postal address, which end every mail."""

import re

from digest.render.clean import multiline, single_line


def footer_address(name: str, postal_address: str) -> tuple[str, ...]:
    """The publication's name and the lines of its postal address; an address that begins with the name has it once."""
    name = single_line(name)
    rows = tuple(single_line(row) for row in multiline(postal_address).split("\n") if single_line(row))
    named = rows and re.match(rf"{re.escape(name.casefold())}(?!\w)", rows[0].casefold())
    return rows if named else (name, *rows)
