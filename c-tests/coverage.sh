#!/bin/sh
# Which lines of src/ do all tests together execute?
#
# usage: coverage.sh [MINIMUM]     percent, default 90
#
# Builds the library without optimisation (so that each line has code of its own)
# into build/coverage and runs the C tests, random walks and the unit tests on it
# under valgrind's callgrind, which counts every instruction and knows its line.
# A line counts if it has at least one instruction.
#
# Prints a table per file, the lines that no test reached, with the reason if
# coverage/reasons.txt has one, and one line "ok" or "not ok". Takes 5 minutes
# on two cores.
set -u
LC_ALL=C.UTF-8
TZ=UTC
export LC_ALL TZ

minimum=${1:-90}
cd "$(dirname "$0")/.." || exit 2
for tool in valgrind objdump cargo "${CC:-cc}"; do
	if ! command -v "$tool" >/dev/null 2>&1; then
		echo "skip - coverage: no $tool (Debian packages valgrind, binutils, gcc; rustup for cargo)"
		exit 77
	fi
done
cc=${CC:-cc}
top=$PWD
build=$top/build/coverage
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

fail() { # TEXT [LOG]
	echo "not ok - coverage: $1"
	[ $# -lt 2 ] || tail -n 20 "$2" >&2
	exit 1
}

# ---- build -------------------------------------------------------------------

# The variables of cargo that this needs, none that the caller may have.
plain_cargo() {
	env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS CARGO_TARGET_DIR="$build" \
		CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
		CARGO_PROFILE_RELEASE_DEBUG=full CFLAGS='-O0 -g' cargo "$@"
}

mkdir -p "$build" "$work/bin" "$work/counts"
# The lines as they are now, should somebody edit them meanwhile.
cp -R src "$work/src" || exit 2
plain_cargo build --release --locked >"$work/log" 2>&1 || fail "the library builds" "$work/log"
plain_cargo test --release --locked --no-run >"$work/log" 2>&1 || fail "the unit tests build" "$work/log"
unit_tests=$(sed -n 's/.*Executable.*(\(.*\))$/\1/p' "$work/log" | head -n 1)
"$cc" -shared -o "$build/libtalloc.so.2" c-tests/coverage/tool.c -Wl,--wrap=talloc_impl_tool \
	-Wl,--whole-archive "$build/release/libtalloc.a" -Wl,--no-whole-archive \
	-Wl,--version-script=talloc.map -Wl,--gc-sections -Wl,-soname,libtalloc.so.2 \
	-Wl,-z,defs -static-libgcc >"$work/log" 2>&1 || fail "the library links" "$work/log"

# Chains of a million chunks do not need to be that long here.
compile() { # NAME SOURCE...
	name=$1
	shift
	"$cc" -std=gnu11 -O1 -g -w -DDEEP=3000 -DTHREAD_DEEP=1000 -DWIDE=3000 -DREPORT_DEEP=1000 \
		-Ic-tests -Iinclude -o "$work/bin/$name" "$@" "$build/libtalloc.so.2" \
		-lpthread -ldl >"$work/log" 2>&1 || fail "$1 compiles" "$work/log"
}

# depth_millions is the same as depth, only larger. What aborts or runs out of
# time still counts up to there; verdicts are the business of check.sh.
for source in c-tests/common/*.c c-tests/ours/*.c c-tests/talloc_test.c; do
	[ "$source" != c-tests/ours/depth_millions.c ] || continue
	name=$(basename "$(dirname "$source")")-$(basename "$source" .c)
	compile "$name" "$source"
	echo "run $work/bin/$name"
done >"$work/commands"
for name in common-pools common-resize ours-newer; do
	echo "COVERAGE_TOOL=1 run $work/bin/$name"
done >>"$work/commands"
if [ -f c-tests/walk/walk.c ]; then
	compile walk c-tests/walk/walk.c
	for seed in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do
		echo "run $work/bin/walk $seed 400"
	done >>"$work/commands"
fi
if [ -f c-tests/oom/oom.c ]; then
	compile oom c-tests/oom/oom.c
	"$cc" -std=gnu11 -O1 -g -shared -fPIC -o "$work/failing_malloc.so" \
		c-tests/oom/failing_malloc.c -ldl -lpthread >"$work/log" 2>&1 ||
		fail "failing_malloc.c compiles" "$work/log"
	echo "LD_PRELOAD=$work/failing_malloc.so run $work/bin/oom" >>"$work/commands"
fi
[ -z "$unit_tests" ] || echo "run $unit_tests --test-threads=1" >>"$work/commands"

# ---- run ---------------------------------------------------------------------

cat >"$work/run" <<END
run() {
	timeout 60 valgrind --tool=callgrind --trace-children=yes --compress-strings=no \
		--compress-pos=no --callgrind-out-file='$work/counts/%p' "\$@" \
		>/dev/null 2>>'$work/valgrind.log'
}
END
LD_LIBRARY_PATH=$build
export LD_LIBRARY_PATH
# What a program that aborts on purpose would leave.
ulimit -c 0
xargs -P "$(nproc 2>/dev/null || echo 1)" -I '{}' sh -c ". '$work/run'; {}; true" \
	<"$work/commands"
unset LD_LIBRARY_PATH
[ -n "$(ls "$work/counts")" ] || fail "callgrind writes what it counted" "$work/valgrind.log"

# ---- count -------------------------------------------------------------------

# FILE:LINE of every line with code. Other crates have a src/ too: whole paths.
objdump -d -l --no-show-raw-insn "$build/libtalloc.so.2" |
	sed -n "s|^$top/\(src/[a-z_]*\.[rsc]*:[1-9][0-9]*\).*|\1|p" | sort -u >"$work/code"

find "$work/counts" -type f -exec cat {} + | awk -F= -v top="$top" '
	/^f[lie]=/ { file = $2; ours = index(file, top "/src/") == 1; next }
	ours && /^[0-9]/ { split($0, word, " "); seen[file ":" word[1]] = 1 }
	END { for (s in seen) print s }' |
	sed "s|^$top/||" | sort -u >"$work/executed"

comm -12 "$work/code" "$work/executed" >"$work/hit"
comm -23 "$work/code" "$work/executed" >"$work/missed"

awk -F: '
	FNR == NR { code[$1]++; all++; next }
	{ hit[$1]++; hits++ }
	END {
		for (f in code)
			printf "%-20s %5d %5d %6.1f %%\n", f, code[f], hit[f], 100 * hit[f] / code[f]
		printf "~%-19s %5d %5d %6.1f %%\n", "total", all, hits, 100 * hits / all
	}' "$work/code" "$work/hit" | sort | sed 's/^~/ /' >"$work/table"
printf '%-20s %5s %5s\n' file lines executed
cat "$work/table"

echo "not executed:"
sort -t: -k1,1 -k2,2n "$work/missed" | while IFS=: read -r file line; do
	text=$(sed -n "${line}s/^[[:space:]]*//p" "$work/$file")
	printf '  %s:%s: %s\n' "$file" "$line" "$text"
	grep "^$file	" c-tests/coverage/reasons.txt | while IFS='	' read -r _ part reason; do
		case $text in
		*"$part"*)
			printf '      %s\n' "$reason"
			break
			;;
		esac
	done
done

total=$(awk '$1 == "total" { print $4 }' "$work/table")
if awk -v total="$total" -v minimum="$minimum" 'BEGIN { exit !(total >= minimum) }'; then
	echo "ok - line coverage of src/: $total %"
else
	echo "not ok - line coverage of src/: $total %, not $minimum %"
	exit 1
fi
