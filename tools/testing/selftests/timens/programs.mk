# SPDX-License-Identifier: GPL-2.0-only
#
# How test programs are built from their names: PROGRAMS, COMPAT_PROGRAMS with
# 32 bits as well, the objects that all of them share (HARNESS, HARNESS_64 for
# the 64-bit ones, HARNESS_C in C) and their LIBRARIES. To be included.

ifneq ($(LLVM),)
CXX := $(if $(filter %/,$(LLVM)),$(LLVM))clang++$(if $(filter -%,$(LLVM)),$(LLVM))
else ifeq ($(origin CXX),default)
CXX := $(CROSS_COMPILE)g++
endif

TEST_GEN_PROGS := $(PROGRAMS)

# x86-64 runs 32-bit programs as well. A compiler that cannot link them is an error
# there: nobody would miss these tests.
ifneq ($(filter x86_64%,$(shell $(CXX) -dumpmachine)),)
ifneq ($(WITHOUT_32),1)
TEST_GEN_PROGS += $(COMPAT_PROGRAMS:%=%_32)
links_32 = $(shell echo 'int main() {}' | $(CXX) -m32 -static \
	     -include string -x c++ - -o /dev/null 2>/dev/null && echo y)
ifneq ($(if $(filter clean,$(MAKECMDGOALS)),y,$(links_32)),y)
$(error $(CXX) -m32 does not link C++: install g++-multilib, or set WITHOUT_32=1)
endif
endif
endif

ifeq ($(wildcard $(KSFT_LIB_MK)),)
$(error there is no $(KSFT_LIB_MK): set KSFT_LIB_MK to tools/testing/selftests/lib.mk of a kernel)
endif
include $(KSFT_LIB_MK)

CXXFLAGS += -std=c++20 -O2 -g1 -Wall -Wextra -Werror -pthread -D_GNU_SOURCE \
	    -MMD -MP $(KHDR_INCLUDES)
CFLAGS += -std=c11 -O2 -g1 -Wall -Wextra -Wpedantic -Werror -MMD -MP $(KHDR_INCLUDES)
CXXFLAGS_32 := -m32 -D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64

objects	   := $(patsubst %,$(OUTPUT)/%.o,$(HARNESS) $(HARNESS_64) $(HARNESS_C))
objects_32 := $(HARNESS:%=$(OUTPUT)/%_32.o)

$(PROGRAMS:%=$(OUTPUT)/%): $(OUTPUT)/%: $(OUTPUT)/%.o $(objects)
	$(call msg,LINK,,$@)
	$(Q)$(CXX) -static -pthread $(LDFLAGS) $^ $(LIBRARIES) -o $@

$(COMPAT_PROGRAMS:%=$(OUTPUT)/%_32): $(OUTPUT)/%: $(OUTPUT)/%.o $(objects_32)
	$(call msg,LINK,,$@)
	$(Q)$(CXX) -m32 -static -pthread $(LDFLAGS) $^ -o $@

$(OUTPUT)/%_32.o: %.cpp
	$(call msg,CXX,32,$@)
	$(Q)$(CXX) $(CXXFLAGS) $(CXXFLAGS_32) -c $< -o $@

$(OUTPUT)/%.o: %.c
	$(call msg,CC,,$@)
	$(Q)$(CC) $(CFLAGS) -c $< -o $@

$(OUTPUT)/%.o: %.cpp
	$(call msg,CXX,,$@)
	$(Q)$(CXX) $(CXXFLAGS) -c $< -o $@

.SECONDARY:

EXTRA_CLEAN += $(OUTPUT)/*.o $(OUTPUT)/*.d

-include $(wildcard $(OUTPUT)/*.d)
