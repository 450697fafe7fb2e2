from digest.wsgi import app, application

__all__ = ["app", "application"]
