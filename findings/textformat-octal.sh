#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# `versions: 010` in a model server's configuration is version 8.
#
# Good guess:   a version is a decimal number, and 010 is 10, as in the name of the version's folder; or the leading zero
#               is refused, as it is in JSON and Python.
# What happens: protobuf's text format knows octal and hexadecimal: 010 is 8, 0x10 is 16, 08 is refused, and so is 1.0.
# Seen with:    protobuf 7.36.2. The message is made here: the same fields as in TF Serving's configuration.
# Matters when: folders are named 008, 009, 010: 007 works, 008 does not parse, 010 asks for another version.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile protobuf==7.36.2 || exit 2
timeout 120 "$work/bin/python" - <<'PY'
import sys

from google import protobuf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

file = descriptor_pb2.FileDescriptorProto(name="policy.proto", package="findings", syntax="proto3")
versions = file.message_type.add(name="Specific").field.add(name="versions", number=1)
versions.type, versions.label = versions.TYPE_INT64, versions.LABEL_REPEATED
descriptor = descriptor_pool.DescriptorPool().AddSerializedFile(file.SerializeToString())
specific = message_factory.GetMessageClass(descriptor.message_types_by_name["Specific"])
print("protobuf", protobuf.__version__)
seen = {}
for written in ("007", "008", "010", "0x10", "1.0", "-1"):
    try:
        seen[written] = text_format.Parse(f"versions: {written}", specific()).versions[0]
    except text_format.ParseError as error:
        seen[written] = None
        print(f"versions: {written} is refused: {error}")
    else:
        print(f"versions: {written} is {seen[written]}")
sys.exit(0 if seen == {"007": 7, "008": None, "010": 8, "0x10": 16, "1.0": None, "-1": -1} else "CHANGED")
PY
