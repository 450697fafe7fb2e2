"""The result of one check."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`ok`, `warn`, `bad` or `skipped`; what was found, and how to fix it."""

    check: str
    status: str
    summary: str
    fix: str = ""


def summarize_error(error: BaseException) -> str:
    """The first line of the error, and never a URL with a password in it."""
    first_line = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}"[:200] if first_line else type(error).__name__
