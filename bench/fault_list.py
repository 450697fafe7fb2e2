"""Every fault of `make faults`: what is done to the installation, how it is undone, and what it may cost."""

import signal
from collections.abc import Callable
from dataclasses import dataclass

from bench import small_disk
from bench.grown import CONNECTIONS, EVERYTHING, SCHEDULERS, WEB, WORKERS, Grown
from bench.recording_relay import ODD_EVERY, Mood

FAULT_SECONDS = 12.0
TAKEN_OVER_SECONDS = 60.0  # a worker on another machine counts as dead after 40
SILENT_SECONDS = 150.0  # an alert is raised after two minutes
HOUR = 3600
ONE, OTHER = WORKERS

Act = Callable[[Grown], object]


@dataclass(frozen=True)
class Fault:
    """What is done to an installation while an issue goes out, and how it ends: by itself, or by a person.

    `unknown`: the most emails of which nobody may know whether they arrived.
    """

    name: str
    what: str
    begin: Act
    end: Act
    seconds: float = FAULT_SECONDS
    unknown: int = 0
    needs: Callable[[], bool] = lambda: True
    is_ended_by_person: bool = False


def _signal(*names: str, by: signal.Signals = signal.SIGKILL) -> Act:
    return lambda grown: grown.signal(*names, by=by)


def _start(*names: str) -> Act:
    return lambda grown: grown.start(*names)


def _nothing(grown: Grown) -> None:
    """A fault that is over at once, or that nobody mends."""


def _mood(mood: Mood, *, breaks: bool = False) -> Act:
    def change(grown: Grown) -> None:
        grown.relay.mood = mood
        if breaks:
            grown.relay.cut()

    return change


def _resume(grown: Grown) -> None:
    grown.relay.mood = Mood.ACCEPT
    grown.run("issues", "resume", str(grown.issue_number))


def _restart_database(grown: Grown) -> None:
    grown.postgres.stop()
    grown.postgres.start()


def _lose_database_connections(grown: Grown) -> None:
    for network in (grown.network, grown.worker_network):
        network.stop()


def _find_database(grown: Grown) -> None:
    for network in (grown.network, grown.worker_network):
        network.start()


def _fill_worker_disk(grown: Grown) -> None:
    small_disk.fill(grown.folder / ONE)


def _empty_worker_disk(grown: Grown) -> None:
    small_disk.make_room(grown.folder / ONE)


def _fill_database_disk(grown: Grown) -> None:
    small_disk.fill(grown.postgres.data)
    grown.postgres.need_room()


def _empty_database_disk(grown: Grown) -> None:
    small_disk.make_room(grown.postgres.data)
    grown.postgres.start()


BROKER = [
    Fault(
        "broker-restarted",
        "the broker is stopped and started again",
        _signal("broker", by=signal.SIGTERM),
        _start("broker"),
    ),
    Fault("broker-killed", "the broker is killed", _signal("broker"), _start("broker")),
    Fault(
        "broker-hangs",
        "the broker hangs",
        _signal("broker", by=signal.SIGSTOP),
        _signal("broker", by=signal.SIGCONT),
    ),
]
DATABASE = [
    Fault("database-restarted", "PostgreSQL is restarted", _restart_database, _nothing, unknown=CONNECTIONS),
    Fault(
        "database-killed",
        "PostgreSQL is killed",
        lambda grown: grown.postgres.signal(signal.SIGKILL),
        lambda grown: grown.postgres.start(),
        unknown=CONNECTIONS,
    ),
    Fault(
        "database-hangs",
        "PostgreSQL hangs",
        lambda grown: grown.postgres.signal(signal.SIGSTOP),
        lambda grown: grown.postgres.signal(signal.SIGCONT),
        unknown=CONNECTIONS,
    ),
    Fault(
        "database-fails-over",
        "PostgreSQL fails over: every connection is reset, and none accepted",
        _lose_database_connections,
        _find_database,
        unknown=CONNECTIONS,
    ),
    Fault(
        "database-disk-full",
        "the disk of PostgreSQL is full",
        _fill_database_disk,
        _empty_database_disk,
        unknown=CONNECTIONS,
        needs=small_disk.may_mount,
    ),
]
PROCESSES = [
    Fault(
        "worker-killed",
        "a worker is killed, and started again",
        _signal(ONE),
        _start(ONE),
        unknown=CONNECTIONS,
    ),
    Fault(
        "worker-lost",
        "a worker is killed, and comes back after the other has finished",
        _signal(ONE),
        _nothing,
        0.0,
        unknown=CONNECTIONS,
    ),
    Fault(
        "workers-killed", "both workers are killed", _signal(*WORKERS), _start(*WORKERS), unknown=CONNECTIONS
    ),
    Fault(
        "worker-hangs",
        "a worker hangs and wakes up when another has taken over",
        _signal(ONE, by=signal.SIGSTOP),
        _signal(ONE, by=signal.SIGCONT),
        TAKEN_OVER_SECONDS,
        CONNECTIONS,
    ),
    Fault("worker-stopped", "a worker is stopped", _signal(ONE, by=signal.SIGTERM), _start(ONE)),
    Fault(
        "worker-cut-off",
        "a worker cannot reach PostgreSQL",
        lambda grown: grown.worker_network.hang(hangs=True),
        lambda grown: grown.worker_network.hang(hangs=False),
        TAKEN_OVER_SECONDS,
        CONNECTIONS,
    ),
    Fault(
        "worker-disk-full",
        "the disk of a worker is full",
        _fill_worker_disk,
        _empty_worker_disk,
        needs=small_disk.may_mount,
    ),
    Fault(
        "worker-clock-ahead",
        "a worker's clock is set forward by an hour",
        lambda grown: grown.set_clock(HOUR),
        lambda grown: grown.set_clock(0),
    ),
    Fault(
        "worker-clock-back",
        "a worker's clock is set back by an hour",
        lambda grown: grown.set_clock(-HOUR),
        lambda grown: grown.set_clock(0),
    ),
    Fault(
        "scheduler-killed", "one of two schedulers is killed", _signal(SCHEDULERS[0]), _start(SCHEDULERS[0])
    ),
    Fault("schedulers-killed", "both schedulers are killed", _signal(*SCHEDULERS), _start(*SCHEDULERS)),
    Fault("web-killed", "one of two web servers is killed", _signal(WEB[1]), _start(WEB[1])),
    Fault("webs-killed", "both web servers are killed", _signal(*WEB), _start(*WEB)),
    Fault(
        "nobody-works",
        "all workers and schedulers are killed",
        _signal(*WORKERS, *SCHEDULERS),
        _start(*WORKERS, *SCHEDULERS),
        SILENT_SECONDS,
        CONNECTIONS,
    ),
    Fault(
        "machine-lost",
        "all processes are killed at once",
        _signal(*EVERYTHING),
        _start(*EVERYTHING),
        unknown=CONNECTIONS,
    ),
]
RELAY = [
    Fault(
        "relay-gone",
        "the mail server is gone",
        lambda grown: grown.relay.stop(),
        lambda grown: grown.relay.start(),
        unknown=CONNECTIONS,
    ),
    Fault(
        "relay-refuses-login",
        "the mail server refuses the password",
        _mood(Mood.REFUSE_LOGIN, breaks=True),
        _resume,
        unknown=CONNECTIONS,
        is_ended_by_person=True,
    ),
    Fault(
        "relay-refuses-sender",
        "the mail server refuses the sender",
        _mood(Mood.REFUSE_SENDER),
        _resume,
        is_ended_by_person=True,
    ),
    Fault("relay-closes", "the mail server says 421 and closes", _mood(Mood.CLOSE), _mood(Mood.ACCEPT)),
    Fault("relay-later", "the mail server says 450 to everybody", _mood(Mood.LATER), _mood(Mood.ACCEPT)),
    Fault(
        "relay-slow", "the mail server takes 6 s for each email", _mood(Mood.SLOW), _mood(Mood.ACCEPT), 20.0
    ),
    Fault(
        "relay-breaks",
        f"the connection breaks in the middle of every {ODD_EVERY}th email",
        _mood(Mood.BREAK),
        _mood(Mood.ACCEPT),
        unknown=2 * CONNECTIONS,
    ),
    Fault(
        "relay-loses-replies",
        f"every {ODD_EVERY}th email gets no reply",
        _mood(Mood.LOSE),
        _mood(Mood.ACCEPT),
        unknown=2 * CONNECTIONS,
    ),
]
FAULTS = [*BROKER, *DATABASE, *PROCESSES, *RELAY]
