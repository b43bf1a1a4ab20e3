"""The MLflow registry of models: register versions, set their tags and aliases, pull their files."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from errno import ENOSPC
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from ...core.errors import UserError
from ...core.parameters import MODEL_NAME, MODEL_NAME_RULE
from .local import in_project
from .store import connect, failures_told, first_line, paged

SCHEME = "models:/"
MODEL_URI = re.compile(rf"{SCHEME}(?P<name>{MODEL_NAME})(?:@(?P<alias>[^/@]+)|/(?P<version>[1-9][0-9]*))")


@dataclass(frozen=True)
class Version:
    """One registered version of a model."""

    name: str
    number: int
    tags: dict[str, str]
    run_id: str = ""
    """The run to which its files were logged."""
    is_copy: bool = False
    """Whether a person copied it from another model, with its tags."""

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

    def create_model(self, name: str) -> None:
        """Create the registered model without versions, unless it is there."""
        if self._client.search_registered_models(f"name = '{name}'"):
            return
        try:
            self._client.create_registered_model(name, description="For images of BGA packages, by fabgan.")
        except self._mlflow.MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was faster
                raise

    def model_tags(self, name: str) -> dict[str, str]:
        """Return the tags of the registered model itself, as they were at one moment."""
        return dict(self._client.get_registered_model(name).tags)

    def tag_model(self, name: str, key: str, value: str) -> None:
        """Set a tag of the registered model itself."""
        self._client.set_registered_model_tag(name, key, value)

    def untag_model(self, name: str, key: str) -> None:
        """Delete a tag of the registered model itself, if it is there."""
        self._client.delete_registered_model_tag(name, key)

    def every_version(self) -> list[Version]:
        """Return all versions of all models, in the order of their numbers."""
        return self._search("")

    def versions(self, name: str) -> list[Version]:
        """Return all versions of a model, in the order of their numbers."""
        return self._search(f"name = '{name}'")

    def find(self, name: str, tag: str, value: str) -> Version | None:
        """Return the version of a model whose tag has a value, the lowest if there are several, or None."""
        return next(iter(self._search(f"name = '{name}' and tags.{tag} = '{value}'")), None)

    def _search(self, query: str) -> list[Version]:
        found = paged(partial(self._client.search_model_versions, query))
        return sorted((_version(one) for one in found), key=lambda version: version.number)

    def register(self, name: str, folder: Path, tags: Mapping[str, str]) -> Version:
        """Create a version of a model from the files of `folder`, which are logged to the active run, or to a new one.

        The version appears at once with all files and tags. What a killed process has logged stays in its run. Raises
        UserError if the files cannot be logged.
        """
        place = f"generator/{uuid4().hex}"  # never one from which a version is being read
        with failures_told(f"{name}: the files of {folder}", self.uri, Exception):
            self._mlflow.log_artifacts(str(folder), place)
        info = self._mlflow.active_run().info
        return _version(
            self._client.create_model_version(name, f"{info.artifact_uri}/{place}", info.run_id, dict(tags))
        )

    def delete(self, version: Version) -> None:
        """Delete a version. Its number is not given again."""
        self._client.delete_model_version(version.name, str(version.number))

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        for key, value in tags.items():
            self._client.set_model_version_tag(version.name, str(version.number), key, value)

    def untag(self, version: Version, key: str) -> None:
        """Delete a tag of a version, if it is there."""
        self._client.delete_model_version_tag(version.name, str(version.number), key)

    def aliases(self, version: Version) -> list[str]:
        """Return the aliases of a version."""
        aliases = self.aliases_of_model(version.name)
        return sorted(alias for alias, number in aliases.items() if number == version.number)

    def aliases_of_model(self, name: str) -> dict[str, int]:
        """Return the number of the version that has each alias of a model."""
        aliases = self._client.get_registered_model(name).aliases
        return {alias: int(number) for alias, number in aliases.items()}

    def with_alias(self, name: str, alias: str) -> Version | None:
        """Return the version that has an alias, or None."""
        models = self._client.search_registered_models(f"name = '{name}'")
        number = models[0].aliases.get(alias) if models else None
        return None if number is None else _version(self._client.get_model_version(name, number))

    def set_alias(self, version: Version, alias: str) -> None:
        """Give an alias to a version; any other version loses it."""
        self._client.set_registered_model_alias(version.name, alias, str(version.number))

    def drop_alias(self, name: str, alias: str) -> None:
        """Take an alias from the version that has it, if there is one."""
        self._client.delete_registered_model_alias(name, alias)

    def resolve(self, uri: str) -> Version:
        """Return the version that `models:/NAME@ALIAS` or `models:/NAME/NUMBER` names.

        Raises UserError for another form of address, if the registry has no such version, and if MLflow fails.
        """
        match = MODEL_URI.fullmatch(uri)
        if match is None:
            raise UserError(f"{uri}: expected models:/NAME@ALIAS or models:/NAME/NUMBER; NAME is {MODEL_NAME_RULE}")
        name, alias, number = match["name"], match["alias"], match["version"]
        with failures_told(uri, self.uri):
            versions = self.versions(name)
            if not versions:
                raise UserError(f"{uri}: {self._lack(name)}")
            found = self.with_alias(name, alias) if alias else _with_number(versions, int(number))
        if found is None:
            raise UserError(
                f"{uri}: no such version or alias in the registry at {self.uri} (versions: "
                f"{', '.join(str(version.number) for version in versions)}); name a version, such as "
                f"{versions[-1].uri}, or give one the alias. `publish` makes the first generator champion that is not "
                "refused"
            )
        return found

    def _lack(self, name: str) -> str:
        """Return what is to be said of a model without versions."""
        known = [model.name for model in self._client.search_registered_models()]
        if name in known:
            return f"the model has no versions in the registry at {self.uri}; publish one"
        return f"no such model in the registry at {self.uri} (known models: {', '.join(known) or 'none'})"

    def pull(self, version: Version, folder: Path) -> None:
        """Copy a version's files into the empty `folder`. Raises UserError if they are not where MLflow says."""
        try:
            self._mlflow.artifacts.download_artifacts(artifact_uri=version.uri, dst_path=str(folder))
        except Exception as error:
            why = first_line(error)
            full = "; free room there, or set TMPDIR to a folder with more" if os.strerror(ENOSPC) in why else ""
            raise UserError(
                f"{version.uri}: the files cannot be fetched from MLflow at {self.uri}: {why}{full}"
            ) from error
        if not any(folder.iterdir()):
            place = self._client.get_model_version_download_uri(version.name, str(version.number))
            raise UserError(
                f"{version.uri}: its files are not in {unquote(place)}, where MLflow at {self.uri} looks for them; "
                "restore them. If the project was moved or copied, put its folder mlruns beside mlflow.db"
            )

    @contextmanager
    def pulled(self, version: Version) -> Iterator[Path]:
        """Yield a folder with a version's files. A UserError about one of them names the version, and not the folder.

        Raises UserError as `pull` does.
        """
        with TemporaryDirectory() as folder:
            self.pull(version, Path(folder))
            try:
                yield Path(folder)
            except UserError as error:
                raise type(error)(str(error).replace(folder, version.uri)) from error


@contextmanager
def model_folder(place: str) -> Iterator[Path | None]:
    """Yield the folder that `place` names: a folder, or a copy of `models:/NAME/NUMBER`. It is None if that is empty.

    A folder that DVC did not copy to where it runs an experiment is that of the project.

    Raises UserError as `Registry.resolve` does, and for the address of a server, which may hold a secret.
    """
    if "://" in place:
        raise UserError("a model is a folder, models:/NAME@ALIAS or models:/NAME/NUMBER, and not an address")
    if not place.startswith(SCHEME):
        yield _folder(Path(place)) if place else None
        return
    registry = Registry()
    with registry.pulled(registry.resolve(place)) as folder:
        yield folder


def _folder(place: Path) -> Path:
    return place if place.exists() else in_project(place)


def _version(found: Any) -> Version:
    is_copy = str(found.source).startswith(SCHEME)
    return Version(found.name, int(found.version), dict(found.tags), found.run_id or "", is_copy)


def _with_number(versions: list[Version], number: int) -> Version | None:
    return next((version for version in versions if version.number == number), None)
