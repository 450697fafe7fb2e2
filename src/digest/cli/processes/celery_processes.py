"""`digest worker` and `digest beat`: Celery's worker and scheduler with the options that digest needs.

They are started here and not through the `celery` command, which loads a shell that costs 8 MB in each of them.
"""

import logging
import sys
import warnings

import click

from digest.beat_schedule import QUEUES
from digest.cli import AppContext

THREADS = (
    6  # one sends issues over all of the relay's connections; letters and scheduled tasks never wait for it
)


class QueueNames(click.ParamType[tuple[str, ...]]):
    """`letters,clock`: names of queues, separated by commas."""

    name = "names"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The names; fails for one that does not exist."""
        names = tuple(name.strip() for name in value.split(","))
        for name in names:
            if name not in QUEUES:
                self.fail(f"{name!r} is not a queue; choose from {', '.join(QUEUES)}.", param, ctx)
        return names


@click.command()
@click.option("--queues", type=QueueNames(), help=f"Serve these queues only. [default: {','.join(QUEUES)}]")
@click.option(
    "--threads", type=click.IntRange(1, 64), default=THREADS, show_default=True, help="Tasks run at once."
)
@click.pass_obj
def worker(context: AppContext, queues: tuple[str, ...] | None, threads: int) -> None:
    """Run a worker alone: it sends issues and letters, and runs the scheduled tasks.

    `digest up` starts one by itself. SIGTERM finishes the emails in flight.
    """
    # Celery warns about root because of pickle; digest accepts JSON only, and a container's root is not the host's.
    warnings.filterwarnings("ignore", message=".*superuser privileges", category=UserWarning)
    celery_worker = context.celery_app().Worker(
        concurrency=threads,
        queues=queues,
        loglevel=logging.WARNING,
        quiet=True,  # no banner
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    celery_worker.start()
    sys.exit(celery_worker.exitcode)


@click.command()
@click.pass_obj
def beat(context: AppContext) -> None:
    """Run the scheduler alone: it tells workers when to look for work. Two at once do no harm."""
    context.celery_app().Beat(quiet=True, loglevel="WARNING").run()
