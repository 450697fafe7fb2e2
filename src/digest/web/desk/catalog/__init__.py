"""Comparisons and tools, as they are imported, written and corrected."""

from flask import Blueprint

blueprint = Blueprint("catalog", __name__)

from digest.web.desk.catalog import (  # noqa: E402, F401  importing a module of pages registers its routes
    comparison_form,
    comparisons,
    tools,
    uploads,
)
