"""What a home remembers of its databases, so that an older one does not pass for the present one."""

import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

NAME: Final = "installation.json"


def recall(home: Path) -> Mapping[str, int]:
    """The highest beat that this home has seen, by identity; empty for a new home, or when its file is damaged."""
    try:
        stored = json.loads((home / NAME).read_text())
        return {str(identity): int(beat) for identity, beat in stored["beats"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def remember(home: Path, identity: str, beat: int) -> None:
    """Store a beat, if it is the highest. On a full disk the home knows a little less, which stops nobody."""
    beats = dict(recall(home))
    if beats.get(identity, -1) >= beat:
        return
    partial = home / f"{NAME}.{os.getpid()}-{threading.get_ident()}"
    with suppress(OSError):
        partial.write_text(json.dumps({"beats": {**beats, identity: beat}}))
        partial.replace(home / NAME)
