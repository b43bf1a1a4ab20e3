"""`proxied-s3://BUCKET/PREFIX`: a bucket for an MLflow server that hands out no addresses in it.

MLflow's server offers clients presigned addresses of any store that can make them. They name the store as the server
knows it, and a client outside the cluster waits for it in vain. MLflow has no setting for that. It decides by the type
of the repository, so this type has none of the methods for it. All artifacts pass through the server.

mlflow finds the class by the entry point `mlflow.artifact_repository` in pyproject.toml.
"""

from pathlib import Path
from typing import Any

from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

SCHEME = "proxied-s3:"


class ProxiedS3Repository(ArtifactRepository):  # type: ignore[misc]
    """The artifacts below a `proxied-s3://` address, in the same objects as below the `s3://` address."""

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._s3 = S3ArtifactRepository(f"s3:{artifact_uri.removeprefix(SCHEME)}")

    def log_artifact(self, local_file: str | Path, artifact_path: str | None = None) -> None:
        """Put a file into the folder `artifact_path`."""
        self._s3.log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir: str | Path, artifact_path: str | None = None) -> None:
        """Put the files of a folder into the folder `artifact_path`."""
        self._s3.log_artifacts(local_dir, artifact_path)

    def list_artifacts(self, path: str | None = None) -> list[Any]:
        """Return mlflow's description of each file and folder in the folder `path`."""
        found: list[Any] = self._s3.list_artifacts(path)
        return found

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self._s3._download_file(remote_file_path, local_path)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file, or all files of a folder."""
        self._s3.delete_artifacts(artifact_path)
