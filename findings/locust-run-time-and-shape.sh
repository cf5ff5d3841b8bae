#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# With a LoadTestShape, Locust's --run-time ends nothing, not even with use_common_options = True.
#
# Good guess:   --users and --spawn-rate give way to the shape, and --run-time is still the latest end; at least when the
#               shape says use_common_options = True, which is there for these three options.
# What happens: the run lasts as long as the shape, and only then says "Run time limit set to 2 seconds".
#               use_common_options only silences the warning that the options are ignored.
# Seen with:    locust 2.47.0.
# Matters when: a pipeline trusts --run-time to end a load test against an endpoint that costs money. A shape that never
#               returns None never ends.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile locust==2.47.0 || exit 2
cat > "$work/locustfile.py" <<'PY'
from locust import LoadTestShape, User, constant, task


class Idle(User):
    wait_time = constant(0.5)

    @task
    def nothing(self):
        pass


class TenSeconds(LoadTestShape):
    use_common_options = True

    def tick(self):
        return (1, 1) if self.get_run_time() < 10 else None
PY
"$work/bin/locust" --version
began=$SECONDS
timeout 120 "$work/bin/locust" -f "$work/locustfile.py" --headless --only-summary --run-time 2s 2>&1 |
  grep -E 'Run time|Shape test|Shutting' | tee "$work/log"
lasted=$((SECONDS - began))
echo "a run with --run-time 2s and a shape of 10 s lasted $lasted s"
if [[ $lasted -lt 9 ]] || ! grep -q 'Run time limit set to 2 seconds' "$work/log"; then echo CHANGED; exit 1; fi
