"""Real processes, killed at every possible moment: nobody gets two copies, nobody is missed, and sending goes on."""

import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from tests.delivery.factories import address
from tests.fault_injection.scenario import (
    CONNECTIONS,
    Generation,
    Scenario,
    backoff_count,
    check_outcomes,
    lease_over,
    machine_lost,
    power_cut,
    run_generations,
    seeded_random,
)
from tests.relay import Script, replies_for

pytestmark = pytest.mark.crash
READERS = 400
PATIENCE = 4.0  # seconds of silence after which a holder counts as dead; LIVENESS has 40
BOTH, SQLITE, POSTGRES = ("sqlite", "postgres"), ("sqlite",), ("postgres",)
TERM, CUT = signal.SIGTERM, Generation(at=150, then=power_cut)
AHEAD = Generation(at=50, workers=2, homes=2, minutes=20)
BEHIND = replace(AHEAD, minutes=-20)
SWINGS = replace(AHEAD, minutes=0, swings=20)


@dataclass(frozen=True)
class Drill:
    """A line of the table: its name, where, and what happens when."""

    name: str
    databases: tuple[str, ...]
    generations: tuple[Generation, ...]
    unknown: int | None = None


def marked(name: str, databases: tuple[str, ...], *marks: tuple[str, str, int], **more: int) -> Drill:
    return Drill(name, databases, tuple(Generation(die=mark) for mark in marks), **more)


# Each mark is a moment at which the process is killed; the next one is then killed at the next mark.
TABLE = (
    marked("freeze", SQLITE, ("freeze", "before", 1), ("freeze", "after", 1), unknown=0),
    marked("frozen", POSTGRES, ("freeze", "after", 1), ("commit", "after", 2), unknown=0),
    marked("audience", BOTH, ("step", "after", 1), ("step", "before", 2), ("settle", "after", 2), unknown=0),
    marked("audience counted", POSTGRES, ("step", "after", 4), ("commit", "after", 5), unknown=0),
    marked("claim", BOTH, ("claim", "before", 1), ("claim", "after", 1), ("claim", "after", 2)),
    Drill("claim without evidence", BOTH, (Generation(die=("evidence", "before", 1), then=lease_over),), unknown=0),
    marked("evidence", SQLITE, ("evidence", "after", 1), ("evidence", "after", 2)),
    marked("group", BOTH, ("renew", "after", 2), ("read", "after", 2), ("read", "after", 5)),
    marked("hand over", SQLITE, ("hand over", "before", 9), ("hand over", "after", 40)),
    marked("half a mail", BOTH, ("half a mail", "", 1), ("half a mail", "", 60)),
    marked("the reply", BOTH, ("answer", "before", 1), ("answer", "before", 50), ("answer", "after", 70)),
    Drill("after the dot", BOTH, (Generation(at=1), Generation(at=120), Generation(at=121), Generation(at=290))),
    marked("outcomes", BOTH, ("write", "before", 3), ("write", "after", 3), ("write", "after", 9)),
    marked("put down", BOTH, ("put down", "before", 1), ("put down", "after", 1), ("close", "before", 1)),
    Drill("taking over", BOTH, (Generation(at=130), Generation(die=("recover", "before", 1)), Generation(die=("recover", "after", 1)))),
    marked("the end", BOTH, ("end", "before", 1), ("end", "after", 1)),
    Drill("another machine", BOTH, (Generation(at=90, then=machine_lost), Generation(at=200, then=machine_lost))),
    Drill("power cut", BOTH, (CUT, Generation(die=("hand over", "after", 5), then=power_cut))),
    Drill("power cut in a group", SQLITE, (Generation(die=("read", "after", 4), then=power_cut),)),
    Drill("asked to stop", BOTH, (Generation(at=1, by=TERM), Generation(at=60, by=TERM), Generation(at=250, by=TERM)), unknown=0),
    Drill("two at once", BOTH, (Generation(at=80, workers=2), Generation(at=200, workers=2))),
    Drill("two machines", BOTH, (Generation(at=80, workers=2, homes=2, then=machine_lost),)),
    Drill("a clock ahead", BOTH, (AHEAD, replace(AHEAD, at=250))),
    Drill("a clock behind", BOTH, (BEHIND, replace(BEHIND, at=250))),
    Drill("clocks set while sending", BOTH, (SWINGS, replace(SWINGS, at=250))),
)  # fmt: skip


@pytest.mark.parametrize(
    ("drill", "database"),
    [pytest.param(drill, one, id=f"{drill.name}-{one}") for drill in TABLE for one in drill.databases],
)
def test_a_process_that_is_killed_costs_nobody_their_mail(
    drill: Drill, database: str, create_scenario: Callable[..., Scenario], request: pytest.FixtureRequest
) -> None:
    # Killed before its evidence is there, a holder is known to be dead by its silence alone; one of another machine too.
    patience = PATIENCE if all(generation.homes == 1 for generation in drill.generations) else None
    scenario = create_scenario(request.getfixturevalue(database), readers=READERS, patience=patience)
    run_generations(scenario, drill.generations)
    check_outcomes(scenario, unknown=drill.unknown)


@pytest.mark.parametrize("database", BOTH)
@pytest.mark.parametrize("seed", range(1, 7))
def test_any_series_of_accidents_is_survived(
    seed: int, database: str, create_scenario: Callable[..., Scenario], request: pytest.FixtureRequest
) -> None:
    """Kills before and after commits, at counts of mails, of one or two, with the machine or without."""
    chance = seeded_random(seed)
    scenario = create_scenario(request.getfixturevalue(database), greylisting(chance), readers=READERS)
    scenario.patience = PATIENCE
    generations = []
    for _ in range(3):
        more = {
            "workers": chance.choice([1, 1, 2]),
            "then": chance.choice([None, None, None, machine_lost, power_cut]),
        }
        if chance.random() < 0.5:
            die = ("commit", chance.choice(["before", "after"]), chance.randint(1, 12))
            generations.append(Generation(die=die, **more))
        else:
            generations.append(Generation(at=chance.randint(1, 250), **more))
    run_generations(scenario, generations)
    check_outcomes(scenario)


def greylisting(chance: object) -> Script:
    """Puts every tenth reader off once."""
    return Script(rcpt=replies_for(some(chance, 0.1), "451 4.7.1 come back later"))


def some(chance: object, share: float, readers: int = READERS) -> list[str]:
    return [address(n) for n in range(1, readers + 1) if chance.random() < share]  # type: ignore[attr-defined]


def answering_anything(chance: object) -> Script:
    """Says all there is to say, to one in four."""
    words = [
        "450 4.2.0 later",
        "451 try again",
        "452 4.2.2 full",
        "550 5.1.1 nobody",
        "553 bad mailbox",
        "421 4.3.2 bye",
    ]
    script = Script(rcpt=replies_for(some(chance, 0.1), "451 4.7.1 come back later"), close_after=23)
    for reader in some(chance, 0.15):
        plan = chance.choice([script.rcpt, script.body])  # type: ignore[attr-defined]
        plan[reader].extend(chance.choices(words, k=chance.randint(1, 3)))  # type: ignore[attr-defined]
    return script


def drops(chance: object, where: str) -> Script:
    script = Script()
    if where == "after DATA":
        script.data.extend(chance.choice(["354 go on"] * 9 + ["drop"]) for _ in range(300))  # type: ignore[attr-defined]
    elif where == "in the body":
        script.drop_mid_data.update(address(n) for n in range(9, READERS, 40))
    else:
        script.drop_after_dot = Counter({address(n): 1 for n in range(9, READERS, 40)})
    return script


RELAYS: dict[str, tuple[Callable[[object], Script], int]] = {
    "greylists": (greylisting, 0),
    "is slow": (lambda _chance: Script(delay=0.004), 0),
    "answers anything": (answering_anything, 0),
    "drops after DATA": (lambda chance: drops(chance, "after DATA"), 0),
    "drops in the body": (lambda chance: drops(chance, "in the body"), 10),
    "drops after the dot": (lambda chance: drops(chance, "after the dot"), 10),
    "closes after ten": (lambda _chance: Script(close_after=10), 0),
    "hangs up after ten": (lambda _chance: Script(close_after=10, close_silently=True), 0),
    "knows no pipelining": (lambda _chance: Script(pipelining=False, close_after=50), 0),
}


@pytest.mark.parametrize("killed", [False, True], ids=["quietly", "and-a-kill"])
@pytest.mark.parametrize(("number", "behaviour"), list(enumerate(RELAYS)), ids=list(RELAYS))
def test_whatever_the_relay_does_nobody_is_lost(
    behaviour: str,
    number: int,
    killed: bool,
    create_scenario: Callable[..., Scenario],
    request: pytest.FixtureRequest,
) -> None:
    make, unknown = RELAYS[behaviour]
    database = BOTH[(number + killed) % 2]
    scenario = create_scenario(
        request.getfixturevalue(database), make(seeded_random(number)), readers=READERS
    )
    run_generations(scenario, [Generation(at=100, workers=2)] if killed else [])
    found = check_outcomes(scenario, unknown=unknown + killed * CONNECTIONS)
    if behaviour == "greylists":
        assert found.accepted + found.unknown == READERS


@pytest.mark.parametrize("database", BOTH)
def test_a_relay_that_is_down_is_waited_for(
    database: str, create_scenario: Callable[..., Scenario], request: pytest.FixtureRequest
) -> None:
    scenario = create_scenario(request.getfixturevalue(database), readers=READERS)
    scenario.relay.crash()
    scenario.relay.script.on_accepted = lambda count: scenario.relay.crash() if count == 100 else None
    worker = scenario.start()
    for _ in range(2):
        scenario.until(lambda: backoff_count(scenario) >= 2)
        scenario.relay.restart()
        scenario.until(lambda: scenario.relay.count >= 100)
    assert scenario.ended(worker) == 0
    check_outcomes(scenario, unknown=2 * CONNECTIONS)


def test_a_login_that_is_refused_midway_pauses_and_burns_nobody(
    postgres: object, create_scenario: Callable[..., Scenario]
) -> None:
    script = Script(login="235 welcome", close_after=10)
    scenario = create_scenario(postgres, script, readers=READERS)
    script.on_accepted = lambda count: (
        setattr(script, "login", "535 5.7.8 who are you") if count == 100 else None
    )
    run_generations(scenario, [], resumes=3)
    found = check_outcomes(scenario, unknown=0)
    assert found.accepted == READERS
    assert scenario.resumes >= 1
