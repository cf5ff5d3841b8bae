#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# A Locust master whose workers all pause for six seconds stops the test, idles to the end and exits with 0.
#
# Good guess:   workers that were silent for a moment go on, since their processes and connections are alive; or the run
#               ends with an error, since a load test that lost all its workers has failed.
# What happens: with the last worker "missing" (three heartbeats) the master stops the test. The workers are back and
#               ready a second later, and nobody starts anything again. The master waits for --run-time and exits with 0.
# Seen with:    locust 2.47.0.
# Matters when: a pipeline takes that for a passed test. What has to be checked is the time of the last request.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile locust==2.47.0 || exit 2
cat > "$work/locustfile.py" <<'PY'
import time
from functools import cache

from locust import User, argument_parser, constant, events, task

# Without this a worker on a busy machine is slow for another reason: see locust-parser-per-spawn.sh.
argument_parser.default_args_dict = cache(argument_parser.default_args_dict)
ended = []


class Pretending(User):
    wait_time = constant(0.1)

    @task
    def answer(self):
        events.request.fire(request_type="GET", name="/", response_time=5, response_length=0, exception=None, context={})


@events.worker_report.add_listener
def reported(client_id, data):
    if data["stats_total"]["num_requests"]:
        ended.append(time.time())


@events.quitting.add_listener
def last(environment):
    if ended:
        print(f"LAST {environment.stats.total.num_requests} requests, the last {time.time() - ended[-1]:.0f} s before the end")
PY
timeout 120 "$work/bin/python" - "$work" <<'PY'
import signal, socket, subprocess, sys, time
from pathlib import Path

work = Path(sys.argv[1])
with socket.create_server(("127.0.0.1", 0)) as free:
    port = str(free.getsockname()[1])
locust = [work / "bin/locust", "-f", work / "locustfile.py"]
headless = ["--headless", "--only-summary", "--users", "10", "--spawn-rate", "10", "--run-time", "25s"]
master_options = ["--master", "--expect-workers", "1", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
with (work / "log").open("w") as log:
    master = subprocess.Popen([*locust, *master_options, *headless], stdout=log, stderr=log)
worker = subprocess.Popen([*locust, "--worker", "--master-port", port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    while "All users spawned" not in (work / "log").read_text():
        time.sleep(0.2)
    time.sleep(3)
    worker.send_signal(signal.SIGSTOP)
    time.sleep(6)
    worker.send_signal(signal.SIGCONT)
    code = master.wait()
finally:
    for process in (master, worker):
        if process.poll() is None:
            process.kill()
        process.wait()
lines = (work / "log").read_text().splitlines()
print(*(line for line in lines if any(word in line for word in ("Starting", "missing", "healed", "limit reached", "exit code", "LAST"))), sep="\n")
idle = [int(line.split()[5]) for line in lines if line.startswith("LAST")]
print(f"the master's exit code: {code}")
sys.exit("CHANGED" if code != 0 or not idle or idle[0] < 5 else 0)
PY
