"""A publication's settings, and the first set-up."""

from flask import Blueprint

blueprint = Blueprint("settings", __name__)

# Importing these modules registers their routes.
from digest.web.desk.settings import publication_settings, restored, setup  # noqa: E402, F401
