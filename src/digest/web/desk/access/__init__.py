"""Signing in and out, second factors, the team and the audit log."""

from flask import Blueprint

blueprint = Blueprint("access", __name__)

from digest.web.desk.access import (  # noqa: E402, F401  importing a module of pages registers its routes
    account,
    audit_log,
    factors,
    oidc,
    second_factor,
    sign_in,
    team,
)
