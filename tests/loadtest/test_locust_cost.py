"""What a request costs the client, beside the lab's way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Cluster, config

LABS_TASKS = """
import json
from locust import HttpUser, constant, task
BODY = json.loads(open("body-0").read())
class TFServingClient(HttpUser):
    wait_time = constant(0)
    @task
    def predict(self):
        with self.client.post("/v1/models/m/versions/1:predict", data=json.dumps(BODY), catch_response=True) as response:
            if "error" in response.json():
                response.failure("error")
"""
TRIVIAL_SERVER = """
import asyncio, re
class Http(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.missing = transport, 0
    def data_received(self, data):
        if not self.missing:
            length = int(re.search(rb"(?i)content-length: *([0-9]+)", data)[1])
            self.missing = length + data.index(b"\\r\\n\\r\\n") + 4
        self.missing -= len(data)
        if not self.missing:
            self.transport.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: 20\\r\\n\\r\\n{"predictions": [1]}')
async def main():
    server = await asyncio.get_running_loop().create_server(Http, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@pytest.fixture
def trivial_server() -> Iterator[str]:
    """Its address. A process of its own, so that its work is not the client's."""
    process = subprocess.Popen([sys.executable, "-c", TRIVIAL_SERVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.kill()
    process.wait()


MEASURED = """
import json, os, time
from locust import events
WARM, COUNTED = 50, 300
done = 0
@events.request.add_listener
def count(**_):
    global done, begun
    done += 1
    if done == WARM:
        begun = time.process_time()
    if done == WARM + COUNTED:
        open("measured.json", "w").write(json.dumps((time.process_time() - begun) / COUNTED))
        os._exit(0)
"""


def test_a_worker_core_makes_four_times_the_requests_of_the_labs_tasks(
    tmp_path: Path, trivial_server: str
) -> None:
    """CPU seconds of the client a request: what limits a worker, whatever else runs on the machine."""
    (tmp_path / "body-0").write_bytes(
        json.dumps({"signature_name": "s", "instances": [{"b64": "x" * 81_700}]}).encode()
    )
    shape = {"kind": "constant", "level": 10, "duration": 100, "spawn_rate": 10}
    Cluster.copy_sources(tmp_path, config(shape, workers=1, wait_min=0, wait_max=0))
    (tmp_path / "lab.py").write_text(LABS_TASKS + MEASURED)
    (tmp_path / "ours.py").write_text("from locustfile import Shape, Users\n" + MEASURED)

    def of_a_request(file: str, *more: str) -> float:
        subprocess.run(
            ["nice", "-n", "10", sys.executable, "-m", "locust", "-f", file, "--headless", f"--host={trivial_server}", *more],
            cwd=tmp_path, check=False, capture_output=True, timeout=300,
        )  # fmt: skip
        return float(json.loads((tmp_path / "measured.json").read_text()))

    # Side by side in turns; what else runs on the machine only adds, so the least is nearest to the truth.
    pairs = [
        (of_a_request("lab.py", "-u", "10", "-r", "10", "-t", "100s"), of_a_request("ours.py"))
        for _ in range(3)
    ]
    theirs, mine = (min(times) for times in zip(*pairs, strict=True))
    assert theirs / mine >= 4, f"{theirs * 1000:.2f} ms against {mine * 1000:.2f} ms of CPU a request"


PARSERS = """
import locustfile
from locust import argument_parser as parser
built, build = 0, parser.get_empty_argument_parser
def counted(*arguments, **options):
    global built
    built += 1
    return build(*arguments, **options)
parser.get_empty_argument_parser = counted
for option in range(60):
    assert "host" in parser.default_args_dict()
print(built)
"""


def test_a_change_of_users_does_not_hold_up_a_worker(tmp_path: Path) -> None:
    """Locust asks this of each of its options whenever users come or go, and answers nobody meanwhile."""
    (tmp_path / "body-0").write_bytes(b"{}")
    Cluster.copy_sources(tmp_path, config({"kind": "constant", "level": 1, "duration": 1}, workers=1))
    built = subprocess.run(
        [sys.executable, "-c", PARSERS], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=300
    ).stdout
    assert int(built) <= 1
