"""The WSGI app: `gunicorn digest.wsgi:app`."""

from digest.app import create_flask_app

app = application = create_flask_app()
