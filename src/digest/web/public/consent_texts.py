"""The exact words readers see when they agree or unsubscribe. They are stored with the consent: change with care."""

from digest.bidi import isolate


def sign_up_text(name: str, weekday: str) -> str:
    """Shown beside the sign-up button."""
    return (
        f"Usually one email a week, on {weekday}s. We first send you an email to confirm, and every issue has a "
        f"link to unsubscribe. We use your address for {isolate(name)} only. We count clicks on links, but not opens."
    )


def confirm_text(name: str) -> str:
    """Shown above the confirm button."""
    return f"Yes, send me {isolate(name)}. I can pause or unsubscribe at any time, from any issue."


def topics_text(name: str) -> str:
    """Shown above the topics; the stored text ends with those that were selected."""
    return (
        f"Choose what you want to read about in {isolate(name)}. Choose nothing to get everything. "
        "You won't get issues that have nothing on your topics."
    )


def unsubscribe_text(name: str) -> str:
    """Shown above each unsubscribe button."""
    return f"You won't get any more issues of {isolate(name)}."


def resubscribe_text(name: str) -> str:
    """Shown above the button that undoes an unsubscribe."""
    return f"Resubscribe to get {isolate(name)} again, as before."
