"""The lab GSP777 as it stands, on the sandbox: its commands, its manifests, nothing of this collection.

Changed is the machine type, which has to fit this machine; and on a machine with fewer than four CPUs the CPU that a pod asks
for: by its memory there is still one pod a node, as in the lab. Where gcloud and gsutil are not installed, the same requests are made that they make.
The tests build on each other.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.build import build_kubectl
from sandbox.google.projects import project_number
from sandbox.images.build import build_all
from sandbox.paths import API_URL, state_dir
from tests.integration.conftest import sandbox

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = Path(__file__).parent / "tf-serving"
PROJECT, ZONE, CLUSTER = "sandbox-project", "us-central1-f", "lab1-cluster"
BUCKET = f"{PROJECT}-bucket"
SMALL = (os.cpu_count() or 1) < 4
MACHINE_TYPE = "e2-standard-2" if SMALL else "e2-standard-4"
# As many as the lab's steps end with.
USERS = 22
PATIENCE_SECONDS = 600


def environment() -> dict[str, str]:
    """What points gcloud, gsutil's successor and kubectl at the sandbox."""
    lines = sandbox("env").ok().output.splitlines()
    return dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))


class Google:
    """The requests that gcloud makes."""

    def __init__(self) -> None:
        token = Path(environment()["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"]).read_text()
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["Authorization"] = f"Bearer {token}"

    def __call__(self, method: str, path: str, body: Any = None, data: bytes | None = None) -> Any:
        answer = self._http.request(method, API_URL + path, json=body, data=data, timeout=120)
        assert answer.ok, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    def operation(self, method: str, path: str, body: Any = None) -> None:
        begun = self(method, path, body)
        place = f"/v1beta1/projects/{PROJECT}/locations/{ZONE}/operations/{begun['name']}"
        # The latest Kubernetes may have to be built first.
        wait_for(lambda: self("GET", place)["status"] == "DONE", f"{method} {path}", 3600)
        assert "error" not in self("GET", place)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(1)


def kubectl(*words: str, stdin: str | None = None) -> str:
    program = shutil.which("kubectl") or str(build_kubectl(print))
    (kubeconfig,) = state_dir().glob("clusters/*/kubeconfig/admin")
    done = subprocess.run(
        [program, f"--kubeconfig={kubeconfig}", *words],
        input=stdin, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
    return done.stdout


def found(kind: str, name: str = "image-classifier") -> Any:
    return json.loads(kubectl("get", kind, name, "-o", "json"))


def pods() -> list[Any]:
    return list(json.loads(kubectl("get", "pods", "-l", "app=image-classifier", "-o", "json"))["items"])


@pytest.fixture(scope="module", autouse=True)
def machine() -> Iterator[None]:
    """A sandbox in which nodes' own account is an editor of the project, as in the lab's."""
    if os.geteuid() != 0:
        pytest.fail("the lab runs on the sandbox, which needs root: run `make lab` as root")
    sandbox("down", "--purge").ok()
    os.environ["MLOPS_TFSERVING_SANDBOX_EDITOR_GRANT"] = "1"
    sandbox("up").ok()
    del os.environ["MLOPS_TFSERVING_SANDBOX_EDITOR_GRANT"]
    yield
    sandbox("down", "--purge").ok()


@pytest.fixture(scope="module")
def google() -> Google:
    return Google()


def test_the_cluster(google: Google) -> None:
    """gcloud beta container clusters create $CLUSTER_NAME --cluster-version=latest --machine-type=...
    --enable-autoscaling --min-nodes=1 --max-nodes=3 --num-nodes=1"""
    pool = {
        "name": "default-pool", "initialNodeCount": 1, "config": {"machineType": MACHINE_TYPE},
        "autoscaling": {"enabled": True, "minNodeCount": 1, "maxNodeCount": 3},
        "management": {"autoRepair": True, "autoUpgrade": True},
    }  # fmt: skip
    cluster = {"name": CLUSTER, "initialClusterVersion": "latest", "nodePools": [pool]}
    parent = f"/v1beta1/projects/{PROJECT}/locations/{ZONE}/clusters"
    google.operation("POST", parent, {"cluster": cluster})
    made = google("GET", f"{parent}/{CLUSTER}")
    assert (made["status"], made["currentNodeCount"]) == ("RUNNING", 1)
    assert "workloadIdentityConfig" not in made


def test_the_bucket_and_the_model(google: Google) -> None:
    """gsutil mb gs://$MODEL_BUCKET; gsutil cp -r gs://.../resnet_101 gs://$MODEL_BUCKET"""
    google("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET})
    model = build_all(print).model
    for file in sorted(path for path in model.rglob("*") if path.is_file()):
        name = f"resnet_101/{file.relative_to(model)}".replace("/", "%2F")
        google(
            "POST", f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}", data=file.read_bytes()
        )
    compute = f"serviceAccount:{project_number(PROJECT)}-compute@developer.gserviceaccount.com"
    assert compute not in json.dumps(google("GET", f"/storage/v1/b/{BUCKET}/iam")), (
        "nobody granted it anything"
    )


def test_the_deployment() -> None:
    """sed -i "s/your-bucket-name/$MODEL_BUCKET/g" tf-serving/configmap.yaml; kubectl apply -f tf-serving/..."""
    configmap = (MANIFESTS / "configmap.yaml").read_text().replace("your-bucket-name", BUCKET)
    kubectl("apply", "-f", "-", stdin=configmap)
    deployment = (MANIFESTS / "deployment.yaml").read_text()
    kubectl("apply", "-f", "-", stdin=deployment.replace('cpu: "3"', 'cpu: "500m"') if SMALL else deployment)
    kubectl("apply", "-f", str(MANIFESTS / "service.yaml"))
    wait_for(lambda: found("deployment")["status"].get("readyReplicas") == 1, "a ready model server")
    (container,) = found("deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "tensorflow/serving:2.8.0"
    assert "env" not in container


def test_what_a_pod_resolves_and_trusts() -> None:
    script = (
        "import urllib.request, urllib.error\n"
        "try: urllib.request.urlopen('https://storage.googleapis.com/storage/v1/b/none')\n"
        "except urllib.error.HTTPError as error: print(error.code)"
    )
    name = pods()[0]["metadata"]["name"]
    assert kubectl("exec", name, "--", "python3", "-c", script).strip() in ("401", "404")


def address() -> str:
    ingress: list[Any] = []

    def there() -> bool:
        ingress[:] = found("service")["status"]["loadBalancer"].get("ingress", [])
        return bool(ingress)

    wait_for(there, "an address")
    return str(ingress[0]["ip"])


def body() -> bytes:
    picture = base64.b64encode((ROOT / "roles/loadtest/files/coffee.jpg").read_bytes()).decode()
    return json.dumps({"signature_name": "serving_preprocess", "instances": [{"b64": picture}]}).encode()


def predict(host: str) -> Any:
    url = f"http://{host}:8501/v1/models/image_classifier:predict"
    with urllib.request.urlopen(urllib.request.Request(url, body()), timeout=60) as answer:
        return json.load(answer)


def test_the_autoscaler() -> None:
    """kubectl autoscale deployment image-classifier --cpu-percent=60 --min=1 --max=4"""
    kubectl("autoscale", "deployment", "image-classifier", "--cpu-percent=60", "--min=1", "--max=4")
    wait_for(lambda: found("hpa")["status"].get("currentMetrics"), "metrics of the HPA")


def test_a_prediction() -> None:
    """curl -d @locust/request-body.json -X POST http://$EXTERNAL_IP:8501/v1/models/image_classifier:predict"""
    host = address()
    answers: list[Any] = []

    def answered() -> bool:
        try:
            answers.append(predict(host))
        except OSError:
            return False
        return True

    wait_for(answered, "an answer through the load balancer")
    (prediction,) = answers[-1]["predictions"]
    assert "espresso" in prediction["labels"][:5]


def test_load_brings_replicas_and_a_node() -> None:
    """locust -f tasks.py --headless --host http://$EXTERNAL_IP:8501; here as many users as it ends with, all at once and
    without a pause, since the model is a smaller one."""
    host, over = address(), threading.Event()

    def user() -> None:
        while not over.is_set():
            try:
                predict(host)
            except OSError:
                continue

    users = [threading.Thread(target=user, daemon=True) for _ in range(USERS)]
    for one in users:
        one.start()
    try:
        wait_for(lambda: found("hpa")["status"].get("desiredReplicas", 0) >= 2, "more replicas wanted")
        wait_for(
            lambda: len(json.loads(kubectl("get", "nodes", "-o", "json"))["items"]) >= 2, "a second node"
        )
        wait_for(lambda: found("deployment")["status"].get("readyReplicas", 0) >= 2, "a second replica")
    finally:
        over.set()
        for one in users:
            one.join(60)
