# What a test in shell begins with, and what it says of each check: sourced, not run.
# $work is a folder of its own, which goes in the end; $work/log what a failed check shows.
# shellcheck shell=sh
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0
skipped=0
: >"$work/log"

# For a test whose only argument is where `make stage` has installed the library: $stage
# then, whole; $cc; and the project's folder is the current one.
take_stage() { # ARGUMENTS OF THE TEST
	if [ $# -ne 1 ] || [ ! -f "$1/lib/libtalloc.so.2" ]; then
		echo "usage: $0 STAGE_DIR, where \`make stage\` has installed the library" >&2
		exit 2
	fi
	stage=$(cd "$1" && pwd) && cd "$(dirname "$0")/.." || exit 2
	# shellcheck disable=SC2034 # for the test
	cc=${CC:-cc}
}

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

# A program that prints such lines itself.
try() { # SECONDS COMMAND...
	timeout "$@" >"$work/out" 2>"$work/err"
	status=$?
	grep -E '^(ok|not ok) - ' "$work/out"
	[ $status -ne 0 ] || return 0
	grep -q '^not ok' "$work/out" || echo "not ok - $(basename "$2") (exit $status)"
	tail -n 40 "$work/err" >&2
	failed=$((failed + 1))
}

# The path of the original, if it is installed.
original_library() {
	ldconfig -p 2>/dev/null | sed -n 's/.*libtalloc\.so\.2 .*=> //p' | head -n 1
}

# The last line of a test: 1 if a check failed, 77 if some could not be made.
finish() {
	[ "$failed" -eq 0 ] || exit 1
	[ "$skipped" -eq 0 ] || exit 77
	exit 0
}
