# SPDX-License-Identifier: GPL-2.0-only
#
# What time namespaces cost. Included by the top Makefile.

## OLD: the stored result that `make bench-compare` compares with
OLD ?=
export OLD

.PHONY: bench bench-vdso bench-compare test-bench bench-packages kernel-base

bench_source := tools/bench/timens
bench_result := build/results/bench.json
bench_flags := -std=c++20 -O2 -Wall -Wextra -Werror -MMD -MP
bench_programs := $(addprefix build/bench/,time_vdso dump_vdso count_paths scale_readers)

bench: kernel-timens kernel-stock kernel-none kernel-base build/guest/root.cpio $(bench_programs) bench-packages ## measure what time namespaces cost: ours, stock and none
	@$(bench_source)/run-bench --output $(bench_result)
	@$(bench_source)/plot-bench $(bench_result)
	@$(bench_source)/report-bench $(bench_result)

bench-compare: ## show what changed since the result OLD
	@$(bench_source)/report-bench $(bench_result) --against "$${OLD:?give OLD=FILE, an older bench.json}"

test-bench: kernel-timens kernel-stock kernel-none $(bench_programs) ## test that the benchmark sees a slower vDSO
	@$(bench_source)/test-bench

# The plots are an extra: who may not install gnuplot does without.
bench-packages: packages
	@vm/install-packages $(bench_source)/packages || true

# What ours without the option is compared with.
kernel-base: stock-source
	@$(bench_source)/prepare-base
	@vm/build-kernel base build/bench/linux-base build/base $(fragments_none:%=configs/%.config)

build/bench/%.o: $(bench_source)/%.cpp | packages
	@mkdir -p $(@D)
	@$(CXX) $(bench_flags) -c -o $@ $<

build/bench/time_vdso: $(addprefix build/bench/,time_vdso.o vdso_image.o vdso_probes.o vdso_steps.o)
	@$(CXX) -o $@ $^

build/bench/dump_vdso build/bench/count_paths build/bench/scale_readers: %: %.o
	@$(CXX) -static -o $@ $^ $(if $(filter %/count_paths,$@),-luring)

-include $(wildcard build/bench/*.d)

.PHONY: clean-bench
clean: clean-bench
clean-bench:
	@rm -rf build/bench build/base
