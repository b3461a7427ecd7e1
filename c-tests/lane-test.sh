#!/bin/sh
# Does lane.sh count right, and notice what is wrong with a topic?
#
# usage: lane-test.sh
set -u
cd "$(dirname "$0")" || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/results" "$work/running" "$work/taken" || exit 2
failed=0

expected=
# topic KIND NAME COMMAND COUNTS: passed, failed, skipped
topic() {
	printf '%s\t%s\t%s\t%s\n' "$1" "$2" 2 "$3" >>"$work/topics"
	expected="$expected$2 $4
"
}
topic test good 'echo "ok - fine"' '1 0 0'
topic test a/bad 'sh -c "echo ok - x; echo not ok - y; echo reason >&2; exit 1"' '1 1 0'
topic test two-of-three 'printf "ok - x\nnot ok - y\nnot ok - z\n"' '1 2 0'
topic test late 'sleep 20' '0 1 0'
topic test empty true '0 1 0'
topic test skip 'sh -c "echo skip - package z; exit 77"' '0 0 1'
topic test crash 'sh -c "echo ok - x; kill -9 \$\$"' '1 1 0'
topic test exit 'sh -c "echo ok - x; exit 3"' '1 1 0'
topic real programs/first 'sh -c "echo ok - x; echo first: not run, no mounts"' '1 0 0'
topic real programs/second 'sh -c "sleep 1; echo ok - x; echo ok - y"' '2 0 0'

printf 'test\nreal\n' | xargs -n 1 -P 2 sh lane.sh "$work" >"$work/out" 2>"$work/err"

n=0
while IFS= read -r line; do
	[ -n "$line" ] || continue
	n=$((n + 1))
	name=${line%% *}
	if [ "$(cat "$work/results/$n" 2>/dev/null)" = "${line#* }" ] &&
		[ "$(grep -c "^\[[0-9]*/10\] $name \.\.\. " "$work/out")" -eq 1 ]; then
		echo "ok - a topic that is $name: ${line#* }"
	else
		echo "not ok - a topic that is $name: ${line#* }"
		failed=1
	fi
done <<END
$expected
END
cat >"$work/want" <<'END'
    reason
first: not run, no mounts
not ok - crash: exit 137
not ok - empty: exit 0, nothing printed
not ok - exit: exit 3
not ok - late: not ended after 2 seconds, nothing printed
not ok - y
not ok - y
not ok - z
skip - package z
END
if grep -v '^\[' "$work/out" | sort | diff "$work/want" - >&2 && [ ! -s "$work/err" ]; then
	echo "ok - what is shown of each"
else
	echo "not ok - what is shown of each"
	cat "$work/err" >&2
	failed=1
fi
exit $failed
