"""The composition root: turns settings into services, the Flask app, the Celery app and the command line."""

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from digest.cli import AppContext, SettingsView
from digest.errors import DigestError, OtherVersion

if TYPE_CHECKING:
    from celery import Celery
    from flask import Flask

    from digest.config.settings import Settings
    from digest.delivery.ledger.retention_periods import Retention
    from digest.rate_limit.actions import RateLimiter
    from digest.services import Services
    from digest.signing import Signer

LOG = logging.getLogger(__name__)
PRIVATE_UMASK = 0o077  # databases, mail and keys are read by their owner alone
PAGE_LOCK_SECONDS = (
    5.0  # a page says that it could not be saved, instead of keeping a person and a thread waiting
)
ENQUEUE_TIMEOUT_SECONDS = 1.5  # a request waits no longer for the broker
QUIET_SECONDS = 10.0  # without enqueueing after a failure; the schedule finds the rows meanwhile


def main() -> None:
    """The `digest` command."""
    from digest.cli import main as command

    os.umask(PRIVATE_UMASK)
    command(obj=create_context())


def create_context(**overrides: Any) -> AppContext:
    """The context of commands; `overrides` are settings by name that take precedence over the environment."""

    @cache
    def settings() -> "Settings":
        return _load_settings(overrides)

    @cache
    def services() -> "Services":
        return create_services(settings())

    return AppContext(
        services=services,
        checked_services=lambda: _checked(_require_version(services())),
        flask_app=lambda: create_flask_app(settings()),
        celery_app=lambda: create_celery_app(settings()),
        settings=lambda: _settings_view(settings(), overrides),
        describe_settings=lambda: _describe_settings(overrides),
        with_settings=lambda **more: create_context(**{**overrides, **more}),
    )


def create_services(settings: "Settings") -> "Services":
    """Create the services. Nothing connects before it is used. Raises BadSetting."""
    from digest.db import connect
    from digest.rate_limit.shared import SharedRateLimiter
    from digest.services import Services
    from digest.signing import Signer
    from digest.smtp.helo import helo_from_url
    from digest.smtp.url import relay_from_url
    from digest.webhook import Webhook

    signer = Signer(settings.keys())
    return Services(
        db=connect(settings.database),
        signer=signer,
        relay=relay_from_url(settings.smtp(), helo=helo_from_url(settings.site())),
        limiter=_limiter(settings.limits_url, signer),
        base_url=settings.site(),
        home=settings.home,
        send_rate=settings.send_rate,
        retry_delay=settings.retry_delay,
        enqueue_soon=create_enqueuer(settings),
        send_limiter=SharedRateLimiter(settings.broker),
        domain_rates=settings.domain_rates,
        warm_up=settings.warm_up,
        retention=_retention(settings),
        dkim_selectors=settings.dkim_selector,
        backup_plan=settings.backup,
        backup_passphrase=settings.backup_passphrase,
        alert_webhook=Webhook(settings.alert_url, settings.alert_secret) if settings.alert_url else None,
    )


def _retention(settings: "Settings") -> "Retention":
    """How long rows are kept: a field for each setting DIGEST_KEEP_…_DAYS."""
    from digest.delivery.ledger.retention_periods import Retention

    names = [field.name for field in fields(Retention)]
    return Retention.in_days(**{name: getattr(settings, f"keep_{name}_days") for name in names})


def create_flask_app(settings: "Settings | None" = None) -> "Flask":
    """The WSGI app. It has mailbox pages only with the embedded mailbox."""
    settings = settings or settings_or_exit()  # before the imports below, which take a second
    from digest.installation import upgrading
    from digest.monitoring.heartbeats import Kind
    from digest.process_monitor import ProcessMonitor
    from digest.web import make_app
    from digest.web.desk.access.oidc import Provider
    from digest.web.version_check import VersionCheck

    services = _checked(create_services(settings))
    services = replace(services, db=services.db.with_lock_timeout(PAGE_LOCK_SECONDS))
    provider = settings.provider()
    app = make_app(
        services,
        secret_keys=settings.keys(),
        mailbox=settings.smtp_url is None,
        provider=Provider(*provider) if provider else None,
        proxies=settings.trusted_proxies,
        ready={"migrations": lambda: _require_version(services)},
        check=VersionCheck(lambda: upgrading.find_write_obstacle_in(services.db)),
    )
    monitor = app.extensions["digest.monitor"] = ProcessMonitor(lambda: services, Kind.WEB)
    app.before_request(monitor.start)  # not before: a server may still fork, and threads do not survive that
    return app


def create_celery_app(settings: "Settings | None" = None) -> "Celery":
    """The Celery app for a worker or the scheduler. A worker loads its tasks when it starts."""
    settings = settings or settings_or_exit()
    from celery.signals import celeryd_init

    from digest import services
    from digest.beat_scheduler import create_schedule
    from digest.broker import create_celery
    from digest.process_monitor import monitor_celery

    loaded = settings
    services.set_services_factory(lambda: create_services(loaded))
    app = create_celery(settings.broker, socket_timeout=30)
    app.conf.beat_schedule = create_schedule()
    monitor_celery(services.current_services)
    celeryd_init.connect(partial(_register_tasks, app), weak=False, dispatch_uid="digest tasks")
    return app


def _register_tasks(app: "Celery", **_: object) -> None:
    from digest import tasks

    tasks.register(app)


def create_enqueuer(settings: "Settings") -> Callable[[str], None]:
    """A function that enqueues a task by name. It never raises and, when the broker is down, hardly waits."""
    quiet_until = 0.0
    executor = ThreadPoolExecutor(1, "enqueue")

    @cache
    def producer() -> "Celery":
        from digest.broker import create_celery

        return create_celery(settings.broker, socket_timeout=1)

    def enqueue_soon(task: str) -> None:
        nonlocal quiet_until
        if time.monotonic() < quiet_until:
            return
        app = producer()
        try:
            # On another thread: a broker that accepts the connection and hangs would delay the request for seconds.
            executor.submit(app.send_task, f"digest.{task}", retry=False).result(ENQUEUE_TIMEOUT_SECONDS)
        except Exception as error:  # noqa: BLE001  a broker fails in many ways, and none may fail a request
            quiet_until = time.monotonic() + QUIET_SECONDS
            LOG.warning(
                "enqueueing failed, waiting for the schedule",
                extra={"task": task, "error": type(error).__name__},
            )

    return enqueue_soon


def _load_settings(overrides: dict[str, Any]) -> "Settings":
    from digest.config import find_ignored, load
    from digest.embedded import logs

    settings = load(**overrides)
    logs.configure_logging(settings.log)
    for name, hint in find_ignored().items():
        LOG.warning("variable ignored, which is not a setting", extra={"variable": name, "hint": hint})
    return settings


def _describe_settings(overrides: dict[str, Any]) -> list[dict[str, str | None]]:
    from digest.config import describe_settings

    _load_settings(overrides)  # which warns of variables that are ignored
    return [line._asdict() for line in describe_settings(**overrides)]


def settings_or_exit() -> "Settings":
    """The settings, or one line and exit code 2, as servers started by other programs do not use the command line."""
    os.umask(PRIVATE_UMASK)
    try:
        return _load_settings({})
    except DigestError as error:
        raise SystemExit(_print_error(error)) from None


def _print_error(error: DigestError) -> int:
    import sys

    sys.stderr.write(f"digest: {error}\n")
    return 2


def _require_version(services: "Services") -> "Services":
    """The services, if the database is of this version. Raises OtherVersion."""
    from digest.installation import upgrading

    if obstacle := upgrading.find_write_obstacle_in(services.db):
        raise OtherVersion(obstacle)
    return services


def _checked(services: "Services") -> "Services":
    """The services, of which the database is written only if it is of this version then, and not being upgraded."""
    from digest.installation import upgrading

    return replace(services, db=services.db.with_check(upgrading.require_version))


def _limiter(url: str | None, signer: "Signer") -> "RateLimiter":
    """A rate limiter with the store at `url`, or, without one, with the memory of this process."""
    from digest.rate_limit.actions import RateLimiter

    if url is None:
        return RateLimiter()
    from limits.storage import Storage, storage_from_string

    # One second: a form must not wait for a store that is down.
    storage_url = url.replace("redis+socket://", "redis+unix://")
    store = storage_from_string(storage_url, socket_timeout=1, socket_connect_timeout=1)
    keyed_hash = lambda text: signer.keyed_hashes("rate limit", text)[0]  # noqa: E731
    return RateLimiter(store if isinstance(store, Storage) else None, keyed_hash)


def _settings_view(settings: "Settings", overrides: dict[str, Any]) -> SettingsView:
    environment: dict[str, str] = {}
    for name, value in overrides.items():
        environment |= {f"DIGEST_{name.upper()}": str(value or ""), f"DIGEST_{name.upper()}_FILE": ""}
    return SettingsView(
        home=settings.home,
        run_dir=settings.run_dir,
        database_url=settings.database,
        broker_url=settings.broker,
        smtp_url=settings.smtp(),
        base_url=settings.site(),
        mailbox_port=settings.mailbox_port(),
        is_embedded_database=settings.database_url is None,
        is_embedded_broker=settings.broker_url is None,
        is_embedded_mailbox=settings.smtp_url is None,
        has_generated_keys=not settings.secret_keys,
        has_default_base_url=settings.base_url is None,
        oidc_issuer=settings.oidc_issuer,
        backup_passphrase=settings.backup_passphrase,
        environment={**environment, "DIGEST_HOME": str(settings.home), "DIGEST_HOME_FILE": ""},
    )


if __name__ == "__main__":
    main()
