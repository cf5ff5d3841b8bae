"""The emulated APIs as a process of their own, to be killed: ``gcs_server.py FOLDER`` prints its URL and a token."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from emulator import Emulator

from sandbox.app import make_app

if __name__ == "__main__":
    emulator = Emulator(Path(sys.argv[1]))
    # The application itself: what tests put around it may keep answers in memory.
    emulator.app = make_app(emulator.orchestrator, emulator.store, emulator.tokens)
    with emulator.served() as url:
        print(json.dumps({"url": url, "token": emulator.token}), flush=True)
        time.sleep(300)
