# SPDX-License-Identifier: GPL-2.0-only
# The kernel source, the patch series on it, and their checks.

## PATCH: the patch that takes the edits of `make refresh`; empty for the last one that edits the file
PATCH ?=
## FORCE: 1 lets `make prepare` drop edits made in build/linux
FORCE ?=
## SAMPLE: how many prefixes `make check-prefixes` builds; empty for all
SAMPLE ?=
## FROM: the first prefix that `make check-prefixes` builds; empty for 1
FROM ?=
## BASE: the version of Debian's source to fetch, one of base/version; empty for the one that was tested
BASE ?=
## ARCHIVE: the address of an archive that has what Debian's mirrors have dropped, as apt takes it; empty for none
ARCHIVE ?=
export PATCH FORCE SAMPLE FROM BASE ARCHIVE

.PHONY: stock-source prepare refresh series check-base check-bases check-series check-prefixes \
	check-copying check-sparse check-interfaces sweep-times check-architectures check-tools

stock-source: packages ## fetch Debian's kernel source into build/linux-stock, untouched
	@base/fetch-source

prepare: stock-source ## bring build/linux to the stock source, less its time namespace, plus the series
	@base/prepare-tree

refresh: stock-source ## bring edits made in build/linux back to patches/ and to whole files
	@base/refresh-series

series: stock-source ## write the series for git am to the untouched source: build/series.mbox, build/series.tar.xz and build/series
	@base/write-series

check-base: stock-source ## no trace of the stock time namespace is left in the base, and it builds
	@base/check-base

check-bases: packages ## the series applies exactly to every source that base/version names; fetches each
	@base/check-bases

check-series: prepare ## headers, git am to the untouched source and checkpatch.pl --strict of the series
	@base/check-series

check-prefixes: stock-source ## build every prefix of the series, or SAMPLE of them, with the option on and off
	@base/check-prefixes

check-copying: stock-source ## no line of the stock time namespace came back by copying
	@base/check-copying
	@base/check-copying --self-test

check-sparse: prepare ## sparse and W=1 on every C file that the series adds or edits, whatever driver it is
	@base/check-sparse

check-interfaces: stock-source ## each interface that tells or takes a time has a patch and a test, or a reason
	@base/check-interfaces

sweep-times: stock-source ## what hands out or compares times in the stock source is known, with a verdict
	@base/sweep-times

check-architectures: stock-source ## build for arm64 with its vDSO of 32 bits, powerpc, riscv, s390 and i386; run the vDSO of riscv
	@vm/install-packages base/packages
	@base/check-architectures

check-tools: stock-source ## test the tools of base/
	@base/test-tools
