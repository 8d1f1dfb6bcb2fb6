# SPDX-License-Identifier: GPL-2.0-only
#
# Programs of others that use time namespaces, as tests. Included by the top Makefile.

.PHONY: check-clients demo-migrate clients-packages clients-files

## SUITES: what `make check-clients` runs; empty for everything
SUITES ?=
export SUITES

clients_source := tools/clients/timens
clients_releases := trixie sid
# A program that reads and awaits dates, in languages that do so each in a way of its own.
clients_dates := build/clients/dates build/clients/dates-go build/clients/Dates.class
# Runtimes and CRIU need more of a kernel than the selftests do.
clients_flavour = $(if $(filter $(stock_flavours),$(KERNEL)),stock-containers,containers)
clients_boot = vm/boot run --kernel build/$(clients_flavour)/bzImage --initrd build/clients/root.cpio \
	--memory '$(MEM)' --processors '$(SMP)' --accelerator '$(ACCEL)' --timeout 900

# Only ours and stock have one with what containers need.
ifneq ($(filter check-clients demo-migrate,$(MAKECMDGOALS)),)
ifeq ($(filter timens stock containers stock-containers,$(KERNEL)),)
$(error KERNEL='$(KERNEL)': for clients choose timens or stock)
endif
endif

# What is wrong with SUITES is said before anything is built.
.PHONY: clients-suites
clients-suites:
	@$(clients_source)/check-clients --check -- $$SUITES

check-clients: clients-suites clients-files ## test util-linux, crun, runc, podman, CRIU and others in the guest of KERNEL; SUITES chooses
	@$(clients_source)/test-migration
	@$(clients_source)/check-clients --tree $(call tree_of,$(clients_flavour)) \
		--results build/results/$(clients_flavour)/clients --boot "$(clients_boot)" -- $$SUITES

demo-migrate: clients-files ## move a tree of processes with running timers to another machine, and show its clocks
	@$(clients_source)/demo-migrate --results build/results/$(clients_flavour)/migrate --boot "$(clients_boot)"

clients-files: kernel-$(clients_flavour) $(clients_releases:%=build/clients/%.built) build/clients/keeper \
	build/clients/root.cpio build/tool/timens $(clients_dates)

clients-packages: packages
	@vm/install-packages $(clients_source)/packages

build/clients/%.built: $(clients_source)/releases/% $(clients_source)/build-release | clients-packages
	@$(clients_source)/build-release $* $< build/clients/$*

build/clients/keeper: $(clients_source)/keeper.cpp vm/system.hpp | clients-packages
	@mkdir -p $(@D)
	@$(CXX) -std=c++20 -O2 -Wall -Wextra -Werror -static -o $@.new $<
	@mv $@.new $@

build/clients/dates: $(clients_source)/dates/dates.cpp | clients-packages
	@mkdir -p $(@D)
	@$(CXX) -std=c++20 -O2 -Wall -Wextra -Werror -static -o $@ $<

# Without cgo it is linked statically.
build/clients/dates-go: $(clients_source)/dates/dates.go | clients-packages
	@mkdir -p $(@D)
	@CGO_ENABLED=0 GOCACHE=$(abspath $(@D))/go-cache GO111MODULE=off go build -o $@ $<

build/clients/Dates.class: $(clients_source)/dates/Dates.java | clients-packages
	@mkdir -p $(@D)
	@javac -d $(@D) $<

build/clients/root.cpio: build/guest/init vm/initramfs.list vm/build-initramfs | kernel-$(clients_flavour)
	@mkdir -p $(@D)
	@vm/build-initramfs $(call tree_of,$(clients_flavour)) $< $@
