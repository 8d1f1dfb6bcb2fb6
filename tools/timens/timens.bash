# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Completion of timens(1) for bash.

_timens_clocks='monotonic monotonic_raw monotonic_coarse boottime boottime_alarm
	realtime realtime_coarse realtime_alarm tai'

_timens_columns() {
	"$1" "$2" --help 2> /dev/null |
		sed -n '/^Available output columns:/,/^$/s/^ *\([A-Z-]*\)  .*/\1/p'
}

_timens_options() {
	case $1 in
	run) echo --monotonic --boottime --uptime --realtime --keep -U --user -r --map-root-user ;;
	set) echo --realtime --follow --own --tai ;;
	list | show | features) echo -J --json -n --noheadings -o --output ;;
	watch) echo -i --interval -c --count -n --noheadings -o --output ;;
	check) echo -s --seconds -q --quiet -J --json -n --noheadings -o --output ;;
	translate) echo --to-host -f --field -d --delimiter -u --unit ;;
	esac
	echo -h --help -V --version
}

_timens_processes() {
	local directory
	for directory in /proc/[0-9]*; do
		echo "${directory#/proc/}"
	done
}

# The place in COMP_WORDS of the program that run or exec is to start; nothing
# while the options are not yet complete.
_timens_program() {
	local i=2
	if [[ $1 == exec ]]; then
		((COMP_CWORD > 2)) || return 0
		i=3
		[[ ${COMP_WORDS[i]} != -- ]] || i=4
		echo "$i"
		return
	fi
	while ((i < COMP_CWORD)); do
		case ${COMP_WORDS[i]} in
		--) echo $((i + 1)) && return ;;
		--monotonic | --boottime | --uptime | --realtime | --keep) i=$((i + 2)) ;;
		-*) i=$((i + 1)) ;;
		*) echo "$i" && return ;;
		esac
	done
}

_timens() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local verb=${COMP_WORDS[1]-} words='' program prefix

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W \
			'run exec set list show watch check translate features --help --version' -- "$word")
		return
	fi
	if [[ $verb == run || $verb == exec ]]; then
		program=$(_timens_program "$verb")
		if [[ -n $program ]] && ((COMP_CWORD >= program)); then
			if declare -F _command_offset > /dev/null; then
				_command_offset "$program"
			elif ((COMP_CWORD == program)); then
				mapfile -t COMPREPLY < <(compgen -c -- "$word")
			else
				mapfile -t COMPREPLY < <(compgen -f -- "$word")
			fi
			return
		fi
	fi
	case $previous in
	--monotonic | --boottime | --uptime | --realtime | --tai | -i | --interval | -c | --count | -s | --seconds)
		return
		;;
	-f | --field | -d | --delimiter)
		return
		;;
	-u | --unit)
		mapfile -t COMPREPLY < <(compgen -W 's ms us ns' -- "$word")
		return
		;;
	--keep)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	-o | --output)
		prefix=''
		[[ $word != *,* ]] || prefix=${word%,*},
		mapfile -t COMPREPLY < <(compgen -P "$prefix" -W \
			"$(_timens_columns "${COMP_WORDS[0]}" "$verb")" -- "${word##*,}")
		return
		;;
	esac
	if [[ $word == -* ]]; then
		words=$(_timens_options "$verb")
	else
		case $verb in
		exec | set | show | watch | check) words=$(_timens_processes) ;;
		translate) words="$_timens_clocks $(_timens_processes)" ;;
		run) mapfile -t COMPREPLY < <(compgen -c -- "$word") && return ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -o default -F _timens timens
