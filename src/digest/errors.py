"""The errors that digest raises. Web pages and commands show each as one clear line."""


class DigestError(Exception):
    """Base of all errors. The text is one line for a person: what went wrong, where, and how to fix it."""


class BadInput(DigestError):
    """An invalid file, form or argument."""


class BadSetting(DigestError):
    """A missing or invalid setting; the text names it."""


class BadToken(DigestError):
    """A token that is forged, damaged, expired or meant for another purpose."""


class NotFound(DigestError):
    """Something that was requested by name or number does not exist."""


class NotAllowed(DigestError):
    """An action that the current state forbids, such as scheduling a sent issue."""


class Unavailable(DigestError):
    """A required server (database, broker, relay) cannot be reached; try again later."""


class OtherVersion(Unavailable):
    """The database is of another version of digest than this program, or is being upgraded."""
