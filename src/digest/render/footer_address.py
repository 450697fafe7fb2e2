"""Who sends a mail and from where: the last lines of every one."""

import re

from digest.render.clean import line, prose


def imprint(name: str, postal_address: str) -> tuple[str, ...]:
    """The publication's name and the lines of its postal address; an address that begins with the name has it once."""
    name = line(name)
    rows = tuple(line(row) for row in prose(postal_address).split("\n") if line(row))
    named = rows and re.match(rf"{re.escape(name.casefold())}(?!\w)", rows[0].casefold())
    return rows if named else (name, *rows)
