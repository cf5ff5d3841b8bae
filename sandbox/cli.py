"""``python -m sandbox up|down|status|logs|env|build``."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import google.auth.exceptions
import google.auth.transport.requests
from google.oauth2 import service_account

from . import host_check, made
from .build import BuildFailed, build_binaries, build_gke_adapter
from .host import clean_leftovers
from .images.build import KEDA_IMAGES, METRICS_IMAGES, build_all
from .kube.process import DidNotStart, Process
from .paths import API_URL, HTTPS_PROXY_URL, LOCK, authority_dir, private, state_dir
from .releases import RELEASES

_PROJECT = "sandbox-project"
_START_SECONDS = 30
_STOP_SECONDS = 90
# What brings metrics to HPAs, which few need and takes minutes to build: its names on the command line, and what `up` has of it.
_METRICS, _KEDA = "metrics", "keda"
_MORE = {_METRICS: METRICS_IMAGES, _KEDA: KEDA_IMAGES}
_METRICS_VARIABLE = "MLOPS_TFSERVING_SANDBOX_METRICS"


def say(text: str) -> None:
    print(f"    {text}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 when it went well, 2 when something is to be mended first, 1 otherwise."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Google's APIs for GKE and Cloud Storage, with a real Kubernetes, on this machine.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="compile Kubernetes, build the images and the model")
    building.add_argument(
        "releases", nargs="*", metavar="RELEASE",
        help=f"only these releases of Kubernetes, which are else compiled when a cluster first needs them: {', '.join(RELEASES)}, "
        f"or as 1.37; {_METRICS}: what brings metrics to HPAs, as with {_METRICS_VARIABLE}=1; {_KEDA}: the same with KEDA in place of prometheus-adapter, "
        f"as with {_METRICS_VARIABLE}={_KEDA}",
    )  # fmt: skip
    commands.add_parser("up", help="start Google's APIs on this machine")
    down = commands.add_parser("down", help="stop everything; buckets are kept")
    down.add_argument("--purge", action="store_true", help="remove buckets, credentials and logs, too")
    commands.add_parser("status", help="what runs")
    logs = commands.add_parser("logs", help="the end of the logs")
    logs.add_argument("name", nargs="?", default="", help="only logs whose name contains this")
    logs.add_argument("-n", "--lines", type=int, default=20)
    commands.add_parser("env", help="shell variables that point other clients at the sandbox")
    options = parser.parse_args(arguments)
    actions = {
        "build": lambda: build(options.releases),
        "up": up,
        "down": lambda: bring_down(purge=options.purge),
        "status": status,
        "logs": lambda: show_logs(options.name, options.lines),
        "env": print_env,
    }
    try:
        return actions[options.command]()
    except (BuildFailed, DidNotStart, RuntimeError, OSError, google.auth.exceptions.GoogleAuthError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def build(releases: list[str]) -> int:
    if host_check.main():
        return 2
    sets = [one for one in releases if one in _MORE]
    for wanted in releases:
        if wanted in sets:
            continue
        found = [release for release in RELEASES if wanted in (release, release.rpartition(".")[0])]
        if not found:
            print(f"error: no release {wanted}: the sandbox has {', '.join(RELEASES)}", file=sys.stderr)
            return 2
        build_binaries(say, found[0])
    for one in sets:
        build_all(say, _MORE[one])
    if not releases:
        build_all(say)
    if sets:
        build_gke_adapter(say)
    return 0


def up() -> int:
    made.is_ours()
    if _healthy():
        print(f"==> the sandbox is up: {API_URL}")
        return 0
    if host_check.main():
        return 2
    with _alone():
        if _healthy():
            print(f"==> the sandbox is up: {API_URL}")
            return 0
        return _start()


def _start() -> int:
    print("==> starting the sandbox")
    found = clean_leftovers(say)
    if found:
        say(f"removed what an earlier one left: {', '.join(found[:6])}{' …' if len(found) > 6 else ''}")
    asked = os.environ.get(_METRICS_VARIABLE)
    images = build_all(say, _MORE[_KEDA if asked == _KEDA else _METRICS] if asked else {})
    programs = [build_binaries(say), *([build_gke_adapter(say)] if asked else [])]
    state = private(state_dir())
    made.begin()
    model = state / "model"
    model.unlink(missing_ok=True)
    model.symlink_to(images.model / "1")
    log = state / "log" / "daemon.log"
    command = [sys.executable, "-m", "sandbox.daemon", str(images.template), *map(str, programs)]
    daemon = Process("the sandbox's daemon", command, log, {"PYTHONPATH": str(Path(__file__).parent.parent)})
    daemon.wait_until(_healthy, "not answering", _START_SECONDS)
    (state / "daemon.pid").write_text(str(daemon.pid))
    print(f"==> the sandbox is up: Google's APIs for GKE and Cloud Storage at {API_URL}")
    say(f"credentials: {state / 'service-account.json'}")
    say("next: ansible-playbook site.yml")
    return 0


def bring_down(*, purge: bool) -> int:
    with _alone():
        made.is_ours()
        print("==> stopping the sandbox")
        _end_daemon()
        clean_leftovers(say)
        if purge:
            shutil.rmtree(state_dir(), ignore_errors=True)
    print(
        "==> nothing of the sandbox runs" + ("" if purge else f"; buckets are kept in {state_dir() / 'gcs'}")
    )
    return 0


@contextmanager
def _alone() -> Iterator[None]:
    """One who starts or stops the sandbox at a time: each would clean away what the other makes."""
    try:
        lock = LOCK.open("w")
    except PermissionError:
        raise RuntimeError("only root starts and stops the sandbox: run it as root") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another `up` or `down` that is at work")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _end_daemon() -> None:
    """Asks the daemon to take its clusters down; what it does not manage is cleaned afterwards."""
    file = state_dir() / "daemon.pid"
    if not file.exists():
        return
    try:
        pid = int(file.read_text())
    except ValueError:
        # As a full disk or a power cut leaves it.
        say(f"{file} has no process number in it: ending the daemon as one of what was left")
        file.unlink()
        return
    command = Path(f"/proc/{pid}/cmdline")
    if command.exists() and b"sandbox.daemon" in command.read_bytes():
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while command.exists() and command.read_bytes() and time.monotonic() < deadline:
            time.sleep(0.1)
    file.unlink()


def status() -> int:
    if not _healthy():
        print("the sandbox is down: `python -m sandbox up` starts it")
        return 1
    print(f"the sandbox is up: {API_URL}, state in {state_dir()}")
    clusters = _get(f"/v1/projects/{_PROJECT}/locations/-/clusters").get("clusters", [])
    for cluster in clusters:
        print(f"  cluster {cluster['name']} in {cluster['location']}: {cluster['status']}, "
              f"{cluster.get('currentNodeCount', 0)} nodes, https://{cluster.get('endpoint', '…')}")  # fmt: skip
        for pool in cluster.get("nodePools", []):
            scaling = pool.get("autoscaling", {})
            limits = (
                f"{scaling.get('minNodeCount', 0)} to {scaling.get('maxNodeCount')}" if scaling else "fixed"
            )
            print(f"    pool {pool['name']}: {pool['config']['machineType']}, {limits}, {pool['status']}")
    for bucket in _get(f"/storage/v1/b?project={_PROJECT}").get("items", []):
        print(f"  bucket gs://{bucket['name']}")
    return 0


def show_logs(name: str, lines: int) -> int:
    folders = [state_dir() / "log", *state_dir().glob("clusters/*/log")]
    files = sorted(f for folder in folders if folder.is_dir() for f in folder.glob(f"*{name}*.log"))
    for file in files:
        print(f"==> {file}")
        print("\n".join(file.read_text(errors="replace").splitlines()[-lines:]))
    if not files:
        print(f"no log {f'with {name!r} in its name' if name else 'yet'} below {state_dir()}")
    return 0


def print_env() -> int:
    """Writes a fresh access token and, for each running cluster's administrator, names the kubeconfig."""
    if not _healthy():
        print("error: the sandbox is down: `python -m sandbox up` starts it", file=sys.stderr)
        return 2
    state = state_dir()
    token_file = state / "access-token"
    token_file.touch(mode=0o600)
    token_file.write_text(_token())
    variables = {
        "GCP_PROJECT": _PROJECT,
        "GCP_AUTH_KIND": "serviceaccount",
        "GCP_SERVICE_ACCOUNT_FILE": str(state / "service-account.json"),
        "GOOGLE_APPLICATION_CREDENTIALS": str(state / "service-account.json"),
        "GKE_API_ENDPOINT": API_URL,
        "GCS_API_ENDPOINT": API_URL,
        # Not STORAGE_EMULATOR_HOST: with it, Google's clients send no credentials.
        "API_ENDPOINT_OVERRIDE": API_URL,
        "CLOUDSDK_CORE_PROJECT": _PROJECT,
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token_file),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER": f"{API_URL}/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{API_URL}/storage/v1/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE": f"{API_URL}/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{API_URL}/compute/v1/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM": f"{API_URL}/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER": f"{API_URL}/",
        # For clients whose hosts are fixed, as those of the google.cloud collection are.
        "HTTPS_PROXY": HTTPS_PROXY_URL,
        "NO_PROXY": "198.18.0.0/15,localhost,127.0.0.1",
        "REQUESTS_CA_BUNDLE": str(authority_dir() / "ca.crt"),
    }
    for kubeconfig in sorted(state.glob("clusters/*/kubeconfig/admin"))[:1]:
        variables["KUBECONFIG"] = str(kubeconfig)
    for name, value in variables.items():
        print(f"export {name}={value}")
    return 0


def _healthy() -> bool:
    try:
        with urllib.request.urlopen(f"{API_URL}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _token() -> str:
    file = state_dir() / "service-account.json"
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    try:
        credentials = service_account.Credentials.from_service_account_file(str(file), scopes=scopes)
    except (FileNotFoundError, ValueError, AttributeError):
        raise RuntimeError(
            f"{file} is not the key of the sandbox that runs: set MLOPS_TFSERVING_SANDBOX_STATE as it was "
            "for `up`, or `python -m sandbox down` and `up`"
        ) from None
    credentials.refresh(google.auth.transport.requests.Request())
    return str(credentials.token)


def _get(path: str) -> dict[str, Any]:
    request = urllib.request.Request(API_URL + path, headers={"Authorization": f"Bearer {_token()}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return dict(json.load(answer))
