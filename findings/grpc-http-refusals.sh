#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# A gRPC client shows nothing of a proxy's refusal but the HTTP status: no Retry-After, no other header, no body.
#
# Good guess:   a proxy's 503 with Retry-After and a sentence is UNAVAILABLE, and header and sentence stand in metadata or
#               details; 400 and 413 are INVALID_ARGUMENT and RESOURCE_EXHAUSTED.
# What happens: 503 is UNAVAILABLE with "Received http2 header with status: 503" and no metadata at all; 400 is INTERNAL,
#               404 UNIMPLEMENTED, 302, 408 and 413 are UNKNOWN. Words get through with HTTP 200, grpc-status and
#               grpc-message in the headers of an answer without a body.
# Seen with:    grpcio 1.85.3.
# Matters when: a proxy sheds load: a full queue and a server that is gone look alike, and clients come back at once.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile grpcio==1.85.3 h2==4.3.0 || exit 2
timeout 120 "$work/bin/python" - <<'PY'
import socket, sys, threading

import grpc
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived


def answer(client):
    """As a proxy does: by the path that was asked for."""
    connection = H2Connection(H2Configuration(client_side=False))
    connection.initiate_connection()
    client.sendall(connection.data_to_send())
    while data := client.recv(65536):
        for event in connection.receive_data(data):
            if isinstance(event, RequestReceived):
                status = dict(event.headers)[b":path"].decode().split("/")[-1]
                if status == "200":
                    words = [("content-type", "application/grpc"), ("grpc-status", "14"), ("grpc-message", "The queue is full.")]
                    headers = [(":status", "200"), *words, ("retry-after", "7")]
                    connection.send_headers(event.stream_id, headers, end_stream=True)
                else:
                    headers = [(":status", status), ("content-type", "text/plain"), ("retry-after", "7")]
                    connection.send_headers(event.stream_id, headers)
                    connection.send_data(event.stream_id, b"The queue is full.", end_stream=True)
        client.sendall(connection.data_to_send())


def serve():
    while True:
        client, _ = server.accept()
        threading.Thread(target=answer, args=[client], daemon=True).start()


server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, daemon=True).start()
channel = grpc.insecure_channel(f"127.0.0.1:{server.getsockname()[1]}")
print("grpcio", grpc.__version__)
seen = {}
for status in ("302", "400", "404", "408", "413", "429", "503", "200"):
    try:
        channel.unary_unary(f"/predict/{status}")(b"", timeout=10)
    except grpc.RpcError as error:
        metadata = [*error.initial_metadata(), *error.trailing_metadata()]
        seen[status] = error.code().name, error.details(), [key for key, _ in metadata]
        print(f"HTTP {status}: {error.code().name}, {error.details()!r}, metadata {seen[status][2]}")
codes = " ".join(code for code, _, _ in seen.values())
expected = "UNKNOWN INTERNAL UNIMPLEMENTED UNKNOWN UNKNOWN UNAVAILABLE UNAVAILABLE UNAVAILABLE"
hidden = not any("full" in details or names for status, (_, details, names) in seen.items() if status != "200")
sys.exit(0 if codes == expected and hidden and "full" in seen["200"][1] else "CHANGED")
PY
