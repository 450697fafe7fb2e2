"""Follows a link as a reader would, within limits on time, size, redirects and where it may lead.

The host name is resolved once and the connection goes to that very address, so that a second DNS answer cannot lead
elsewhere (DNS rebinding); the certificate is still checked against the name. Each redirect is checked again in full.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
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
USER_AGENT: Final = "digest-link-check/1 (a newsletter editor is checking that this link works)"
_REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
# In reply to a HEAD these say nothing about a GET: many servers do not support HEAD.
_RETRY_WITH_GET: Final = frozenset({400, 401, 403, 404, 405, 406, 410, 429, 500, 501, 502, 503})
# Sites that block bots reply with these, while readers usually get in: the link counts as working.
_BOT_REFUSALS: Final = frozenset({401, 403, 429, 451, 999})
_PROBLEMS: Final = {
    404: "the page was not found (404)",
    410: "the page was permanently removed (410)",
    500: "the site reports an internal error (500)",
    502: "the site is unavailable (502)",
    503: "the site is unavailable (503)",
}
_HEADERS: Final = {"User-Agent": USER_AGENT, "Accept": "text/html, */*;q=0.5", "Connection": "close"}
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SAFE_CHARS: Final = "%/:=&?~#+!$,;'@()*[]"
_TIMED_OUT: Final = f"it took longer than {TIMEOUT_SECONDS:.0f} seconds"
_CHUNK_BYTES: Final = 16 * 1024

Resolve = Callable[[str], Sequence[Address]]


@dataclass(frozen=True)
class _Target:
    """The parts of one URL, all ASCII."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """The Host header: with the port only when it is not the scheme's default."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"


class Unreachable(Exception):
    """The link cannot be followed; the message says why, as shown to an editor."""


class _Inconclusive(Unreachable):
    """The problem may be ours: DNS did not respond."""


@dataclass(frozen=True)
class LinkResult:
    """Where a link ends: its final HTTP status (None when there was no response) and the problem, if any."""

    status: int | None
    final_url: str
    redirects: int
    problem: str  # empty: it works
    is_inconclusive: bool = False  # the check itself failed

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
    """Follow a link to its end with HEAD, or GET where HEAD is refused. Never raises: a problem is in the result."""
    deadline, visited = time.monotonic() + timeout_seconds, [url]
    try:
        status = _follow(visited, host_policy, resolve, deadline)
    except Unreachable as error:
        is_inconclusive = isinstance(error, _Inconclusive)
        return LinkResult(None, visited[-1], len(visited) - 1, str(error), is_inconclusive)
    return LinkResult(status, visited[-1], len(visited) - 1, _describe_status(status))


def _follow(visited: list[str], policy: HostPolicy, resolve: Resolve, deadline: float) -> int:
    """The status of the last page; each URL on the way is appended to `visited`."""
    while True:
        status, location = _request_url(visited[-1], policy, resolve, deadline)
        if status not in _REDIRECT_STATUSES or not location:
            return status
        if len(visited) > MAX_REDIRECTS:
            raise Unreachable(f"it redirects more than {MAX_REDIRECTS} times")
        try:
            visited.append(urljoin(visited[-1], location))
        except ValueError:
            raise Unreachable("it redirects to an invalid web address") from None


def _request_url(url: str, policy: HostPolicy, resolve: Resolve, deadline: float) -> tuple[int, str]:
    """Status and Location of one URL: HEAD first, then GET where HEAD is inconclusive."""
    target = _parse_url(url, policy)
    address = _resolve_host(target.host, policy, resolve)
    status, location = _send_request("HEAD", target, address, deadline)
    if status in _RETRY_WITH_GET:
        status, location = _send_request("GET", target, address, deadline)
    return status, location


def _parse_url(url: str, policy: HostPolicy) -> _Target:
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
        host = (parts.hostname or "").partition("%")[0].encode("idna").decode()
        query = f"?{quote(parts.query, _SAFE_CHARS)}" if parts.query else ""
        path = (quote(parts.path, _SAFE_CHARS) or "/") + query
    except (ValueError, UnicodeError):
        raise Unreachable("it is not a valid web address") from None
    if len(url) > MAX_URL_CHARS or parts.scheme not in _DEFAULT_PORTS or not host:
        raise Unreachable("it does not lead to a valid web address")
    if parts.username is not None or parts.password is not None:
        raise Unreachable("it contains a username or password")
    if port not in policy.ports:
        raise Unreachable(f"it uses port {port}, which many networks block")
    return _Target(parts.scheme, host, port, path)


def _resolve_host(host: str, policy: HostPolicy, resolve: Resolve) -> Address:
    """The one address to connect to. A host with any forbidden address is refused as a whole."""
    try:
        addresses: Sequence[Address] = [ip_address(host)]
    except ValueError:
        try:
            addresses = resolve(host)
        except Unavailable:
            raise _Inconclusive(f"DNS did not respond for {host}") from None
    if not addresses:
        raise Unreachable(f"the host {host} does not exist")
    if any(is_forbidden(address, policy) for address in addresses):
        raise Unreachable(f"{host} is on a private network that readers cannot reach")
    return addresses[0]


def _send_request(method: str, target: _Target, address: Address, deadline: float) -> tuple[int, str]:
    try:
        with _open_connection(target, address, deadline) as connection:
            connection.request(method, target.path, headers={"Host": target.host_header, **_HEADERS})
            response = connection.getresponse()
            location = response.headers.get("Location", "")
            _drain(response, deadline)
            return response.status, location
    except ssl.SSLCertVerificationError:
        raise Unreachable("its certificate is not valid") from None
    except (HTTPException, OSError, ValueError) as error:
        if time.monotonic() >= deadline:
            raise Unreachable(_TIMED_OUT) from None
        raise Unreachable(f"there was no response ({type(error).__name__})") from None


@contextmanager
def _open_connection(target: _Target, address: Address, deadline: float) -> Iterator[HTTPConnection]:
    """A connection to `address`, whatever the name resolves to by now; a timer shuts it down at the deadline."""
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise Unreachable(_TIMED_OUT)
    sock = socket.create_connection((str(address), target.port), timeout=remaining)
    sockets = [sock]
    timer = threading.Timer(max(deadline - time.monotonic(), 0), _shut_down, [sockets])
    timer.daemon = True
    timer.start()
    try:
        if target.scheme == "https":
            sock = _tls_context().wrap_socket(
                sock, server_hostname=target.host, do_handshake_on_connect=False
            )
            sockets.append(sock)  # before the handshake, which a server could drag out
            sock.do_handshake()
        connection = HTTPConnection(target.host, target.port)
        connection.sock = sock
        yield connection
        connection.close()
    finally:
        timer.cancel()
        sock.close()


def _shut_down(sockets: list[socket.socket]) -> None:
    with suppress(OSError):
        # Not the TLS shutdown, which would wait for the other side.
        socket.socket.shutdown(sockets[-1], socket.SHUT_RDWR)


@cache
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _drain(response: HTTPResponse, deadline: float) -> None:
    """Read the body as a browser would, up to MAX_BYTES, without decompressing it."""
    read = 0
    while chunk := response.read1(_CHUNK_BYTES):
        read += len(chunk)
        if read >= MAX_BYTES:
            return
        if time.monotonic() > deadline:
            raise Unreachable(_TIMED_OUT)
    if time.monotonic() > deadline:  # a connection that was shut down ends like a body without a length
        raise Unreachable(_TIMED_OUT)


def _describe_status(status: int) -> str:
    if status in _BOT_REFUSALS or status < HTTPStatus.BAD_REQUEST:
        return ""
    return _PROBLEMS.get(status, f"the site returns an error ({status})")
