# SPDX-License-Identifier: GPL-2.0-only
#
# Kernel packages for Debian machines. Included by the top Makefile.

.PHONY: deb check-deb deb-packages

## CONFIG: what `make deb` starts from: cloud-amd64 (Debian's own for the cloud), or a file
CONFIG ?= cloud-amd64
## DEBUG_INFO: 1 for packages with debug information and BTF
DEBUG_INFO ?=

deb_source := tools/deb/timens
deb_fragments := configs/deb.config $(if $(filter 1,$(DEBUG_INFO)),,configs/deb-small.config)

deb-packages: packages
	@vm/install-packages $(deb_source)/packages

deb: deb-packages prepare ## build Debian packages of the kernel: build/deb/*.deb
	@$(deb_source)/build-deb '$(CONFIG)' build/linux "$$(cat build/linux-stock.version)" build/deb $(deb_fragments)
	@ls build/deb/*.deb

check-deb: deb build/tool/timens ## install the package in a Debian system and boot it by its own initrd in QEMU
	@$(deb_source)/check-deb build/deb build/tool/timens vm/boot test --tree build/linux \
		--results build/results/deb/installed --memory '$(MEM)' --processors '$(SMP)' --accelerator '$(ACCEL)' \
		--timeout 600
