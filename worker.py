from digest.app import celery_app

app = celery_app()
