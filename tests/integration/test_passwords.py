"""A new password of PostgreSQL, by the command of the guide: the new Secrets log in, and the old ones do not."""

import re
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import OperationalError

from tests.guides import blocks_of
from tests.servers.postgresql import running_postgresql
from tests.unit.test_deploy_secrets import make_secrets, read_secrets

pytestmark = pytest.mark.integration


def log_in(folder: Path, port: int) -> None:
    """Log in with the address that MLflow's server gets, but for the host. Raises OperationalError if it is refused."""
    address = make_url(read_secrets(folder)["fabgan", "fabgan-mlflow-server"]["MLFLOW_BACKEND_STORE_URI"])
    engine = create_engine(address.set(host="127.0.0.1", port=port))
    with engine.connect():
        pass
    engine.dispose()


def test_postgresql_takes_the_password_of_the_new_folder(tmp_path: Path) -> None:
    new, other = tmp_path / "new", tmp_path / "other"
    for folder in (new, other):
        make_secrets(folder)
    (block,) = [block for block in blocks_of("docs/air_gap.md") if "ALTER ROLE" in block]
    command = block[block.index('sed -n "s/^POSTGRES_PASSWORD') :].replace("~/fabgan-secrets-new", str(new))
    command = re.sub(r"kubectl -n fabgan exec --stdin postgresql-0 -- ", "", command)
    with running_postgresql() as server:
        with pytest.raises(OperationalError, match="password authentication failed"):
            log_in(new, server.port)
        subprocess.run(["bash", "-euc", command], env=server.environment, check=True)
        log_in(new, server.port)
        with pytest.raises(OperationalError, match="password authentication failed"):
            log_in(other, server.port)
