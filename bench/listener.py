"""Servers on loopback that can be stopped, started again and cut off: they share one event loop on a thread."""

import asyncio
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Coroutine
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from digest.config.home_files import free_port

T = TypeVar("T")


class Listener:
    """Listens on a port of loopback from `start` to `stop`, and again; `_handle` serves a connection."""

    def __init__(self) -> None:
        self.port = free_port()
        self._server: asyncio.Server | None = None
        self._open: set[StreamWriter] = set()

    def start(self) -> None:
        """Begin to listen."""
        self._server = _run(asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 20))

    def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            _loop().call_soon_threadsafe(self._server.close)
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Break every connection; new ones are accepted."""

        async def abort() -> None:
            for writer in list(self._open):
                writer.transport.abort()

        _run(abort())

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._open.add(writer)
        try:
            with suppress(OSError, EOFError):
                await self._handle(reader, writer)
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _handle(self, reader: StreamReader, writer: StreamWriter) -> None:
        raise NotImplementedError


class Proxy(Listener):
    """Passes connections on to a Unix socket; `hangs`: swallows whatever comes, and says nothing."""

    def __init__(self, socket: Path) -> None:
        super().__init__()
        self._socket = socket
        self._passes = asyncio.Event()
        self._passes.set()

    def hang(self, *, hangs: bool) -> None:
        """Begin or end to hold back everything, as a network that loses all packets; connections stay open."""
        _loop().call_soon_threadsafe(self._passes.clear if hangs else self._passes.set)

    async def _handle(self, reader: StreamReader, writer: StreamWriter) -> None:
        await self._passes.wait()
        server_reader, server_writer = await asyncio.open_unix_connection(str(self._socket))
        ways = [
            asyncio.create_task(self._pass_on(*way))
            for way in ((reader, server_writer), (server_reader, writer))
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            server_writer.transport.abort()

    async def _pass_on(self, reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._passes.wait()
                writer.write(data)
                await writer.drain()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="listeners", daemon=True).start()
    return loop


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(work, _loop()).result(10)
