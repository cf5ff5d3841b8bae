#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# A Locust worker builds the whole command line parser some fifty times over whenever its number of users changes.
#
# Good guess:   the master's "spawn" message starts or stops a few greenlets, which takes a worker microseconds.
# What happens: for each such message the worker asks for the default options once per option that the master sent, and
#               each time a parser of all options is built and run. Meanwhile its event loop stands still: no answer is
#               read, no request sent, and no heartbeat.
# Seen with:    locust 2.47.0.
# Matters when: response times during a ramp are compared with a limit. What is slow then is the load generator.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile locust==2.47.0 || exit 2
cat > "$work/locustfile.py" <<'PY'
import time

from locust import LoadTestShape, User, argument_parser, constant, runners, task

build, handle = argument_parser.get_empty_argument_parser, runners.WorkerRunner.handle_message
built = []


def counted(*args, **options):
    built.append(1)
    return build(*args, **options)


def timed(self, message):
    before, began = len(built), time.perf_counter()
    handle(self, message)
    if message.type == "spawn":
        print(f"SPAWN {len(built) - before} parsers, event loop blocked for {(time.perf_counter() - began) * 1000:.0f} ms", flush=True)


argument_parser.get_empty_argument_parser, runners.WorkerRunner.handle_message = counted, timed


class Idle(User):
    wait_time = constant(1)

    @task
    def nothing(self):
        pass


class Ramp(LoadTestShape):
    def tick(self):
        return (1 + int(self.get_run_time()), 1) if self.get_run_time() < 5 else None
PY
timeout 120 "$work/bin/python" - "$work" <<'PY'
import socket, subprocess, sys
from pathlib import Path

work = Path(sys.argv[1])
with socket.create_server(("127.0.0.1", 0)) as free:
    port = str(free.getsockname()[1])
locust = [work / "bin/locust", "-f", work / "locustfile.py"]
options = ["--master", "--headless", "--expect-workers", "1", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
master = subprocess.Popen([*locust, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
worker = subprocess.run([*locust, "--worker", "--master-port", port], capture_output=True, text=True)
master.wait()
print(subprocess.run([locust[0], "--version"], capture_output=True, text=True).stdout.split(" from")[0])
seen = [line for line in worker.stdout.splitlines() if line.startswith("SPAWN")]
print(*seen, sep="\n")
sys.exit("CHANGED" if len(seen) < 3 or min(int(line.split()[1]) for line in seen) < 20 else 0)
PY
