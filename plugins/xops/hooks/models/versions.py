"""Model versions in MLflow's registry: looked up, loaded safely, and pointed to by aliases."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured
from xops.hooks.models import model_files
from xops.hooks.models.mlflow_connection import MlflowConnection
from xops.hooks.models.model_cache import ModelCache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities.model_registry import ModelVersion

    from xops.core.model.model_file import ModelFile

_NAMED = 256  # characters that MLflow's databases keep of a name
KEY = "xops.key"
MANIFEST = "xops.manifest"
SUPERSEDED = "xops.superseded"  # of several versions with one key all but the oldest
_PAGE = 1000  # versions that MLflow is asked for at once


class MlflowVersions(MlflowConnection):
    """What is in MLflow's registry. The arguments are those of :class:`~xops.hooks.models.registry.MlflowHook`."""

    def version(self, model: str, version: str) -> ModelVersion:
        """Give a model version as MLflow knows it.

        :raises Misconfigured: when there is no such model or version.
        """
        with self.client() as client:
            return client.get_model_version(model, version)

    def versions(self, model: str) -> list[ModelVersion]:
        """Give every version of a model, oldest first."""
        return sorted(self._search(f"name = '{quoted(model)}'"), key=lambda version: int(version.version))

    def every_version(self) -> Iterator[tuple[str, str]]:
        """Give the name of every version of every registered model, with the texts of its tags, one a line."""
        for version in self._search(None):
            yield f"models:/{version.name}/{version.version}", "\n".join(version.tags.values())

    def _search(self, where: str | None) -> Iterator[ModelVersion]:
        token = None
        while True:
            with self.client() as client:
                found = client.search_model_versions(where, max_results=_PAGE, page_token=token)
            yield from found
            token = found.token
            if not token:
                return

    def load(self, model: str, version: str, *, manifest: str | None) -> Any:
        """Load a model version by the safe loader after its files were compared with ``manifest``.

        :raises Misconfigured: when they differ, or the model cannot be loaded safely.
        """
        with self.recorded_files(model, version, manifest) as folder:
            return model_files.load(
                folder, name=f"models:/{model}/{version}", wanted=None, allow_pickle=self.allows_pickle(),
                architectures=self.architectures(),
            )  # fmt: skip

    @contextlib.contextmanager
    def recorded_files(self, model: str, version: str, manifest: str | None) -> Iterator[Path]:
        """Give a model version's directory as it was recorded, from this machine where it was fetched before.

        :param manifest: the digest that was recorded; None gives the files as they are.
        :raises Misconfigured: when they differ.
        """
        if manifest is None:
            with self.files(model, version) as folder:
                yield folder
            return

        def fetch(place: Path) -> Path:
            return self._fetched(model, version, place)

        with ModelCache().directory(manifest, f"models:/{model}/{version}", fetch) as folder:
            yield folder

    def inspected(self, model: str, version: str, *, manifest: str | None) -> tuple[Any, ModelFile]:
        """Load a version's files as MLflow has them now, and say what they are; one that is refused is None."""
        with self.files(model, version) as folder:
            return model_files.inspected(
                folder, name=f"models:/{model}/{version}", wanted=manifest, allow_pickle=self.allows_pickle(),
                architectures=self.architectures(),
            )  # fmt: skip

    @contextlib.contextmanager
    def files(self, model: str, version: str) -> Iterator[Path]:
        """Give a temporary copy of a model version's directory as MLflow has it now."""
        with tempfile.TemporaryDirectory(prefix="xops-model-") as folder:
            yield self._fetched(model, version, Path(folder))

    def _fetched(self, model: str, version: str, place: Path) -> Path:
        source = self.version(model, version).source
        with self.client():
            from mlflow.artifacts import download_artifacts

            files = Path(download_artifacts(source, dst_path=str(place)))
        (files / model_files.NOTE).unlink(missing_ok=True)  # nothing is there that the manifest does not cover
        return files

    def manifest(self, model: str, version: str) -> str:
        """Give the manifest digest of a model version's files as they are now."""
        with self.files(model, version) as folder:
            return model_files.manifest_digest(folder)

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Let an alias point to a version; MLflow compares nothing, so the promotion log decides what is true."""
        self.settled(lambda client: client.set_registered_model_alias(model, alias, version))

    def delete_alias(self, model: str, alias: str) -> None:
        """Take an alias away; one that is not there is no error."""
        with self.client() as client:
            client.delete_registered_model_alias(model, alias)

    def inputs(self, model: str, version: str) -> dict[str, str]:
        """Give the columns of a model version's signature with their types, as MLflow names them; empty without one."""
        with self.client():
            from mlflow.models import get_model_info

            signature = get_model_info(f"models:/{model}/{version}").signature
        columns = signature.inputs.input_dict() if signature and signature.inputs else {}
        return {str(name): str(getattr(spec.type, "name", spec.type)) for name, spec in columns.items()}

    def aliases(self, model: str) -> dict[str, str]:
        """Give a registered model's aliases and the versions they point to."""
        with self.client() as client:
            return {alias: str(version) for alias, version in client.get_registered_model(model).aliases.items()}

    def alias(self, model: str, alias: str) -> str | None:
        """Give the version that an alias of a model points to; None when there is no such alias or no such model.

        Asked without a second try, so a server that does not answer costs 10 s.
        """
        from mlflow.exceptions import MlflowException

        with self.client(retries=0) as client:
            try:
                return str(client.get_model_version_by_alias(model, alias).version)
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise

    def _version_of(self, model: str, key: str) -> str | None:
        with self.client() as client:
            found = client.search_model_versions(f"name = '{quoted(model)}' and tags.`{KEY}` = '{key}'")
        return min((str(version.version) for version in found), key=int, default=None)


def quoted(name: str) -> str:
    """Refuse a model name that would end the quotation it is put into, or that no registry takes."""
    if "'" in name or "\\" in name:
        raise Misconfigured(f"model name {name!r}: quotes and backslashes are not allowed")
    if not name.strip() or "/" in name or ":" in name:
        raise Misconfigured(f"model name {name!r}: a name without / and : was wanted")
    if name in (".", "..") or not name.isprintable() or len(name) > _NAMED:
        raise Misconfigured(f"model name {name!r:.80}: a name of at most {_NAMED} printable characters was wanted")
    return name
