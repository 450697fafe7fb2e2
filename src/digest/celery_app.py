"""The Celery app: `celery -A digest.celery_app worker`."""

from digest.app import create_celery_app

app = create_celery_app()
