"""One model or several, and batching: what the pods get to read, held against the model server's own parser."""

from __future__ import annotations

import http.server
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from serving_role import ROOT, URI, container, evaluate, files_of, given, pod_of, render
from text_protos import BATCHING, MODELS, parsed

SEVERAL: list[dict[str, Any]] = [
    {
        "name": "resnet", "uri": "gs://a/models/resnet", "versions": [4, "3"], "labels": {"stable": 3, "canary": 4},
        "golden": [{"name": "cup", "instances": [1], "expect": [2]}],
    },
    {"name": "words", "uri": "gs://b/words", "versions": [12]},
]  # fmt: skip


def test_the_pod_of_the_defaults_is_the_one_that_runs() -> None:
    """A changed pod is a rollout for every user: change what is recorded only together with a reason for that."""
    pod, files = pod_of(), evaluate("serving_files_name")
    text = yaml.safe_dump(pod).replace(files, "image-classifier-FILES")
    text = text.replace(pod["metadata"]["annotations"]["mlops.tfserving/pod-hash"], "HASH")
    assert text == (Path(__file__).parent / "recorded/default_pod.yml").read_text()


def test_one_model_needs_no_list_unless_the_server_reads_the_bucket_itself() -> None:
    assert "models.config" not in files_of()
    arguments = container(pod_of(), "tfserving")["args"]
    assert {"--model_name=$(MODEL_NAME)", "--model_base_path=$(MODEL_PATH)"} <= set(arguments)
    files = files_of(serving_fetch=False)
    (model,) = parsed(MODELS, files["models.config"]).model_config_list.config
    assert (model.name, model.base_path) == ("image_classifier", "gs://models/models/m")
    assert list(model.model_version_policy.specific.versions) == [3]


def test_several_models_reach_the_server_with_versions_and_labels() -> None:
    config = parsed(MODELS, files_of(serving_models=SEVERAL)["models.config"]).model_config_list.config
    found = [
        (m.name, m.base_path, m.model_platform, list(m.model_version_policy.specific.versions), {label.key: label.value for label in m.version_labels})
        for m in config
    ]  # fmt: skip
    assert found == [
        ("resnet", "/models/resnet", "tensorflow", [3, 4], {"stable": 3, "canary": 4}),
        ("words", "/models/words", "tensorflow", [12], {}),
    ]
    arguments = container(pod_of(serving_models=SEVERAL), "tfserving")["args"]
    assert "--model_config_file=/etc/tfserving/models.config" in arguments
    assert "--allow_version_labels_for_unavailable_models=true" in arguments
    assert not any(argument.startswith("--model_name") for argument in arguments)
    unlabelled = container(pod_of(serving_models=SEVERAL[1:]), "tfserving")["args"]
    assert not any("labels" in argument for argument in unlabelled)


def test_several_models_are_read_from_their_buckets_without_a_fetch() -> None:
    text = files_of(serving_models=SEVERAL, serving_fetch=False)["models.config"]
    assert [m.base_path for m in parsed(MODELS, text).model_config_list.config] == [
        "gs://a/models/resnet", "gs://b/words",
    ]  # fmt: skip


@pytest.mark.parametrize("fetch", [True, False])
def test_every_version_is_fetched_and_verified_one_after_another(fetch: bool) -> None:
    init = pod_of(serving_models=SEVERAL, serving_fetch=fetch)["spec"]["initContainers"]
    assert len({item["name"] for item in init}) == 3
    environments = [{entry["name"]: entry["value"] for entry in item["env"]} for item in init]
    assert [e["MODEL_URI"] for e in environments] == [
        "gs://a/models/resnet/3", "gs://a/models/resnet/4", "gs://b/words/12",
    ]  # fmt: skip
    folders = [e.get("MODEL_DESTINATION") for e in environments]
    assert folders == (["/models/resnet/3", "/models/resnet/4", "/models/words/12"] if fetch else [None] * 3)


def test_a_pod_says_what_it_serves() -> None:
    marks = pod_of(serving_models=SEVERAL)["metadata"]["annotations"]
    assert marks["mlops.tfserving/model"] == "resnet words"
    assert marks["mlops.tfserving/model-version"] == "resnet/3 resnet/4 words/12"
    assert marks["mlops.tfserving/model-uri"].split() == [
        "gs://a/models/resnet/3", "gs://a/models/resnet/4", "gs://b/words/12",
    ]  # fmt: skip
    assert pod_of()["metadata"]["annotations"]["mlops.tfserving/model-uri"] == URI


def test_ready_is_a_pod_when_every_version_of_every_model_answers() -> None:
    for probe in ("startupProbe", "readinessProbe"):
        assert container(pod_of(), "tfserving")[probe]["httpGet"] == {
            "path": "/v1/models/image_classifier/versions/3/metadata", "port": 18501,
        }  # fmt: skip
    answered: dict[str, int] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answered.get(self.path, 404))
            self.end_headers()
            self.wfile.write(b"{}" * 10_000)

        def log_message(self, *_: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    try:
        variables = {"serving_models": SEVERAL, "serving_ports": [port - 1, port]}
        command = container(pod_of(**variables), "tfserving")["readinessProbe"]["exec"]["command"]

        def probe() -> subprocess.CompletedProcess[str]:
            return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

        answered.update(
            {f"/v1/models/{place}/metadata": 200 for place in ("resnet/versions/3", "words/versions/12")}
        )
        done = probe()
        assert (done.returncode, done.stdout) == (1, "/v1/models/resnet/versions/4/metadata: 404\n")
        answered["/v1/models/resnet/versions/4/metadata"] = 200
        assert probe().returncode == 0
    finally:
        server.shutdown()
        server.server_close()
    assert probe().returncode == 1, "nothing listens"


def test_a_promoted_version_takes_the_labels_along() -> None:
    variables = {"serving_models": SEVERAL, "serving_promoted": {"resnet": "7"}}
    resnet, words = parsed(MODELS, files_of(**variables)["models.config"]).model_config_list.config
    assert list(resnet.model_version_policy.specific.versions) == [7]
    assert {label.key: label.value for label in resnet.version_labels} == {"stable": 7, "canary": 7}
    assert list(words.model_version_policy.specific.versions) == [12]


def test_what_every_pod_is_asked() -> None:
    golden = SEVERAL[0]["golden"]
    assert evaluate("serving_asked", serving_models=SEVERAL) == [
        {"name": "resnet", "version": 3, "golden": golden},
        {"name": "resnet", "version": 4, "golden": golden},
        {"name": "words", "version": 12, "golden": []},
    ]
    assert evaluate("serving_asked", serving_golden=golden) == [
        {"name": "image_classifier", "version": 3, "golden": golden}
    ]


def limit(index: int, before: list[dict[str, Any]], **variables: Any) -> Any:
    item = evaluate(f"serving_served[{index}]", **variables)
    return evaluate(
        "serving_gate_latency", item=item, serving_index=index, serving_gate_before={"results": before}, **variables
    )  # fmt: skip


def test_each_model_is_measured_by_itself_before_and_after() -> None:
    def measured(name: str, *p50: float) -> dict[str, Any]:
        return {"pods": [{"latency": {name: {"p50_ms": ms}}} for ms in p50]}

    golden = SEVERAL[0]["golden"]
    models = [SEVERAL[0], {**SEVERAL[1], "golden": golden}]
    before = [measured("resnet", 90, 80), measured("words", 7)]
    assert limit(0, before, serving_models=models) == {"requests": 30, "p50_ms": 240}
    assert limit(1, before, serving_models=models) == {"requests": 30, "p50_ms": 21}
    skipped = {"skipped": True}
    assert limit(0, [skipped], serving_golden=golden, serving_gate_p95_ms=9) == {"requests": 30, "p95_ms": 9}
    assert limit(0, [skipped], serving_golden=[]) == {}
    assert limit(1, [skipped, skipped], serving_models=SEVERAL) == {}, "nothing to measure it by"


def test_a_failure_of_a_loop_is_told_in_its_own_words() -> None:
    results = [{"msg": "fine"}, {"failed": True, "msg": "pod a differs"}]
    looped = {"msg": "One or more items failed", "failed": True, "results": results}
    assert evaluate("serving_failure", ansible_failed_result=looped) == "pod a differs"
    assert evaluate("serving_failure", ansible_failed_result={"failed": True, "msg": "no"}) == "no"


def test_batching_reaches_the_server() -> None:
    batching = {
        "max_batch_size": 32, "batch_timeout_micros": 0, "max_enqueued_batches": "4", "num_batch_threads": 2,
        "allowed_batch_sizes": [1, 8, 32], "pad_variable_length_inputs": True,
    }  # fmt: skip
    found = parsed(BATCHING, files_of(serving_batching=batching)["batching.config"])
    assert (found.max_batch_size.value, found.batch_timeout_micros.value) == (32, 0)
    assert found.HasField("batch_timeout_micros")
    assert (found.max_enqueued_batches.value, found.num_batch_threads.value) == (4, 2)
    assert (list(found.allowed_batch_sizes), found.pad_variable_length_inputs) == ([1, 8, 32], True)
    split = {
        "max_batch_size": 64,
        "enable_large_batch_splitting": "yes",
        "max_execution_batch_size": 32,
        "thread_pool_name": "b",
    }
    found = parsed(BATCHING, files_of(serving_batching=split)["batching.config"])
    assert (found.enable_large_batch_splitting.value, found.max_execution_batch_size.value) == (True, 32)
    assert found.thread_pool_name.value == "b"
    arguments = container(pod_of(serving_batching=batching), "tfserving")["args"]
    assert arguments.count("--enable_batching=true") == 1
    assert "--batching_parameters_file=/etc/tfserving/batching.config" in arguments
    little = parsed(BATCHING, files_of(serving_batching={"max_batch_size": 4})["batching.config"])
    assert [field.name for field, _ in little.ListFields()] == ["max_batch_size"]
    assert "batching.config" not in files_of()


def test_tags_reach_the_server() -> None:
    def arguments(**variables: Any) -> list[str]:
        return [a for a in container(pod_of(**variables), "tfserving")["args"] if "tags" in a]

    assert arguments(serving_model_tags=["serve", "gpu"]) == ["--saved_model_tags=serve,gpu"]
    assert arguments() == []


def test_the_files_are_named_by_what_is_in_them() -> None:
    names = {
        next(key for key in render("config", **variables) if key.startswith("ConfigMap/"))
        for variables in ({}, {"serving_models": SEVERAL}, {"serving_batching": {"max_batch_size": 4}})
    }
    assert len(names) == 3


def test_the_playbooks_name_only_variables_of_the_role() -> None:
    known = given()
    for playbook in (ROOT / "playbooks").glob("*.yml"):
        for word in playbook.read_text().replace('"', " ").split():
            name = word.rstrip(":")
            assert not (word.endswith(":") and name.startswith("serving_")) or name in known, (
                f"{playbook.name}: {name}"
            )
