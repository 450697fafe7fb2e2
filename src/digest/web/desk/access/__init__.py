"""Signing in and out, second factors, the team and the audit log."""

from flask import Blueprint

blueprint = Blueprint("access", __name__)

# Importing these modules registers their routes.
from digest.web.desk.access import account, audit_log, factors, oidc, second_factor, sign_in, team  # noqa: E402, F401
