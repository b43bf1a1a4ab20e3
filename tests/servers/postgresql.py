"""A real PostgreSQL on a free port of loopback, whose users log in with a password."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.manifests import need
from tests.servers.s3 import free_ports

USER = "nobody"
"""Who runs the server if tests run as root, for whom it does not start."""


@dataclass(frozen=True)
class PostgreSQL:
    """Where the server is, and the superuser `mlflow` with a database of that name."""

    port: int
    user: str = "mlflow"
    password: str = "only-for-tests"
    database: str = "mlflow"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which its programs find it."""
        address = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": self.user}
        return {"PATH": os.environ["PATH"], "PGPASSWORD": self.password} | address

    def query(self, text: str, database: str = "") -> str:
        """Return what psql prints of a query, without headings. Raises CalledProcessError if it fails."""
        command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", text, database or self.database]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()


@contextlib.contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    """Run a server in a folder of its own, which everybody may enter."""
    server = PostgreSQL(free_ports(1)[0])
    with tempfile.TemporaryDirectory(prefix="fabgan-postgresql-") as name:
        folder = Path(name)
        (folder / "password").write_text(server.password)
        if os.geteuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, USER)
        data = str(folder / "data")
        initdb = [_program("initdb"), f"--pgdata={data}", f"--username={server.user}", "--auth=scram-sha-256"]
        _run([*initdb, f"--pwfile={folder}/password", "--encoding=UTF8", "--locale=C"])
        options = f"-h 127.0.0.1 -p {server.port} -k {folder} -c fsync=off"
        pg_ctl = [_program("pg_ctl"), f"--pgdata={data}", "--wait", "--silent"]
        _run([*pg_ctl, f"--log={folder}/log", f"--options={options}", "start"])
        try:
            server.query(f"CREATE DATABASE {server.database}", "postgres")
            yield server
        finally:
            _run([*pg_ctl, "--mode=fast", "stop"])


def _program(name: str) -> str:
    """Return the path of a program of the server, which Debian keeps out of PATH."""
    folders = [os.environ["PATH"], *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    return need(name, "postgresql", os.pathsep.join(folders))


def _run(command: Sequence[str]) -> None:
    """Run a program of the server, as another user where this one is root."""
    other = ["setpriv", f"--reuid={USER}", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    subprocess.run([*other, *command], check=True, stdout=subprocess.DEVNULL)
