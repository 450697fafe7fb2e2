"""What each of the places where an operator looks says at a moment: doctor, /readyz, /metrics, the desk and the log."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from bench.grown import WEB, Grown

FAULTY = {"warning", "error", "critical"}


@dataclass(frozen=True)
class Places:
    """What was said, in a few words each."""

    doctor: str
    readyz: str
    metrics: str
    desk: str
    log: str


class Observer:
    """Looks at an installation, and leaves out what it said before the fault."""

    def __init__(self, grown: Grown) -> None:
        self._grown = grown
        self._usual = set(self._findings())
        self._read = {path: path.stat().st_size for path in self._logs()}

    def begin(self) -> None:
        """A fault is about to begin: only what is logged from now on counts."""
        self._read = {path: path.stat().st_size for path in self._logs()}

    def look(self) -> Places:
        """Ask every place, as an operator would."""
        new = [line for line in self._findings() if line not in self._usual]
        ready, metrics, desk = (self._get(path) for path in ("/readyz", "/metrics", "/desk/"))
        return Places(
            "; ".join(new) or "nothing",
            "no answer" if ready is None else _readiness(ready),
            "no answer"
            if metrics is None
            else _alerts(metrics.text)
            if metrics.ok
            else str(metrics.status_code),
            "no answer"
            if desk is None
            else _banner(desk.text)
            if desk.ok
            else f"{desk.status_code}: {_message(desk.text)}",
            "; ".join(f"{event} ({number})" for event, number in self._events().most_common()) or "nothing",
        )

    def _findings(self) -> list[str]:
        try:
            done = self._grown.run("doctor", "--json")
        except subprocess.TimeoutExpired:
            return ["no answer within a minute"]
        try:
            found = json.loads(done.stdout)
        except ValueError:
            return [f"exit code {done.returncode}: {(done.stdout + done.stderr).strip()[:200]}"]
        return [_finding(one) for one in found if one["status"] in {"warn", "bad"}]

    def _get(self, path: str) -> Any:
        return next((page for name in WEB if (page := self._grown.get(path, name)) is not None), None)

    def _events(self) -> Counter[str]:
        return Counter(event for path in self._logs() for event in _events(path, self._read.get(path, 0)))

    def _logs(self) -> list[Path]:
        return sorted(self._grown.folder.glob("*.log"))


def _finding(one: Mapping[str, str]) -> str:
    return f"{one['status']} {one['check']}: {one['summary']}" + (
        f" [fix: {one['fix']}]" if one["fix"] else ""
    )


def _readiness(response: requests.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return f"{response.status_code}: {_message(response.text)}"
    wrong = [f"{name} {value}" for name, value in body.items() if str(value).startswith("not ready")]
    said = wrong or [f"working: {body['working']}"]
    return f"{response.status_code}: {'; '.join([*said, *body.get('problems', []), *body.get('alerts', [])])}"


def _alerts(text: str) -> str:
    found = re.findall(r'^digest_alerts\{alert="([^"]+)"\} [1-9]', text, re.MULTILINE)
    paused = re.search(r'^digest_issues\{.*state="paused".*\} [1-9]', text, re.MULTILINE)
    return (
        ", ".join([f"alert {alert}" for alert in found] + (["an issue is paused"] if paused else []))
        or "no alert"
    )


def _banner(page: str) -> str:
    found = re.findall(r'<(div|p|section|aside)[^>]*role="alert"[^>]*>(.*?)</\1>', page, re.DOTALL)
    return "; ".join(_plain(inner) for _, inner in found) or "nothing"


def _message(page: str) -> str:
    found = re.search(r"<main[^>]*>(.*?)</main>", page, re.DOTALL)
    return _plain(found[1] if found else page).removesuffix(" Go to the front page")[:120]


def _plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def _events(path: Path, offset: int) -> Iterator[str]:
    with path.open("rb") as log:
        log.seek(offset)
        lines = log.read().decode(errors="replace").splitlines()
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            yield f"not JSON: {line[:60]}"
            continue
        if isinstance(entry, dict) and entry.get("level") in FAULTY:
            task = f" {entry['task']}:" if "task" in entry else ""
            error = entry.get("error") or entry.get("summary") or entry.get("reply") or ""
            yield f"{entry.get('event')}{task} {error}".strip()[:160]
