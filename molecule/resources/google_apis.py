"""Google's emulated APIs on a loopback port, for scenarios of roles that need no Kubernetes. No root, no sandbox.

    python molecule/resources/google_apis.py FOLDER

Writes FOLDER/google_apis.json (url, process) and FOLDER/key.json (a service account's key) once it answers. Ends at
SIGTERM, or by itself after a while, whatever becomes of who started it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/unit")]

from background import answer_until_ended, hold_signals, write  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from emulator import PROJECT, Emulator  # noqa: E402

from sandbox.google.tokens import ACCOUNT  # noqa: E402


def serve(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as objects:
        emulator = Emulator(Path(objects))
        with emulator.served() as url:
            key = emulator.tokens._key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            account = {
                "type": "service_account", "project_id": PROJECT, "private_key_id": "1", "private_key": key.decode(),
                "client_email": ACCOUNT, "token_uri": f"{url}/token",
            }  # fmt: skip
            write(folder / "key.json", account)
            answer_until_ended(folder / "google_apis.json", url=url)


if __name__ == "__main__":
    hold_signals()
    serve(Path(sys.argv[1]))
