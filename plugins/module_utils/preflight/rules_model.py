"""Rules about the model in its bucket. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..variables.settings import Settings, Storage
from .judge import Rule, Said
from .project import Project, known


def model_missing(settings: Settings, project: Project) -> Iterator[Said]:
    """Whether there can be a version to serve; what a source publishes will be there."""
    storage = settings.storage
    if not storage.bucket:
        return
    if storage.served:
        yield from _named(storage, project)
    if storage.source and not storage.served and known(project.model_bytes) is None:
        yield (
            f"storage_model_source is {storage.source}, and nothing is there: no version could be published",
            "Set it to the SavedModel's folder, an archive or gs://BUCKET/PATH/VERSION that exists.",
        )
    if storage.source or storage.served:
        return
    if known(project.bucket) is None:
        what = f"bucket {storage.bucket} does not exist"
    else:
        versions = known(project.model_versions)
        if versions and storage.version in (None, *versions):
            return
        desired = "version" if storage.version is None else f"version {storage.version}"
        there = f" (there are {', '.join(map(str, sorted(versions)))})" if versions else ""
        what = f"gs://{storage.bucket}/{storage.path} has no complete {desired}{there}"
    yield (
        f"{what}, and storage_model_source is empty, so none is published: there would be no model to serve",
        "Set storage_model_source to the SavedModel's folder, an archive or gs://BUCKET/PATH/VERSION.",
    )


def _named(storage: Storage, project: Project) -> Iterator[Said]:
    """Versions that are named to be served; what is published in this run may be among them."""
    sizes = known(project.model_bytes)
    published = f"gs://{storage.bucket}/{storage.path}/" if storage.source else None
    for uri, size in zip(storage.served, sizes if isinstance(sizes, tuple) else (), strict=False):
        if not size and not (published and uri.startswith(published)):
            yield (
                f"{uri} is to be served, and nothing is there",
                "Publish it first (storage_model_source), or name a version that exists.",
            )


RULES = (
    Rule(
        "model-missing",
        "warning",
        "There is no version of the model to serve, or nothing where one is to be published from.",
        model_missing,
    ),
)
