#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# A server's grpc-retry-pushback-ms overrides maxBackoff of the client's retry policy; what it can't read ends retries.
#
# Good guess:   pushback is a hint within the client's policy: no wait is longer than maxBackoff, and a value that is no
#               number is ignored.
# What happens: a pushback of 2000 is waited for in full with a maxBackoff of 0.1s. With "2s", or -1, there is no second
#               attempt at all.
# Seen with:    grpcio 1.85.3.
# Matters when: a server or proxy answers overload with a delay: written like a duration it switches retries off.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile grpcio==1.85.3 || exit 2
timeout 120 "$work/bin/python" - <<'PY'
import json, sys, time
from concurrent import futures

import grpc

attempts = []


class Full(grpc.GenericRpcHandler):
    def service(self, details):
        def answer(request, context):
            attempts.append(time.monotonic())
            if pushback:
                context.set_trailing_metadata([("grpc-retry-pushback-ms", pushback)])
            context.abort(grpc.StatusCode.UNAVAILABLE, "The queue is full.")

        return grpc.unary_unary_rpc_method_handler(answer)


server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Full()])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
retry = {"maxAttempts": 2, "initialBackoff": "0.1s", "maxBackoff": "0.1s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}
policy = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": retry}]})
print("grpcio", grpc.__version__)
seen = {}
for pushback in ("", "2000", "2s", "-1"):
    attempts.clear()
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.service_config", policy)]) as channel:
        try:
            channel.unary_unary("/predict")(b"", timeout=10)
        except grpc.RpcError:
            pass
    waited = attempts[-1] - attempts[0]
    seen[pushback] = len(attempts), waited
    print(f"grpc-retry-pushback-ms {pushback or 'not given'}: {len(attempts)} attempts" + f", the second after {waited:.1f} s" * (len(attempts) > 1))
server.stop(0)
counts = [number for number, _ in seen.values()]
sys.exit(0 if counts == [2, 2, 1, 1] and seen["2000"][1] >= 1.9 else "CHANGED")
PY
