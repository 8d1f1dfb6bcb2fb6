# SPDX-License-Identifier: GPL-2.0-only
#
# Do the tests find faults? Included by the top Makefile.

## FAULTS: some of tools/sabotage/timens/sabotages, for `make sabotage`; empty for all
FAULTS ?=

.PHONY: sabotage
sabotage: export INTERFACE_DEVICES := $(interface_devices)
sabotage: stock-source selftests interface-tests build/guest/init ## put faults into the kernel, one at a time: a case has to catch each
	@tools/sabotage/timens/run-sabotage $(FAULTS)
