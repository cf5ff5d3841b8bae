"""Mistakes in the serving role's variables: each told before anything changes, all at once, with a way out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.check import judged
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.findings import Finding
from hypothesis import given as generated
from hypothesis import settings
from hypothesis import strategies as st
from serving_role import ROOT, URI, evaluate, given

MODEL = {"name": "m", "uri": "gs://models/m", "versions": [1, 2]}
# What every case begins with: the defaults, a model, and who may reach it.
GOOD: dict[str, Any] = given(serving_source_ranges=["203.0.113.0/24"])


def problems_of(variables: dict[str, Any]) -> list[Finding]:
    """The role's errors."""
    return [finding for finding in judged(variables, ["serving"]).findings if finding.severity == "error"]


def several(*models: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"serving_models": list(models), **more}


def golden(**more: Any) -> dict[str, Any]:
    return {"serving_golden": [{"name": "a", "instances": [1], **more}]}


# What is set, the variable that the message names, a piece of the reason, and one of the way out.
CASES: list[tuple[dict[str, Any], str, str, str]] = [
    # The model
    ({"serving_model_uri": ""}, "serving_model_uri", "no version of the model", "Set storage_model_source to the folder"),
    ({"serving_model_uri": "gs://models/m/latest"}, "serving_model_uri", "gs://BUCKET/PATH/VERSION", "a version that exists"),
    ({"serving_model_uri": "gs://models/m/007"}, "serving_model_uri", "gs://BUCKET/PATH/VERSION", "a version that exists"),
    ({"serving_model_uri": "/models/m/1"}, "serving_model_uri", "gs://BUCKET/PATH/VERSION", "Publish"),
    ({"serving_model_version": 4}, "serving_model_version", f"not the version of serving_model_uri, {URI}", "Leave it out"),
    ({"serving_model_name": "my model"}, "serving_model_name", "part of paths", "letters, digits"),
    ({"serving_model_name": "a/b"}, "serving_model_name", "part of paths", "letters, digits"),
    ({"serving_storage_endpoint": "storage.googleapis.com"}, "serving_storage_endpoint", "no address", "https://"),
    ({"serving_fetch_timeout": 0}, "serving_fetch_timeout", "out of range", "1 seconds or more"),
    (golden(inputs={}), "serving_golden", "either instances (rows) or inputs", "one of them"),
    ({"serving_golden": [{"instances": [1]}]}, "serving_golden", "has no name", "a name"),
    ({"serving_golden": golden()["serving_golden"] * 2}, "serving_golden", "a is there twice", "its own name"),
    # Several models
    (several(MODEL, MODEL), "serving_models", "model m is there 2 times", "each model once"),
    (several({**MODEL, "versions": []}), "serving_models[0].versions", "no version is named", "such as [1]"),
    (several({**MODEL, "versions": [0]}), "serving_models[0].versions", "at least 1", "such as [3]"),
    (several({**MODEL, "versions": ["one"]}), "serving_models[0].versions", "whole number", "such as [3]"),
    (several({**MODEL, "versions": [1, 1]}), "serving_models[0].versions", "there twice", "each once"),
    (several({**MODEL, "labels": {"stable": 3}}), "serving_models[0].labels", "label stable leads to version 3, which is not in versions", "Add 3"),
    (several({**MODEL, "labels": {"a b": 1}}), "serving_models[0].labels", "part of a request's path", "letters"),
    (several({**MODEL, "uri": "models/m"}), "serving_models[0].uri", "gs://BUCKET/PATH", "without a version"),
    (several({**MODEL, "name": ""}), "serving_models[0].name", "part of paths", "letters"),
    (several({**MODEL, "version": 1}), "serving_models[0].version", "no such key", "name, uri, versions"),
    (several(MODEL, **golden()), "serving_golden", "which of serving_models", "that model's entry"),
    (several(MODEL, serving_promoted={"n": 1}), "serving_promoted", "no model in serving_models is called n", "one of m"),
    (several(MODEL, serving_promoted={"m": "x"}), "serving_promoted", "whole number", "{m: 1}"),
    # Names and ways in
    ({"serving_namespace": "TFServing"}, "serving_namespace", "no namespace", "lower-case"),
    ({"serving_name": "image_classifier"}, "serving_name", "no Service", "letters, digits and -"),
    ({"serving_name": "1st"}, "serving_name", "no Service", "a letter first"),
    ({"serving_name": "a" * 53}, "serving_name", "no Service", "at most 52"),
    ({"serving_source_ranges": []}, "serving_source_ranges", "anybody could use the model", "serving_service_internal: true"),
    ({"serving_source_ranges": ["203.0.113.5/24"]}, "serving_source_ranges", "no range", "Write 203.0.113.0/24"),
    ({"serving_source_ranges": ["0.0.0.0/0"]}, "serving_source_ranges", "that is everybody", "preflight_ignore: [open-endpoint]"),
    ({"serving_source_ranges": ["::/0"]}, "serving_source_ranges", "that is everybody", "preflight_ignore: [open-endpoint]"),
    ({"serving_namespace": "kube-system"}, "serving_namespace", "others run there", "preflight_ignore: [system-namespace]"),
    ({"serving_namespace": "default"}, "serving_namespace", "others run there", "such as tfserving"),
    ({"serving_source_ranges": ["office"]}, "serving_source_ranges", "no range", "ADDRESS/BITS"),
    ({"serving_source_ranges": ["10.0.0.0/33"]}, "serving_source_ranges", "no range", "ADDRESS/BITS"),
    ({"serving_service_type": "NodePort"}, "serving_source_ranges", "nothing would keep to them", "firewall"),
    ({"serving_internal_subnet": "s"}, "serving_internal_subnet", "internal load balancers", "serving_service_internal: true"),
    ({"serving_internal_global_access": True}, "serving_internal_global_access", "internal load balancers", "leave it out"),
    ({"serving_service_type": "Gateway", "serving_service_internal": True, "serving_source_ranges": []}, "serving_gateway_name", "needs the name of a Gateway", "kubectl get gateways"),
    (
        {"serving_service_type": "Gateway", "serving_gateway_name": "g", "serving_service_internal": True, "serving_source_ranges": [], "serving_gateway_hostnames": ["https://x.org"]},
        "serving_gateway_hostnames", "no name of a host", "without scheme",
    ),
    ({"serving_service_type": "Gateway", "serving_gateway_name": "g", "serving_source_ranges": [], "serving_service_internal": False}, "serving_service_internal", "may be everybody", "preflight_ignore: [open-endpoint]"),
    (
        {"serving_service_type": "Gateway", "serving_gateway_name": "g", "serving_service_internal": True, "serving_source_ranges": [], "serving_gateway_grpc_hostnames": ["x.org"]},
        "serving_gateway_grpc_hostnames", "x.org is for REST, too", "hosts of their own",
    ),
    # The pod
    ({"serving_cpu": "three"}, "serving_cpu", "not a quantity", "3 or 500m"),
    ({"serving_cpu": "0"}, "serving_cpu", "less than 10m", "500m"),
    ({"serving_memory": "4 GB"}, "serving_memory", "not a quantity", "4Gi"),
    ({"serving_memory": "800m"}, "serving_memory", "less than 64Mi", "4Gi"),
    ({"serving_memory": "256Mi", "serving_model_bytes": 400 * 2**20}, "serving_memory", "the model has 400Mi, and while it is loaded", "to 832Mi at least"),
    ({"serving_threads": 4}, "serving_threads", "more than the processors of serving_cpu (3)", "3 at most"),
    ({"serving_cpu": "300m", "serving_threads": "2"}, "serving_threads", "more than the processors", "1 at most"),
    ({"serving_image": "docker.io/tensorflow/serving"}, "serving_image", "the hour when a node pulled it", "digest"),
    ({"serving_image": "tensorflow/serving:latest"}, "serving_image", "the hour when a node pulled it", "digest"),
    ({"serving_fetcher_image": "docker.io/library/python:3.13-slim"}, "serving_fetcher_image", "the hour when a node pulled it", "3.0.11"),
    ({"serving_proxy_image": "haproxy:lts-alpine"}, "serving_proxy_image", "the hour when a node pulled it", "digest"),
    ({"serving_storage": "1Gi", "serving_model_bytes": 2 * 2**30}, "serving_storage", "the model alone has 2Gi", "to 3Gi"),
    # What clients may send
    ({"serving_max_request_bytes": 100}, "serving_max_request_bytes", "out of range", "1024 to 1e+09 bytes"),
    ({"serving_max_request_bytes": 8 * 2**20}, "serving_proxy_memory", "32 requests of 8388608 bytes", "smaller requests"),
    ({"serving_max_nesting": 65}, "serving_max_nesting", "out of range", "0 to 64 levels"),
    ({"serving_client_timeout": 0}, "serving_client_timeout", "out of range", "1 to 600 seconds"),
    ({"serving_max_streams": 0}, "serving_max_streams", "out of range", "1 to 1000"),
    ({"serving_client_rate": -1}, "serving_client_rate", "out of range", "0 or more"),
    ({"serving_client_connections": "few"}, "serving_client_connections", "whole number", "0 or more"),
    (golden(instances=["x" * 2000]) | {"serving_max_request_bytes": 1024}, "serving_max_request_bytes", "the request 'a' in serving_golden has 2", "or more"),
    (golden(instances=[[[1]]]) | {"serving_max_nesting": 3}, "serving_max_nesting", "nested 4 levels deep", "Write 4"),
    ({"serving_proxy_image": "haproxy 3"}, "serving_proxy_image", "no image's name", "REGISTRY/PATH:TAG"),
    ({"serving_queue_length": 400}, "serving_proxy_memory", "816 requests", "fewer or smaller"),
    ({"serving_proxy_connections": 5000}, "serving_proxy_memory", "5000 connections", "fewer connections"),
    ({"serving_balancing": "least_requests"}, "serving_proxy_memory", "500 connections", "fewer connections"),
    ({"serving_idlest_first": True, "serving_idlest_cpu": "1m"}, "serving_idlest_cpu", "less than 10m", "50m"),
    ({"serving_idlest_first": "true", "serving_idlest_memory": "1Mi"}, "serving_idlest_memory", "less than 32Mi", "64Mi"),
    ({"serving_proxy_memory": "1Mi"}, "serving_proxy_memory", "less than 16Mi", "128Mi"),
    ({"serving_user": 0}, "serving_user", "as root", "65532"),
    ({"serving_gpus": 1}, "serving_image", "on processors only", "-gpu"),
    ({"serving_gpu_type": "nvidia-l4"}, "serving_gpu_type", "there is no GPU", "serving_gpus: 1"),
    ({"serving_gpu_memory_fraction": 1.5}, "serving_gpu_memory_fraction", "out of range", "0 to 1"),
    ({"serving_extra_args": ["--port=9000"]}, "serving_extra_args", "the Service's ports are fixed", "Leave it out"),
    ({"serving_extra_args": ["--tensorflow_session_parallelism=4"]}, "serving_extra_args", "serving_threads", "Leave it out"),
    ({"serving_extra_args": ["--enable_batching"]}, "serving_extra_args", "serving_batching", "Leave it out"),
    ({"serving_extra_args": ["--enable_cors_support=true"]}, "serving_extra_args", "has no flag --enable_cors_support", "Write --rest_api_enable_cors_support, if"),
    ({"serving_extra_args": ["--quantum"]}, "serving_extra_args", "has no flag --quantum", "Leave it out; if your image has it"),
    ({"serving_extra_args": ["-v=1"]}, "serving_extra_args", "--name=value", "--rest_api_num_threads=16"),
    ({"serving_node_selector": {"gpu": True}}, "serving_node_selector", "gpu: True is no label", '"true"'),
    ({"serving_tolerations": [{"value": "x"}]}, "serving_tolerations", "without a key", "operator: Exists"),
    ({"serving_tolerations": [{"operator": "Exists", "effect": "NoRun"}]}, "serving_tolerations", "no such effect", "NoSchedule"),
    ({"serving_priority_class": "High!"}, "serving_priority_class", "no priority class", "Name one"),
    ({"serving_google_service_account": "models"}, "serving_google_service_account", "e-mail", "NAME@PROJECT"),
    # Batching
    ({"serving_model_tags": []}, "serving_model_tags", "one tag or more", "[serve, gpu]"),
    ({"serving_model_tags": ["serve,gpu"]}, "serving_model_tags", "without commas", "[serve, gpu]"),
    ({"serving_extra_args": ["--saved_model_tags=serve,gpu"]}, "serving_extra_args", "serving_model_tags", "Leave it out"),
    ({"serving_batching": {"max_batch_size": 0}}, "serving_batching.max_batch_size", "at least 1", "1 or more"),
    ({"serving_batching": {"batch_timeout_micros": -1}}, "serving_batching.batch_timeout_micros", "at least 0", "0 or more"),
    ({"serving_batching": {"batch_timeout_micros": 30_000_000}}, "serving_batching.batch_timeout_micros", "longer for more requests", "microseconds"),
    ({"serving_batching": {"num_batch_threads": "many"}}, "serving_batching.num_batch_threads", "whole number", "1 or more"),
    ({"serving_batching": {"max_batch_size": 8, "allowed_batch_sizes": [1, 4]}}, "serving_batching.allowed_batch_sizes", "must be max_batch_size, which is 8", "End the list with 8"),
    ({"serving_batching": {"max_batch_size": 8, "allowed_batch_sizes": [4, 1, 8]}}, "serving_batching.allowed_batch_sizes", "must ascend", "Sort them"),
    ({"serving_batching": {"allowed_batch_sizes": [1, 4]}}, "serving_batching.allowed_batch_sizes", "max_batch_size, which is not given", "max_batch_size: 4"),
    ({"serving_batching": {"enable_large_batch_splitting": True, "max_batch_size": 8, "max_execution_batch_size": 4, "allowed_batch_sizes": [1, 8]}}, "serving_batching.allowed_batch_sizes", "must be max_execution_batch_size, which is 4", "End the list with 4"),
    ({"serving_batching": {"enable_large_batch_splitting": True, "max_batch_size": 8, "max_execution_batch_size": 9}}, "serving_batching.max_execution_batch_size", "larger than max_batch_size, which is 8", "8 or less"),
    ({"serving_batching": {"enable_large_batch_splitting": True, "max_execution_batch_size": 1001}}, "serving_batching.max_execution_batch_size", "which is 1000", "1000 or less"),
    ({"serving_batching": {"max_batch_size": 8, "max_execution_batch_size": 4}}, "serving_batching.max_execution_batch_size", "no effect", "Add it"),
    ({"serving_batching": {"enable_large_batch_splitting": True}}, "serving_batching.enable_large_batch_splitting", "parts of no size", "Add one"),
    ({"serving_batching": {"thread_pool_name": 'a" }'}}, "serving_batching.thread_pool_name", "no threads", "Use letters"),
    ({"serving_batching": {"batch_size": 8}}, "serving_batching.batch_size", "no such parameter", "max_batch_size"),
    # Times and numbers
    ({"serving_queue_length": 2000, "serving_proxy_memory": "4Gi"}, "serving_proxy_connections", "never get their 503", "2008 or more"),
    ({"serving_concurrency": 0}, "serving_concurrency", "out of range", "1 requests or more"),
    ({"serving_queue_timeout": 60}, "serving_queue_timeout", "longer for its turn", "30 or less"),
    ({"serving_drain_seconds": -5}, "serving_drain_seconds", "out of range", "1 seconds or more"),
    ({"serving_drain_seconds": 500}, "serving_drain_seconds", "kills it after 600 s", "597 s together"),
    ({"serving_handover_seconds": "soon"}, "serving_handover_seconds", "whole number", "seconds"),
    ({"serving_max_surge": 0}, "serving_max_surge", "no pod could ever be replaced", "25%"),
    ({"serving_max_surge": "0%"}, "serving_max_surge", "no pod could ever be replaced", "25%"),
    ({"serving_max_unavailable": 0}, "serving_max_unavailable", "keeps every node from being drained", "1 or more"),
    ({"serving_max_unavailable": "0%"}, "serving_max_unavailable", "keeps every node from being drained", "1 or more"),
    ({"serving_max_unavailable": "some"}, "serving_max_unavailable", "keeps every node from being drained", "1 or more"),
    ({"serving_wait_timeout": 60}, "serving_wait_timeout", "before the model has had its time", "300 or more"),
    ({"serving_gate_slowdown": 0.5}, "serving_gate_slowdown", "faster than the one before", "1 or more"),
    ({"serving_gate_p95_ms": 50}, "serving_gate_p95_ms", "no request whose answer", "serving_golden"),
    ({"serving_canary_weight": 100}, "serving_canary_weight", "out of range", "1 to 99"),
    ({"serving_proxy_enabled": "maybe"}, "serving_proxy_enabled", "neither true nor false", "true or false"),
]  # fmt: skip


def test_what_is_right_is_not_refused() -> None:
    assert problems_of(GOOD) == []


@pytest.mark.parametrize(("mistake", "variable", "reason", "way_out"), CASES)
def test_each_mistake_is_told(mistake: dict[str, Any], variable: str, reason: str, way_out: str) -> None:
    (problem,) = problems_of(GOOD | mistake)
    text = str(problem)
    assert problem.message.startswith(f"{variable} is {problem.value}")
    assert reason in problem.message
    assert way_out in problem.hint
    assert text.endswith(".")


@pytest.mark.parametrize(
    "fine",
    [
        several({**MODEL, "labels": {"stable": 1, "canary": "2"}, "golden": golden()["serving_golden"]}, {**MODEL, "name": "n"}),
        several(MODEL, serving_model_uri="", serving_promoted={"m": 7}),
        {"serving_batching": {"max_batch_size": 32, "batch_timeout_micros": 0, "allowed_batch_sizes": [1, 8, 32]}},
        {"serving_batching": {"max_batch_size": 64, "enable_large_batch_splitting": "yes", "max_execution_batch_size": 32, "allowed_batch_sizes": [1, 32], "thread_pool_name": "batches"}},
        {"serving_service_type": "ClusterIP", "serving_source_ranges": []},
        {"serving_service_internal": True, "serving_source_ranges": [], "serving_internal_subnet": "s", "serving_internal_global_access": True},
        {"serving_service_type": "Gateway", "serving_source_ranges": [], "serving_service_internal": True, "serving_gateway_name": "g", "serving_gateway_hostnames": ["*.example.org"], "serving_gateway_grpc_hostnames": ["grpc.example.com"]},
        {"serving_source_ranges": ["198.18.0.0/15", "2001:db8::/32", "192.0.2.1"]},
        {"serving_gpus": "1", "serving_image": "tensorflow/serving:2.19.0-gpu", "serving_gpu_type": "nvidia-l4", "serving_gpu_memory_fraction": 0.9},
        {"serving_image": "europe-docker.pkg.dev/p/r/tf.serving@sha256:" + "a" * 64},
        {"serving_image": "localhost:5000/tf:1"},
        {"serving_proxy_enabled": False, "serving_proxy_image": "", "serving_handover_seconds": 580},
        {"serving_threads": "2", "serving_max_surge": "25%", "serving_max_unavailable": "1%", "serving_gate_slowdown": "0"},
        {"serving_extra_args": ["--file_system_poll_wait_seconds=60", "--enable_grpc_healthcheck_service"]},
        {"serving_balancing": "least_requests", "serving_proxy_memory": "160Mi"},
        {"serving_memory": "1Gi", "serving_model_bytes": 2**29},
        {"serving_tolerations": [{"operator": "Exists"}, {"key": "k", "value": "v", "effect": "NoExecute"}], "serving_node_selector": {"cloud.google.com/gke-spot": "true"}},
    ],
)  # fmt: skip
def test_what_people_write_is_taken(fine: dict[str, Any]) -> None:
    assert [str(problem) for problem in problems_of(GOOD | fine)] == []


def test_all_mistakes_are_told_at_once() -> None:
    mistakes: dict[str, Any] = {
        "serving_cpu": "x",
        "serving_name": "X",
        "serving_max_surge": 0,
        "serving_model_uri": "",
    }
    assert {problem.variable for problem in problems_of(GOOD | mistakes)} == set(mistakes)


@pytest.mark.parametrize("name", ["max_batch_size", "batch_timeout_micros", "num_batch_threads"])
def test_numbers_on_the_command_line_are_texts(name: str) -> None:
    assert problems_of(GOOD | {"serving_batching": {name: "8"}, "serving_drain_seconds": "25"}) == []


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["1", "4Gi", "gs://b/m/1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "uri", "versions", "labels", "golden", "max_batch_size", "allowed_batch_sizes", "key"]), inner, max_size=4),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=200)
@generated(st.dictionaries(st.sampled_from(sorted(GOOD)), JUNK, max_size=4))
def test_whatever_is_written_gives_words_and_no_traceback(junk: dict[str, Any]) -> None:
    for problem in problems_of(GOOD | junk):
        assert len(str(problem)) < 600
        assert "\n" not in str(problem)


def test_the_role_refuses_before_it_asks_or_changes_anything(tmp_path: Path) -> None:
    """Nothing listens where the cluster would be: whatever came before the refusal would be another error."""
    play = {
        "hosts": "localhost", "gather_facts": False, "connection": "local",
        "vars": {"serving_model_uri": URI, "storage_model_uri": URI, "serving_memory": "128Mi", "serving_source_ranges": ["10.0.0.1/8"],
                 "storage_listed": {"versions": [{"version": 3, "size": 300 * 2**20}]}},
        "roles": ["mlops.tfserving.serving"],
    }  # fmt: skip
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(tmp_path / "play.yml"),
         "-e", json.dumps({"ansible_python_interpreter": sys.executable, "serving_threads": "9"})],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "KUBECONFIG": str(tmp_path / "none")},
    )  # fmt: skip
    assert done.returncode == 2, done.stdout
    for words in (
        "serving_threads is 9: that is more than the processors",
        "serving_source_ranges is '10.0.0.1/8': it is no range of addresses. Write 10.0.0.0/8",
        "serving_memory is '128Mi': the model has 300Mi, and while it is loaded",
    ):
        assert words in done.stdout
    assert done.stdout.count("TASK [") == 2, "the arguments' types, and this"


def test_without_a_version_the_role_says_how_to_get_one() -> None:
    """As in an empty project: nothing was published, and the bucket has nothing."""
    nothing = {
        "serving_model_uri": "", "storage_published": {"changed": False, "skipped": True},
        "storage_listed": {"versions": []}, "serving_source_ranges": ["203.0.113.0/24"],
    }  # fmt: skip
    options = yaml.safe_load((ROOT / "roles/serving/meta/argument_specs.yml").read_text())
    spec = {"serving_model_version": options["argument_specs"]["main"]["options"]["serving_model_version"]}
    given = {"serving_model_version": evaluate("serving_model_version", **nothing)}
    assert ArgumentSpecValidator(spec).validate(given).error_messages == []
    (mistake,) = evaluate("serving_problems", **nothing)
    assert "no version of the model" in mistake
    assert "storage_model_source" in mistake


def test_a_version_elsewhere_is_the_folders_too() -> None:
    volume = {"serving_model_source": "volume", "serving_model_volume": {"emptyDir": {}}}
    wrong = GOOD | volume | {"serving_model_uri": "/models/m/3", "serving_model_version": 4}
    (problem,) = problems_of(wrong)
    assert problem.variable == "serving_model_version"


def test_a_golden_file_is_the_same_for_every_playbook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded by one in playbooks/, and read by site.yml beside that folder."""
    monkeypatch.chdir(tmp_path)
    assert evaluate("serving_golden_path", serving_golden_file="golden/a.json") == str(
        tmp_path / "golden/a.json"
    )
    assert evaluate("serving_golden_path", serving_golden_file="/golden/a.json") == "/golden/a.json"
    assert evaluate("serving_golden_path", serving_golden_file="") == ""
    tasks = [file.read_text() for file in (ROOT / "roles/serving/tasks").glob("*.yml")]
    given = [line for text in tasks for line in text.splitlines() if line.strip().startswith("golden_file:")]
    assert len(given) == 4
    assert all("serving_golden_path" in line for line in given)
