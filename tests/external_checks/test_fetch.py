"""A link is followed to its end, and never to where no reader could go."""

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
    """A web server on loopback that does what a test says, and remembers who asked for what."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        asked: list[BaseHTTPRequestHandler] = []
        self.asked = asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self)
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
        return [one.command for one in self.asked]


@contextmanager
def site(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[Site]:
    server = Site(answer)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def reply(status: int, location: str = "", body: bytes = b"") -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(asked: BaseHTTPRequestHandler) -> None:
        asked.send_response(status)
        if location:
            asked.send_header("Location", location)
        asked.send_header("Content-Length", str(len(body)))
        asked.end_headers()
        if asked.command == "GET":
            asked.wfile.write(body)

    return answer


def look(
    url: str,
    *servers: Site,
    names: dict[str, list[str]] | None = None,
    seconds: float = 5,
    loopback: bool = True,
) -> LinkResult:
    """Fetch with these servers' ports allowed and, unless forbidden, loopback; every name is on loopback."""
    ports = frozenset({80, 443, *(server.server_port for server in servers)})
    networks = (ip_network("127.0.0.1/32"),) if loopback else ()

    def resolve(host: str) -> list[object]:
        return [ip_address(one) for one in (names or {}).get(host, ["127.0.0.1"])]

    return check_link(url, host_policy=HostPolicy(ports, networks), resolve=resolve, timeout_seconds=seconds)


def at(server: Site, path: str = "/", host: str = "site.example") -> str:
    return f"http://{host}:{server.server_port}{path}"


def test_a_page_that_is_there_is_asked_for_once_and_without_its_body() -> None:
    with site(reply(200)) as page:
        found = look(at(page, "/a b?q=ü"), page)
        assert (found.status, found.works, found.redirects) == (200, True, 0)
        assert page.methods == ["HEAD"]
        asked = page.asked[0]
        assert asked.path == "/a%20b?q=%C3%BC"
        assert asked.headers["Host"] == f"site.example:{page.server_port}"
        assert "digest-link-check" in asked.headers["User-Agent"]
        assert not {"Cookie", "Authorization", "Referer"} & set(asked.headers)


def test_a_server_that_knows_no_head_is_asked_again_with_get() -> None:
    def answer(asked: BaseHTTPRequestHandler) -> None:
        reply(200 if asked.command == "GET" else 405)(asked)

    with site(answer) as page:
        assert look(at(page), page).works
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
def test_what_a_reader_would_not_see_is_trouble(status: int, works: bool) -> None:
    with site(reply(status)) as page:
        found = look(at(page), page)
        assert (found.status, found.works) == (status, works)


def test_redirects_are_followed_and_counted() -> None:
    def answer(asked: BaseHTTPRequestHandler) -> None:
        step = int(asked.path.strip("/") or 0)
        reply(302, f"/{step + 1}")(asked) if step < 5 else reply(200)(asked)

    with site(answer) as page:
        found = look(at(page, "/0"), page)
        assert (found.works, found.redirects, found.final_url) == (True, 5, at(page, "/5"))
        assert not look(at(page, "/-1"), page).works


def test_a_redirect_into_the_cloud_s_metadata_is_refused_before_a_line_is_opened() -> None:
    with site(reply(302, "http://169.254.169.254/latest/meta-data/")) as page:
        found = look(at(page), page)
        assert not found.works
        assert "private network" in found.problem
        assert found.final_url.startswith("http://169.254.169.254")


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
    with site(reply(302, target)) as page:
        assert not look(at(page), page).works


def test_a_name_is_resolved_once_so_that_it_cannot_change_its_mind() -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    asked = []

    def resolve(host: str) -> list[object]:
        asked.append(host)
        return [ip_address(one) for one in next(answers)]

    def get_only(request: BaseHTTPRequestHandler) -> None:
        reply(200 if request.command == "GET" else 405)(request)

    with site(get_only) as page:
        allowed = HostPolicy(frozenset({page.server_port}), (ip_network("127.0.0.1/32"),))
        assert check_link(at(page, host="rebind.example"), host_policy=allowed, resolve=resolve).works
        assert asked == ["rebind.example"]
        assert page.methods == ["HEAD", "GET"]


def test_a_name_with_one_good_and_one_forbidden_address_is_refused() -> None:
    with site(reply(200)) as page:
        found = look(at(page, host="two.example"), page, names={"two.example": ["127.0.0.1", "192.168.1.1"]})
        assert "private network" in found.problem
        assert page.asked == []


def test_without_the_allowance_loopback_is_forbidden_by_name_and_by_number() -> None:
    with site(reply(200)) as page:
        for host in ("site.example", "127.0.0.1", "[::ffff:127.0.0.1]", "[::1]"):
            found = look(at(page, host=host), page, loopback=False)
            assert "private network" in found.problem, host
        assert page.asked == []


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
        *("::ffff:169.254.169.254", "64:ff9b::a00:1", "2002:a00:1::", "2001:0:a00:1::1"),
    ],
)
def test_no_reader_can_go_there(address: str) -> None:
    assert is_forbidden(ip_address(address))


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"]
)
def test_the_open_internet_is_open(address: str) -> None:
    assert not is_forbidden(ip_address(address))


@pytest.mark.parametrize("url", ["http://0x7f.1/", "http://2130706433/", "http://127.1/"])
def test_odd_ways_to_write_an_address_are_names_that_nobody_has(url: str) -> None:
    assert "there is no host" in check_link(url, resolve=lambda _: []).problem


def test_an_endless_body_is_read_to_its_limit_and_no_further() -> None:
    sent = 0

    def endless(asked: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        if asked.command == "HEAD":
            return reply(405)(asked)
        asked.send_response(200)
        asked.end_headers()
        while sent < 100 * MAX_BYTES:
            asked.wfile.write(b"x" * 65_536)
            sent += 65_536
        return None

    with site(endless) as page:
        assert look(at(page), page).works
    assert sent < 40 * MAX_BYTES  # what the kernel's buffers took is not read


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_server_that_takes_its_time_is_left(where: str) -> None:
    stop = threading.Event()

    def slow(asked: BaseHTTPRequestHandler) -> None:
        if asked.command == "HEAD" and where == "body":
            return reply(405)(asked)
        asked.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if where == "body" else b"X-Slow: "))
        while not stop.wait(0.05):
            asked.wfile.write(b"y")
        return None

    with site(slow) as page:
        began = time.monotonic()
        found = look(at(page), page, seconds=0.5)
        assert time.monotonic() - began < 3
        assert "longer than" in found.problem
        stop.set()


def test_a_tls_server_that_never_shakes_hands_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        allowed = HostPolicy(frozenset({port}), (ip_network("127.0.0.1/32"),))
        began = time.monotonic()
        found = check_link(f"https://site.example:{port}/", host_policy=allowed, resolve=lambda _: [HERE], timeout_seconds=0.4)
        assert time.monotonic() - began < 3
        assert not found.works


def test_a_certificate_of_somebody_else_is_trouble(tmp_path: Path) -> None:
    with site(reply(200)) as page:
        page.socket = own_certificate(tmp_path).wrap_socket(page.socket, server_side=True)
        found = look(at(page).replace("http:", "https:"), page)
    assert found.problem == "its certificate is not good"


def own_certificate(folder: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate that nobody signed."""
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


def test_what_does_not_answer_and_what_nobody_knows_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    allowed = HostPolicy(frozenset({port}), (ip_network("127.0.0.1/32"),))
    assert (
        "no answer"
        in check_link(f"http://site.example:{port}/", host_policy=allowed, resolve=lambda _: [HERE]).problem
    )

    def silent(_: str) -> list[object]:
        raise Unavailable("no")

    assert "the DNS gave no answer" in check_link("http://site.example/", resolve=silent).problem


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
def test_what_is_no_web_address_is_refused_and_breaks_nothing(url: str) -> None:
    assert not check_link(url, resolve=lambda _: []).works
