"""Comparisons and tools: browsing, importing and editing them."""

from flask import Blueprint

blueprint = Blueprint("catalog", __name__)

# Importing these modules registers their routes.
from digest.web.desk.catalog import comparison_form, comparisons, imports, tools  # noqa: E402, F401
