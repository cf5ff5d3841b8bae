#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# In a filter of Ansible's a mapping that isinstance calls a dict has no views: items() can be walked once, not compared.
#
# Good guess:   a filter gets plain data, or dicts with tags: what works on a dict in a unit test works in a playbook, so
#               one set of labels is in another when wanted.items() <= labels.items().
# What happens: in a template nested values reach a filter as dicts whose values are templated when they are looked at.
#               isinstance says dict, == and get work, and keys() is a view. items() and values() are generators: "<="
#               raises TypeError, len() as well, and a second walk over what was kept finds nothing.
# Seen with:    ansible-core 2.19.14.
# Matters when: a filter selects objects of Kubernetes by their labels, or is tested with plain dicts alone.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile ansible-core==2.19.14 || exit 2
mkdir "$work/filter_plugins"
cat > "$work/filter_plugins/looks.py" <<'PY'
def tried(what):
    try:
        return str(what())
    except TypeError as error:
        return f"TypeError: {error}"


def looks(pods):
    labels = pods[0]["labels"]
    kept = labels.items()
    list(kept)
    return [
        f"isinstance dict: {isinstance(labels, dict)}",
        f"== {{'app': 'm'}}: {labels == {'app': 'm'}}",
        f"items(): {type(labels.items()).__name__}, values(): {type(labels.values()).__name__}, keys(): {type(labels.keys()).__name__}",
        "items() <= items(): " + tried(lambda: labels.items() <= labels.items()),
        "len(items()): " + tried(lambda: len(labels.items())),
        f"a second walk: {list(kept)}",
    ]


class FilterModule:
    def filters(self):
        return {"looks": looks}
PY
cat > "$work/play.yml" <<'YAML'
- hosts: localhost
  gather_facts: false
  vars: {pods: [{labels: {app: m}}]}
  tasks:
    - copy: {content: "{{ pods | looks | join('\n') }}\n", dest: seen}
YAML
cd "$work"
export ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_INVENTORY_UNPARSED_WARNING=false ANSIBLE_HOME="$work/home"
bin/ansible --version | sed -n 1p
timeout 300 bin/ansible-playbook play.yml > log 2>&1 || { cat log; exit 2; }
cat seen
expected="isinstance dict: True
== {'app': 'm'}: True
items(): generator, values(): generator, keys(): dict_keys
items() <= items(): TypeError: '<=' not supported between instances of 'generator' and 'generator'
len(items()): TypeError: object of type 'generator' has no len()
a second walk: []"
if [[ $(cat seen) != "$expected" ]]; then echo CHANGED; exit 1; fi
