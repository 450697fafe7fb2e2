"""The public address, opened as a reader would, and the team's OpenID provider."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from digest.base_url import DEFAULT_PORTS
from digest.cli import AppContext
from digest.cli.doctor.address import find_private_host
from digest.cli.doctor.finding import Finding
from digest.loopback import is_loopback_url

if TYPE_CHECKING:
    from digest.external_checks.ssrf import Address

PATH = "/healthz"  # it exists only on digest, and costs nothing
TIMEOUT_SECONDS = 5.0


def check_site(context: AppContext) -> Iterator[Finding]:
    """Whether the public address leads here, with a valid certificate. A private site has none."""
    url = context.settings().base_url
    if not is_loopback_url(url) and not find_private_host(url):
        yield fetch_site(url)


def fetch_site(url: str, resolve: "Callable[[str], Sequence[Address]] | None" = None) -> Finding:
    """Follow the public address with public DNS, to public addresses only; `resolve` replaces DNS."""
    from digest.external_checks.dns import resolve_addresses
    from digest.external_checks.http import check_link
    from digest.external_checks.ssrf import DEFAULT_POLICY, HostPolicy

    parts = urlsplit(url)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    policy = HostPolicy(DEFAULT_POLICY.ports | {port})
    found = check_link(f"{url}{PATH}", host_policy=policy, resolve=resolve or resolve_addresses)
    if found.is_inconclusive or "private network" in found.problem:
        summary = f"{url} was not opened: {found.problem}"
        return Finding("site", "warn", summary, "open it from outside your network")
    if not found.works:
        fix = "check the DNS name, the proxy and its certificate, and that it leads to a web server of digest"
        return Finding("site", "bad", f"{url} does not work for readers: {found.problem}", fix)
    if found.final_url != f"{url}{PATH}":
        target = found.final_url.removesuffix(PATH)
        summary = f"{url} redirects to {target}, so unsubscribing with one click fails (RFC 8058)"
        fix = "set DIGEST_BASE_URL to where it leads, or serve digest without a redirect"
        return Finding("site", "bad", summary, fix)
    return Finding("site", "ok", f"{url} opens")


def check_provider(context: AppContext) -> Iterator[Finding]:
    """The OpenID provider must answer, with the same issuer as in the settings."""
    issuer = context.settings().oidc_issuer
    if issuer:
        yield find_provider(str(issuer))


def find_provider(issuer: str) -> Finding:
    """Ask the provider for its configuration."""
    import requests

    response = requests.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS)
    issuer_found = response.json().get("issuer") if response.ok else None
    if issuer_found == issuer:
        return Finding("provider", "ok", issuer)
    fix = f"set DIGEST_OIDC_ISSUER to exactly {issuer_found}" if issuer_found else "check DIGEST_OIDC_ISSUER"
    summary = f"{issuer} answered {response.status_code}, issuer {issuer_found or 'missing'}"
    return Finding("provider", "bad", summary, fix)
