"""What the serving role writes for several models, labels and batching, read by the server itself."""

from __future__ import annotations

import sys
from pathlib import Path

from fixture_models import half_plus
from serving import Start

sys.path.insert(0, str(Path(__file__).parents[1] / "unit/roles"))

from serving_role import container, files_of, pod_of


def test_the_server_serves_what_the_role_configures(start: Start, library: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    for version in (3, 4, 5):
        half_plus(models / "half" / str(version), float(version))
    (models / "types").symlink_to(library / "types")
    variables = {
        "serving_models": [
            {"name": "half", "uri": "gs://b/half", "versions": [3, 4], "labels": {"stable": 3, "canary": 4}},
            {"name": "types", "uri": "gs://b/types", "versions": [7]},
        ],
        "serving_batching": {"max_batch_size": 8, "batch_timeout_micros": 1000, "allowed_batch_sizes": [2, 8]},
    }  # fmt: skip
    for name, text in files_of(**variables).items():
        (tmp_path / name).write_text(text.replace("/models/", f"{models}/"))
    arguments = container(pod_of(**variables), "tfserving")["args"]
    server = start(
        *(a.replace("/etc/tfserving", str(tmp_path)) for a in arguments if "port=" not in a.split("_path")[0])
    )  # fmt: skip

    def answer(place: str) -> object:
        url = server.url(f"/v1/models/half{place}:predict")
        return server.http.post(url, json={"instances": [2.0]}, timeout=30).json()

    server.until(lambda: server.get("/v1/models/half/versions/4/metadata").status_code == 200)
    assert answer("/labels/stable") == {"predictions": [4.0]}
    assert answer("/labels/canary") == answer("") == {"predictions": [5.0]}
    assert server.get("/v1/models/types/versions/7/metadata").status_code == 200
    assert server.get("/v1/models/half/versions/5/metadata").status_code == 404, (
        "it is there, and not asked for"
    )
    metrics = server.get("/monitoring/prometheus/metrics").text
    assert "batching_session" in metrics
