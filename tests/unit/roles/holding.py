"""What the holding proxy meets: an API server with slices, scale and HPA, and a replica that takes its time to start."""

from __future__ import annotations

import datetime
import http.server
import json
import queue
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Json = dict[str, Any]
REPLICA = "127.0.0.2"
NAME, NAMESPACE = "image-classifier", "tfserving"
HOLD = f"{NAME}-hold"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
SCALE = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}/scale"
HPA = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{NAME}"


def authority(folder: Path, host: str = "kubernetes.default.svc") -> ssl.SSLContext:
    """A certificate for the host, by an authority whose own stands in ``ca.crt``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an API server")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    text = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.crt").write_bytes(text)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(secret + text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


class Api:
    """The API server, for one Deployment of one replica at most.

    ``token``: the one that it takes. ``faults``: statuses that it answers to the next changes of the scale. ``start``: how
    long, in seconds, a replica takes from its scale to its endpoint's being ready.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.token = "first"  # pragma: allowlist secret
        self.faults: list[int] = []
        self.start = 0.1
        self.address = REPLICA
        self.replicas, self.ready, self.by_hpa = 0, False, True
        self.has_hpa, self.owners = True, []  # type: ignore[var-annotated]
        self.asked: list[tuple[str, str, int]] = []
        self.ready_since = 0.0
        self._revision = 10
        self._lock = threading.RLock()
        self._watchers: list[queue.Queue[Json | None]] = []
        labels = {"kubernetes.io/service-name": HOLD}
        self.slices: dict[str, Json] = {
            f"{HOLD}-abcde": self._slice(f"{HOLD}-abcde", labels, [
                {"addresses": ["127.0.0.1"], "conditions": {"ready": True}, "nodeName": "node-1"}
            ]),
            HOLD: self._slice(HOLD, {"kubernetes.io/service-name": NAME}, None),
        }  # fmt: skip
        self._tell_endpoints()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not self._allowed():
                    return
                place = urlsplit(self.path)
                if place.path == SLICES and "watch" in place.query:
                    self._watch(int(parse_qs(place.query)["resourceVersion"][0]))
                elif place.path == SLICES:
                    with outer._lock:
                        items = list(outer.slices.values())
                        listed = {"metadata": {"resourceVersion": str(outer._revision)}, "items": items}
                    self._answer(200, listed)
                elif place.path == SCALE:
                    self._answer(200, outer._scale())
                elif place.path == HPA and outer.has_hpa:
                    self._answer(200, outer._hpa())
                else:
                    self._answer(404, {"kind": "Status", "code": 404})

            def do_PATCH(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not self._allowed():
                    return
                assert self.headers["Content-Type"] == "application/merge-patch+json"
                if self.path == SCALE:
                    self._answer(*outer._set_scale(body))
                else:
                    assert self.path == f"{SLICES}/{HOLD}", self.path
                    self._answer(200, outer._change(HOLD, body["endpoints"]))

            def _allowed(self) -> bool:
                if self.headers["Authorization"] == f"Bearer {outer.token}":
                    return True
                self._answer(401, {"kind": "Status", "code": 401})
                return False

            def _answer(self, status: int, body: Json) -> None:
                outer.asked.append((self.command, urlsplit(self.path).path, status))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def _watch(self, revision: int) -> None:
                events: queue.Queue[Json | None] = queue.Queue()
                with outer._lock:
                    for one in outer.slices.values():
                        if int(one["metadata"]["resourceVersion"]) > revision:
                            events.put({"type": "MODIFIED", "object": one})
                    outer._watchers.append(events)
                self.send_response(200)
                self.end_headers()
                while event := events.get():
                    self.wfile.write(json.dumps(event).encode() + b"\n")
                    self.wfile.flush()

            def log_message(self, *_: Any) -> None:
                return

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 100

            def finish_request(self, request: Any, client_address: Any) -> None:
                super().finish_request(context.wrap_socket(request, server_side=True), client_address)

            def handle_error(self, *_: Any) -> None:
                return

        self._http = Server(("127.0.0.1", 0), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.cut()
        self._http.shutdown()
        self._http.server_close()

    def cut(self) -> None:
        """Ends all watches."""
        with self._lock:
            for events in self._watchers:
                events.put(None)
            self._watchers.clear()

    def to_zero(self, *, by_hpa: bool = True) -> None:
        """The last replica goes."""
        with self._lock:
            self.replicas, self.ready, self.by_hpa = 0, False, by_hpa
            self._tell_endpoints()

    def leads(self) -> list[bool]:
        """Of the endpoints that the holding proxy has put up: which are ready."""
        with self._lock:
            return [one["conditions"]["ready"] for one in self.slices[HOLD]["endpoints"] or []]

    def woken(self) -> int:
        return sum(asked == ("PATCH", SCALE, 200) for asked in self.asked)

    def _come(self) -> None:
        time.sleep(self.start)
        with self._lock:
            if self.replicas:
                self.ready, self.ready_since = True, time.monotonic()
                self._tell_endpoints()

    def _tell_endpoints(self) -> None:
        endpoint = {"addresses": [self.address], "conditions": {"ready": self.ready, "serving": self.ready}}
        name = f"{NAME}-vwxyz"
        if name not in self.slices:
            self.slices[name] = self._slice(name, {"kubernetes.io/service-name": NAME}, [])
        self._change(name, [endpoint] if self.replicas else [])

    def _slice(self, name: str, labels: Json, endpoints: list[Json] | None) -> Json:
        metadata = {"name": name, "labels": labels, "resourceVersion": str(self._revision)}
        return {"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints}

    def _change(self, name: str, endpoints: list[Json]) -> Json:
        with self._lock:
            self._revision += 1
            one = self.slices[name]
            metadata = one["metadata"] | {"resourceVersion": str(self._revision)}
            self.slices[name] = one | {"endpoints": endpoints, "metadata": metadata}
            for events in self._watchers:
                events.put({"type": "MODIFIED", "object": self.slices[name]})
            return self.slices[name]

    def _scale(self) -> Json:
        # A number of nought is left out, as the API does.
        spec = {"replicas": self.replicas} if self.replicas else {}
        return {"metadata": {"name": NAME, "resourceVersion": str(self._revision)}, "spec": spec}

    def _set_scale(self, body: Json) -> tuple[int, Json]:
        with self._lock:
            if self.faults:
                return self.faults.pop(0), {"kind": "Status"}
            if body["metadata"]["resourceVersion"] != str(self._revision):
                return 409, {"kind": "Status", "reason": "Conflict"}
            assert self.replicas == 0, "it is no business of the holding proxy's where there are replicas"
            self.replicas = body["spec"]["replicas"]
            self._tell_endpoints()
            threading.Thread(target=self._come, daemon=True).start()
            return 200, self._scale()

    def _hpa(self) -> Json:
        status = "True" if self.by_hpa else "False"
        conditions = [{"type": "AbleToScale", "status": "True"}, {"type": "ScaledToZero", "status": status}]
        if self.owners:  # KEDA's has a minimum of one, and so no such condition
            conditions = conditions[:1]
        return {
            "metadata": {"name": NAME, "ownerReferences": self.owners},
            "status": {"conditions": conditions},
        }


@contextmanager
def replica(api: Api, rest: int, by_grpc: int) -> Iterator[list[str]]:
    """The replica's two ports at its address; it echoes, and notes what comes while it is not ready: nothing may."""
    early: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if not api.ready:
                early.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            return

    class Echo(grpc.GenericRpcHandler):
        def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(self._answer)

        def _answer(self, request: bytes, _: grpc.ServicerContext) -> bytes:
            if not api.ready:
                early.append("gRPC")
            return request

    class Web(http.server.ThreadingHTTPServer):
        request_queue_size = 500  # as the proxy of a replica has

        def handle_error(self, *_: Any) -> None:
            return  # Who gave up is no longer there for its answer.

    web = Web((REPLICA, rest), Handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    calls = grpc.server(ThreadPoolExecutor(16), handlers=[Echo()])
    calls.add_insecure_port(f"{REPLICA}:{by_grpc}")
    calls.start()
    try:
        yield early
    finally:
        calls.stop(None).wait()
        web.shutdown()
        web.server_close()
