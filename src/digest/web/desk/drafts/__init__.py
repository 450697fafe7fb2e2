"""Editing a draft: picks, subject and intro, checks, previews, test emails and versions."""

from flask import Blueprint

blueprint = Blueprint("drafts", __name__)

# Importing these modules registers their routes.
from digest.web.desk.drafts import (  # noqa: E402, F401
    autosave,
    checks,
    draft_page,
    draft_update,
    edit_conflict,
    preview,
    regenerate,
    test_sends,
    versions,
)
