# SPDX-License-Identifier: GPL-2.0-only
#
# make run     show time namespaces on real programs, in a kernel built here
# make check   run the tests
# make help    everything else

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

# The sub-makes of other trees must not take our variables for theirs.
MAKEOVERRIDES :=

## FLAVOUR: the kernel that `make kernel` builds: timens, stock, none, containers, stock-containers, drivers, stock-drivers, nowall, kasan, lockdep, kcsan, pagetable, nested or deb
FLAVOUR ?= timens
## KERNEL: the kernel that run, shell and test boot; if not set, test-interfaces boots drivers
KERNEL ?= $(FLAVOUR)
interfaces_kernel := $(if $(filter filefile,$(origin KERNEL)$(origin FLAVOUR)),drivers,$(KERNEL))
## T: what `make test` runs, as 'PROGRAM PROGRAM.CASE kunit ...'; empty for everything
T ?=
## CMD: the command of `make run`; empty for the demonstration
CMD ?=
## WITHOUT_32: 1 to leave out the 32-bit selftests, where the compiler makes no 32-bit programs
WITHOUT_32 ?=
## JOBS: compilers at a time
JOBS ?= $(shell nproc)
## MEM: memory of the guest
MEM ?= 1G
## SMP: processors of the guest
SMP ?= 2
## TIMEOUT: seconds after which run and test end a guest; more for the debug kernels
TIMEOUT ?= $(if $(debug_kernel),1800,300)
## ACCEL: tcg, or kvm where there is one
ACCEL ?= tcg

# A command is for the guest's shell: make must not expand its dollars.
override CMD := $(value CMD)
export CMD JOBS T WITHOUT_32

debug_kernels := kasan lockdep kcsan pagetable
flavours := timens stock none containers stock-containers drivers stock-drivers nowall nested $(debug_kernels)
stock_flavours := stock stock-containers stock-drivers
debug_kernel = $(filter $(debug_kernels),$(KERNEL))
fragments_timens := base test timens wall kunit
fragments_nowall := base test timens kunit
fragments_stock := base test timens
fragments_none := base test none
fragments_stock-containers := base test timens containers
fragments_containers := $(fragments_stock-containers) wall
fragments_stock-drivers := base test timens drivers
fragments_drivers := $(fragments_stock-drivers) wall
fragments_nested := $(fragments_timens) nested
fragments_kasan := $(fragments_nested) kasan pagetable mappings
fragments_lockdep := $(fragments_nested) lockdep
fragments_kcsan := $(fragments_nested) kcsan
fragments_pagetable := $(fragments_timens) pagetable mappings

require_flavour = $(if $(filter-out 1,$(words $($(1))))$(filter-out $(flavours) deb,$($(1))), \
	$(error $(1)='$($(1))' is not a kernel: choose one of $(flavours) deb))
$(call require_flavour,FLAVOUR)
$(call require_flavour,KERNEL)

tree_of = build/$(if $(filter $(stock_flavours),$(1)),linux-stock,linux)
boot = vm/boot $(if $(filter interfaces,$(1)),test,$(1)) --kernel build/$(KERNEL)/bzImage --results build/results/$(KERNEL)/$(1) \
	--memory '$(MEM)' --processors '$(SMP)' --accelerator '$(ACCEL)' --timeout '$(TIMEOUT)'

# The cases that are known to fail on a stock kernel, with the reasons.
differences := Documentation/admin-guide/namespaces/time-namespaces-stock.rst
differences_of_interfaces := Documentation/admin-guide/namespaces/time-namespaces-interfaces.rst

# The cases that are skipped, by kernel.
skips = --skips vm/expected-skips$(if $(filter interfaces,$(1)),-interfaces) \
	--flavour '$(KERNEL)$(if $(filter 1,$(WITHOUT_32)), without-32)'

# The kernels that have what the tests of interfaces need.
kernels_with_drivers := $(strip $(foreach flavour,$(flavours),$(if $(filter drivers,$(fragments_$(flavour))),$(flavour))))
ifneq ($(filter check test-interfaces,$(MAKECMDGOALS)),)
ifeq ($(filter $(kernels_with_drivers),$(interfaces_kernel)),)
$(error the tests of interfaces need drivers, which $(interfaces_kernel) lacks: choose one of $(kernels_with_drivers))
endif
endif

# What the tests of interfaces find in the guest: sync objects, a drive without a medium, and a PTP clock.
interface_devices := virtio-gpu-pci virtio-scsi-pci scsi-cd e1000e

# Each at the path that it has in the repository.
new_results := build/results/new

include base/base.mk
include tools/bench/timens/bench.mk
include tools/timens/timens.mk
include tools/fuzz/timens/fuzz.mk
include tools/clients/timens/clients.mk
include tools/documents/timens/documents.mk
include tools/stress/timens/stress.mk
include tools/vdso/timens/vdso.mk
include tools/sabotage/timens/sabotage.mk
include tools/deb/timens/deb.mk
include tools/coverage/timens/coverage.mk

.PHONY: help packages kernel run shell check test selftests test-interfaces interface-tests test-vm store-results clean distclean

help: ## show this
	@echo 'Targets:'
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | \
		while IFS=$$'\t' read -r name text; do printf '  %-20s %s\n' "$$name" "$$text"; done
	@echo 'Variables, from the command line or the environment:'
	@$(foreach name,$(variables),printf '  %-20s %s\n' '$(name)=$(subst ','\'',$($(name)))' \
		"$$(sed -n 's/^## $(name): //p' $(MAKEFILE_LIST))";)
variables = $(shell sed -n 's/^\#\# \([A-Z_]*\): .*/\1/p' $(MAKEFILE_LIST))

packages: ## install the Debian packages that are missing
	@vm/install-packages vm/packages

define kernel_rule
.PHONY: kernel-$(1)
kernel-$(1): packages $(if $(filter $(stock_flavours),$(1)),stock-source,prepare)
	@vm/build-kernel $(1) $(call tree_of,$(1)) build/$(1) $(fragments_$(1):%=configs/%.config)
endef
$(foreach flavour,$(flavours),$(eval $(call kernel_rule,$(flavour))))

# The kernel of the packages is built with them. It has no 9p, by which a guest reads the host's programs.
ifneq ($(filter run shell fuzz-kernel stress stress-cycles,$(MAKECMDGOALS)),)
ifeq ($(KERNEL),deb)
$(error KERNEL=deb is for `make test` only: for the others choose one of $(flavours))
endif
endif
.PHONY: kernel-deb
kernel-deb: deb

kernel: kernel-$(FLAVOUR) ## build the kernel FLAVOUR: build/FLAVOUR/bzImage and config

build/guest/%: vm/%.cpp vm/system.hpp | packages
	@mkdir -p $(@D)
	@$(CXX) -std=c++20 -O2 -Wall -Wextra -Werror -static -o $@.new $<
	@mv $@.new $@

build/guest/root.cpio: build/guest/init vm/initramfs.list vm/build-initramfs | kernel-$(KERNEL)
	@vm/build-initramfs $(call tree_of,$(KERNEL)) $< $@

run: kernel-$(KERNEL) build/guest/root.cpio build/guest/show_clocks build/tool/timens ## run CMD in the guest with the host's programs; without CMD, a demonstration
	@$(call boot,run) --initrd build/guest/root.cpio -- "$${CMD:-vm/demo}"

shell: kernel-$(KERNEL) build/guest/root.cpio ## a root shell in the guest with the host's programs
	@$(call boot,shell) --initrd build/guest/root.cpio

selftests: packages $(if $(filter $(stock_flavours),$(KERNEL)),stock-source,prepare) ## build the selftests
	@vm/build-selftests tools/testing/selftests/timens $(call tree_of,$(KERNEL)) build/selftests

test: kernel-$(KERNEL) selftests build/guest/init ## run KUnit and the selftests in the guest; T chooses some
	@vm/run-tests build/selftests build/guest build/$(KERNEL)/config $(call tree_of,$(KERNEL)) $(call boot,test) \
		$(call skips) $(if $(debug_kernel),--seconds 1200) $(if $(filter $(stock_flavours),$(KERNEL)),--differences $(differences))

interface-tests: packages $(if $(filter $(stock_flavours),$(interfaces_kernel)),stock-source,prepare)
	@vm/build-selftests tools/testing/selftests/timens/interfaces $(call tree_of,$(interfaces_kernel)) build/interfaces

test-interfaces: KERNEL := $(interfaces_kernel)
test-interfaces: kernel-$(interfaces_kernel) interface-tests build/guest/init ## test every interface that tells or takes a time in the guest; T chooses some
	@vm/run-tests build/interfaces build/guest build/$(KERNEL)/config $(call tree_of,$(KERNEL)) $(call boot,interfaces) \
		$(call skips,interfaces) $(interface_devices:%=--device %) $(if $(debug_kernel),--seconds 1200) \
		$(if $(filter $(stock_flavours),$(KERNEL)),--differences $(differences_of_interfaces))

check: test $(if $(vdso_is_ours),test-vdso) fuzz-short test-interfaces ## run KUnit, the selftests, the vDSO on this processor, a minute of random operations, and the tests of interfaces

test-vm: kernel-$(KERNEL) build/guest/init ## test the guest and the judge of test runs themselves
	@vm/test-report $(call tree_of,$(KERNEL))
	@vm/test-guest build/$(KERNEL)/bzImage $(call tree_of,$(KERNEL)) build/guest/init

store-results: ## put the results that fuzz, stress, check-debug, sabotage and coverage left in build/results/new into the repository
	@vm/store-results $(new_results)

clean: ## remove what was built, but keep the kernel source
	@[[ ! -d build ]] || find build -mindepth 1 -maxdepth 1 -not -name 'linux*' -not -name 'series.git*' -exec rm -rf {} +

distclean: ## remove all of build/
	@rm -rf build
