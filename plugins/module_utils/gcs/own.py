"""Takes away what this collection made in Cloud Storage, and tells what stays, since others may have made it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..gcp.labels import MARK_WORDS
from ..progress import progress
from ..saved_model.files import MANIFEST
from .publish import CLAIMS, some
from .publisher import Model
from .storage import Storage

Json = dict[str, Any]


def kept_words(
    name: str,
    *,
    ours: bool,
    others: Collection[str],
    shared: Collection[str] = (),
    neighbours: Collection[str] = (),
    versions_go: bool = True,
) -> str:
    """Why the bucket stays; empty when it goes. Pure.

    ``others``: names of objects that were not published by us; ``shared``: other sites that use the model; ``neighbours``: other
    sites that use the bucket.
    """
    if shared:
        return (
            f"bucket {name} stays, and the model's versions in it: by the bucket's labels they are used by {some(sorted(shared))}, "
            "too"
        )
    if not ours:
        return f"bucket {name} stays: it does not have the {MARK_WORDS} of what this collection made"
    if not others and neighbours:
        return f"bucket {name} stays: by its labels it is used by {some(sorted(neighbours))}, too"
    if not others:
        return ""
    return (
        f"bucket {name} stays: it holds {len(others)} objects that are no published version of this model"
        f"{'' if versions_go else ', or are to stay'}: {some(sorted(others))}"
    )


def nothing_goes(kept: str) -> Json:
    """The answer where all stays as it is, for this reason; for none where there is nothing."""
    return {
        "changed": False,
        "objects_removed": 0,
        "kept": kept,
        "diff": {"before": {}, "after": {}},
    }


def remove_own(
    storage: Storage,
    bucket: str,
    path: str | None,
    *,
    ours: bool,
    shared: Collection[str] = (),
    neighbours: Collection[str] = (),
    versions_go: bool = True,
    check_mode: bool,
) -> Json:
    """Removes the versions published below the path, and the bucket, if it is ours and holds nothing else.

    Without a path no object goes, nor where other sites use the model (``shared``), nor unless ``versions_go``. Raises
    ``GoogleError``.
    """
    if shared:
        return nothing_goes(kept_words(bucket, ours=ours, others=(), shared=shared))
    folder = (path or "").strip("/") if versions_go else ""
    model = Model(storage, bucket, folder, progress)
    versions = [version.published() for version in model.versions().values()] if folder else []
    going = {name for version in versions for name in model.names(version)}
    keeps = model.retention() if going else ""
    if keeps:
        return nothing_goes(f"bucket {bucket} stays, and the model's versions in it: it {keeps}")
    # Of a bucket that stays in any case nobody needs to know what else it holds.
    every = list(storage.objects(bucket, "", versions=True)) if ours else []
    current = {item["name"] for item in storage.objects(bucket, "")} if ours else set()
    manifests = [
        i["name"] for i in every if i["name"].startswith(f"{folder}/") and i["name"].endswith(f"/{MANIFEST}")
    ]
    once_ours = (f"{folder}/{CLAIMS}/", *(name.removesuffix(MANIFEST) for name in manifests))
    others = {
        item["name"]
        for item in every
        # The console's empty folders are no content, and an earlier generation of a published object is not theirs.
        if item["name"] not in going
        and not (item["name"].endswith("/") and int(item.get("size", 0)) == 0)
        and not (item["name"] not in current and item["name"].startswith(once_ours))
    }
    kept = kept_words(bucket, ours=ours, others=others, neighbours=neighbours, versions_go=versions_go)
    if not check_mode:
        for version in versions:
            model.remove(version)
        if not kept:
            # Removing a version leaves earlier generations of its claim where the bucket keeps them.
            claims = storage.objects(bucket, f"{folder}/{CLAIMS}/", versions=True) if folder else []
            left = {(item["name"], item["generation"]): item for item in (*every, *claims)}
            for item in left.values():
                storage.delete_generation(bucket, item["name"], item["generation"])
            storage.delete_bucket(bucket)
    removed = sorted(going if kept else going | {item["name"] for item in every})
    return {
        "changed": bool(going) or not kept, "objects_removed": len(removed), "kept": kept,
        "diff": {"before": {"name": bucket, "objects": removed}, "after": {"name": bucket} if kept else {}},
    }  # fmt: skip
