#!/bin/sh
# The tests inside src/, of cargo.
cd "$(dirname "$0")/.." || exit 2
log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM
if cargo test --locked -q >"$log" 2>&1; then
	n=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$log" | paste -sd+ - | sed 's/^$/0/')
	echo "checks: $((n))"
	echo "ok - cargo test ($((n)) tests)"
else
	echo "not ok - cargo test"
	tail -n 20 "$log" >&2
	exit 1
fi
