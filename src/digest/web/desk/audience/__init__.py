"""The subscribers: finding, adding, importing and exporting them, one reader's history, and growth."""

from flask import Blueprint

blueprint = Blueprint("audience", __name__)

# Importing these modules registers their routes.
from digest.web.desk.audience import (  # noqa: E402, F401
    add_export,
    growth,
    import_preview,
    imports,
    subscriber,
    subscribers,
)
