# Every target is safe to repeat. `make help` lists them.
SHELL := /bin/bash
PLAYBOOK := .venv/bin/ansible-playbook
.DEFAULT_GOAL := help

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install and build what is missing (as root: Debian packages, Kubernetes, images, the model)
	@tools/setup

demo: setup ## the whole job on this machine: cluster, model, endpoint, load test, report
	@.venv/bin/python -m sandbox up
	@$(PLAYBOOK) site.yml -e loadtest_enabled=true
	@printf '\nThe report: file://%s\n' "$$(realpath reports/latest)/report.html"
	@printf 'Look around: ansible-playbook playbooks/status.yml (in .venv/bin). Remove it all: make sandbox-down\n'

test: ## everything that CI runs, in two lanes side by side
	@tools/test

lint: .venv ## ruff, mypy, ansible-lint, changelog, documentation, secrets, requirements, licences: offline, no root
	@tools/lint

unit: .venv ## unit tests, the sandbox's too: ten minutes, no root, no sandbox
	@.venv/bin/pytest tests/unit tests/sandbox -n 2

docs: .venv ## what the documentation says: every command, link, variable and file; half a minute, no root
	@.venv/bin/pytest tests/docs -n 2

faults: .venv ## publishing under kill -9, races and broken connections: three minutes, no root
	@.venv/bin/pytest tests/faults -n 2

transient: setup ## whole playbooks with a bad answer before each of their requests; minutes, with TRANSIENT=all each kind of it: hours
	@.venv/bin/pytest tests/transient

transient-short: setup ## the same with the playbooks that make a site and remove it, a bad answer of one kind before each request
	@TRANSIENT=short .venv/bin/pytest tests/transient

awx-tests: .venv ## AWX's side: surveys, awx.awx against AWX's API, every job by ansible-runner; a minute, no root
	@.venv/bin/pytest tests/awx -n 2

packaging: .venv ## ansible-test on its modules; the collection built and installed elsewhere, with the oldest and the newest ansible-core; no root
	@tools/sanity --test validate-modules --test runtime-metadata --test action-plugin-docs --test yamllint
	@.venv/bin/pytest tests/packaging -n 2

matrix: .venv ## the same with every release of ansible-core that the machine's Pythons can run
	@.venv/bin/pytest tests/packaging -n 2 --cores all

sanity: .venv ## ansible-test sanity and galaxy-importer on the built collection: minutes, no root
	@tools/sanity

audit: .venv ## known vulnerabilities of all required packages (asks the package index, so not part of lint)
	@.venv/bin/pip-audit --strict --require-hashes -r requirements/dev.lock

reference: .venv ## reference of all modules and roles, into docs/reference
	@tools/reference

RECORDED ?= tests/conformance/recorded
conformance: .venv ## compare with real answers of GKE (RECORDED=<folder> for other recordings)
	@.venv/bin/pytest tests/conformance --recorded "$(abspath $(RECORDED))"

bench: setup ## measure ours and peers on the same work, into reports/bench.json (as root: on the sandbox, too; BEFORE=<folder> next to an older checkout)
	@.venv/bin/python tests/bench/run.py

model-server: setup ## the model server's stand-in as its clients see it: REST, gRPC, metrics, errors (needs TensorFlow)
	@tests/model_server/run

model-corpus: .venv ## models of several TensorFlow and Keras versions, TensorFlow as the judge of what can be served: minutes, 4 GB
	@tests/models/run

LOOKS ?= 100000
hpa-rules: .venv ## hold the HPA's rules against Kubernetes' own controller (needs Go; LOOKS=<number>)
	@.venv/bin/python -m tests.hpa.compare $(LOOKS)

loadtest-tests: setup ## Locust and an API server for real on loopback, and the report in Chromium: three minutes
	@.venv/bin/pytest tests/loadtest tests/ui -n 4

e2e: setup ## the whole life cycle on the sandbox (needs root)
	@.venv/bin/pytest tests/integration -vv --durations=12

lab: setup ## the lab that this grew from, with its own commands and manifests, on the sandbox (needs root)
	@.venv/bin/pytest tests/lab -vv --durations=8

# The faults of metrics' sources are on loopback, and by themselves: what they start takes CPU from the sandbox. What else there is runs all the same.
drills: setup ## what happens to requests when pods and nodes go, versions change, models are bad, and to the fleet when a metric's source fails; two hours (needs root)
	@.venv/bin/python -m sandbox build metrics
	@export DRILL_RUNS=$${DRILL_RUNS:-3}; failed=0; \
	.venv/bin/pytest tests/metrics/test_faults.py -vv || failed=1; \
	.venv/bin/pytest tests/drills -vv || failed=1; \
	exit $$failed

metrics: setup ## what brings metrics to the HPA, for real: a Prometheus, prometheus-adapter, GKE's adapter; on loopback, then on the sandbox; and each alert by its fault; an hour (needs root)
	@.venv/bin/python -m sandbox build metrics
	@.venv/bin/pytest tests/metrics -vv --durations=6

keda: setup ## KEDA, for real: compiled, then the HPA taken over and given back, the load test by its metric, down to zero; an hour, and ten minutes to compile once (needs root)
	@.venv/bin/python -m sandbox build keda
	@.venv/bin/pytest tests/keda -vv --durations=6

KUBERNETES ?= 1.
matrix-kubernetes: setup ## the site and its load test on each Kubernetes that the sandbox offers (KUBERNETES=1.37 for one); compiles what is missing, an hour or two (needs root)
	@.venv/bin/pytest tests/releases -vv -k '$(KUBERNETES)'

roles: setup ## scenarios of single roles, with Google or a Kubernetes API server on loopback
	@export PATH="$$PWD/.venv/bin:$$PATH"; for role in cluster storage autoscaling monitoring serving loadtest; do molecule test -s $$role || exit 1; done

drills-once: setup ## drills 1 and 3, once each
	@.venv/bin/pytest tests/drills/test_drills.py -vv --durations=6 -k 'scale_down or new_version'

molecule: setup ## the whole life cycle: converge, idempotence, drift by hand, a killed run, verify (needs root)
	@PATH="$$PWD/.venv/bin:$$PATH" molecule test

sandbox-up: setup ## start the sandbox (Google's APIs on this machine, without any cluster yet)
	@.venv/bin/python -m sandbox up

sandbox-down: ## stop the sandbox and everything in it; buckets are kept
	@if [ -e .venv ]; then .venv/bin/python -m sandbox down; else echo 'nothing to stop: no environment yet (make setup)'; fi

clean: ## remove reports, the environment's link and tool caches (not what the sandbox runs)
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .ansible reports
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

.venv:
	@tools/setup python

.PHONY: help setup demo test lint unit hpa-rules docs packaging matrix sanity audit reference roles conformance faults transient transient-short model-server model-corpus awx-tests loadtest-tests bench e2e lab drills drills-once metrics keda matrix-kubernetes molecule sandbox-up sandbox-down clean
