"""Where pods have their model from: a bucket, an image, or a volume."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.check import judged
from serving_role import ROLE, evaluate, given

INSIDE = "/models/resnet/7"
CLAIM = {"persistentVolumeClaim": {"claimName": "models", "readOnly": True}}

Json = dict[str, Any]


def pod_of(**variables: Any) -> Json:
    text = evaluate(f"lookup('ansible.builtin.template', '{ROLE}/templates/pod.yml.j2')", **variables)
    return dict(yaml.safe_load(text)["spec"])


def mounts(pod: Json, container: str) -> dict[str, Json]:
    (found,) = [one for one in pod["containers"] + pod.get("initContainers", []) if one["name"] == container]
    return {mount["name"]: mount for mount in found["volumeMounts"]}


def volumes(pod: Json) -> dict[str, Json]:
    return {volume["name"]: volume for volume in pod["volumes"]}


def test_by_default_it_is_fetched_from_the_bucket() -> None:
    pod = pod_of()
    assert [one["name"] for one in pod["initContainers"]] == ["fetch-model"]
    assert volumes(pod)["model"] == {"name": "model", "emptyDir": {"sizeLimit": "10Gi"}}
    assert mounts(pod, "tfserving")["model"] == {"name": "model", "mountPath": "/models", "readOnly": True}


def test_of_an_image_a_container_copies_it(tmp_path: Path) -> None:
    pod = pod_of(
        serving_model_source="image", serving_model_image="registry/model:1", serving_model_uri=INSIDE,
        serving_model_name="resnet",
    )  # fmt: skip
    (copier,) = pod["initContainers"]
    assert (copier["name"], copier["image"]) == ("copy-model", "registry/model:1")
    assert copier["securityContext"]["readOnlyRootFilesystem"]
    assert volumes(pod)["model"] == {"name": "model", "emptyDir": {"sizeLimit": "10Gi"}}
    # The very command, with the image's folder and the volume on this machine; twice, as after a restart.
    source, target = tmp_path / "image" / "7", tmp_path / "volume"
    (source / "variables").mkdir(parents=True)
    (source / "saved_model.pb").write_text("graph")
    (source / "variables" / "v").write_text("weights")
    *command, inside, outside = copier["command"]
    assert inside == INSIDE
    there = target / Path(outside).relative_to("/mnt/models")
    for _ in range(2):
        subprocess.run([*command, str(source), str(there)], check=True)
    served = target / "resnet" / "7"
    assert sorted(path.name for path in served.rglob("*")) == ["saved_model.pb", "v", "variables"]
    assert mounts(pod, "copy-model")["model"]["mountPath"] == "/mnt/models"
    assert mounts(pod, "tfserving")["model"]["mountPath"] == "/models"


@pytest.mark.parametrize("volume", [CLAIM, {"hostPath": {"path": "/srv/models"}}])
def test_a_volume_is_mounted_as_it_is(volume: Json) -> None:
    pod = pod_of(
        serving_model_source="volume", serving_model_volume=volume, serving_model_uri=INSIDE,
        serving_model_name="resnet",
    )  # fmt: skip
    assert "initContainers" not in pod
    assert volumes(pod)["model"] == {"name": "model", **volume}
    assert mounts(pod, "tfserving")["model"] == {
        "name": "model", "mountPath": "/models/resnet/7", "subPath": "models/resnet/7", "readOnly": True,
    }  # fmt: skip


@pytest.mark.parametrize("source", ["image", "volume"])
def test_the_model_server_looks_where_it_is(source: str) -> None:
    config = evaluate(
        "serving_config", serving_model_source=source, serving_model_uri=INSIDE, serving_model_name="resnet"
    )
    assert (config["MODEL_PATH"], config["MODEL_VERSION"]) == ("/models/resnet", "7")


@pytest.mark.parametrize(
    ("variables", "fine"),
    [
        ({}, True),
        ({"serving_model_uri": INSIDE}, False),
        ({"serving_model_source": "image", "serving_model_image": "i:1.2.3", "serving_model_uri": INSIDE}, True),
        ({"serving_model_source": "image", "serving_model_image": "i:1.2.3", "serving_model_uri": "/7"}, True),
        ({"serving_model_source": "image", "serving_model_image": "i:1.2.3"}, False),
        ({"serving_model_source": "image", "serving_model_uri": INSIDE}, False),
        ({"serving_model_source": "image", "serving_model_image": "i:1.2.3", "serving_model_uri": "/models/resnet"}, False),
        ({"serving_model_source": "volume", "serving_model_volume": CLAIM, "serving_model_uri": INSIDE}, True),
        ({"serving_model_source": "volume", "serving_model_uri": INSIDE}, False),
        ({"serving_model_source": "volume", "serving_model_volume": CLAIM, "serving_model_uri": INSIDE,
          "serving_fetch": False}, False),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(variables: Json, fine: bool) -> None:
    judgement = judged(given(serving_source_ranges=["10.0.0.0/8"], **variables), ["serving"])
    assert (judgement.findings == []) == fine
