from digest.app import flask_app

app = application = flask_app()
