# SPDX-License-Identifier: GPL-2.0-only
# The kernel source, and the patch series on it.

## PATCH: the patch that takes the edits of `make refresh`; empty for the last one that edits the file
PATCH ?=
## FORCE: 1 lets `make prepare` drop edits made in build/linux
FORCE ?=
export PATCH FORCE

.PHONY: stock-source prepare refresh series

stock-source: packages ## fetch Debian's kernel source into build/linux-stock, untouched
	@base/fetch-source

prepare: stock-source ## bring build/linux to the stock source, less its time namespace, plus the series
	@base/prepare-tree

refresh: stock-source ## bring edits made in build/linux back to patches/ and to whole files
	@base/refresh-series

series: stock-source ## write the series to build/series, ready to post
	@base/write-series
