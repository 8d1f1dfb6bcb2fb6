# SPDX-License-Identifier: GPL-2.0-only
#
# Which lines and branches of the series the tests run. Included by the top Makefile.

.PHONY: coverage
coverage: prepare selftests interface-tests build/guest/root.cpio ## run all tests on a kernel that counts, and list what they do not reach
	@tools/coverage/timens/run-coverage $(interface_devices)
