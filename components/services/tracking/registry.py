"""The MLflow registry of generators: register versions, set their aliases, pull their files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import UserError
from .store import connect

MODEL_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")


@dataclass(frozen=True)
class Version:
    """One registered version of a model."""

    name: str
    number: int
    tags: dict[str, str]

    @property
    def uri(self) -> str:
        """The address under which the version is pulled."""
        return f"models:/{self.name}/{self.number}"


class Registry:
    """The registry of the MLflow server or database in use."""

    def __init__(self) -> None:
        self.uri = connect()
        import mlflow

        self._mlflow = mlflow
        self._client = mlflow.MlflowClient()

    def find(self, name: str, weights_sha256: str) -> Version | None:
        """Return the version of a model that holds these weights, or None."""
        found = self._client.search_model_versions(f"name = '{name}' and tags.weights_sha256 = '{weights_sha256}'")
        return _version(found[0]) if found else None

    def register(self, name: str, folder: Path, tags: Mapping[str, str]) -> Version:
        """Create a version from the files of `folder`, which are logged to the active run, or to a new one."""
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name, description="Generators of BGA package images, by fabgan.")
        self._mlflow.log_artifacts(str(folder), "generator")
        info = self._mlflow.active_run().info
        made = self._client.create_model_version(name, f"{info.artifact_uri}/generator", info.run_id, dict(tags))
        return _version(made)

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        for key, value in tags.items():
            self._client.set_model_version_tag(version.name, str(version.number), key, value)

    def with_alias(self, name: str, alias: str) -> Version | None:
        """Return the version that has an alias, or None."""
        models = self._client.search_registered_models(f"name = '{name}'")
        number = models[0].aliases.get(alias) if models else None
        return None if number is None else _version(self._client.get_model_version(name, number))

    def set_alias(self, version: Version, alias: str) -> None:
        """Give an alias to a version; any other version loses it."""
        self._client.set_registered_model_alias(version.name, alias, str(version.number))

    def resolve(self, uri: str) -> Version:
        """Return the version that `models:/NAME@ALIAS` or `models:/NAME/NUMBER` names.

        Raises UserError for another form of address, or if the registry has no such version.
        """
        match = MODEL_URI.fullmatch(uri)
        if match is None:
            raise UserError(f"{uri}: expected models:/NAME@ALIAS or models:/NAME/NUMBER")
        name, alias, number = match["name"], match["alias"], match["version"]
        versions = self._client.search_model_versions(f"name = '{name}'")
        if not versions:
            known = ", ".join(model.name for model in self._client.search_registered_models()) or "none"
            raise UserError(f"{uri}: no such model in the registry at {self.uri} (known models: {known})")
        found = self.with_alias(name, alias) if alias else _with_number(versions, number)
        if found is None:
            numbers = ", ".join(sorted((str(version.version) for version in versions), key=int))
            raise UserError(f"{uri}: no such version or alias in the registry at {self.uri} (versions: {numbers})")
        return found

    def pull(self, version: Version, folder: Path) -> None:
        """Copy a version's files into `folder`."""
        try:
            self._mlflow.artifacts.download_artifacts(artifact_uri=version.uri, dst_path=str(folder))
        except Exception as error:
            raise UserError(f"{version.uri}: the files cannot be fetched from MLflow at {self.uri}: {error}") from error


def _version(found: Any) -> Version:
    return Version(found.name, int(found.version), dict(found.tags))


def _with_number(versions: list[Any], number: str) -> Version | None:
    return next((_version(found) for found in versions if int(found.version) == int(number)), None)
