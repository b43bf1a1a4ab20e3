"""What is said where MLflow cannot be used, or is not what answers."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabgan.components.core.errors import UserError
from fabgan.components.services.tracking.store import connect
from tests.database import database_in
from tests.servers.faulty import FaultyProxy, faulty_proxy
from tests.servers.mlflow_server import free_port


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """A web server with a page at every address."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with faulty_proxy("") as web:
        web.refusal = b"<html>log in</html>"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", web.endpoint)
        yield web


@pytest.mark.parametrize(
    ("status", "page", "said"),
    [
        (401, b"no", "correct MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, or the"),
        (403, b"no", "correct MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, or the"),
        (403, b'{"error_code": "PERMISSION_DENIED", "message": "no"}', "correct MLFLOW_TRACKING_USERNAME and MLFLOW_"),
        (200, b"<html>log in</html>", "correct MLFLOW_TRACKING_URI$"),
        (404, b"<html>nothing here</html>", "correct MLFLOW_TRACKING_URI$"),
    ],
)
def test_a_server_that_refuses_is_not_told_as_one_that_is_away(
    web: FaultyProxy, status: int, page: bytes, said: str
) -> None:
    web.refusal_status, web.refusal = status, page
    with pytest.raises(UserError, match=rf"^MLflow at {web.endpoint} cannot be used: .*; {said}"):
        connect()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://mlflow.fab/api/2.0/mlflow/experiments/search", "https://mlflow.fab"),
        ("https://me:S3cret@login.fab/start?from=S3cret", "https://login.fab/start"),
        ("/login", "http://127.0.0.1:\\d+/login"),
    ],
)
def test_a_server_that_redirects_is_told_with_the_address(
    web: FaultyProxy, status: int, location: str, said: str
) -> None:
    web.refusal_status, web.refusal_headers = status, {"Location": location}
    with pytest.raises(UserError, match=rf"; it redirects to {said}; set MLFLOW_TRACKING_URI to the address at which"):
        connect()


def test_a_server_that_is_away_is_to_be_started(web: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UserError, match="; start it, or correct MLFLOW_TRACKING_URI"):
        connect()


def test_a_server_without_https_is_told(web: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", web.endpoint.replace("http:", "https:"))
    with pytest.raises(UserError, match=r"; see that it speaks https, or correct MLFLOW_TRACKING_URI$"):
        connect()


def test_a_setting_of_mlflow_that_is_wrong_is_named(web: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "30s")
    with pytest.raises(UserError, match=r"; correct MLFLOW_HTTP_REQUEST_TIMEOUT$"):
        connect()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://mlflow.fab:5000/#/experiments/1", "is the address of a page; write that of the server"),
        ('"http://mlflow.fab:5000"', "begins with a quotation mark; write the address without any"),
        ("'http://mlflow.fab:5000'", "begins with a quotation mark; write the address without any"),
    ],
)
def test_an_address_that_was_copied_wrongly_is_refused(
    address: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError, match=f"^MLFLOW_TRACKING_URI: {said}"):
        connect()


def test_versions_are_looked_up_where_runs_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database_in(tmp_path))
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://user:S3cret@127.0.0.1:9")
    with pytest.raises(UserError, match=r"^MLFLOW_REGISTRY_URI: .* at MLFLOW_TRACKING_URI; unset it$"):
        connect()
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", database_in(tmp_path))
    assert connect() == database_in(tmp_path)


def test_a_database_in_a_folder_that_is_only_read_is_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database_in(tmp_path))
    connect()
    (tmp_path / "mlflow.db.lock").unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may write everywhere
    connect()
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
