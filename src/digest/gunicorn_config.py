"""What gunicorn needs to serve digest: `gunicorn --config python:digest.gunicorn_config digest.wsgi:app`.

A bad setting ends the server with exit code 2 and one line, instead of one worker after the other; its log lines look
like ours. Each value can be overridden on gunicorn's command line. `digest web` is the server that we ship.
"""

from pathlib import Path

from digest.app import settings_or_exit
from digest.embedded import logs

_MEMORY = Path("/dev/shm")  # noqa: S108  where gunicorn's documentation wants its heartbeat files

worker_class = "gthread"
workers = 2
threads = 8
logconfig_dict = logs.dict_config(settings_or_exit().log)
control_socket_disable = True  # it would be in HOME, which a service may lack
worker_tmp_dir = str(_MEMORY) if _MEMORY.is_dir() else None
