#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# Ansible's until with retries: 3 runs a task four times, one without retries as well, and the result says three.
#
# Good guess:   retries: 3 is three attempts in all, and so is the default of 3; or it is one and three more, and the
#               default as well. In both cases the result's attempts is how often the task ran.
# What happens: a task that never succeeds runs four times with retries: 3 and without retries, and its result says
#               attempts: 3. With retries: 1 it runs twice and says 1; with retries: 0 once, and says nothing.
#               A task that succeeds has the true number.
# Seen with:    ansible-core 2.19.14.
# Matters when: a wait is written as retries x delay, or the attempts of a failed task are reported.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile ansible-core==2.19.14 || exit 2
cat > "$work/play.yml" <<'YAML'
- hosts: localhost
  gather_facts: false
  tasks:
    - {shell: "echo run >> no-retries; false", register: no_retries, until: no_retries is succeeded, delay: 0, ignore_errors: true}
    - {shell: "echo run >> retries-3; false", register: three, until: three is succeeded, retries: 3, delay: 0, ignore_errors: true}
    - {shell: "echo run >> retries-1; false", register: one, until: one is succeeded, retries: 1, delay: 0, ignore_errors: true}
    - {shell: "echo run >> retries-0; false", register: zero, until: zero is succeeded, retries: 0, delay: 0, ignore_errors: true}
    - {shell: "echo run >> third; test $(wc -l < third) = 3", register: third, until: third is succeeded, retries: 3, delay: 0}
    - copy:
        content: "{{ [no_retries, three, one, zero, third] | map(attribute='attempts', default='none') | join(' ') }}"
        dest: attempts
YAML
cd "$work"
export ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_INVENTORY_UNPARSED_WARNING=false ANSIBLE_HOME="$work/home"
bin/ansible --version | sed -n 1p
timeout 300 bin/ansible-playbook play.yml > log 2>&1 || { cat log; exit 2; }
ran=$(for name in no-retries retries-3 retries-1 retries-0 third; do wc -l < "$name"; done | xargs)
echo "no retries, retries 3, 1, 0, and one that succeeds at its third attempt:"
echo "  ran $ran times, attempts $(cat attempts)"
if [[ $ran != '4 4 2 1 3' || $(cat attempts) != '3 3 1 none 3' ]]; then echo CHANGED; exit 1; fi
