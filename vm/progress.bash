# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sourced by the scripts that run a long make.

# show_progress WHAT TOTAL LOG: read a make's output, log all of it and show one number: on a terminal a
# line that is rewritten, otherwise a line for every fifth of TOTAL. TOTAL 0 is a count without an end.
# Leaves the number of steps in $LOG.steps.
show_progress() {
	local what=$1 total=$2 log=$3 count=0 fifth=0 line text
	while IFS= read -r line; do
		printf '%s\n' "$line" >&3
		[[ $line == '  '[A-Z]* ]] || continue
		count=$((count + 1))
		if ((total == 0)); then
			text="$what: $count steps"
		elif ((count < total)); then
			text="$what: $((count * 100 / total)) % ($count of $total)"
		else
			text="$what: $count steps, nearly done"
		fi
		if [[ -t 2 ]]; then
			printf '\r\e[K%s' "$text" >&2
		elif ((total > 0 && count < total && count * 5 / total > fifth)); then
			fifth=$((count * 5 / total))
			echo "$text" >&2
		fi
	done 3>> "$log"
	[[ ! -t 2 ]] || printf '\r\e[K' >&2
	echo "$count" > "$log.steps"
}

# Say what went wrong and where to read more.
fail_with_log() {
	local what=$1 log=$2
	tail -n 25 "$log" >&2
	echo "$what failed; the whole log is $log" >&2
	exit 1
}
