"""A relay that takes every mail and keeps none: `python -m bench.sink [seconds before a reply]`.

It offers PIPELINING, looks for the final dot in whatever one read brings, and answers all of it in one write. Prints
its port; then, for each line that it reads, how many mails it took and its CPU seconds. Ends with its input.
"""

import os
import select
import socket
import sys
import time
from collections import deque

END = b"\r\n.\r\n"
HELLO = b"250-sink\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n250 PIPELINING\r\n"
ANSWERS = {b"EHLO": HELLO, b"HELO": b"250 sink\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}


class Talk:
    """One connection: what came and was not understood yet, and whether it is inside a mail."""

    def __init__(self) -> None:
        self.rest, self.in_mail, self.mails = b"", False, 0

    def hear(self, data: bytes) -> bytes:
        """The replies to what came."""
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
                out.append(b"250 2.0.0 taken\r\n")
                continue
            line, found, after = data.partition(b"\r\n")
            if not found:
                break
            data, verb = after, line[:4].upper()
            self.in_mail = verb == b"DATA"
            out.append(ANSWERS.get(verb, b"250 ok\r\n"))
        self.rest = data
        return b"".join(out)


def serve(delay: float) -> None:
    door = socket.create_server(("127.0.0.1", 0), backlog=100)
    print(door.getsockname()[1], flush=True)
    talks: dict[socket.socket, Talk] = {}
    late: deque[tuple[float, socket.socket, bytes]] = deque()
    taken = 0
    while True:
        wait = max(0.0, late[0][0] - time.monotonic()) if late else None
        heard, _, _ = select.select([door, sys.stdin, *talks], [], [], wait)
        while late and late[0][0] <= time.monotonic():
            _, line, out = late.popleft()
            if line in talks:
                line.sendall(out)
        for source in heard:
            if source is door:
                line, _ = door.accept()
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                talks[line] = Talk()
                line.sendall(b"220 sink ESMTP\r\n")
            elif source is sys.stdin:
                if not sys.stdin.readline():
                    return
                spent = os.times()
                count = taken + sum(talk.mails for talk in talks.values())
                print(count, round(spent.user + spent.system, 3), flush=True)
            else:
                taken += _hear(source, talks, late, delay)


def _hear(
    line: socket.socket,
    talks: dict[socket.socket, Talk],
    late: deque[tuple[float, socket.socket, bytes]],
    delay: float,
) -> int:
    """Answer one connection; gives the mails of one that has ended."""
    try:
        data = line.recv(1 << 18)
        if data:
            if out := talks[line].hear(data):
                if delay:
                    late.append((time.monotonic() + delay, line, out))
                else:
                    line.sendall(out)
            return 0
    except OSError:
        pass
    line.close()
    return talks.pop(line).mails


if __name__ == "__main__":
    serve(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0)
