"""The subscribers: how many, who, and how the audience grew."""

from flask import Blueprint

blueprint = Blueprint("audience", __name__)

from digest.web.desk.audience import (  # noqa: E402, F401  importing a module of pages registers its routes
    growth,
    subscriber,
    subscribers,
)
