# SPDX-License-Identifier: GPL-2.0-only
#
# The command timens. Included by the top Makefile.

## PREFIX: where `make install` puts timens
PREFIX ?= /usr/local
## DESTDIR: what `make install` puts before PREFIX, to make a package
DESTDIR ?=

.PHONY: tool install check-tool check-tool-host check-tool-guest tool-packages

tool_source := tools/timens
# Of include/uapi only what is ours is there, so the machine's own headers come first.
tool_flags := -std=c++20 -Wall -Wextra -Werror -MMD -MP -D_GNU_SOURCE -idirafter include/uapi
tool_modules := $(filter-out main,$(basename $(notdir $(wildcard $(tool_source)/*.cpp))))
tool_sanitize := -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
# What has tests on the host, and what these need.
tool_units := duration offsets printable stamps table wall
tool_unit_modules := $(tool_units) views system
tool_harness := harness process kernel

tool: build/tool/timens ## build the command timens, in build/tool

install: tool ## install timens, its manual and completion below DESTDIR and PREFIX
	@install -D -m 755 build/tool/timens '$(DESTDIR)$(PREFIX)/bin/timens'
	@install -D -m 644 $(tool_source)/timens.1 '$(DESTDIR)$(PREFIX)/share/man/man1/timens.1'
	@install -D -m 644 $(tool_source)/timens.bash \
		'$(DESTDIR)$(PREFIX)/share/bash-completion/completions/timens'

check-tool: check-tool-host check-tool-guest ## test timens, on the host and in the guest of KERNEL

check-tool-host: build/tool/test_units tool # the parts of timens, its manual and completion
	@build/tool/test_units --gtest_brief=1
	@$(tool_source)/tests/check-texts build/tool/timens $(tool_source)
	@$(tool_source)/tests/check-json build/tool/timens

check-tool-guest: kernel-$(KERNEL) build/tool/timens build/tool/behaviour build/tool/bpf-times build/guest/init # timens on KERNEL
	@vm/build-initramfs $(call tree_of,$(KERNEL)) build/guest/init build/tool/guest.cpio \
		build/tool/timens build/tool/behaviour build/tool/bpf-times
	@$(call boot,test) --initrd build/tool/guest.cpio --tree $(call tree_of,$(KERNEL)) \
		--skips $(tool_source)/tests/expected-skips --flavour '$(KERNEL)' \
		--seconds 1200 --timeout 1500 -- behaviour

tool-packages: packages
	@vm/install-packages $(tool_source)/packages

build/tool/timens: $(tool_modules:%=build/tool/%.o) build/tool/main.o
	@$(CXX) -static -pthread -o $@ $^

build/tool/test_units: $(tool_units:%=build/tool/units/test_%.o) $(tool_unit_modules:%=build/tool/units/%.o)
	@$(CXX) $(tool_sanitize) -o $@ $^ -lgtest -lgtest_main

build/tool/behaviour: build/tool/behaviour.o $(tool_harness:%=build/tool/harness/%.o)
	@$(CXX) -static -pthread -o $@ $^

build/tool/bpf-times: samples/timens/bpf-times.c include/uapi/linux/timens.h | tool-packages
	@mkdir -p $(@D)
	@$(CC) -O2 -Wall -Wextra -Werror -static -idirafter include/uapi -o $@ $<

build/tool/%.o: $(tool_source)/%.cpp | tool-packages
	@mkdir -p $(@D)
	@$(CXX) $(tool_flags) -O2 -c -o $@ $<

build/tool/behaviour.o: $(tool_source)/tests/behaviour.cpp | tool-packages
	@mkdir -p $(@D)
	@$(CXX) $(tool_flags) -O2 -c -o $@ $<

build/tool/harness/%.o: tools/testing/selftests/timens/%.cpp | tool-packages
	@mkdir -p $(@D)
	@$(CXX) $(tool_flags) -O2 -c -o $@ $<

build/tool/units/%.o: $(tool_source)/%.cpp | tool-packages
	@mkdir -p $(@D)
	@$(CXX) $(tool_flags) $(tool_sanitize) -c -o $@ $<

build/tool/units/test_%.o: $(tool_source)/tests/%.cpp | tool-packages
	@mkdir -p $(@D)
	@$(CXX) $(tool_flags) $(tool_sanitize) -c -o $@ $<

-include $(wildcard build/tool/*.d build/tool/*/*.d)
