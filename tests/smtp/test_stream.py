"""Many connections share one thread: none of them holds up another."""

import asyncio
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from digest.smtp import event_loop, stream
from digest.smtp.stream import ProtocolError, SocketStream, WriteFailed


def connected(stopping: Callable[[], bool] = lambda: False) -> tuple[SocketStream, socket.socket]:
    ours, relay = socket.socketpair()
    return SocketStream(ours, stopping), relay


async def read_line(lines: SocketStream, seconds: float = 60.0) -> bytes:
    with lines.attached():
        return await lines.read_line(seconds)


def test_a_connection_with_a_line_to_read_does_not_wait_for_a_silent_one() -> None:
    (silent, silent_relay), (spoken_to, relay) = connected(), connected()

    async def both() -> bytes:
        waiting = asyncio.create_task(read_line(silent))
        await asyncio.sleep(0)
        relay.sendall(b"250 ok\r\n")
        line = await asyncio.wait_for(read_line(spoken_to), 30)
        assert not waiting.done()
        silent_relay.sendall(b"250 late\r\n")
        assert await waiting == b"250 late"
        return line

    assert event_loop.run(both()) == b"250 ok"
    for end in (silent, silent_relay, spoken_to, relay):
        end.close()


def test_the_number_of_a_closed_socket_can_be_used_again() -> None:
    lines = []

    async def one_after_the_other() -> None:
        for word in (b"first", b"second", b"third"):
            ours, relay = connected()
            relay.sendall(word + b"\r\n")
            relay.close()
            lines.append(await read_line(ours))
            ours.close()

    event_loop.run(one_after_the_other())
    assert lines == [b"first", b"second", b"third"]


def test_a_connection_that_nobody_reads_keeps_nobody_awake() -> None:
    ours, relay = connected()
    relay.sendall(b"250 nobody reads this\r\n")

    async def pause() -> float:
        with ours.attached():
            began = time.process_time()
            await asyncio.sleep(0.2)
            return time.process_time() - began

    assert event_loop.run(pause()) < 0.1
    for end in (ours, relay):
        end.close()


def test_lines_that_arrived_before_the_connection_broke_are_still_read() -> None:
    ours, relay = connected()
    relay.sendall(b"421 closing\r\n")
    relay.close()

    async def read() -> bytes:
        with ours.attached():
            await asyncio.sleep(0.05)
            line = await ours.read_line(30)
            with pytest.raises(ConnectionResetError):
                await ours.read_line(30)
            with pytest.raises(WriteFailed) as caught:
                await ours.write(b"a mail")
            assert caught.value.written == 0
            return line

    assert event_loop.run(read()) == b"421 closing"
    ours.close()


def test_a_relay_that_floods_us_with_lines_is_abandoned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "MAX_UNREAD_LINES", 3)
    ours, relay = connected()
    relay.sendall(b"250 ok\r\n" * 4)

    async def read() -> None:
        with ours.attached():
            for _ in range(5):
                await ours.read_line(30)

    with pytest.raises(ProtocolError):
        event_loop.run(read())
    for end in (ours, relay):
        end.close()


def test_a_process_that_stops_waits_only_briefly_for_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "STOP_SECONDS", 0.0)
    ours, relay = connected(stopping=lambda: True)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        event_loop.run(read_line(ours, 600))
    assert time.monotonic() - began < 30
    for end in (ours, relay):
        end.close()


async def multiply() -> int:
    return await asyncio.to_thread(lambda: 6 * 7)


async def fail() -> int:
    return await asyncio.to_thread(int, "not a number")


def test_a_blocking_call_runs_in_a_thread() -> None:
    assert event_loop.run(multiply()) == 42
    with pytest.raises(ValueError, match="not a number"):
        event_loop.run(fail())


def test_a_loop_runs_in_a_thread_that_runs_another_already() -> None:
    async def outer() -> int:
        return event_loop.run(multiply())

    # In a thread of its own: a browser test of the same process may have left a loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: asyncio.run(outer())).result() == 42
