# SPDX-License-Identifier: GPL-2.0-only
#
# Random operations on time namespaces, compared between two kernels. Included by the top Makefile.

## SEED: where the random numbers of `make fuzz` begin
SEED ?= 1
## OPERATIONS: how many `make fuzz` runs on each kernel
OPERATIONS ?= 1000000

.PHONY: fuzz fuzz-short fuzz-kernel test-fuzz

fuzz_source := tools/fuzz/timens
fuzz_modules := $(basename $(notdir $(wildcard $(fuzz_source)/*.cpp)))
fuzz_flags := -std=c++20 -O2 -Wall -Wextra -Werror -MMD -MP
fuzz_kernels = $(fuzz_source)/fuzz-kernels --memory '$(MEM)' --accelerator '$(ACCEL)'
fuzz_guest := build/guest/root.cpio build/fuzz/fuzz_timens
fuzz_needs := kernel-stock kernel-timens $(fuzz_guest)

fuzz: $(fuzz_needs) ## run OPERATIONS random operations from SEED on stock and timens, and compare
	@$(fuzz_kernels) --seed '$(SEED)' --operations '$(OPERATIONS)' --result $(new_results)/$(fuzz_source)/results/'$(SEED)-$(OPERATIONS).txt'

fuzz-short: $(fuzz_needs) ## the same for about a minute
	@$(fuzz_kernels) --seed '$(SEED)' --operations 40000

fuzz-kernel: kernel-$(KERNEL) $(fuzz_guest) ## the same on KERNEL alone, against the contract
	@$(fuzz_kernels) --kernels '$(KERNEL)' --seed '$(SEED)' --operations '$(OPERATIONS)'

test-fuzz: $(fuzz_needs) ## test that a divergence is found and shortened
	@$(fuzz_source)/test-fuzz

build/fuzz/%.o: $(fuzz_source)/%.cpp | packages
	@mkdir -p $(@D)
	@$(CXX) $(fuzz_flags) -c -o $@ $<

build/fuzz/fuzz_timens: $(fuzz_modules:%=build/fuzz/%.o)
	@$(CXX) -static -o $@ $^

-include $(wildcard build/fuzz/*.d)
