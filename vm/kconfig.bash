# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sourced by the scripts that build a kernel.

# run_kbuild SOURCE OBJECTS LOCALVERSION ARGUMENT...: the kernel's own make, out of tree. No date, user or host
# goes in: the same source makes the same kernel.
run_kbuild() {
	local source=$1 objects=$2 version=$3 compiler=gcc
	shift 3
	! command -v ccache > /dev/null || compiler="ccache gcc"
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -C "$source" O="$objects" ARCH=x86_64 CC="$compiler" \
		LOCALVERSION="-$version" KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' \
		KBUILD_BUILD_USER=timens KBUILD_BUILD_HOST=timens "$@"
}

# verify_config CONFIG FRAGMENT...: Kconfig drops a wish that it cannot grant without a word. Names those that
# CONFIG lacks, and fails; the last fragment that names an option decides.
verify_config() {
	awk '
	function name_of(line) { return match(line, /CONFIG_[A-Za-z0-9_]+/) ? substr(line, RSTART, RLENGTH) : "" }
	function value_of(line) { return line ~ /is not set/ ? "n" : substr(line, index(line, "=") + 1) }
	/^(CONFIG_[A-Za-z0-9_]+=|# CONFIG_[A-Za-z0-9_]+ is not set)/ {
		name = name_of($0)
		if (FILENAME == ARGV[1])
			got[name] = value_of($0)
		else {
			wanted[name] = value_of($0)
			where[name] = FILENAME
		}
	}
	END {
		for (name in wanted) {
			is = name in got ? got[name] : "n"
			if (is == wanted[name])
				continue
			printf "%s: %s=%s, but the configured kernel has %s\n", where[name], name, wanted[name], is
			bad = 1
		}
		exit bad
	}' "$@" >&2
}
