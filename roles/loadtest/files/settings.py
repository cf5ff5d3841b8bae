"""What the load test is to do: config.json and the bodies beside this file."""

from __future__ import annotations

import json
import math
from pathlib import Path

import curve as curves

HERE = Path(__file__).parent
CONFIG = json.loads((HERE / "config.json").read_text())
PLAN = CONFIG["plan"]
CURVE = curves.Curve(PLAN["pieces"])
OPEN = PLAN["model"] == "open"
OWN = CONFIG["own"]
"""Whether users are those of a locustfile of somebody's own."""
GRPC = not OWN and CONFIG["protocol"] == "grpc"
BODIES = [(HERE / body["file"]).read_bytes() for body in CONFIG["bodies"]]
NAMES = ["predict" if len(BODIES) == 1 else f"predict {body['name']}" for body in CONFIG["bodies"]]
PATIENCE = CONFIG["patience"]
"""Seconds of silence until the master takes a worker for lost and gives its users to others. Locust's own 3 are less than
a busy worker's pause: it would come back with users that are others' by then. After 8 the run is invalid in any case."""
WEIGHTS = [body["weight"] for body in CONFIG["bodies"]]
STEADY_SECONDS = CURVE.length - PLAN["ramp_down"] if PLAN["ramp_down"] else math.inf
"""When the load begins to go; never, where it ends at once."""
STOP_SECONDS = (2 if OWN else 1) * CONFIG["timeout"] + 5
"""How long whoever is told to go may take: until the request that is under way is answered or has failed by itself. Users of
one's own may have to ask more, as long as one request may take, and then have this last one."""
