# SPDX-License-Identifier: GPL-2.0-only
#
# The machine code of the vDSO against a model. Included by the top Makefile.

.PHONY: test-vdso test-vdso-faults

ifneq ($(filter test-vdso,$(MAKECMDGOALS)),)
ifneq ($(filter none deb $(stock_flavours),$(KERNEL)),)
$(error KERNEL=$(KERNEL) has no vDSO of ours that test-vdso could read: choose another)
endif
endif

vdso_source := tools/vdso/timens
vdso_modules := $(basename $(notdir $(wildcard $(vdso_source)/*.cpp)))
vdso_harness := harness process kernel offsets_ioctl
vdso_loader := vdso_image
vdso_flags_64 := -m64
vdso_flags_32 := -m32 -msse2 -D_FILE_OFFSET_BITS=64
vdso_flags := -std=c++20 -O2 -Wall -Wextra -Werror -MMD -MP -D_GNU_SOURCE -Iinclude/uapi \
	-iquote tools/testing/selftests/timens -iquote tools/bench/timens
vdso_images = build/$(KERNEL)/obj/arch/x86/entry/vdso
vdso_is_ours = $(filter-out none deb $(stock_flavours),$(KERNEL))
vdso_widths := 64 $(if $(filter 1,$(WITHOUT_32)),,32)

test-vdso: kernel-$(KERNEL) $(vdso_widths:%=build/vdso/vdso%) ## test the vDSO's machine code of KERNEL on this processor, on data pages made for it
	@for width in $(vdso_widths); do \
		echo "# vdso$$width"; \
		VDSO=$(vdso_images)/vdso$$width.so.dbg build/vdso/vdso$$width; \
	done

test-vdso-faults: kernel-timens build/vdso/vdso64 ## test that it finds faults in the vDSO
	@$(vdso_source)/test-faults

define vdso_program
build/vdso/$(1)/%.o: $(vdso_source)/%.cpp | packages
	@mkdir -p $$(@D)
	@$(CXX) $(vdso_flags) $(vdso_flags_$(1)) -c -o $$@ $$<
build/vdso/$(1)/%.o: tools/testing/selftests/timens/%.cpp | packages
	@mkdir -p $$(@D)
	@$(CXX) $(vdso_flags) $(vdso_flags_$(1)) -c -o $$@ $$<
build/vdso/$(1)/%.o: tools/bench/timens/%.cpp | packages
	@mkdir -p $$(@D)
	@$(CXX) $(vdso_flags) $(vdso_flags_$(1)) -c -o $$@ $$<
build/vdso/vdso$(1): $(foreach module,$(vdso_modules) $(vdso_harness) $(vdso_loader),build/vdso/$(1)/$(module).o)
	@$(CXX) -m$(1) -pthread -o $$@ $$^
endef
$(foreach width,64 32,$(eval $(call vdso_program,$(width))))

-include $(wildcard build/vdso/*/*.d)
