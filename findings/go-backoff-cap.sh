#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# wait.ExponentialBackoff of Kubernetes' apimachinery gives up as soon as its interval reaches Cap.
#
# Good guess:   {Duration: 10ms, Factor: 2, Steps: 10, Cap: 50ms} tries ten times, the later ones 50 ms apart.
# What happens: three attempts, after which it says "timed out waiting for the condition". The step that would pass Cap
#               sets the remaining steps to zero.
# Seen with:    k8s.io/apimachinery 0.34.4.
# Matters when: a Cap is added to keep intervals short: it makes the whole retry short.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
go mod init findings.local/backoff 2> /dev/null || exit 2
go get k8s.io/apimachinery/pkg/util/wait@v0.34.4 2> log || { cat log; exit 2; }
cat > main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

func attempts(limit time.Duration) int {
	number := 0
	backoff := wait.Backoff{Duration: 10 * time.Millisecond, Factor: 2, Steps: 10, Cap: limit}
	err := wait.ExponentialBackoff(backoff, func() (bool, error) {
		number++
		return false, nil
	})
	fmt.Printf("Steps: 10, Cap: %v: %d attempts, %v\n", limit, number, err)
	return number
}

func main() {
	if attempts(0) != 10 || attempts(50*time.Millisecond) != 3 || attempts(time.Minute) != 10 {
		fmt.Println("CHANGED")
		os.Exit(1)
	}
}
GO
go list -m k8s.io/apimachinery
go build -o backoff . || exit 2
timeout 120 ./backoff
