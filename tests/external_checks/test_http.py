"""Links are followed to their end, and never onto a private network."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from digest.errors import Unavailable
from digest.external_checks.http import MAX_BYTES, LinkResult, check_link
from digest.external_checks.ssrf import HostPolicy, is_forbidden

HERE = ip_address("127.0.0.1")


class Site(ThreadingHTTPServer):
    """A web server on loopback that responds as a test says and records the requests."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        requests: list[BaseHTTPRequestHandler] = []
        self.requests = requests

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self)
                answer(self)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, *_: object) -> None:
        pass

    @property
    def methods(self) -> list[str]:
        return [request.command for request in self.requests]


@contextmanager
def site(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[Site]:
    server = Site(answer)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def respond(status: int, location: str = "", body: bytes = b"") -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        if location:
            request.send_header("Location", location)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)

    return answer


def check(
    url: str,
    *servers: Site,
    names: dict[str, list[str]] | None = None,
    seconds: float = 5,
    loopback: bool = True,
) -> LinkResult:
    """Check a link with these servers' ports allowed, and loopback unless told otherwise; names resolve to loopback."""
    ports = frozenset({80, 443, *(server.server_port for server in servers)})
    networks = (ip_network("127.0.0.1/32"),) if loopback else ()

    def resolve(host: str) -> list[object]:
        return [ip_address(address) for address in (names or {}).get(host, ["127.0.0.1"])]

    return check_link(url, host_policy=HostPolicy(ports, networks), resolve=resolve, timeout_seconds=seconds)


def at(server: Site, path: str = "/", host: str = "site.example") -> str:
    return f"http://{host}:{server.server_port}{path}"


def test_a_working_page_is_requested_once_with_head() -> None:
    with site(respond(200)) as page:
        result = check(at(page, "/a b?q=ü"), page)
        assert (result.status, result.works, result.redirects) == (200, True, 0)
        assert page.methods == ["HEAD"]
        request = page.requests[0]
        assert request.path == "/a%20b?q=%C3%BC"
        assert request.headers["Host"] == f"site.example:{page.server_port}"
        assert "digest-link-check" in request.headers["User-Agent"]
        assert not {"Cookie", "Authorization", "Referer"} & set(request.headers)


def test_a_server_without_head_is_retried_with_get() -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        respond(200 if request.command == "GET" else 405)(request)

    with site(answer) as page:
        assert check(at(page), page).works
        assert page.methods == ["HEAD", "GET"]


@pytest.mark.parametrize(
    ("status", "works"),
    [
        (200, True),
        (204, True),
        (401, True),
        (403, True),
        (429, True),
        (404, False),
        (410, False),
        (500, False),
    ],
)
def test_error_statuses_are_problems_and_bot_refusals_are_not(status: int, works: bool) -> None:
    with site(respond(status)) as page:
        result = check(at(page), page)
        assert (result.status, result.works) == (status, works)


def test_redirects_are_followed_and_counted() -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        step = int(request.path.strip("/") or 0)
        respond(302, f"/{step + 1}")(request) if step < 5 else respond(200)(request)

    with site(answer) as page:
        result = check(at(page, "/0"), page)
        assert (result.works, result.redirects, result.final_url) == (True, 5, at(page, "/5"))
        assert not check(at(page, "/-1"), page).works


def test_a_redirect_to_cloud_metadata_is_refused_before_connecting() -> None:
    with site(respond(302, "http://169.254.169.254/latest/meta-data/")) as page:
        result = check(at(page), page)
        assert not result.works
        assert "private network" in result.problem
        assert result.final_url.startswith("http://169.254.169.254")


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "gopher://site.example/",
        "http://user:pw@site.example/",
        "http://site.example:22/",
        "http://[x/",
        "//[",
    ],
)
def test_a_redirect_to_anything_but_a_web_page_is_refused(target: str) -> None:
    with site(respond(302, target)) as page:
        assert not check(at(page), page).works


def test_a_host_is_resolved_once_against_dns_rebinding() -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    resolved = []

    def resolve(host: str) -> list[object]:
        resolved.append(host)
        return [ip_address(address) for address in next(answers)]

    def get_only(request: BaseHTTPRequestHandler) -> None:
        respond(200 if request.command == "GET" else 405)(request)

    with site(get_only) as page:
        policy = HostPolicy(frozenset({page.server_port}), (ip_network("127.0.0.1/32"),))
        assert check_link(at(page, host="rebind.example"), host_policy=policy, resolve=resolve).works
        assert resolved == ["rebind.example"]
        assert page.methods == ["HEAD", "GET"]


def test_a_host_with_any_forbidden_address_is_refused() -> None:
    with site(respond(200)) as page:
        result = check(
            at(page, host="two.example"), page, names={"two.example": ["127.0.0.1", "192.168.1.1"]}
        )
        assert "private network" in result.problem
        assert page.requests == []


def test_loopback_is_forbidden_by_default_by_name_and_by_address() -> None:
    with site(respond(200)) as page:
        for host in ("site.example", "127.0.0.1", "[::ffff:127.0.0.1]", "[::1]"):
            result = check(at(page, host=host), page, loopback=False)
            assert "private network" in result.problem, host
        assert page.requests == []


@pytest.mark.parametrize(
    "address",
    [
        *("10.1.2.3", "172.16.0.1", "192.168.0.1", "127.0.0.1", "0.0.0.0", "169.254.169.254", "100.64.0.1"),
        *(
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "198.18.0.1",
            "168.63.129.16",
            "100.100.100.200",
        ),
        *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "::ffff:10.0.0.1"),
        *("::ffff:169.254.169.254", "64:ff9b::a00:1", "2002:a00:1::", "2001:0:a00:1::1", "64:ff9b:1::a00:1"),
        *(
            "fec0::1",
            "feff::1",
            "3fff::1",
            "100::1",
            "5f00::1",
            "::10.0.0.1",
            "2001:2::1",
            "2001:20::1",
            "4000::1",
        ),
        *(
            "192.88.99.1",
            "192.0.0.8",
            "192.0.0.9",
            "192.31.196.1",
            "192.52.193.1",
            "192.175.48.1",
            "203.0.113.1",
        ),
    ],
)
def test_special_purpose_addresses_are_forbidden(address: str) -> None:
    assert is_forbidden(ip_address(address))


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert not is_forbidden(ip_address(address))


@pytest.mark.parametrize("url", ["http://0x7f.1/", "http://2130706433/", "http://127.1/"])
def test_unusual_address_notations_are_treated_as_host_names(url: str) -> None:
    assert "does not exist" in check_link(url, resolve=lambda _: []).problem


def test_an_endless_body_is_read_up_to_the_limit() -> None:
    sent = 0

    def endless(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        if request.command == "HEAD":
            return respond(405)(request)
        request.send_response(200)
        request.end_headers()
        while sent < 100 * MAX_BYTES:
            request.wfile.write(b"x" * 65_536)
            sent += 65_536
        return None

    with site(endless) as page:
        assert check(at(page), page).works
    assert sent < 40 * MAX_BYTES  # what the kernel's buffers took is not read


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_slow_response_times_out(where: str) -> None:
    stop = threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        if request.command == "HEAD" and where == "body":
            return respond(405)(request)
        request.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if where == "body" else b"X-Slow: "))
        while not stop.wait(0.05):
            request.wfile.write(b"y")
        return None

    with site(slow) as page:
        started = time.monotonic()
        result = check(at(page), page, seconds=0.5)
        assert time.monotonic() - started < 30
        assert "longer than" in result.problem
        stop.set()


def test_a_tls_handshake_that_never_completes_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_server:
        port = silent_server.getsockname()[1]
        policy = HostPolicy(frozenset({port}), (ip_network("127.0.0.1/32"),))
        started = time.monotonic()
        result = check_link(
            f"https://site.example:{port}/",
            host_policy=policy,
            resolve=lambda _: [HERE],
            timeout_seconds=0.4,
        )
        assert time.monotonic() - started < 30
        assert not result.works


def test_an_untrusted_certificate_is_a_problem(tmp_path: Path) -> None:
    with site(respond(200)) as page:
        page.socket = self_signed_tls(tmp_path).wrap_socket(page.socket, server_side=True)
        result = check(at(page).replace("http:", "https:"), page)
    assert result.problem == "its certificate is not valid"


def self_signed_tls(folder: Path) -> ssl.SSLContext:
    """A server's TLS context with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "site.example")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "own.pem").write_bytes(pem + made.sign(key, SHA256()).public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem")
    return context


def test_a_closed_port_and_silent_dns_are_described() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    policy = HostPolicy(frozenset({port}), (ip_network("127.0.0.1/32"),))
    assert (
        "there was no response"
        in check_link(f"http://site.example:{port}/", host_policy=policy, resolve=lambda _: [HERE]).problem
    )

    def silent(_: str) -> list[object]:
        raise Unavailable("no")

    assert "DNS did not respond" in check_link("http://site.example/", resolve=silent).problem


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://",
        "http://[",
        "http://a:99999/",
        "https://" + "a" * 70 + ".example/",
        "mailto:a@b.c",
        "http://site.example/\r\nX: y",
    ],
)
def test_invalid_web_addresses_are_refused_without_an_exception(url: str) -> None:
    assert not check_link(url, resolve=lambda _: []).works
