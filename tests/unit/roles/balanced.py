"""Replicas that balance requests: a real proxy each, on loopback addresses of their own, found by a name server."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from haproxy import HAPROXY, Calls, Server, answering, until
from names import Names, naming
from serving_role import files_of


class ModelServer(Protocol):
    port: int

    def close(self) -> None: ...


PORTS = (8500, 8501, 8404, 8405, 8510, 8511)


class Replica:
    """A proxy at an address of its own, with a model server by REST and one by gRPC behind it."""

    def __init__(
        self,
        folder: Path,
        address: str,
        names: Names,
        rest: ModelServer,
        calls: tuple[Calls, int],
        **variables: Any,
    ) -> None:
        self.address, self.rest, (self.calls, port) = address, rest, calls
        files = files_of(**{"serving_balancing": "least_requests", "serving_concurrency": 4} | variables)
        folder.mkdir()
        (folder / "peers.lua").write_text(files["peers.lua"])
        text = files["haproxy.cfg"].replace("/etc/tfserving/", f"{folder}/")
        changes = {f"bind :{port}": f"bind {address}:{port}" for port in PORTS} | {
            "127.0.0.1:18501": f"127.0.0.1:{rest.port}",
            "127.0.0.1:18500": f"127.0.0.1:{port}",
            "127.0.0.1:8510": f"{address}:8510",
            "127.0.0.1:8511": f"{address}:8511",
            # Where they share a network, the address that each comes from has to be said.
            "weight 0 resolvers": f"weight 0 source {address} resolvers",
            "parse-resolv-conf": f"nameserver loopback 127.0.0.1:{names.port}",
        }
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        (folder / "haproxy.cfg").write_text(text)
        assert HAPROXY, "no haproxy: run tools/setup, or apt-get install haproxy"
        command = [HAPROXY, "-db", "-f", str(folder / "haproxy.cfg")]
        self.process = subprocess.Popen(command, env={**os.environ, "POD_IP": address})
        until(lambda: self.tells() != "")

    def tells(self) -> str:
        """Its metrics."""
        connection = http.client.HTTPConnection(self.address, 8404, timeout=20)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        except ConnectionError:
            return ""
        finally:
            connection.close()

    def knows(self) -> int:
        """How many others it has found."""
        up = r'^haproxy_server_status{proxy="peers_rest",server="peer\d+",state="(?:UP|DRAIN)"} 1'
        return len(re.findall(up, self.tells(), re.MULTILINE))

    def ask(self, body: bytes = b"{}") -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.address, 8501, timeout=30)
        connection.request("POST", "/v1/models/m:predict", body=body)
        return connection

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def replicas(
    folder: Path, number: int, serve: Callable[[], Any] = Server, **variables: Any
) -> Iterator[tuple[list[Replica], Names]]:
    addresses = [f"127.0.{os.getpid() % 250 + 1}.{place + 1}" for place in range(number)]
    with ExitStack() as stack:
        names = stack.enter_context(naming(*addresses))
        found = []
        for address in addresses:
            server = serve()
            stack.callback(server.close)
            calls = stack.enter_context(answering())
            found.append(Replica(folder / address, address, names, server, calls, **variables))
            stack.callback(found[-1].end)
        for one in found:
            until(lambda one=one: one.knows() == number)  # type: ignore[misc]
        time.sleep(1)  # peers.lua looks twice a second
        yield found, names
