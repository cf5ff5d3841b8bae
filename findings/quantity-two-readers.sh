#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# The Kubernetes Python client reads quantities that Kubernetes refuses, and others as less than Kubernetes does.
#
# Good guess:   parse_quantity() of the Python client follows the grammar of Kubernetes' own, and both give one number.
# What happens: Python takes 1K, 1_000, 1e3Mi, " 1" and NaN, all of which Kubernetes refuses. Of "0.1n" Kubernetes makes
#               1n: it rounds up to what it can hold, and Value() of "1m" is 1.
# Seen with:    kubernetes 37.0.2 and k8s.io/apimachinery 0.34.4.
# Matters when: sizes are checked by the one before they go to the other.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile kubernetes==37.0.2 || exit 2
go mod init findings.local/quantity 2> /dev/null || exit 2
go get k8s.io/apimachinery/pkg/api/resource@v0.34.4 2> log || { cat log; exit 2; }
cat > main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/api/resource"
)

func main() {
	for _, text := range os.Args[1:] {
		if quantity, err := resource.ParseQuantity(text); err != nil {
			fmt.Println("refused")
		} else {
			fmt.Printf("%s, Value() %d\n", &quantity, quantity.Value())
		}
	}
}
GO
go list -m k8s.io/apimachinery
go build -o quantity . || exit 2
timeout 120 bin/python - <<'PY'
import subprocess, sys
from importlib.metadata import version

from kubernetes.utils import parse_quantity

print("kubernetes", version("kubernetes"))
texts = ["1Ki", "1k", "1K", "1_000", "1e3Mi", " 1", "NaN", "0.1n", "1m"]
answers = subprocess.run(["./quantity", *texts], capture_output=True, text=True, check=True).stdout.splitlines()
here = {text: str(parse_quantity(text)) for text in texts}
for text, there in zip(texts, answers, strict=True):
    print(f"{text!r}: Python {here[text]}, Kubernetes {there}")
ones = ["1Ki, Value() 1024", "1k, Value() 1000", *["refused"] * 5, "1n, Value() 1", "1m, Value() 1"]
sys.exit(0 if answers == ones and here["1K"] == "1000" and here["1_000"] == "1000" else "CHANGED")
PY
