"""The settings of a publication, and the first set-up."""

from flask import Blueprint

blueprint = Blueprint("settings", __name__)

from digest.web.desk.settings import (  # noqa: E402, F401  importing a module of pages registers its routes
    settings,
    setup,
)
