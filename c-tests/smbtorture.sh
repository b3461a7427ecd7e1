#!/bin/sh
# The original's own torture test, from Debian's samba-testsuite: once on the
# original library, once on ours, with the same tests passing.
#
# usage: smbtorture.sh LIBDIR
#
# LIBDIR holds libtalloc.so.2.  Takes a minute or two.  Ends with 77 where
# smbtorture is not installed.
set -u
LC_ALL=C.UTF-8
TZ=UTC
export LC_ALL TZ

if [ $# -ne 1 ]; then
	echo "usage: $0 LIBDIR" >&2
	exit 2
fi
if [ ! -f "$1/libtalloc.so.2" ]; then
	echo "$0: no libtalloc.so.2 in $1" >&2
	exit 2
fi
libdir=$(cd "$1" && pwd) || exit 2
if ! command -v smbtorture >/dev/null 2>&1; then
	echo "skip - smbtorture is not installed (package samba-testsuite)"
	exit 77
fi
least=20 # tests; local.talloc had 27 of them when this was written

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

failed=0

# check STATUS NAME
check() {
	if [ "$1" -eq 0 ]; then
		echo "ok - $2"
	else
		echo "not ok - $2"
		failed=$((failed + 1))
	fi
}

# torture NAME [LIBDIR]: its output in NAME.log, sorted results in NAME.set
torture() {
	name=$1
	dir=$work/$name
	mkdir -p "$dir/private" "$dir/state" "$dir/cache" "$dir/lock" "$dir/pid" \
		"$dir/ncalrpc" "$dir/log" "$dir/base" || exit 2
	cat >"$dir/smb.conf" <<-END
		[global]
			workgroup = TESTING
			netbios name = TESTING
			private dir = $dir/private
			state directory = $dir/state
			cache directory = $dir/cache
			lock directory = $dir/lock
			pid directory = $dir/pid
			ncalrpc dir = $dir/ncalrpc
			log file = $dir/log/log
			interfaces = 127.0.0.1
			bind interfaces only = yes
	END
	# LD_DEBUG writes to files of its own, and not into the output.
	LD_LIBRARY_PATH=${2-} LD_DEBUG=libs LD_DEBUG_OUTPUT="$dir/libs" \
		timeout 240 smbtorture -s "$dir/smb.conf" --format=subunit --seed=1 \
		--basedir="$dir/base" //127.0.0.1/none -U% local.talloc \
		>"$work/$name.log" 2>"$work/$name.err"
	status=$?
	sed -n 's/^\(success\|failure\|error\|skip\): \([^ ]*\).*/\1 \2/p' "$work/$name.log" |
		sort >"$work/$name.set"
	passed=$(grep -c '^success ' "$work/$name.set")
	bad=$(grep -Ec '^(failure|error) ' "$work/$name.set")
	cat "$dir"/libs.* 2>/dev/null |
		sed -n 's/.*calling init: \(.*libtalloc\.so\.2.*\)/\1/p' | sort -u >"$work/$name.library"
	if [ "$status" -ne 0 ] || [ "$bad" -ne 0 ]; then
		# "error: NAME [", the reason, "]"
		sed -n '/^\(failure\|error\): /,/^\]/p' "$work/$name.log" | head -n 40 | sed 's/^/    /' >&2
		tail -n 20 "$work/$name.err" | sed 's/^/    /' >&2
	fi
}

# ---- on ours ----

torture ours "$libdir"
[ "$(cat "$work/ours.library")" = "$libdir/libtalloc.so.2" ]
check $? "smbtorture ran on $(tr '\n' ' ' <"$work/ours.library")"
[ "$status" -eq 0 ]
check $? "ours: exit $status (124: out of time)"
[ "$bad" -eq 0 ]
check $? "ours: $passed passed, $bad failed"
[ "$passed" -ge "$least" ]
check $? "ours: at least $least passed"

# ---- on the original ----

# Where nothing but ours is installed, the first run was all there is.  The
# loader's cache knows; a program of its own would need the header.
ldconfig=$(command -v ldconfig || echo /sbin/ldconfig)
original=$("$ldconfig" -p 2>/dev/null | sed -n 's/.*libtalloc\.so\.2 .*=> //p' | head -n 1)
if [ -z "$original" ] || [ "$(readlink -f "$original")" = "$(readlink -f "$libdir/libtalloc.so.2")" ]; then
	echo "skip - the original libtalloc2 is not installed: nothing to compare with"
else
	torture original
	[ "$(readlink -f "$(cat "$work/original.library")")" = "$(readlink -f "$original")" ]
	check $? "smbtorture ran on $(tr '\n' ' ' <"$work/original.library")"
	[ "$status" -eq 0 ] && [ "$passed" -ge "$least" ]
	check $? "original: $passed passed, $bad failed"
	diff -u "$work/original.set" "$work/ours.set" >"$work/difference"
	same=$?
	[ "$same" -eq 0 ] || sed 's/^/    /' "$work/difference" >&2
	check "$same" "the same tests with the same results on both"
fi

[ "$failed" -eq 0 ]
