# What a test in shell begins with, and what it says of each check: sourced, not run.
# $work is a folder of its own, which goes in the end; $work/log what a failed check shows.
# shellcheck shell=sh
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0
skipped=0
: >"$work/log"

check() { # STATUS NAME [LOG]
	if [ "$1" -eq 0 ]; then
		echo "ok - $2"
	else
		echo "not ok - $2"
		tail -n 40 "${3:-$work/log}" >&2
		failed=$((failed + 1))
	fi
}

skip() { # TEXT
	echo "skip - $*"
	skipped=$((skipped + 1))
}
