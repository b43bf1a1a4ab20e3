"""Connect to the MLflow server or database, with settings that keep mlflow from calling the internet.

mlflow reads some of these settings while it is imported, so they are set first.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from ...core.errors import UserError
from ...core.log import logger
from ...core.network import check_address, check_sent, from_environment, through_proxy, without_user
from .local import DEFAULT_URI, database_of, follow, make_database, project_uri

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_MODEL_CATALOG_URI": "",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",  # else by addresses of a store that this machine may not reach
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # else with a character that a stream may not take
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",  # a redirected POST becomes a GET, which changes nothing
}
QUOTES = "\"'"
UNFIT = re.compile(r"'.*\"|\".*'|/:\w", re.DOTALL)
"""What mlflow cannot quote in the path of a folder where it makes a database."""
LOGIN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
TOKEN = "MLFLOW_TRACKING_TOKEN"  # noqa: S105 (the name of a variable)
REDIRECTED = re.compile(r"error code 30\d\b")
LOGIN_REFUSED = re.compile(r"error code 40[13]\b|^PERMISSION_DENIED|^UNAUTHENTICATED")
SETTING = re.compile(r"MLFLOW_(?:HTTP|TRACKING)_\w+")
"""A variable of mlflow that a message names because its value is wrong."""
HEADING = "#####"
"""Begins a line of mlflow above each of several errors."""
DATABASE_LOCK_TIMEOUT_S = 120
REDIRECTION_TIMEOUT_S = 10
API = "/api/2.0/mlflow/experiments/search"
"""Asked for the address to which a server redirects."""


def connect() -> str:
    """Connect mlflow to MLFLOW_TRACKING_URI, or to a SQLite file in the project; return the URI.

    Raises UserError for an address with a password, for blanks around it or around what logs in, and if the server does
    not answer or the database cannot be opened.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    uri = os.environ["MLFLOW_TRACKING_URI"] = project_uri(from_environment("MLFLOW_TRACKING_URI") or DEFAULT_URI)
    _check_server(uri)
    _check_login()
    import mlflow

    logging.getLogger("mlflow.store.db.utils").addFilter(_has_no_traceback)
    mlflow.set_tracking_uri(uri)
    try:
        database = _own_database(uri)
        with _initialisation_lock(database):
            if database:
                make_database(uri)
                follow(database)
            mlflow.MlflowClient().search_experiments(max_results=1)
    except Exception as error:
        raise UserError(
            f"MLflow at {uri} cannot be used{through_proxy(uri, _proxy(uri))}: {first_line(error)}; "
            f"{_what_to_fix(uri, error)}"
        ) from error
    return uri


def _has_no_traceback(record: logging.LogRecord) -> bool:
    """Say whether a message is to be seen: those with a traceback come as exceptions too, which say it in a line."""
    return record.exc_info is None


def _proxy(uri: str) -> str:
    """Return the proxy through which mlflow asks a server, by the rules of requests; empty without one."""
    from requests.utils import get_environ_proxies, select_proxy

    return (select_proxy(uri, get_environ_proxies(uri)) or "") if _is_server(uri) else ""


def _is_server(uri: str) -> bool:
    return uri.lower().startswith(("http://", "https://"))


def _what_to_fix(uri: str, error: Exception) -> str:
    said = str(error)
    if database := database_of(uri):
        return f"see that {database} is a database of MLflow and can be written, and that its disk is not full"
    if "CERTIFICATE_VERIFY_FAILED" in said or "CA certificate bundle" in said:
        return "its certificate is not trusted: set MLFLOW_TRACKING_SERVER_CERT_PATH to the PEM file of your authority"
    if LOGIN_REFUSED.search(said):
        return f"correct {' and '.join(LOGIN)}, or {TOKEN}, or the permissions of this user"
    if REDIRECTED.search(said):
        return f"it redirects to {_redirection(uri)}; set MLFLOW_TRACKING_URI to the address at which MLflow answers"
    if "SSLError" in said:
        return "see that it speaks https, or correct MLFLOW_TRACKING_URI"
    if "Max retries exceeded" in said:
        return "start it, or correct MLFLOW_TRACKING_URI (if unset, a SQLite file in this folder is used)"
    wrong = SETTING.search(said)
    return f"correct {wrong[0] if wrong else 'MLFLOW_TRACKING_URI'}"


def _redirection(uri: str) -> str:
    """Return the address to which a server redirects requests, without what may be secret."""
    import requests

    with suppress(requests.RequestException):
        answer = requests.get(f"{uri.rstrip('/')}{API}", allow_redirects=False, timeout=REDIRECTION_TIMEOUT_S)
        if answer.next is not None:
            return without_user(answer.next.url or "").partition("?")[0].removesuffix(API)
    return "another address"


def _check_server(uri: str) -> None:
    """Refuse what is not an address, one that would show a secret in receipts and logs, and a second one.

    mlflow would look for versions at the second, which its own variable names.
    """
    database = "://" in uri and not _is_server(uri)
    instead = "PGPASSWORD or a .pgpass file" if database else "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    check_address(uri, "MLFLOW_TRACKING_URI", instead)
    if uri[0] in QUOTES:
        raise UserError("MLFLOW_TRACKING_URI: begins with a quotation mark; write the address without any")
    if database_of(uri) and UNFIT.search(str(Path.cwd())):
        raise UserError(
            f"{Path.cwd()}: MLflow makes no database in a folder whose path has both sorts of quotes, or a name that "
            "begins with a colon; rename it"
        )
    if _is_server(uri) and "#" in uri:
        raise UserError(
            "MLFLOW_TRACKING_URI: is the address of a page; write that of the server, which ends before the #"
        )
    if project_uri(from_environment("MLFLOW_REGISTRY_URI") or uri) != uri:
        raise UserError(
            "MLFLOW_REGISTRY_URI: fabgan keeps versions where it records runs, at MLFLOW_TRACKING_URI; unset it"
        )


def _check_login() -> None:
    """Refuse what mlflow cannot send: it would repeat the secret in its message."""
    for name in LOGIN:
        from_environment(name)
    check_sent(TOKEN)


def _initialisation_lock(database: Path | None) -> AbstractContextManager[object]:
    """Return a lock for opening a SQLite database: processes that create its tables at the same time damage it."""
    return FileLock(f"{database}.lock", timeout=DATABASE_LOCK_TIMEOUT_S) if database else nullcontext()


def _own_database(uri: str) -> Path | None:
    """Return the SQLite file of an address, to be made or followed; None for another sort, or if it is only read."""
    database = database_of(uri)
    only_read = database is not None and database.is_file() and not os.access(database.parent, os.W_OK)
    return None if only_read else database


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the name of its type if the message is empty.

    If it ends with a colon, what follows is added, without the headings of mlflow. Of an error of a database, it is
    that of the database, without the statement that mlflow had made.
    """
    said = str(getattr(error.__cause__, "orig", None) or error).strip() or type(error).__name__
    first, *more = [line for line in said.splitlines() if line and not line.startswith(HEADING)]
    return " ".join([first, *more[:1]]) if first.endswith(":") else first


@contextmanager
def mlflow_errors(what: str) -> Iterator[Any]:
    """Connect mlflow and yield it; turn its exceptions in the block into a UserError."""
    uri = connect()
    import mlflow

    with failures_told(what, uri):
        yield mlflow


@contextmanager
def failures_told(what: str, uri: str, *others: type[Exception]) -> Iterator[None]:
    """Turn exceptions of mlflow, which is connected to `uri`, and these others into a UserError.

    Where files are sent or listed, each artifact store has its own.
    """
    import mlflow

    try:
        yield
    except (mlflow.MlflowException, *others) as error:
        raise UserError(
            f"{what}: MLflow at {uri} failed: {first_line(error)}; fix this and run the same command again"
        ) from error


def paged(search: Callable[..., Any]) -> Iterator[Any]:
    """Yield what a search of MLflow's client finds, which returns a page at a time."""
    page = search()
    yield from page
    while page.token:
        page = search(page_token=page.token)
        yield from page


def warn(what: str, error: Exception, consequence: str) -> None:
    """Log a failure of MLflow that does not end the step."""
    uri = os.environ["MLFLOW_TRACKING_URI"]
    logger(what).warning("MLflow at %s failed: %s; %s", uri, first_line(error), consequence)


@contextmanager
def warn_on_failure(what: str, consequence: str) -> Iterator[None]:
    """Warn if recording fails, instead of raising: an exception would lose the step's finished work."""
    try:
        yield
    except Exception as error:  # of MLflow, or of the client that uploads its files to a bucket
        warn(what, error, consequence)
