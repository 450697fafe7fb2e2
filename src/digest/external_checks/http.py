"""One link, followed as a reader would, with limits: it leads to the open Internet, soon, and not for long.

The name is resolved once and the line goes to that very address, so that no second answer of the DNS can lead it
elsewhere; the certificate is still checked against the name. Each redirect is a new link and obeys all of it anew.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from digest.errors import Unavailable
from digest.external_checks.dns import resolve_addresses
from digest.external_checks.ssrf import DEFAULT_POLICY, Address, HostPolicy, is_forbidden

TIMEOUT_SECONDS: Final = 10.0  # for a link with all its redirects
MAX_BYTES: Final = 256 * 1024
MAX_REDIRECTS: Final = 5
MAX_URL_CHARS: Final = 4_000
USER_AGENT: Final = "digest-link-check/1 (an editor of a newsletter asks whether this link works)"
_REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
# To a HEAD these say nothing of a GET: many a server never heard of one.
_RETRY_WITH_GET: Final = frozenset({400, 401, 403, 404, 405, 406, 410, 429, 500, 501, 502, 503})

# Sites that keep programs out say so with these; people mostly get in, and nobody can tell from here.
_BOT_REFUSALS: Final = frozenset({401, 403, 429, 451, 999})
_BAD: Final = 400
_PROBLEMS: Final = {
    404: "the site has no such page (404)",
    410: "the page is gone for good (410)",
    500: "the site has a fault of its own (500)",
    502: "the site is out of order (502)",
    503: "the site is out of order (503)",
}
_HEADERS: Final = {"User-Agent": USER_AGENT, "Accept": "text/html, */*;q=0.5", "Connection": "close"}
_PORTS: Final = {"http": 80, "https": 443}
_SAFE: Final = "%/:=&?~#+!$,;'@()*[]"
_TOO_LONG: Final = f"it took longer than {TIMEOUT_SECONDS:.0f} seconds"

Resolve = Callable[[str], Sequence[Address]]


@dataclass(frozen=True)
class _Target:
    """One URL, taken apart: all of it ASCII."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_line(self) -> str:
        """The Host header: with the port only when it is not the scheme's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _PORTS[self.scheme] else f"{name}:{self.port}"


class Unreachable(Exception):
    """The link cannot be followed; the text says why, as an editor reads it."""


class _Inconclusive(Unreachable):
    """Nobody knows whether it can be followed: the DNS said nothing to us."""


@dataclass(frozen=True)
class LinkResult:
    """What a link leads to: the HTTP status of its end (None: there was no answer) and, if it is no good, why."""

    status: int | None
    final_url: str  # the last URL
    redirects: int
    problem: str  # empty: it works
    is_inconclusive: bool = False  # it is our side that could not look

    @property
    def works(self) -> bool:
        """Whether a reader would see a page."""
        return not self.problem


def check_link(
    url: str,
    *,
    host_policy: HostPolicy = DEFAULT_POLICY,
    resolve: Resolve = resolve_addresses,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> LinkResult:
    """Follow a link to its end with HEAD, or GET where that says no. Never raises: what goes wrong is the answer."""
    until, passed = time.monotonic() + timeout_seconds, [url]
    try:
        status = _follow(passed, host_policy, resolve, until)
    except Unreachable as why:
        return LinkResult(None, passed[-1], len(passed) - 1, str(why), isinstance(why, _Inconclusive))
    return LinkResult(status, passed[-1], len(passed) - 1, _describe_status(status))


def _follow(passed: list[str], allowed: HostPolicy, resolve: Resolve, until: float) -> int:
    """The status of the last page; each URL on the way is put into `passed`."""
    while True:
        status, location = _request_url(passed[-1], allowed, resolve, until)
        if status not in _REDIRECT_STATUSES or not location:
            return status
        if len(passed) > MAX_REDIRECTS:
            raise Unreachable(f"it is redirected more than {MAX_REDIRECTS} times")
        try:
            passed.append(urljoin(passed[-1], location))
        except ValueError:
            raise Unreachable("it is redirected to something that is no web address") from None


def _request_url(url: str, allowed: HostPolicy, resolve: Resolve, until: float) -> tuple[int, str]:
    """Status and Location of one URL; HEAD first, then GET where HEAD is not conclusive."""
    place = _parsed(url, allowed)
    address = _address(place.host, allowed, resolve)
    status, location = _send_request("HEAD", place, address, until)
    if status in _RETRY_WITH_GET:
        status, location = _send_request("GET", place, address, until)
    return status, location


def _parsed(url: str, allowed: HostPolicy) -> _Target:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        host = (parts.hostname or "").partition("%")[0].encode("idna").decode()
        query = f"?{quote(parts.query, _SAFE)}" if parts.query else ""
        path = (quote(parts.path, _SAFE) or "/") + query
    except (ValueError, UnicodeError):
        raise Unreachable("it is no web address") from None
    if len(url) > MAX_URL_CHARS or parts.scheme not in _PORTS or not host:
        raise Unreachable("it leads to something that is no web address")
    if parts.username is not None or parts.password is not None:
        raise Unreachable("it holds a name or a password")
    if port not in allowed.ports:
        raise Unreachable(f"it leads to port {port}, which many networks block")
    return _Target(parts.scheme, host, port, path)


def _address(host: str, allowed: HostPolicy, resolve: Resolve) -> Address:
    """The one address that is connected to. A name with any forbidden address is refused whole."""
    try:
        found: Sequence[Address] = [ip_address(host)]
    except ValueError:
        try:
            found = resolve(host)
        except Unavailable:
            raise _Inconclusive(f"the DNS gave no answer for {host}") from None
    if not found:
        raise Unreachable(f"there is no host {host}")
    if any(is_forbidden(address, allowed) for address in found):
        raise Unreachable(f"{host} is inside a private network, where readers cannot go")
    return found[0]


def _send_request(method: str, place: _Target, address: Address, until: float) -> tuple[int, str]:
    try:
        with _open_connection(place, address, until) as line:
            line.request(method, place.path, headers={"Host": place.host_line, **_HEADERS})
            answer = line.getresponse()
            location = answer.headers.get("Location", "")
            _drain(answer, until)
            return answer.status, location
    except ssl.SSLCertVerificationError:
        raise Unreachable("its certificate is not good") from None
    except (HTTPException, OSError, ValueError) as error:
        if time.monotonic() >= until:
            raise Unreachable(_TOO_LONG) from None
        raise Unreachable(f"no answer came ({type(error).__name__})") from None


@contextmanager
def _open_connection(place: _Target, address: Address, until: float) -> Iterator[HTTPConnection]:
    """A line to `address`, whatever the name says by now; it is cut when the time is up, whoever is speaking."""
    left = until - time.monotonic()
    if left <= 0:
        raise Unreachable(_TOO_LONG)
    sock = socket.create_connection((str(address), place.port), timeout=left)
    held = [sock]
    cut = threading.Timer(max(until - time.monotonic(), 0), _shut_down, [held])
    cut.daemon = True
    cut.start()
    try:
        if place.scheme == "https":
            sock = _context().wrap_socket(sock, server_hostname=place.host, do_handshake_on_connect=False)
            held.append(sock)  # before the handshake, which is the server's to draw out
            sock.do_handshake()
        line = HTTPConnection(place.host, place.port)
        line.sock = sock
        yield line
        line.close()
    finally:
        cut.cancel()
        sock.close()


def _shut_down(held: list[socket.socket]) -> None:
    with suppress(OSError):
        socket.socket.shutdown(
            held[-1], socket.SHUT_RDWR
        )  # not TLS's own, which would wait for the other side


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _drain(answer: HTTPResponse, until: float) -> None:
    """Read the body as a reader would, but no more of it than MOST_BYTES, and never unpack it."""
    read = 0
    while chunk := answer.read1(16 * 1024):
        read += len(chunk)
        if read >= MAX_BYTES:
            return
        if time.monotonic() > until:
            raise Unreachable(_TOO_LONG)
    if time.monotonic() > until:  # a line that was cut ends like a body without a length
        raise Unreachable(_TOO_LONG)


def _describe_status(status: int) -> str:
    if status in _BOT_REFUSALS or status < _BAD:
        return ""
    return _PROBLEMS.get(status, f"the site answers {status}")
