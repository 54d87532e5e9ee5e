# Every target sets up what it needs first: Debian packages, .venv, lab kernel.
SHELL := /bin/bash
PYTHON ?= /usr/bin/python3
TESTBED := .venv/bin/testbed
# The tests run on all cores, a file in one worker (tests/all_cores.py).
PYTEST := .venv/bin/pytest -n logical
PROFILE ?= quick
SCHEMES ?=
# Of the load balancer's figures; SHARED_BOOT= boots a guest for each point.
SHARED_BOOT ?= --shared-boot
PACKAGES := $(shell grep -hv '^\#' testbed/debian-packages.txt testbed/debian-packages-ssh.txt)
TEST_PACKAGES := $(shell grep -hv '^\#' tests/debian-packages.txt tests/lab/ssh/debian-packages.txt)
VM_PACKAGES := $(shell grep -v '^\#' testbed/debian-packages-vm.txt)
COUNTING_PACKAGES := $(shell grep -v '^\#' testbed/debian-packages-counting.txt)
SELFTEST_PACKAGES := $(shell grep -v '^\#' testbed/debian-packages-selftests.txt)

.PHONY: help setup packages venv part-packages man notebook lock lock-kernel kernel kernels other-kernels libraries compiled vm counting run-lb run-anycast run-balancers reproduce reproduce-all test test-debian13 test-all test-kernel test-vm lint unit fuzz bench bench-decoder bench-memory doctor clean

help:            ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: part-packages kernel libraries compiled         ## Debian packages, .venv, the lab kernel and the library for large reads

packages:        ## install the missing Debian packages (the only step that needs root)
	@.ci/install-packages $(PACKAGES)

.venv/.installed: testbed/locked/python.txt testbed/locked/python-build.txt setup.cfg pyproject.toml | packages
	.ci/install-locked $(PYTHON)
	@touch $@

venv: .venv/.installed

# What parts declare beyond the lists: known once Python has what it needs.
part-packages: packages venv    ## install what else the experiments' parts need
	@names=$$(.venv/bin/python -m experiments.needs) && .ci/install-packages $$names

man: venv        ## renew the manual pages, from what the commands say of themselves
	.venv/bin/python -m experiments.cli.man_pages docs/man

notebook: setup  ## run the documentation's notebook again, and write what comes out
	.venv/bin/python .ci/notebook docs/from-experiment-to-explanation.ipynb

lock: venv       ## renew the locked Python packages: make lock [ONLY="numpy click"]
	.ci/lock $(ONLY)

lock-kernel: venv       ## make the kernel source that lies in the cache the locked one: make lock-kernel [RELEASE=7.3]
	.ci/lock-kernel .venv/bin/python $(RELEASE)

kernel: packages venv   ## build the lab kernel, once
	@$(TESTBED) kernel build

libraries: packages venv        ## build the library that ab preloads, once
	@$(TESTBED) libraries

compiled: venv          ## compile the toolkit's Python: guests see this machine's files read-only, and would do it each time
	@.venv/bin/python -m compileall -q testbed experiments topologies analysis

kernels: kernel         ## the lab kernel of each release
	$(TESTBED) kernel build --release 7.3

other-kernels: kernel   # those of them whose source can be had
	.ci/other-release 7.3 $(TESTBED) kernel build --release 7.3

vm: packages venv       ## build the lab VM: QEMU, its kernel, its disk
	@.ci/install-packages $(VM_PACKAGES)
	$(TESTBED) vm build

counting: setup  ## what testbed count-instructions takes: QEMU and its kernel
	@.ci/install-packages $(COUNTING_PACKAGES)
	$(TESTBED) kernel build --flavour x86_64

run-lb: setup    ## Figures 6 to 11: the load balancer; TCP and the paper's scheme, or SCHEMES=all, SCHEMES="paper close"
	$(TESTBED) run fig06 fig07 fig08 fig09 fig10 fig11 --profile $(PROFILE) $(SHARED_BOOT) $(addprefix --scheme ,$(SCHEMES))

run-anycast: setup      ## Figures 13 and 14: anycast; SCHEMES as for run-lb
	$(TESTBED) run fig13 fig14 --profile $(PROFILE) $(addprefix --scheme ,$(SCHEMES))

run-balancers: setup    ## any layer-4 load balancer: what changes break, balancer by balancer
	$(TESTBED) run balancers --profile $(PROFILE) --shared-boot

reproduce: setup        ## the paper's experiments with all of their schemes, then the report on its claims; goes on where it was interrupted
	.ci/reproduce $(TESTBED) $(PROFILE)

reproduce-all: setup    ## the same with every other experiment: several servers, families, directors, balancers, rivals, protections
	.ci/reproduce $(TESTBED) $(PROFILE) all

lint: venv       ## ruff and mypy --strict
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

test: setup lint ## lint, unit tests, guest tests and lab tests
	@.ci/install-packages $(TEST_PACKAGES)
	FUZZING=$(or $(FUZZING),0.25) $(PYTEST)

test-kernel: packages venv      ## the kernels' own MPTCP selftests, unpatched against patched (builds two of each release)
	@.ci/install-packages $(SELFTEST_PACKAGES)
	$(TESTBED) kernel test
	.ci/other-release 7.3 $(TESTBED) kernel test --release 7.3

test-vm: packages venv  ## the tests of the lab VM and of instruction counts: builds their kernel and a disk, boots it
	@.ci/install-packages $(TEST_PACKAGES) $(VM_PACKAGES) $(COUNTING_PACKAGES)
	$(TESTBED) kernel build --flavour x86_64
	TESTBED_TEST_VM=1 .venv/bin/pytest tests/lab/vm tests/lab/counting

# Not part of CI: from nothing it takes 15 minutes of processor time, more than 8 minutes on two cores.
test-debian13: venv     ## set-up, unit tests and a point of each set-up on Debian 13, in a chroot (needs root)
	.ci/debian13 .venv/bin/python

test-all: export TESTBED_TEST_COMBINATIONS = all
test-all: FUZZING = 1
test-all: other-kernels test test-debian13 test-kernel test-vm        ## test with each kernel, test-debian13, test-kernel, test-vm

unit: packages venv     ## the unit tests alone
	@.ci/install-packages $(TEST_PACKAGES)
	$(PYTEST) tests/unit

fuzz: venv       ## many more made-up inputs for every reader, other ones each time: make fuzz [FUZZING=10] [FUZZING_SEED=N]
	@.ci/install-packages $(TEST_PACKAGES)
	FUZZING=$(or $(FUZZING),10) FUZZING_SEED=$(or $(FUZZING_SEED),$$RANDOM$$RANDOM) \
		.venv/bin/pytest -s -m "fuzz or hypothesis" --hypothesis-profile=deep --timeout=0 tests/unit

bench: setup     ## CPU and wall seconds of whole anycast points, short ones, page loads and a tiny point
	$(TESTBED) bench

bench-decoder: packages venv    ## packets/s of the pcap decoder, tshark and dpkt: make bench-decoder CAPTURES=FILE...
	@.ci/install-packages $(TEST_PACKAGES)
	.venv/bin/python tests/benchmarks/decoder_speed.py $(CAPTURES)

bench-memory: venv      ## memory of the analysis of the largest captures: make bench-memory RUNS=DIR...
	.venv/bin/python tests/benchmarks/analysis_memory.py $(RUNS)

doctor: venv     ## check every prerequisite
	@$(TESTBED) doctor

clean:           ## remove .venv and caches of the checkout (not results/)
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache *.egg-info
