#!/bin/sh
# TALLOC_REPORT: the report that a program makes which asks for it itself, without a change
# of the program; to stderr or a file, also of children, not of set-user-id programs.
#
# usage: report-env.sh STAGE_DIR
set -u
LC_ALL=C
export LC_ALL
unset TALLOC_FREE_FILL TALLOC_THREAD_CACHE TALLOC_REPORT LD_LIBRARY_PATH LD_PRELOAD

. "$(dirname "$0")/results.sh"
take_stage "$@"

# A library that anybody may read, for the set-user-id program.
mkdir "$work/lib" && cp "$stage"/lib/libtalloc.so.2* "$work/lib" && chmod -R a+rX "$work"
"$cc" -std=gnu11 -O1 -g -Wall -Wextra -Werror -I"$stage/include" -o "$work/leaves" c-tests/tools/leaves.c \
	-Wl,-rpath,"$work/lib" "$work/lib/libtalloc.so.2" 2>"$work/err" || {
	check 1 "c-tests/tools/leaves.c compiles" "$work/err"
	exit 1
}

# run VALUE WORD...: the program with that value, none for "-"; $out, $err and $file say what
# came, without addresses, and $status how it ended
file=$work/file
run() {
	value=$1
	shift
	rm -f "$file"
	(
		[ "$value" = - ] || export TALLOC_REPORT="$value"
		timeout 60 "$work/leaves" "$@"
	) >"$work/out" 2>"$work/err"
	status=$?
	for name in err file; do
		[ ! -f "$work/$name" ] || sed -i 's/0x[0-9a-f]*/@/' "$work/$name"
	done
	cat "$work/out" "$work/err" >"$work/log"
}

has() { # FILE REPORT: is that all of it?
	cmp "$work/$1" "$work/$2" >/dev/null 2>&1
}

cat >"$work/full" <<-'END'
	full talloc report on 'null_context' (total    141 bytes in   7 blocks)
	    other                          contains     20 bytes in   2 blocks (ref 0) @
	        reference to: top
	    top                            contains    121 bytes in   4 blocks (ref 1) @
	        deep                           contains     11 bytes in   2 blocks (ref 0) @
	            deeper                         contains      6 bytes in   1 blocks (ref 0) @
	        some text                      contains     10 bytes in   1 blocks (ref 0) @
END
cat >"$work/short" <<-'END'
	talloc report on 'null_context' (total    141 bytes in   7 blocks)
	    other                          contains     20 bytes in   2 blocks (ref 0) @
	    top                            contains    121 bytes in   4 blocks (ref 1) @
END

# ---- which report, and where to ------------------------------------------------

run -
[ $status -eq 7 ] && [ ! -s "$work/err" ] && [ "$(cat "$work/out")" = 'no parent' ]
check $? "without it: nothing"
for kind in full short; do
	run - $kind
	[ $status -eq 7 ] && has err $kind
	check $? "a program that asks for a $kind report itself"
	run $kind
	[ $status -eq 7 ] && has err $kind && [ "$(cat "$work/out")" = null_context ]
	check $? "TALLOC_REPORT=$kind: the same"
	run "$kind:$file"
	[ $status -eq 7 ] && has file $kind && [ ! -s "$work/err" ]
	check $? "TALLOC_REPORT=$kind:FILE: the same in a file"
done
run full nothing
[ $status -eq 7 ] && [ ! -s "$work/err" ]
check $? "nothing is left: no report"
run "full:$file" nothing
[ $status -eq 7 ] && [ ! -e "$file" ] && [ ! -s "$work/err" ]
check $? "nothing is left: no file"
run full off
[ $status -eq 7 ] && [ ! -s "$work/err" ]
check $? "null tracking is switched off by the program: no report"
run full _exit
[ $status -eq 0 ] && [ ! -s "$work/err" ]
check $? "_exit: no report"
run "full:$file" scribble
has file full
check $? "the program writes over its environment"
run "full:$file.%p.%p" number
n=$(head -n 1 "$work/out")
sed 's/0x[0-9a-f]*/@/' "$file.$n.$n" >"$work/err" 2>&1 && has err full
check $? "%p is the process"
run full
echo 'was there' >"$work/kept"
TALLOC_REPORT=short:$work/kept "$work/leaves" >"$work/out" 2>"$work/err"
[ "$(head -n 1 "$work/kept")" = 'was there' ] && [ "$(wc -l <"$work/kept")" -eq 4 ]
check $? "a file that is there gets more"
(cd "$work" && TALLOC_REPORT=short:kept ./leaves >out 2>err)
[ "$(wc -l <"$work/kept")" -eq 7 ]
check $? "a file in the present folder"

# ---- with what the program asks for --------------------------------------------

run short full
has err full
check $? "full of its own, short wanted: one full report"
run full short
has err full
check $? "short of its own, full wanted: one full report"
run full full
has err full
check $? "full of its own, full wanted: one"
run "full:$file" short
has err short && has file full
check $? "short of its own, full wanted in a file: both"
run - autofree
cp "$work/out" "$work/order"
run full autofree
[ "$(grep -n . "$work/order" | sed 's/:.*//' | wc -l)" -eq 3 ] &&
	[ "$(tail -n 2 "$work/out")" = "$(tail -n 2 "$work/order")" ] && has err full
check $? "the autofree context goes when it always goes"

# ---- what is not allowed --------------------------------------------------------

for value in 1 fully full: shor 'full,x' FULL; do
	run "$value"
	[ $status -eq 7 ] && [ "$(cat "$work/out")" = 'no parent' ] && [ "$(cat "$work/err")" = \
		'talloc: TALLOC_REPORT may be full, short, full:FILE or short:FILE' ]
	check $? "TALLOC_REPORT=$value: one line, and nothing else"
done
run ''
[ $status -eq 7 ] && [ ! -s "$work/err" ] && [ "$(cat "$work/out")" = 'no parent' ]
check $? "an empty value: nothing"
run "full:$work/none/file"
[ $status -eq 7 ] && [ "$(cat "$work/err")" = \
	"talloc: TALLOC_REPORT: $work/none/file: No such file or directory" ]
check $? "no such folder: one line, and the program ends as it would"
if [ -c /dev/full ]; then
	run full:/dev/full
	[ $status -eq 7 ] && [ "$(cat "$work/err")" = \
		"talloc: TALLOC_REPORT: /dev/full: No space left on device" ]
	check $? "no room: one line"
fi

if [ "$(id -u)" -ne 0 ] || ! command -v setpriv >/dev/null 2>&1; then
	skip "set-user-id: needs root, and setpriv"
else
	as_nobody() {
		setpriv --reuid=65534 --regid=65534 --clear-groups env TALLOC_REPORT="full:$work/open/file" \
			"$work/leaves" user >"$work/out" 2>"$work/err"
	}
	mkdir -m 1777 "$work/open"
	as_nobody
	grep -q '^full talloc report' "$work/open/file"
	check $? "as another user"
	rm -f "$work/open/file"
	chmod u+s "$work/leaves"
	as_nobody
	if [ "$(head -n 1 "$work/out")" != 0 ]; then
		skip "set-user-id: not on this file system"
	else
		[ ! -e "$work/open/file" ] && [ ! -s "$work/err" ] && grep -q '^no parent' "$work/out"
		check $? "set-user-id: nothing"
	fi
	chmod u-s "$work/leaves"
fi

# ---- lines ---------------------------------------------------------------------

run "full:$file" long
[ "$(wc -l <"$file")" -eq 8 ] && grep -qE '^        n{20000} contains ' "$file"
check $? "a line of 20,000 bytes"
if command -v strace >/dev/null 2>&1 && strace -o /dev/null true 2>/dev/null; then
	rm -f "$file"
	TALLOC_REPORT=full:$file strace -o "$work/err" -e trace=write,writev -P "$file" -s 30000 \
		"$work/leaves" long >"$work/out"
	[ "$(grep -c '^write(.*\\n", [0-9]*) = [0-9]*$' "$work/err")" -eq 8 ] &&
		[ "$(grep -c '^write' "$work/err")" -eq 8 ] && grep -q '^write(.* = 20' "$work/err"
	check $? "each line is one write"
	TALLOC_REPORT=full:$file strace -o "$work/err" -e trace=openat "$work/leaves" >"$work/out"
	grep -F "$file" "$work/err" | grep O_APPEND | grep -q O_CLOEXEC
	check $? "the file is opened for what comes behind, and closed by exec"
else
	skip "each line is one write: package strace"
fi
run "full:$file" forks
# A line of each process is whole, and the parent's own three chunks are in nine reports.
awk '
	/^full talloc report on .null_context. \(total +[0-9]+ bytes in +[0-9]+ blocks\)$/ { heads++; next }
	/^    child [0-7] chunk [0-9][0-9][0-9] 0+ contains +[0-9]+ bytes in +[0-9]+ blocks \(ref 0\) @$/ {
		seen[$2 " " $4]++
		names++
		next
	}
	/^        \.name +contains +[0-9]+ bytes in +1 blocks \(ref 0\) @$/ { texts++; next }
	/^        reference to: top$/ { next }
	/^ +(other|top|deep|deeper|some text) +contains +[0-9]+ bytes in +[0-9]+ blocks \(ref [01]\) @$/ { rest++; next }
	{ print "mixed: " $0 >"/dev/stderr"; mixed++ }
	END {
		for (name in seen)
			if (seen[name] == 1) once++
		exit mixed || heads != 9 || names != 1600 || once != 1600 || texts != 1600 || rest != 45
	}' "$file" 2>>"$work/err"
check $? "eight children that end at once: no lines are mixed, and none is lost"

# ---- loaded late -----------------------------------------------------------------

cat >"$work/late.c" <<-'END'
	#include <dlfcn.h>
	#include <stddef.h>
	#include <stdio.h>

	int main(int argc, char **argv)
	{
		void *library = dlopen(argv[argc - 1], RTLD_NOW);
		void *(*named)(const void *, size_t, const char *);

		if (library == NULL)
			return 1;
		*(void **)&named = dlsym(library, "talloc_named_const");
		named(NULL, 30, "of a plugin");
		if (dlclose(library) != 0)
			return 1;
		fputs("closed\n", stderr);
		return 0;
	}
END
"$cc" -O1 -g -o "$work/late" "$work/late.c" -ldl 2>"$work/err" &&
	TALLOC_REPORT=short "$work/late" "$work/lib/libtalloc.so.2" 2>"$work/err" &&
	[ "$(sed 's/ *(ref.*//' "$work/err")" = "talloc report on 'null_context' (total     30 bytes in   2 blocks)
    of a plugin                    contains     30 bytes in   1 blocks
closed" ]
check $? "dlclose reports"
rm -f "$file"
TALLOC_REPORT=short:$file "$work/late" "$work/lib/libtalloc.so.2" 2>"$work/err" && [ "$(wc -l <"$file")" -eq 2 ]
check $? "dlclose reports to a file"
"$cc" -O1 -g -static -I"$stage/include" -o "$work/static" c-tests/tools/leaves.c "$stage/lib/libtalloc.a" \
	2>"$work/err" && TALLOC_REPORT=full "$work/static" 2>"$work/err" >"$work/out"
sed -i 's/0x[0-9a-f]*/@/' "$work/err"
has err full
check $? "a static program"

# ---- a program of the system -------------------------------------------------------

if command -v ldbsearch >/dev/null 2>&1; then
	printf 'dn: cn=one\nobjectClass: person\ncn: one\n' >"$work/one.ldif"
	with() { # VALUE
		LD_LIBRARY_PATH=$work/lib TALLOC_REPORT=$1 timeout 30 ldbsearch -H "$work/one.ldb"
	}
	ldbadd -H "$work/one.ldb" "$work/one.ldif" >"$work/out" 2>"$work/err"
	rm -f "$file"
	with '' >"$work/want" 2>"$work/err" && with "full:$file" >"$work/out" 2>"$work/err" &&
		cmp "$work/want" "$work/out" && [ ! -s "$work/err" ] &&
		grep -q "^full talloc report on 'null_context'" "$file" &&
		grep -qE '^    struct .* contains +[0-9]+ bytes in +[0-9]+ blocks \(ref 0\) 0x' "$file"
	check $? "ldbsearch: the same output, and a report"
else
	skip "ldbsearch: package ldb-tools"
fi

# ---- beside the original --------------------------------------------------------

original=$(original_library)
if [ -n "$original" ]; then
	for kind in full short; do
		LD_LIBRARY_PATH=$(dirname "$original") "$work/leaves" $kind 2>"$work/err" >"$work/out"
		sed -i 's/0x[0-9a-f]*/@/' "$work/err"
		has err $kind
		check $? "the original's $kind report is the same"
	done
else
	skip "the original's reports: package libtalloc2"
fi

finish
