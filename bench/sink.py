"""A relay that accepts every mail and keeps none: `python -m bench.sink [seconds before a reply [certificate]]`.

With a certificate, and its key in the same file, it speaks TLS from the first byte on.

It offers PIPELINING, looks for the final dot in whatever one read brings, and answers all of it in one write. Prints
its port; then, for each line that it reads, how many mails it accepted and its CPU seconds. Ends with its input.
"""

import argparse
import os
import select
import socket
import ssl
import sys
import time
from collections import deque

END = b"\r\n.\r\n"
HELLO = b"250-sink\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n250 PIPELINING\r\n"
ANSWERS = {b"EHLO": HELLO, b"HELO": b"250 sink\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}


class Connection:
    """One connection: input that is not complete yet, and whether it is inside a mail."""

    def __init__(self) -> None:
        self.rest, self.in_mail, self.mails = b"", False, 0

    def replies(self, data: bytes) -> bytes:
        """The replies to `data`."""
        out = []
        data = self.rest + data
        while data:
            if self.in_mail:
                # From the end: the dot is among the last bytes, and a client of ours has one mail in flight.
                at = data.rfind(END)
                if at < 0:
                    data = data[-4:]
                    break
                data, self.in_mail = data[at + len(END) :], False
                self.mails += 1
                out.append(b"250 2.0.0 accepted\r\n")
                continue
            line, found, after = data.partition(b"\r\n")
            if not found:
                break
            data, verb = after, line[:4].upper()
            self.in_mail = verb == b"DATA"
            out.append(ANSWERS.get(verb, b"250 ok\r\n"))
        self.rest = data
        return b"".join(out)


def serve(delay: float, tls: ssl.SSLContext | None) -> None:
    server = socket.create_server(("127.0.0.1", 0), backlog=100)
    print(server.getsockname()[1], flush=True)
    connections: dict[socket.socket, Connection] = {}
    delayed: deque[tuple[float, socket.socket, bytes]] = deque()
    accepted = 0
    while True:
        wait = max(0.0, delayed[0][0] - time.monotonic()) if delayed else None
        readable, _, _ = select.select([server, sys.stdin, *connections], [], [], wait)
        while delayed and delayed[0][0] <= time.monotonic():
            _, client, out = delayed.popleft()
            if client in connections:
                client.sendall(out)
        for source in readable:
            if source is server:
                client, _ = server.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if tls is not None:
                    client = tls.wrap_socket(client, server_side=True)
                connections[client] = Connection()
                client.sendall(b"220 sink ESMTP\r\n")
            elif source is sys.stdin:
                if not sys.stdin.readline():
                    return
                used = os.times()
                count = accepted + sum(connection.mails for connection in connections.values())
                print(count, round(used.user + used.system, 3), flush=True)
            else:
                accepted += _answer(source, connections, delayed, delay)


def _answer(
    client: socket.socket,
    connections: dict[socket.socket, Connection],
    delayed: deque[tuple[float, socket.socket, bytes]],
    delay: float,
) -> int:
    """Answer one connection; returns the number of mails of one that has ended."""
    try:
        data = client.recv(1 << 18)
        while isinstance(client, ssl.SSLSocket) and client.pending():  # one read gives one record
            data += client.recv(1 << 18)
        if data:
            if out := connections[client].replies(data):
                if delay:
                    delayed.append((time.monotonic() + delay, client, out))
                else:
                    client.sendall(out)
            return 0
    except OSError:
        pass
    client.close()
    return connections.pop(client).mails


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("delay", type=float, nargs="?", default=0.0)
    parser.add_argument("certificate", nargs="?")
    options = parser.parse_args()
    tls = None
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate)
    serve(options.delay, tls)


if __name__ == "__main__":
    main()
