from digest.app import create_celery_app

app = create_celery_app()
