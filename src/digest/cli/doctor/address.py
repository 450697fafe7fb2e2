"""The public address as mail to readers would show it."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from digest.cli import AppContext
from digest.cli.doctor.finding import Finding
from digest.loopback import is_loopback_url

# Names that only a network of one's own knows (RFC 6762, RFC 8375, ICANN's .internal, RFC 6761).
_PRIVATE_SUFFIXES = (".local", ".internal", ".home.arpa", ".lan", ".test", ".invalid", ".example")
_SET_IT = "set DIGEST_BASE_URL to the public address, such as https://news.example.org"


def check_address(context: AppContext) -> Iterator[Finding]:
    """Whether readers elsewhere can open it, and securely."""
    settings = context.settings()
    url = settings.base_url
    if is_loopback_url(url):
        yield _loopback(url, is_embedded_mailbox=settings.is_embedded_mailbox)
        return
    findings = [finding for finding in (find_private_host(url), _scheme(url)) if finding]
    yield from findings or [Finding("address", "ok", url)]


def _loopback(url: str, *, is_embedded_mailbox: bool) -> Finding:
    if is_embedded_mailbox:
        return Finding("address", "ok", f"{url} (for this machine only)")
    return Finding("address", "bad", f"emails link to {url}, which readers cannot open", _SET_IT)


def find_private_host(url: str) -> Finding | None:
    """A warning when only one's own network knows the host; None for a public one."""
    host = urlsplit(url).hostname or ""
    try:
        is_private = not ip_address(host).is_global
    except ValueError:
        is_private = "." not in host or host.endswith(_PRIVATE_SUFFIXES)
    if not is_private:
        return None
    return Finding("address", "warn", f"emails link to {url}, which only your own network can open", _SET_IT)


def _scheme(url: str) -> Finding | None:
    if url.startswith("https://"):
        return None
    summary = (
        f"emails link to {url} without encryption; mailbox providers show their unsubscribe button "
        "for https only (RFC 8058)"
    )
    return Finding(
        "address", "warn", summary, "put a proxy with TLS in front, and use https:// in DIGEST_BASE_URL"
    )
