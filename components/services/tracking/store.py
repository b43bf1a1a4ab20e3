"""The MLflow server or database in use, made ready so that nothing leaves the building.

Imported before mlflow itself: some of mlflow's switches are read while it is imported.
"""

import os
from contextlib import AbstractContextManager, nullcontext

from filelock import FileLock

from ...core.errors import UserError

DEFAULT_URI = "sqlite:///mlflow.db"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_MODEL_CATALOG_URI": "",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
DATABASE_LOCK_TIMEOUT_S = 120


def connect() -> str:
    """Point mlflow at MLFLOW_TRACKING_URI, or at a SQLite file in the working folder; return the URI.

    Raises UserError where the server does not answer or the database cannot be opened.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    uri = os.environ.setdefault("MLFLOW_TRACKING_URI", DEFAULT_URI)
    import mlflow

    mlflow.set_tracking_uri(uri)
    try:
        with _initialisation_lock(uri):
            mlflow.MlflowClient().search_experiments(max_results=1)
    except Exception as error:
        raise UserError(
            f"MLflow at {uri} cannot be used: {first_line(error)}; "
            "start it, or correct MLFLOW_TRACKING_URI (unset: a SQLite file in this folder)"
        ) from error
    return uri


def _initialisation_lock(uri: str) -> AbstractContextManager[object]:
    """Return a lock for the first opening of a database: processes that create its tables at once break it."""
    scheme, _, path = uri.partition(":///")
    return FileLock(f"{path}.lock", timeout=DATABASE_LOCK_TIMEOUT_S) if scheme == "sqlite" else nullcontext()


def first_line(error: Exception) -> str:
    """Return the first line of what an error says, or its name where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
