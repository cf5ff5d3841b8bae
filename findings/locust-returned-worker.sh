#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# A Locust worker that stands still for eight seconds of a ramp leaves the test with more users than were asked for.
#
# Good guess:   the master gives the users of a silent worker to the others, and puts the numbers right when it is back.
# What happens: its users are started elsewhere at the next step of the ramp. The worker that comes back goes on with its
#               own, is listed as running, and is told nothing, since it is no longer in the dispatcher. Both are counted.
# Seen with:    locust 2.47.0.
# Matters when: workers run in pods with a CPU limit: the load is above the plan until the end of the test.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile locust==2.47.0 || exit 2
cat > "$work/locustfile.py" <<'PY'
from functools import cache

import gevent
from gevent import monkey
from locust import User, argument_parser, constant, events, runners, task

# Without this a worker is slow in a ramp for another reason: see locust-parser-per-spawn.sh.
argument_parser.default_args_dict = cache(argument_parser.default_args_dict)


class Idle(User):
    wait_time = constant(1)

    @task
    def nothing(self):
        pass


@events.test_start.add_listener
def watch(environment):
    def each_second():
        while True:
            gevent.sleep(1)
            print(f"USERS {environment.runner.user_count} of {environment.runner.target_user_count}", flush=True)

    if isinstance(environment.runner, runners.MasterRunner):
        gevent.spawn(each_second)
    elif environment.runner.worker_index == 0:
        monkey.get_original("time", "sleep")(8)  # reads test data by code that does not yield to gevent
PY
timeout 120 "$work/bin/python" - "$work" <<'PY'
import socket, subprocess, sys
from pathlib import Path

work = Path(sys.argv[1])
with socket.create_server(("127.0.0.1", 0)) as free:
    port = str(free.getsockname()[1])
locust = [work / "bin/locust", "-f", work / "locustfile.py"]
headless = ["--headless", "--only-summary", "--users", "30", "--spawn-rate", "2", "--run-time", "35s"]
options = ["--master", "--expect-workers", "3", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
workers = [subprocess.Popen([*locust, "--worker", "--master-port", port], **quiet) for _ in range(3)]
try:
    master = subprocess.run([*locust, *options, *headless], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
finally:
    for process in workers:
        if process.poll() is None:
            process.kill()
        process.wait()
lines = master.stdout.splitlines()
print(*(line for line in lines if any(word in line for word in ("Starting", "missing", "healed", "All users", "not all"))), sep="\n")
counts = [line for line in lines if line.startswith("USERS")]
print("at the end:", *counts[-3:], sep="\n")
sys.exit("CHANGED" if int(counts[-2].split()[1]) <= 30 else 0)
PY
