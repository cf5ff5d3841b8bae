"""What the load test is to do: config.json and the bodies beside this file."""

from __future__ import annotations

import json
from pathlib import Path

import curve as curves

HERE = Path(__file__).parent
CONFIG = json.loads((HERE / "config.json").read_text())
PLAN = CONFIG["plan"]
CURVE = curves.Curve(PLAN["pieces"])
OPEN = PLAN["model"] == "open"
GRPC = CONFIG["protocol"] == "grpc"
BODIES = [(HERE / body["file"]).read_bytes() for body in CONFIG["bodies"]]
NAMES = ["predict" if len(BODIES) == 1 else f"predict {body['name']}" for body in CONFIG["bodies"]]
WEIGHTS = [body["weight"] for body in CONFIG["bodies"]]
