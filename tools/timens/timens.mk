# SPDX-License-Identifier: GPL-2.0-only
#
# The command timens. Included by the top Makefile.

## PREFIX: where `make install` puts timens
PREFIX ?= /usr/local
## DESTDIR: what `make install` puts before PREFIX, to make a package
DESTDIR ?=

.PHONY: tool install tool-packages

tool_source := tools/timens
tool_flags := -std=c++20 -O2 -Wall -Wextra -Werror -MMD -MP -D_GNU_SOURCE
tool_modules := $(filter-out main,$(basename $(notdir $(wildcard $(tool_source)/*.cpp))))

tool: build/tool/timens ## build the command build/tool/timens

tool-packages: packages
	@vm/install-packages $(tool_source)/packages

build/tool/%.o: $(tool_source)/%.cpp | tool-packages
	@mkdir -p $(@D)
	@$(CXX) $(tool_flags) -c -o $@ $<

build/tool/timens: $(tool_modules:%=build/tool/%.o) build/tool/main.o
	@$(CXX) -static -pthread -o $@ $^

-include $(wildcard build/tool/*.d build/tool/*/*.d)
