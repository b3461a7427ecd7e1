#!/bin/sh
# Instructions of each operation, by callgrind: the same number each time,
# whatever else the machine does.
#
# usage: instructions.sh STAGE_DIR table     here, on the original, and malloc
#        instructions.sh STAGE_DIR update    writes benches/instructions.txt
#        instructions.sh STAGE_DIR check     compares with it: ok, not ok
#        instructions.sh STAGE_DIR start     of starting, here and on the original
#
# The table has all instructions. What is committed and compared are those inside
# this library and the calls that leave it: libc's own differ from one machine to
# the next, these do not. The table's targets are for those inside, too.
set -eu
LC_ALL=C
export LC_ALL

case $#-${2-} in
2-table | 2-update | 2-check | 2-start) ;;
*)
	echo "usage: $0 STAGE_DIR table|update|check|start" >&2
	exit 2
	;;
esac
if [ ! -f "$1/lib/libtalloc.so.2" ]; then
	echo "$0: no lib/libtalloc.so.2 in $1: make stage" >&2
	exit 2
fi
stage=$(cd "$1" && pwd)
what=$2
cd "$(dirname "$0")"
file=instructions.txt
count=20000
processor=$(uname -m)

if ! command -v valgrind >/dev/null 2>&1; then
	if [ "$what" = check ]; then
		echo "skip - instructions: package valgrind"
		exit 77
	fi
	echo "$0 needs valgrind" >&2
	exit 2
fi
if [ "$what" = check ] && ! grep -q "^# $processor," $file; then
	echo "skip - instructions: none are known for $processor"
	exit 77
fi
unset TALLOC_FREE_FILL
# A thread keeps nothing under valgrind unless it is told to: what it usually may.
TALLOC_THREAD_CACHE=auto
export TALLOC_THREAD_CACHE
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
"${CC:-cc}" -std=gnu11 -O2 -fno-builtin -Wno-deprecated-declarations -I"$stage/include" \
	-o "$work/bench" bench.c "$stage/lib/libtalloc.so.2" -lpthread -ldl
echo 'int main(void) { return 0; }' >"$work/nothing.c"
"${CC:-cc}" -o "$work/nothing" "$work/nothing.c" -Wl,--no-as-needed "$stage/lib/libtalloc.so.2"
original=
! ldconfig -p 2>/dev/null | grep -q 'libtalloc\.so\.2 ' || original=yes

# ---- counting ---------------------------------------------------------------

# one SIDE ROW: what instructions.awk says of it in $work/SIDE.ROW
cat >"$work/one" <<'END'
set -eu
libdir=$stage/lib
[ "$1" != original ] || libdir=
out=$work/$1.$2
export LD_LIBRARY_PATH="$libdir" LD_BIND_NOW=1
if [ "$2" = nothing ]; then
	valgrind --tool=callgrind --callgrind-out-file="$out.callgrind" \
		"$work/nothing" >"$out.log" 2>&1
	n=1
else
	valgrind --tool=callgrind --callgrind-out-file="$out.callgrind" \
		--collect-atstart=no --toggle-collect='measured*' \
		"$work/bench" count "$2" $count >"$out.log" 2>&1 || [ $? -eq 3 ]
	n=$count
fi
awk -v n=$n -f instructions.awk "$out.callgrind" >"$out"
rm "$out.callgrind"
END
export stage work count

rows=$(LD_LIBRARY_PATH=$stage/lib "$work/bench" rows)
for row in $rows nothing; do
	case $what-$row in
	table-malloc_*) echo ours "$row" ;;
	*-malloc_* | start-[!n]*) ;;
	*)
		echo ours "$row"
		if [ -n "$original" ] && { [ "$what" = table ] || [ "$row" = nothing ]; }; then
			echo original "$row"
		fi
		;;
	esac
done | xargs -n 2 -P 2 nice sh "$work/one"

figure() { # SIDE ROW FIELD: "-" if there is none
	if [ -f "$work/$1.$2" ]; then
		awk -v i="$3" '{ print ($1 > 0 ? $i : "-") }' "$work/$1.$2"
	else
		echo -
	fi
}

ratio() { # A B
	awk -v a="$1" -v b="$2" 'BEGIN { if (a == "-" || b == "-") print "-"; else printf "%.2f\n", a / b }'
}

# ---- what is asked ------------------------------------------------------------

case $what in
table)
	printf '%-17s %9s %9s %6s %9s %6s %9s %6s  %s\n' workload ours original ratio malloc ratio inside calls target
	for row in $rows nothing; do
		case $row in
		malloc_*) continue ;;
		esac
		ours=$(figure ours "$row" 1)
		theirs=$(figure original "$row" 1)
		malloc=$(figure ours "malloc_$row" 1)
		inside=$(figure ours "$row" 2)
		printf '%-17s %9s %9s %6s %9s %6s %9s %6s%s\n' "$row" "$ours" \
			"$theirs" "$(ratio "$ours" "$theirs")" \
			"$malloc" "$(ratio "$ours" "$malloc")" \
			"$inside" "$(figure ours "$row" 3)" \
			"$(awk -F '|' -v row="$row" -v x="$inside" '$1 == row && $6 != "" {
				printf "  %s %s", $6, x != "-" && x <= $6 + 0.5 ? "met" : "MISSED"
			}' targets.txt)"
	done
	;;
update)
	{
		echo "# $processor, $(rustc --version 2>/dev/null || echo 'unknown rustc'); written by \`make ops-update\`"
		echo "# Of each operation: instructions inside the library, calls that leave it."
		for row in $rows; do
			case $row in
			malloc_*) ;;
			*) echo "$row $(figure ours "$row" 2) $(figure ours "$row" 3)" ;;
			esac
		done
	} >"$work/update"
	mv "$work/update" $file
	;;
start)
	echo "$(figure ours nothing 1) $(figure original nothing 1)"
	;;
check)
	failed=0
	report() { # STATUS TEXT
		if [ "$1" -eq 0 ]; then
			echo "ok - $2"
		else
			echo "not ok - $2"
			failed=1
		fi
	}
	made_by=$(sed -n '1s/^[^,]*, \(.*\);.*/\1/p' $file)
	for row in $rows; do
		case $row in
		malloc_*) continue ;;
		esac
		known=$(grep "^$row " $file) || {
			report 1 "instructions of $row: none in benches/$file (make ops-update)"
			continue
		}
		status=0
		# a hundredth more is rounding
		text=$(echo "$known $(figure ours "$row" 2) $(figure ours "$row" 3)" | awk '{
			printf "instructions of %s: %s and %s calls, %s and %s known", $1, $4, $5, $2, $3
			exit !($2 > 0 && $4 > 0) || $4 > $2 * 1.03 + 0.01 || $5 > $3 * 1.03 + 0.01
		}') || status=1
		[ $status -eq 0 ] || text="$text: over 3 % more (meant: make ops-update)"
		report $status "$text"
	done
	if [ $failed -ne 0 ] && [ "$made_by" != "$(rustc --version 2>/dev/null)" ]; then
		echo "benches/$file was made with $made_by" >&2
	fi
	if [ -n "$original" ]; then
		ours=$(figure ours nothing 1)
		theirs=$(figure original nothing 1)
		status=0
		awk -v a="$ours" -v b="$theirs" 'BEGIN { exit !(a > 0 && a <= b) }' || status=1
		report $status "start-up: ${ours%.*} instructions, at most the original's ${theirs%.*}"
	else
		echo "skip - start-up beside the original: package libtalloc2"
	fi
	exit $failed
	;;
esac
