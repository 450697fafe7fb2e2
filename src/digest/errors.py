"""The few things that can go wrong, by name. A door turns each into one clear line for the person in front of it."""


class DigestError(Exception):
    """Whatever we refuse or cannot do; its text is one line for a person: what, where, and how to mend it."""


class BadInput(DigestError):
    """A file, form or argument that cannot be used as it is."""


class BadSetting(DigestError):
    """A setting that is missing or wrong; the text names it."""


class BadToken(DigestError):
    """A token that is forged, garbled, of another purpose, or expired."""


class NotFound(DigestError):
    """Something that was asked for by name or number and is not there."""


class NotAllowed(DigestError):
    """An act that the present state forbids, such as scheduling an issue that was sent."""


class Unavailable(DigestError):
    """A server that we need (database, broker, relay) and cannot reach; worth trying again."""
