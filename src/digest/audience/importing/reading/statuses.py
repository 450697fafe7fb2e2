"""What a file says about one address, and about its column."""

from enum import Enum, IntEnum, auto


class ImportStatus(IntEnum):
    """The status of an address according to its row. Where two statements conflict, the greater one wins."""

    UNSTATED = 0  # no column says anything: the file is a plain list
    SUBSCRIBED = 1
    NOT_SUBSCRIBED = 2  # not confirmed, inactive, or an empty status
    UNSUBSCRIBED = 3
    BOUNCED = 4
    COMPLAINED = 5


OPT_OUTS = frozenset({ImportStatus.UNSUBSCRIBED, ImportStatus.BOUNCED, ImportStatus.COMPLAINED})


class Role(Enum):
    """What a column is for."""

    ADDRESS = "address"
    STATUS = "status"  # words: subscribed, unsubscribed, cleaned
    OPT_IN = "opt-in"  # a yes or a date: subscribed; a no: unsubscribed
    CONFIRMED = "confirmation"  # a no or nothing: not confirmed
    OPT_OUT = "opt-out"  # a yes, a date or a reason: must not be mailed
    CONSENT_DATE = "date of consent"
    CONSENT_NETWORK = "IP address of consent"
    CONSENT_SOURCE = "source of consent"
    TAGS = "tags"
    OTHER_CHANNEL = "another channel"  # consent to SMS, calls or letters: says nothing about email
    IGNORED = "ignored"


class Answer(Enum):
    """What a cell says when its column asks a yes-or-no question."""

    YES = auto()
    NO = auto()
    DATE = auto()
    EMPTY = auto()


class NameSense(Enum):
    """What a column's name says where it does not make it one of statuses, and so what in its cells is asked about."""

    HARMLESS = auto()  # about something else: nothing
    UNKNOWN = auto()  # not in the vocabulary: answers to a yes-or-no question
    UNREADABLE = auto()  # none, or in another alphabet: dates, and few words that repeat, as well
    CONTACT = auto()  # about email or contact: any answer, whatever else stands there
    ENDING = auto()  # about the end of a relationship: any answer or date
