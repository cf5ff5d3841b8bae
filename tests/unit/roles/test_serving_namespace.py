"""A namespace gets labels from the site that made it, and from nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.objects import MADE_HERE
from kube_applied import KubeApplied
from played import HEAD, run

Json = dict[str, Any]
PLACE = "/api/v1/namespaces/tfserving"
LEVEL = "pod-security.kubernetes.io/enforce"
THEIRS = {LEVEL: "privileged", "team": "ml", "app.kubernetes.io/managed-by": "Helm"}
OURS = {"app.kubernetes.io/managed-by": "mlops.tfserving"}
# Without what waits for pods.
CONVERGE = ("look.yml", "change.yml")


def converged(
    folder: Path, kube: KubeApplied, *parts: str, check: bool = False, **variables: Any
) -> tuple[str, int]:
    """What the role said, and how much it changed."""
    given = {
        "serving_model_uri": "gs://models/m/1", "serving_source_ranges": ["10.0.0.0/8"], "serving_gate_enabled": False,
        "cluster_retry_seconds": 0, **variables,
    }  # fmt: skip
    with kube.served(folder) as kubeconfig:
        connection = {"kubeconfig": str(kubeconfig)}
        play = {
            **HEAD, "vars": {**HEAD["vars"], **given},
            "module_defaults": {"group/mlops.tfserving.k8s": connection, "group/kubernetes.core.k8s": connection},
            "tasks": [
                {"ansible.builtin.include_role": {"name": "mlops.tfserving.serving", "tasks_from": part}}
                for part in parts or CONVERGE
            ],
        }  # fmt: skip
        code, output, counts = run(folder, [play], {"TMPDIR": str(folder)}, *(["--check"] if check else []))
    assert code == 0, output
    return " ".join(output.split()), counts["changed"]


def space(labels: Json | None = None, made_by: str = "") -> KubeApplied:
    kube = KubeApplied()
    annotations = {MADE_HERE: made_by} if made_by else {}
    kube.put(PLACE, {"apiVersion": "v1", "kind": "Namespace"}, labels=labels or {}, annotations=annotations)
    return kube


def labels(kube: KubeApplied) -> Json:
    return dict(kube.objects[PLACE]["metadata"]["labels"])


def test_one_of_others_keeps_its_labels_and_gets_the_site(tmp_path: Path) -> None:
    kube = space(THEIRS)
    assert converged(tmp_path, kube)[1] > 0
    assert labels(kube) == THEIRS
    assert "/apis/apps/v1/namespaces/tfserving/deployments/image-classifier" in kube.objects
    asked = [method for method, path in kube.requests if path == PLACE]
    assert set(asked) == {"GET"}, "it takes no right to change it"


@pytest.mark.parametrize(
    ("had", "told", "way"),
    [(THEIRS, "the Pod Security Standard privileged", " --overwrite"), ({}, "no Pod Security Standard", "")],
)
def test_and_the_run_says_what_it_does_not_enforce(tmp_path: Path, had: Json, told: str, way: str) -> None:
    said, _unused = converged(tmp_path, space(had), "main.yml", check=True)
    assert (
        f"was not made for this site, and stays as it is: it has {told}, and serving_pod_security is restricted."
        in said
    )
    assert f'kubectl label namespace tfserving pod-security.kubernetes.io/enforce=restricted{way}"' in said


def test_nothing_is_said_where_it_is_as_wanted(tmp_path: Path) -> None:
    said, _unused = converged(tmp_path, space({LEVEL: "restricted"}), "main.yml", check=True)
    assert "was not made for this site" not in said


@pytest.mark.parametrize("made_by", ["image-classifier", "mlops.tfserving"])
def test_one_that_was_made_for_the_site_follows_its_variable(tmp_path: Path, made_by: str) -> None:
    """Release 0.2.0 noted no site."""
    kube = space(OURS | {LEVEL: "restricted"}, made_by)
    converged(tmp_path, kube, serving_pod_security="baseline")
    assert labels(kube) == OURS | {LEVEL: "baseline"}


def test_a_new_one_is_noted_to_be_the_site_s_and_a_second_site_leaves_it(tmp_path: Path) -> None:
    kube = KubeApplied()
    del kube.objects[PLACE]
    converged(tmp_path, kube)
    mine = OURS | {LEVEL: "restricted"}
    assert (labels(kube), kube.objects[PLACE]["metadata"]["annotations"][MADE_HERE]) == (
        mine,
        "image-classifier",
    )
    converged(tmp_path, kube, serving_name="other", serving_pod_security="privileged")
    assert labels(kube) == mine
    converged(tmp_path, kube)
    assert labels(kube) == mine


@pytest.mark.parametrize(("first", "second"), [("restricted", "baseline"), ("baseline", "restricted")])
def test_of_two_sites_in_one_of_release_0_2_0_the_first_to_change_it_has_it(
    tmp_path: Path, first: str, second: str
) -> None:
    """They set the level in turn."""
    kube = space(OURS | {LEVEL: "privileged"}, "mlops.tfserving")
    converged(tmp_path, kube, serving_pod_security=first)
    converged(tmp_path, kube, serving_name="other", serving_pod_security=second)
    assert labels(kube) == OURS | {LEVEL: first}
    assert kube.objects[PLACE]["metadata"]["annotations"][MADE_HERE] == "image-classifier"
    assert converged(tmp_path, kube, serving_pod_security=first)[1] == 0
    assert converged(tmp_path, kube, serving_name="other", serving_pod_security=second)[1] == 0
    assert labels(kube) == OURS | {LEVEL: first}


def test_sites_that_agree_about_one_of_release_0_2_0_leave_its_note(tmp_path: Path) -> None:
    kube = space(OURS | {LEVEL: "restricted"}, "mlops.tfserving")
    for name in ("image-classifier", "other"):
        converged(tmp_path, kube, serving_name=name)
    assert kube.objects[PLACE]["metadata"]["annotations"] == {MADE_HERE: "mlops.tfserving"}
