"""Runs coroutines on uvloop where its wheel is installed, otherwise on asyncio's own loop."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T], *, threads: int = 1) -> T:
    """Run a coroutine to its end on a loop of its own; return its result, raise what it raises.

    Up to `threads` calls of `asyncio.to_thread` run at the same time. Works in a thread that runs a loop already.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(coroutine, threads)
    with ThreadPoolExecutor(1, "event-loop") as pool:
        return pool.submit(_run, coroutine, threads).result()


def _run(coroutine: Coroutine[Any, Any, T], threads: int) -> T:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.get_loop().set_default_executor(ThreadPoolExecutor(threads, "blocking-call"))
        return runner.run(coroutine)


@cache
def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
