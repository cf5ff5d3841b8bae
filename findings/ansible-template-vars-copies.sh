#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# A dict in template_vars makes every template lookup within that template many times slower.
#
# Good guess:   a value that many parts of a template need is computed once and handed over by the template lookup's
#               template_vars, which spares work; whether it is a dict or text makes no difference to other lookups.
# What happens: a template lookup first makes a deep copy of all variables. A dict that was handed over is one of
#               Ansible's lazy containers, which holds on to the templating engine, and that is copied with it: each
#               lookup inside the template takes several times as long. Text, the same dict as JSON, costs nothing.
# Seen with:    ansible-core 2.19.14; half a second more for each lookup in a playbook with some hundred variables.
# Matters when: one big template with includes and lookups is rendered instead of many small ones, to save time.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile ansible-core==2.19.14 || exit 2
cd "$work"
echo 'inside' > inner.j2
# What each lookup of the inner template takes, in seconds of CPU, without the first, which loads the plugin.
cat > outer.j2 <<'J2'
{% for turn in range(21) %}{{ 'seconds' | spent }} {{ lookup('template', 'inner.j2') | trim }}
{% endfor %}{{ 'seconds' | spent }}
J2
mkdir filter_plugins
cat > filter_plugins/spent.py <<'PY'
import time


class FilterModule:
    def filters(self):
        return {"spent": lambda _: time.process_time()}
PY
cat > play.yml <<'YAML'
- hosts: localhost
  gather_facts: false
  vars:
    made: {names: "{{ ['one', 'two'] | map('upper') | list }}"}
  tasks:
    - copy: {content: "{{ lookup('template', 'outer.j2', template_vars={'handed': made}) }}", dest: "{{ playbook_dir }}/dict"}
    - copy: {content: "{{ lookup('template', 'outer.j2', template_vars={'handed': made | to_json}) }}", dest: "{{ playbook_dir }}/text"}
YAML
export ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_INVENTORY_UNPARSED_WARNING=false ANSIBLE_HOME="$work/home"
bin/ansible --version | sed -n 1p
timeout 300 bin/ansible-playbook play.yml > log 2>&1 || { cat log; exit 2; }
median() { awk 'NR > 2 {print $1 - before} {before = $1}' "$1" | sort -n | sed -n 10p; }
dict=$(median dict) text=$(median text)
echo "median CPU seconds of a lookup within: $dict with a dict handed over, $text with text"
awk -v d="$dict" -v t="$text" 'BEGIN {exit !(d > 3 * t)}' || { echo CHANGED; exit 1; }
