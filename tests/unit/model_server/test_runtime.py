"""What is known of the model server stands once."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.tfserving.plugins.filter.model_server import model_server
from ansible_collections.mlops.tfserving.plugins.module_utils.marks import MARKS
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.runtime import TF_SERVING

ROOT = Path(__file__).resolve().parents[3]
HOME = "plugins/module_utils/model_server/runtime.py"
STAND_IN = "sandbox/images/tensorflow-serving/"
FACTS = (
    r"\b1?850[01]\b|:213[45]|/v1/models|monitoring/prometheus|:tensorflow:|/usr/bin/tensorflow_model_server"
    r"|PredictionService/|ModelService/"
)


def files_of(*folders: str) -> dict[str, str]:
    """Text by path; what git does not know yet included."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    return {
        name: path.read_text(errors="replace")
        for name in listed
        if name and (path := ROOT / name).is_file() and path.suffix not in (".jpg", ".png")
    }


def test_ports_paths_and_metrics_of_the_model_server_stand_in_one_file() -> None:
    found = {
        name
        for name, text in files_of("plugins", "roles", "playbooks", "sandbox").items()
        if re.search(FACTS, text)
    }
    assert {name for name in found if not name.startswith(STAND_IN)} == {HOME}


def test_the_autoscaler_counts_the_model_servers_container() -> None:
    defaults = yaml.safe_load((ROOT / "roles/autoscaling/defaults/main.yml").read_text())
    assert defaults["autoscaling_container"] == TF_SERVING.container


def test_labels_and_annotations_of_ours_are_listed_and_every_one_is_used() -> None:
    texts = files_of("plugins", "roles", "playbooks")
    del texts["plugins/module_utils/marks.py"]
    said = {
        mark for text in texts.values() for mark in re.findall(r"mlops\.tfserving/([a-z-]+)(?![a-z/-])", text)
    }
    assert said == set(MARKS)


def test_paths_of_a_model_are_safe_and_say_version_or_label() -> None:
    assert TF_SERVING.model_path("a b/c") == "/v1/models/a%20b%2Fc"
    assert TF_SERVING.model_path("m", 3) == "/v1/models/m/versions/3"
    assert TF_SERVING.predict_path("m", label="st/able") == "/v1/models/m/labels/st%2Fable:predict"
    assert TF_SERVING.metadata_path("m", 3) == "/v1/models/m/versions/3/metadata"


def test_templates_get_the_same_and_an_unknown_server_is_told() -> None:
    assert model_server("tfserving")["rest_port"] == TF_SERVING.rest_port
    with pytest.raises(AnsibleFilterError, match="no model server is called 'triton': there is tfserving"):
        model_server("triton")
