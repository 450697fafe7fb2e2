"""The exact words a reader is shown when agreeing or leaving. They are stored with the consent: change with care."""


def sign_up(name: str, weekday: str) -> str:
    """What stands beside the sign-up button."""
    return (
        f"One mail a week, on {weekday}s. We ask you to confirm by mail first, and every issue lets you leave "
        f"with one click. Your address is used for {name} and nothing else; links in it are counted, opens are not."
    )


def confirm(name: str) -> str:
    """What stands above the confirm button."""
    return f"Yes, send me {name} every week. I can pause or leave with one click in any issue."


def topics(name: str) -> str:
    """What stands above the topics to tick; which were ticked is stored behind it."""
    return (
        f"Tick what you want to read about in {name}. Nothing ticked means everything. "
        "An issue with nothing on your topics is not sent to you."
    )


def leave(name: str) -> str:
    """What stands above each unsubscribe button."""
    return f"You will get no more issues of {name}."


def come_back(name: str) -> str:
    """What stands above the button that takes a leaving back."""
    return f"Take it back, and {name} comes to you again as before."
