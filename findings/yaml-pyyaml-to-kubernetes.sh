#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# Texts that PyYAML writes without quotes are numbers and booleans for the tools of Kubernetes.
#
# Good guess:   what PyYAML dumps (so do Ansible's to_yaml and to_nice_yaml) is read as the same by kubectl and API server:
#               the well-known cases (on, no, 010, 1.5) are quoted.
# What happens: n, y, 1e3, 12e4 and 0o10 are dumped as they are, since PyYAML reads them as texts. The library that Kubernetes
#               reads YAML with makes of them false, true, 1000, 120000 and 8.
# Seen with:    PyYAML 6.0.4 and sigs.k8s.io/yaml 1.6.0.
# Matters when: a short commit such as 12e4 is a label, or a namespace is called n: one commit in many is refused.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile PyYAML==6.0.4 || exit 2
go mod init findings.local/yaml 2> /dev/null || exit 2
go get sigs.k8s.io/yaml@v1.6.0 2> log || { cat log; exit 2; }
cat > main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	text, _ := io.ReadAll(os.Stdin)
	json, err := yaml.YAMLToJSON(text)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(json))
}
GO
go list -m sigs.k8s.io/yaml
go build -o tojson . || exit 2
timeout 120 bin/python - <<'PY'
import json, subprocess, sys

import yaml

print("PyYAML", yaml.__version__)
seen = {}
for text in ("n", "y", "1e3", "12e4", "0o10", "on", "010", "1.5"):
    dumped = yaml.safe_dump({"label": text})
    seen[text] = json.loads(subprocess.run("./tojson", input=dumped, capture_output=True, text=True, check=True).stdout)["label"]
    print(f"{dumped.strip()}: PyYAML {yaml.safe_load(dumped)['label']!r}, Kubernetes {json.dumps(seen[text])}")
expected = {"n": False, "y": True, "1e3": 1000, "12e4": 120000, "0o10": 8, "on": "on", "010": "010", "1.5": "1.5"}
sys.exit(0 if seen == expected else "CHANGED")
PY
