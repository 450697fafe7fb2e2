"""What each server loads before there is work: libraries that only some pages and tasks need cost memory in all of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CELERY_SHELL = {"celery.bin", "click_repl", "prompt_toolkit"}
RENDERING = {"mjml", "nh3", "markdown_it"}
UPGRADING = {"alembic", "mako"}
CRYPTOGRAPHY = {"cryptography.hazmat", "webauthn", "authlib", "pyasn1"}
SELDOM = (
    UPGRADING | CRYPTOGRAPHY | RENDERING | {"dns", "requests", "digest.backup.age", "aiosmtpd", "css_inline"}
)
WEB = {"flask", "werkzeug", "waitress", "wtforms"}
# What each process has loaded when it is ready, without a request or a task.
AT_REST = {
    "web": (
        "context.flask_app()",
        SELDOM | CELERY_SHELL | {"celery", "kombu", "redis", "prometheus_client"},
    ),
    "worker": (
        "context.celery_app().Worker(quiet=True); services(); digest.tasks",
        SELDOM | CELERY_SHELL | WEB | {"jinja2", "prometheus_client"},
    ),
    "beat": (
        "context.celery_app().Beat(quiet=True); services()",
        SELDOM | CELERY_SHELL | WEB | {"jinja2", "digest.tasks"},
    ),
}


@pytest.mark.parametrize("kind", AT_REST)
def test_a_server_at_rest_has_not_loaded_what_it_may_never_need(kind: str, tmp_path: Path) -> None:
    start, unwanted = AT_REST[kind]
    code = (
        f"import json, sys\nfrom digest.app import create_context\ncontext = create_context(home={str(tmp_path)!r})\n"
        "services = context.services\n"
        "import digest\n"
        f"{start}\nprint(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert sorted(loaded & unwanted) == []
    assert "sqlalchemy" in loaded
