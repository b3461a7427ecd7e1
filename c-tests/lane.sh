#!/bin/sh
# One of the lanes in which check.sh has its topics run: takes one after the
# other that no lane has, and prints a line when it is done.
#
# usage: lane.sh WORK FIRST        FIRST: the kind of topic that it takes first
#
# WORK/topics has a line for each: kind, name, seconds at most, command. Real
# programs ("real") change the system while they install their packages, so
# that only the lane that begins with them has them. WORK/results gets one file
# for each topic: what passed, failed, was skipped.
set -u
work=$1
terminal=
[ ! -t 1 ] || terminal=yes
child=
trap '[ -z "$child" ] || kill "$child"; exit 1' HUP INT TERM
tab=$(printf '\t')
total=$(wc -l <"$work/topics" | tr -d ' ')

# Other lanes print, too.
lock() {
	until mkdir "$work/lock" 2>/dev/null; do
		[ -d "$work" ] || exit 1
		sleep 0.05
	done
}

# On a terminal: what runs now, to be overwritten.
running() {
	[ -n "$terminal" ] || return
	names=$(ls "$work/running" | tr ' \n' '/ ' | sed 's/ $//; s/ /, /g')
	[ -z "$names" ] || printf '\r\033[K[%d/%d] %s ... ' "$(ls "$work/results" | wc -l)" "$total" "$names"
}

take() { # NUMBER NAME SECONDS COMMAND
	label=$(echo "$2" | tr / ' ')
	lock
	: >"$work/running/$label"
	running
	rmdir "$work/lock"

	out=$work/$1.out
	err=$work/$1.err
	start=$(date +%s)
	timeout "$3" sh -c "exec $4" >"$out" 2>"$err" </dev/null &
	child=$!
	wait $child 2>/dev/null
	status=$?
	child=
	took=$(($(date +%s) - start))
	passed=$(grep -c '^ok - ' "$out")
	failed=$(grep -c '^not ok - ' "$out")
	skipped=$(grep -c '^skip - ' "$out")
	grep -E '^(not ok|skip) - |: not run' "$out" >"$work/$1.lines"
	case $status in
	0 | 77) why= ;;
	124) why="not ended after $3 seconds" ;;
	*) why="exit $status" ;;
	esac
	[ $((passed + failed + skipped)) -gt 0 ] || why="${why:-exit $status}, nothing printed"
	if [ -n "$why" ] && [ "$failed" -eq 0 ]; then
		failed=1
		echo "not ok - $2: $why" >>"$work/$1.lines"
	fi
	[ "$failed" -eq 0 ] || tail -n 40 "$err" | sed 's/^/    /' >>"$work/$1.lines"
	checks=$(sed -n 's/^checks: //p' "$out")
	text="${checks:-$passed} checks"
	grep -q ': the original prints the same$' "$out" && text="$text, the same on the original"
	[ "$skipped" -eq 0 ] || text="$text, $skipped skipped"
	[ "$took" -lt 5 ] || text="$text, $took s"
	if [ "$failed" -gt 0 ]; then
		verdict="FAILED: $failed"
	elif [ "$passed" -eq 0 ]; then
		verdict=skipped
	else
		verdict=ok
	fi

	lock
	rm "$work/running/$label"
	echo "$passed $failed $skipped" >"$work/results/$1"
	[ -z "$terminal" ] || printf '\r\033[K'
	printf '[%d/%d] %s ... %s (%s)\n' "$(ls "$work/results" | wc -l)" "$total" "$2" "$verdict" "$text"
	cat "$work/$1.lines"
	[ "$(ls "$work/results" | wc -l)" -eq "$total" ] || running
	rmdir "$work/lock"
	rm -f "$out" "$err"
}

# of KIND: all topics of that kind that nobody has taken
of() {
	number=0
	while IFS=$tab read -r kind name seconds command <&3; do
		number=$((number + 1))
		[ "$kind" = "$1" ] && mkdir "$work/taken/$number" 2>/dev/null || continue
		take $number "$name" "$seconds" "$command"
	done 3<"$work/topics"
}

of "$2"
[ "$2" != real ] || of test
