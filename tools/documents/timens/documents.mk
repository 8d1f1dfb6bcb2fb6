# SPDX-License-Identifier: GPL-2.0-only
#
# The documents and their examples. Included by the top Makefile.

.PHONY: check-documents test-documents documents-packages documents-programs

documents_source := tools/documents/timens
documents_samples := start-ahead enter-clocks bpf-times
documents_programs := $(documents_samples:%=build/documents/programs/%) build/tool/timens $(documents_source)/service

check-documents: kernel-$(KERNEL) build/guest/root.cpio build/guest/show_clocks test-documents documents-programs ## run the examples of the documents in the guest of KERNEL, and build their html
	@$(documents_source)/build-pages build/linux build/documents/pages $$(git ls-files Documentation)
	@$(documents_source)/check-documents --tree build/linux --folder build/documents --kernel $(KERNEL) \
		--boot "$(call boot,run) --initrd build/guest/root.cpio" $(documents_programs)

test-documents: documents-packages prepare # do the checks find what is wrong?
	@$(documents_source)/test-documents build/linux

documents-programs: $(documents_programs)

documents-packages: packages
	@vm/install-packages $(documents_source)/packages

# As the kernel exports it to programs.
build/documents/include/linux/timens.h: include/uapi/linux/timens.h | documents-packages prepare
	@mkdir -p $(@D) build/documents/scripts
	@$(CC) -O2 -o build/documents/scripts/unifdef build/linux/scripts/unifdef.c
	@cd build/documents && sh ../linux/scripts/headers_install.sh ../../$< include/linux/timens.h

build/documents/programs/%: samples/timens/%.c build/documents/include/linux/timens.h
	@mkdir -p $(@D)
	@$(CC) -O2 -Wall -Wextra -Werror -static -isystem build/documents/include -o $@ $<
