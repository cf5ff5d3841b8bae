"""Rules about the model in its bucket. Pure."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Iterator

from .findings import Rule, Trouble
from .project import Project, known
from .settings import Settings


def model_missing(settings: Settings, project: Project) -> Iterator[Trouble]:
    """Whether there can be a version to serve; what a source publishes will be there."""
    storage = settings.storage
    if not storage.bucket or storage.source or storage.served:
        return
    if known(project.bucket) is None:
        what = f"bucket {storage.bucket} does not exist"
    else:
        versions = known(project.model_versions)
        if versions and storage.version in (None, *versions):
            return
        wanted = "version" if storage.version is None else f"version {storage.version}"
        there = f" (there are {', '.join(map(str, sorted(versions)))})" if versions else ""
        what = f"gs://{storage.bucket}/{storage.path} has no complete {wanted}{there}"
    yield Trouble(
        f"{what}, and storage_model_source is empty, so none is published: there would be no model to serve",
        "Set storage_model_source to the SavedModel's folder, an archive or gs://BUCKET/PATH/VERSION.",
    )


RULES = (
    Rule(
        "model-missing",
        "warning",
        "The bucket has no version of the model to serve, and none is to be published.",
        model_missing,
    ),
)
