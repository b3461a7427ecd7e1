#!/bin/sh
# Does run.sh take every shape that the original's tests have had, and notice
# what is wrong with them?
#
# usage: generations.sh STAGE_DIR
#
# generations/VERSION has small programs of the shape that the tests had from
# that version on; generations/bad-* are wrong, each in its own way. One line per
# check; ends with 1 if one of them failed.
set -u
LC_ALL=C
export LC_ALL

if [ $# -ne 1 ] || [ ! -f "$1/lib/libtalloc.so.2" ]; then
	echo "usage: $0 STAGE_DIR, where \`make stage\` has installed the library" >&2
	exit 2
fi
stage=$(cd "$1" && pwd) || exit 2
here=$(cd "$(dirname "$0")" && pwd) || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

report() { # STATUS TEXT
	if [ "$1" -eq 0 ]; then
		echo "ok - $2"
	else
		echo "not ok - $2"
		sed 's/^/    /' "$work/out" "$work/err" >&2
		failed=$((failed + 1))
	fi
}

# try NAME: run.sh on a copy, in a folder like the original's, where the headers
# are that must not be taken
try() {
	src="$work/a tree/$1/lib/talloc"
	mkdir -p "$src"
	cp "$here/generations/$1"/* "$src/"
	for decoy in talloc.h replace.h config.h; do
		echo "#error \"$decoy beside the tests\"" >"$src/$decoy"
	done
	sh "$here/run.sh" "$src" "$stage" >"$work/out" 2>"$work/err"
	status=$?
}

# good NAME PROGRAM...: each of the programs, and no other, is built, runs on
# the library and is content
good() {
	name=$1
	shift
	try "$name"
	[ $status -eq 0 ] && ! grep -q '^not ok' "$work/out" && [ ! -s "$work/err" ] &&
		[ "$(wc -l <"$work/out")" -eq $((2 * $#)) ]
	status=$?
	for program; do
		grep -Fxq "ok - $program ran on $stage/lib/libtalloc.so.2" "$work/out" &&
			grep -q "^ok - $program: exit 0" "$work/out" || status=1
	done
	report $status "tests of the shape of $name: $*"
}

# bad NAME LINE [MESSAGE]: the only line that is not ok begins with LINE, and the
# explanation has MESSAGE
bad() {
	try "$1"
	[ $status -eq 1 ] && [ "$(grep -c '^not ok' "$work/out")" -eq 1 ] &&
		grep -q "^not ok - $2" "$work/out" && { [ $# -lt 3 ] || grep -q "$3" "$work/err"; }
	report $? "noticed: $(sed -n '1s|^/\* \(.*\)\. \*/|\1|p' "$here/generations/$1/testsuite.c")"
}

# A generation that nobody runs would be forgotten.
for folder in "$here/generations"/*/; do
	name=$(basename "$folder")
	case $name in
	bad-check) bad $name 'testsuite: exit 0, 1 successes' 'failure: two' ;;
	bad-exit) bad $name 'testsuite: exit 1, 1 successes' ;;
	bad-crash) bad $name 'testsuite: exit 134, 1 successes' ;;
	bad-silent) bad $name 'testsuite: exit 0, 0 successes' ;;
	bad-library) bad $name 'testsuite did not run on ' ;;
	bad-macro) bad $name 'testsuite does not compile' 'BURN_WITHOUT.*-Wimplicit\|BURN_WITHOUT.*=implicit\|implicit.*BURN_WITHOUT' ;;
	bad-link) bad $name 'testsuite does not compile' 'missing_function' ;;
	bad-cache) bad $name 'talloc_test: exit 1' ;;
	*-caches) good "$name" testsuite talloc_test ;;
	*) good "$name" testsuite ;;
	esac
done

# What BURN_PTR_SIZE wrote is there even though nobody can read it any more.
cat >"$work/burn.c" <<'END'
#include "replace.h"

int burn(void);
int burn(void)
{
	char secret[64];
	ssize_t n = read(0, secret, sizeof(secret));
	int sum = n > 0 ? secret[0] : 0;

	BURN_PTR_SIZE(secret, sizeof(secret));
	return sum;
}
END
"${CC:-cc}" -std=gnu11 -O3 -Wall -Wextra -Werror -I "$here/include" -c -o "$work/burn.o" \
	"$work/burn.c" >"$work/out" 2>"$work/err" && nm "$work/burn.o" >"$work/out" &&
	grep -q 'U explicit_bzero' "$work/out"
report $? "BURN_PTR_SIZE is not optimised away"

# A folder that is none is refused, and the right one named.
sh "$here/run.sh" "$work/a tree" "$stage" >"$work/out" 2>"$work/err"
[ $? -eq 2 ] && grep -q 'no testsuite.c' "$work/err"
report $? "noticed: a folder without the tests"
sh "$here/run.sh" "$work/a tree/2.5.0" "$stage" >"$work/out" 2>"$work/err"
[ $? -eq 2 ] && grep -q 'take that' "$work/err"
report $? "noticed: the folder above"
[ $failed -eq 0 ]
