#!/bin/sh
# One test of a platform; run.sh says in the environment where everything is.
#
# usage: one.sh TEST
#
# Prints one line: "ok", "not ok", "skip", or "emulator", where a test fails under the
# emulator in the same places on the original, or, if it is for this library alone, on this
# library's x86-64 build, for which it passes natively.
set -u
test=$1
start=$(date +%s)
# A folder of its own; its name is part of what some programs print.
dir=$work/$(echo "$test" | tr / -)
mkdir -p "$dir" || exit 2
name=$(basename "$test")
flags="-std=gnu11 -O1 -g -Wall -Wextra -Werror -Ic-tests -I$stage/include"

verdict() { # VERDICT TEXT
	echo "$1 - $test${2:+: $2}"
	echo "$(($(date +%s) - start)) s $test" >>"$work/times"
	exit 0
}

# An emulator takes some twenty times as long.
if [ -n "$emulator" ]; then
	case $test in
	ours/depth_millions) flags="$flags -DCOUNT=500000" ;;
	ours/depth) flags="$flags -DDEEP=100000 -DTHREAD_DEEP=2000 -DWIDE=100000 -DREPORT_DEEP=2000" ;;
	ours/threads_fork) flags="$flags -DFORKS=20" ;;
	ours/threads_limit) flags="$flags -DSTEPS=40000" ;;
	ours/threads_trees) flags="$flags -DSTEPS=20000 -DHANDOVERS=5000" ;;
	ours/threads_top) flags="$flags -DSTEPS=3000" ;;
	ours/threads_many) flags="$flags -DCOUNT=3000" ;;
	esac
fi

# compile CC LIBDIR PROGRAM SOURCE
compile() {
	# shellcheck disable=SC2086 # flags are words
	"$1" $flags -o "$3" "$4" "$2/libtalloc.so.2" -lpthread -ldl >"$dir/err" 2>&1 && return
	cat "$dir/err" >&2
	verdict 'not ok' 'it compiles'
}

# run LIBDIR SECONDS NAME PROGRAM ARGUMENTS: stdout in NAME.out, stderr in NAME.err, the
# status last in NAME.out
run() {
	libdir=$1
	seconds=$2
	out=$dir/$3
	shift 3
	LD_LIBRARY_PATH=$libdir timeout "$seconds" "$@" >"$out.out" 2>"$out.err" </dev/null
	status=$?
	echo "exit $status" >>"$out.out"
	return $status
}

is_good() { # NAME
	grep -q '^exit 0$' "$dir/$1.out" && grep -q '^ok' "$dir/$1.out" && ! grep -q '^not ok' "$dir/$1.out"
}

# fails_like NAME: what fails here fails there, and it ends in the same way
fails_like() {
	! is_good "$1" && [ "$(tail -n 1 "$dir/here.out")" = "$(tail -n 1 "$dir/$1.out")" ] &&
		! grep '^not ok' "$dir/here.out" | grep -vxFqf "$dir/$1.out"
}

# The program that the original is judged by.
with_judge() { # SOURCE
	judged=$dir/$name
	[ "$judge_cc" = "$here/cc" ] || {
		mkdir -p "$dir/judge"
		judged=$dir/judge/$name
		compile "$judge_cc" "$judge" "$judged" "$1"
	}
}

show() { # NAME
	{
		echo "--- $test"
		grep '^not ok' "$dir/$1.out"
		tail -n 1 "$dir/$1.out"
		tail -n 15 "$dir/$1.err"
	} >&2
}

if [ "$test" = ours/signal_exit ] && [ -n "$emulator" ]; then
	verdict skip 'exit() in a handler hangs by chance under qemu, for x86-64, too'
fi

case $test in
common/*)
	source=c-tests/$test.c
	compile "$here/cc" "$stage/lib" "$dir/$name" "$source"
	with_judge "$source"
	run "$stage/lib" 240 here "$dir/$name"
	run "$judge" 240 original "$judged"
	if is_good here; then
		cmp -s "$dir/here.out" "$dir/original.out" && verdict ok
		is_good original || verdict ok 'the original fails'
		diff "$dir/here.out" "$dir/original.out" | head -n 20 >&2
		verdict 'not ok' 'the original prints the same'
	fi
	[ -z "$emulator" ] || ! fails_like original || verdict emulator 'the original fails, too'
	show here
	verdict 'not ok'
	;;
ours/* | talloc_test)
	compile "$here/cc" "$stage/lib" "$dir/$name" "c-tests/$test.c"
	run "$stage/lib" 240 here "$dir/$name"
	is_good here && verdict ok
	[ $status -ne 77 ] || verdict skip "$(sed -n 's/^skip - //p' "$dir/here.out")"
	if [ -n "$emulator" ]; then
		mkdir -p "$dir/x86"
		compile cc "$native" "$dir/x86/$name" "c-tests/$test.c"
		run "$native" 240 x86 qemu-x86_64 "$dir/x86/$name"
		! fails_like x86 || verdict emulator 'x86-64 fails under it, too'
	fi
	show here
	verdict 'not ok'
	;;
attack/*)
	source=c-tests/$test.c
	compile "$here/cc" "$stage/lib" "$dir/$name" "$source"
	case $name in
	any_layout)
		with_judge "$source"
		run "$judge" 300 original "$judged" -v original
		grep -q '^  ran: heap' "$dir/original.out" && grep -q '^  written: pool' "$dir/original.out" ||
			verdict 'not ok' 'some attacks succeed on the original'
		run "$stage/lib" 300 here "$dir/$name" -v -r here || { show here; verdict 'not ok'; }
		run "$stage/lib" 300 here "$dir/$name" -v here
		;;
	our_layout) run "$stage/lib" 600 here "$dir/$name" -v -n 3 -s 1 here ;;
	reader) run "$stage/lib" 300 here "$dir/$name" here ;;
	esac && verdict ok
	show here
	verdict 'not ok'
	;;
walk)
	compile "$here/cc" "$stage/lib" "$dir/walk" c-tests/walk/walk.c
	cc -std=gnu11 -O2 -o "$dir/pair" c-tests/walk/pair.c >"$dir/err" 2>&1 || verdict 'not ok' 'pair compiles'
	if [ "$judge_cc" != "$here/cc" ]; then
		# two programs for what pair takes for one
		with_judge c-tests/walk/walk.c
		mv "$dir/walk" "$dir/walk-here"
		printf '#!/bin/sh\n[ "$LD_LIBRARY_PATH" = "%s" ] && exec "%s" "$@"\nexec "%s" "$@"\n' \
			"$judge" "$judged" "$dir/walk-here" >"$dir/walk"
		chmod +x "$dir/walk"
	fi
	timeout 600 "$dir/pair" --original "$judge" --walk "$dir/walk" --calls 20000 "$stage/lib" \
		>"$dir/here.out" 2>"$dir/here.err" && verdict ok
	tail -n 40 "$dir/here.out" >&2
	verdict 'not ok'
	;;
loading)
	# a program that has never heard of it loads it; and a static one
	"$here/cc" -std=gnu11 -O1 -Wall -Wextra -Werror -o "$dir/dlopen" c-tests/arch/dlopen.c -ldl -lpthread \
		>"$dir/err" 2>&1 || { cat "$dir/err" >&2; verdict 'not ok' 'it compiles'; }
	run "$judge" 60 here "$dir/dlopen" "$stage/lib/libtalloc.so.2"
	is_good here || { show here; verdict 'not ok' dlopen; }
	# shellcheck disable=SC2086
	"$here/cc" $flags -static -o "$dir/static" c-tests/ours/threads_trees.c "$stage/lib/libtalloc.a" -lpthread \
		>"$dir/err" 2>&1 || { cat "$dir/err" >&2; verdict 'not ok' 'a static program links'; }
	run "" 120 here "$dir/static"
	is_good here && verdict ok
	show here
	verdict 'not ok' 'a static program'
	;;
*) verdict 'not ok' 'there is such a test' ;;
esac
