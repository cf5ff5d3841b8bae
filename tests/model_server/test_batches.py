"""Batching and limits of concurrency, over the network."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from serving import Server, Start


def ask(server: Server, body: Any, where: str) -> tuple[int, Any]:
    answer = server.predict(body, where)
    return answer.status_code, answer.json()


def test_requests_are_merged_and_a_full_queue_answers_503(
    start: Start, library: Path, tmp_path: Path
) -> None:
    (tmp_path / "batching.config").write_text(
        """
        max_batch_size { value: 4 }
        batch_timeout_micros { value: 30000000 }
        max_enqueued_batches { value: 1 }
        num_batch_threads { value: 1 }
        allowed_batch_sizes: 2
        allowed_batch_sizes: 4
        """
    )
    (tmp_path / "monitoring.config").write_text("prometheus_config { enable: true }")
    (tmp_path / "models.config").write_text(
        "model_config_list {"
        + "".join(
            f"config {{ name: '{name}' base_path: '{library}/{name}' model_platform: 'tensorflow' }}"
            for name in ("half", "gate", "types")
        )
        + "}"
    )
    server = start(
        f"--model_config_file={tmp_path}/models.config",
        "--enable_batching",
        f"--batching_parameters_file={tmp_path}/batching.config",
        f"--monitoring_config_file={tmp_path}/monitoring.config",
        "--rest_api_num_threads=16",
        "--rest_api_timeout_in_ms=5000",
    )
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(ask, server, {"instances": [float(i), i + 0.5]}, "half") for i in range(2)]
        assert [call.result(20) for call in calls] == [
            (200, {"predictions": [i / 2 + 3, (i + 0.5) / 2 + 3]}) for i in range(2)
        ], "two of two rows fill a batch of four, long before its time is up"
        assert ask(server, {"instances": [1, 2, 3, 4, 5]}, "half") == (
            400,
            {"error": "Task size 5 is larger than maximum input batch size 4"},
        )
        body = {"signature_name": "several", "inputs": {"a": [1], "b": ["x", "y"]}}
        assert ask(server, body, "types") == (
            400,
            {"error": "Batching Run() input tensors must have equal 0th-dimension size"},
        )
        # The only thread waits at the gate with four rows; four more rows fill the queue.
        rows = {"instances": [1, 2, 3, 4]}
        waiting: list[Future[Any]] = [pool.submit(ask, server, rows, "gate") for _ in range(2)]
        refused = (503, {"error": "The batch scheduling queue to which this task was submitted is full; currently 1 "
                        "batches enqueued and max_enqueued_batches is 1"})  # fmt: skip
        while True:
            call = pool.submit(ask, server, rows, "gate")
            done = next((c for c in (*waiting, call) if c.done()), None)
            waiting.append(call)
            if done is not None:
                break
        assert done.result() == refused
    metrics = server.get("/monitoring/prometheus/metrics").text
    assert ":tensorflow:serving:batching_session:wrapped_run_count{} " in metrics
    assert (
        ':tensorflow:serving:batching_session:queuing_latency_bucket{thread_pool_name="",le="100"}' in metrics
    )


def test_the_event_loop_takes_one_of_rests_threads(start: Start, library: Path) -> None:
    server = start(
        "--model_name=gate", f"--model_base_path={library}/gate", "--rest_api_num_threads=2",
        "--rest_api_timeout_in_ms=700",
    )  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(server.predict, {"instances": [1]}, "gate") for _ in range(2)]
        times = sorted(call.result(20).elapsed.total_seconds() for call in slow)
    assert [call.result().status_code for call in slow] == [504, 504]
    assert times[1] > 1.9 * 0.7, "one after the other"
