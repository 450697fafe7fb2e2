"""Writing an issue: its picks, its words, its checks and its previews."""

from flask import Blueprint

blueprint = Blueprint("drafts", __name__)

from digest.web.desk.drafts import (  # noqa: E402, F401  importing a module of pages registers its routes
    autosave,
    checks,
    draft,
    edit_conflict,
    preview,
    test_sends,
    versions,
)
