# The same targets serve a contributor and CI. `make demo` and `make test` are all a newcomer needs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Test tools from PyPI live in a folder of their own, so that no system package is touched.
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dcv-agent-tools
export PATH := $(TOOLS)/bin:$(PATH):/usr/sbin:/sbin
export CARGO_TERM_COLOR ?= auto

AGENT := target/debug/dcv-agent

.PHONY: help demo test setup-build setup format lint unit docs deploy-check chaos bench fuzz licences release

FUZZ_SECONDS ?= 120

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: setup-build ## Build, and watch five orders and a domain being validated on an embedded simulator
	cargo run --quiet --package dcv-agent -- demo

test: setup format lint unit docs deploy-check ## Install the test servers and run everything

setup-build:
	@deploy/setup.sh build

setup:
	@deploy/setup.sh test "$(TOOLS)"

format: ## Check the format
	cargo fmt --all --check
	rustfmt --check --edition 2024 crates/dns-providers/src/kinds/*.rs crates/dns-providers/src/kinds/*/*.rs crates/dns-providers/src/kinds/*/*/*.rs  # declared in a macro, where cargo fmt is blind

lint: ## Clippy, with all features and with none
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --package dcv-agent --no-default-features --features rfc2136 -- -D warnings

unit: ## All tests, doctests included
	cargo test --workspace

docs: ## The documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

deploy-check: ## Unit file, container image, manifests, cron
	cargo build --package dcv-agent
	deploy/check.sh $(AGENT)

chaos: setup ## Replicas and hundreds of faults, about half an hour; CHAOS_FAULTS and CHAOS_SEED choose others
	CHAOS_FAULTS=$${CHAOS_FAULTS:-300} cargo test --package dcv-agent --test it every_order_is_done_once -- --nocapture

bench: setup ## Measure the agent beside nsupdate and octodns, how late a verdict is, and what orders at rest cost
	@deploy/setup.sh bench
	cargo bench --package dcv-agent --bench beside_others
	cargo bench --package dcv-agent --bench many_orders
	cargo bench --package dcv-core --bench planning
	cargo bench --package dcv-agent --bench fleet
	cargo build --package dcv-agent
	cargo bench --package dcv-agent --bench verdict_delay --profile dev

fuzz: ## Fuzz each parser of answers for two minutes; needs cargo-fuzz
	for target in $$(cargo fuzz list); do RUSTC_BOOTSTRAP=1 cargo fuzz run "$$target" -- -max_total_time=$(FUZZ_SECONDS); done

licences: ## Licences, bans and sources; needs cargo-deny
	cargo deny check licenses bans sources

release: ## The binary to install: target/release/dcv-agent
	cargo build --release --package dcv-agent
