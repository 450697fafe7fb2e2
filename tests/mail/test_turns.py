"""Many conversations share one thread: none of them holds up another."""

import socket
import time
from collections.abc import Callable

import pytest

from digest.turns import Nap, Talk, Turns, apart, finish, readable


def reader(sock: socket.socket, heard: list[bytes]) -> Talk[None]:
    sock.setblocking(False)
    while True:
        yield readable(sock.fileno())
        try:
            data = sock.recv(100)
        except BlockingIOError:
            continue
        if not data:
            return
        heard.append(data)


def nobody(error: BaseException) -> None:
    raise error


def test_who_has_something_to_read_has_a_turn_while_another_waits() -> None:
    (here, there), (silent, end) = socket.socketpair(), socket.socketpair()
    heard: list[bytes] = []
    turns = Turns(nobody)
    turns.add(reader(silent, heard))
    spoken = turns.add(reader(here, heard))
    there.sendall(b"a word")
    there.close()
    assert turns.run(0.05)
    assert heard == [b"a word"]
    assert spoken not in turns.alive()
    end.close()
    assert not turns.run(5)
    for sock in (here, silent):
        sock.close()


def test_what_one_raises_ends_that_one_alone() -> None:
    troubles: list[BaseException] = []
    ends: list[str] = []

    def breaks() -> Talk[None]:
        yield Nap(0)
        raise ValueError("a fault")

    def naps() -> Talk[None]:
        yield Nap(time.monotonic() + 0.02)
        ends.append("rested")

    turns = Turns(troubles.append)
    turns.add(breaks())
    turns.add(naps())
    assert not turns.run(5)
    assert [str(error) for error in troubles] == ["a fault"]
    assert ends == ["rested"]


def test_a_number_that_a_closed_line_had_may_belong_to_the_next_one() -> None:
    heard: list[bytes] = []
    turns = Turns(nobody)
    for word in (b"first", b"second", b"third"):
        here, there = socket.socketpair()
        turns.add(reader(here, heard))
        there.sendall(word)
        there.close()
        assert not turns.run(5)
        here.close()
    assert heard == [b"first", b"second", b"third"]


def test_one_that_rests_while_its_line_speaks_keeps_nobody_awake() -> None:
    here, there = socket.socketpair()
    here.setblocking(False)
    rests: list[float] = []

    def talk() -> Talk[None]:
        yield readable(here.fileno())
        began = time.process_time()
        yield Nap(time.monotonic() + 0.2)
        rests.append(time.process_time() - began)

    there.sendall(b"nobody reads this")
    turns = Turns(nobody)
    turns.add(talk())
    assert not turns.run(5)
    assert rests[0] < 0.1
    for sock in (here, there):
        sock.close()


@pytest.mark.parametrize("hold", [finish, lambda talk: in_turns(talk)])
def test_what_blocks_is_done_apart(hold: Callable[[Talk[int]], int]) -> None:
    def works() -> Talk[int]:
        return (yield from apart(lambda: 6 * 7))

    def fails() -> Talk[int]:
        return (yield from apart(lambda: int("not a number")))

    assert hold(works()) == 42
    with pytest.raises(ValueError, match="not a number"):
        hold(fails())


def in_turns(talk: Talk[int]) -> int:
    results: list[int] = []

    def wrapped() -> Talk[None]:
        results.append((yield from talk))

    turns = Turns(nobody)
    turns.add(wrapped())
    assert not turns.run(5)
    return results[0]
