"""The passphrase of a backup, which is never an argument: other users of a machine can see those."""

from pathlib import Path

import click

from digest.errors import BadInput

PASSPHRASE_FILE = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File whose first line is the passphrase. [default: DIGEST_BACKUP_PASSPHRASE]",
)


def read_passphrase(file: Path | None, setting: str | None) -> str | None:
    """The first line of `file`, or else the setting; None: no encryption. Raises BadInput for an empty line."""
    if file is None:
        return setting
    try:
        first_line = file.read_text().partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read: {error}") from None
    if not first_line:
        raise BadInput(f"the first line of {file} is empty; it has to be the passphrase")
    return first_line
