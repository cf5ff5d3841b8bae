#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# Ten gRPC channels of one process to one target share one connection.
#
# Good guess:   each channel has its connection, so a load generator with a channel per user opens as many connections as
#               it has users, and a balancer of connections spreads them over the replicas.
# What happens: channels with the same target and options share one connection of the process. Any option that differs,
#               even one that gRPC does not know, makes another.
# Seen with:    grpcio 1.85.3.
# Matters when: load is spread by connections: all users of a process meet one replica.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile grpcio==1.85.3 || exit 2
timeout 120 "$work/bin/python" - <<'PY'
import sys
from concurrent import futures

import grpc

peers = set()


class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        def answer(request, context):
            peers.add(context.peer())
            return request

        return grpc.unary_unary_rpc_method_handler(answer)


def connections(options):
    """Of ten channels that are open at once."""
    peers.clear()
    channels = [grpc.insecure_channel(f"127.0.0.1:{port}", options=options(number)) for number in range(10)]
    for channel in channels:
        channel.unary_unary("/echo")(b"", timeout=10)
    for channel in channels:
        channel.close()
    return len(peers)


server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Echo()])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
seen = {
    "the same options": connections(lambda number: []),
    "an unknown option, another value each": connections(lambda number: [("nothing.of.grpc", number)]),
    "grpc.use_local_subchannel_pool": connections(lambda number: [("grpc.use_local_subchannel_pool", 1)]),
}
server.stop(0)
print("grpcio", grpc.__version__)
for options, number in seen.items():
    print(f"ten channels with {options}: {number} connections")
sys.exit(0 if list(seen.values()) == [1, 10, 10] else "CHANGED")
PY
