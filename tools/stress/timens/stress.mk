# SPDX-License-Identifier: GPL-2.0-only
#
# Time namespaces under load. Included by the top Makefile.

## SECONDS: how long `make stress` loads the namespaces of the guest
SECONDS ?= 60
## CYCLES: how many namespaces `make stress-cycles` makes and drops
CYCLES ?= 100000

.PHONY: stress stress-cycles stress-packages check-debug

stress_source := tools/stress/timens
stress_flags := -std=c++20 -O2 -Wall -Wextra -Werror -MMD -MP -D_GNU_SOURCE -Iinclude/uapi
stress_harness := harness process kernel offsets_ioctl
stress_run = $(stress_source)/run-stress --kernel '$(KERNEL)' --seed '$(SEED)' \
	--memory '$(MEM)' --processors '$(SMP)' --accelerator '$(ACCEL)'

stress: kernel-$(KERNEL) build/guest/root.cpio build/tool/timens stress-packages ## run stress-ng for SECONDS in time namespaces of KERNEL, and look at their clocks
	@$(stress_run) load '$(SECONDS)'

stress-cycles: kernel-$(KERNEL) build/guest/root.cpio build/stress/cycles ## make and drop CYCLES time namespaces on KERNEL, and look for lost memory
	@$(stress_run) cycles '$(CYCLES)'

check-debug: $(debug_kernels:%=kernel-%) ## run the suite and 20000 random operations on the debug kernels
	@$(stress_source)/check-debug-kernels '$(SEED)' 20000 $(new_results)/$(stress_source)/results/debug-kernels.txt $(debug_kernels)

stress-packages: packages
	@vm/install-packages $(stress_source)/packages

build/stress/cycles: build/stress/cycles.o $(stress_harness:%=build/stress/harness/%.o)
	@$(CXX) -static -pthread -o $@ $^

build/stress/%.o: $(stress_source)/%.cpp | packages
	@mkdir -p $(@D)
	@$(CXX) $(stress_flags) -iquote tools/testing/selftests/timens -c -o $@ $<

build/stress/harness/%.o: tools/testing/selftests/timens/%.cpp | packages
	@mkdir -p $(@D)
	@$(CXX) $(stress_flags) -c -o $@ $<

-include $(wildcard build/stress/*.d build/stress/*/*.d)
