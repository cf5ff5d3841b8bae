#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# Locust places users by a fixed pattern of weights: a class with 1 of 100 has no user until there are 45.
#
# Good guess:   a user's class is drawn by weight, so that a rare class appears now and then with any number of users, and
#               two users with weights 3 and 1 are mostly of the first.
# What happens: nothing is drawn. Two users with weights 3 and 1 are always one of each, half of the load instead of a
#               quarter; ten users with 99 and 1 are always ten of the first.
# Seen with:    locust 2.47.0.
# Matters when: a rare request is in the mix, or a test begins with few users.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile locust==2.47.0 || exit 2
timeout 120 "$work/bin/python" - <<'PY'
import sys
from importlib.metadata import version

from locust import User
from locust.dispatch import UsersDispatcher
from locust.runners import WorkerNode


def placed(users, weights):
    """How many users of each class run after a ramp to this number, on one worker."""
    classes = [type(name, (User,), {"weight": weight}) for name, weight in weights.items()]
    dispatcher = UsersDispatcher(worker_nodes=[WorkerNode("one")], user_classes=classes)
    dispatcher.new_dispatch(target_user_count=users, spawn_rate=1000)
    return [*dispatcher][-1]["one"]


print("locust", version("locust"))
few = placed(2, {"Predict": 3, "Status": 1})
print(f"weights 3 and 1, two users: {few}")
rare = {"Predict": 99, "Status": 1}
first = next(users for users in range(1, 200) if placed(users, rare)["Status"])
print(f"weights 99 and 1: the first Status with {first} users; ten times ten users: {[placed(10, rare)['Status'] for _ in range(10)]}")
sys.exit(0 if few == {"Predict": 1, "Status": 1} and first > 20 else "CHANGED")
PY
