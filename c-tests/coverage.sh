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
# Prints a table per file, the lines that no test reached, and one line "ok" or
# "not ok". Known reasons for lines that cannot be reached are in coverage.txt.
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
plain_cargo build --release --locked >"$work/log" 2>&1 || fail "the library builds" "$work/log"
plain_cargo test --release --locked --no-run >"$work/log" 2>&1 || fail "the unit tests build" "$work/log"
unit_tests=$(sed -n 's/.*Executable.*(\(.*\))$/\1/p' "$work/log" | head -n 1)
"$cc" -shared -o "$build/libtalloc.so.2" \
	-Wl,--whole-archive "$build/release/libtalloc.a" -Wl,--no-whole-archive \
	-Wl,--version-script=talloc.map -Wl,--gc-sections -Wl,-soname,libtalloc.so.2 \
	-Wl,-z,defs -static-libgcc >"$work/log" 2>&1 || fail "the library links" "$work/log"

# Chains of a million chunks do not need to be that long here.
for source in c-tests/common/*.c c-tests/ours/*.c c-tests/talloc_test.c c-tests/walk/walk.c; do
	[ -f "$source" ] || continue
	name=$(basename "$(dirname "$source")")-$(basename "$source" .c)
	"$cc" -std=gnu11 -O1 -g -w -DDEEP=3000 -DTHREAD_DEEP=1000 -DWIDE=3000 -DREPORT_DEEP=1000 \
		-Ic-tests -Iinclude -o "$work/bin/$name" "$source" "$build/libtalloc.so.2" \
		-lpthread -ldl >"$work/log" 2>&1 || fail "$source compiles" "$work/log"
done

# ---- run ---------------------------------------------------------------------

# One command a line; a test's verdict is not asked for: valgrind is slow, and
# times are among the things that tests look at.
{
	for program in "$work"/bin/*; do
		case $program in
		*/walk-walk)
			seed=0
			while [ $seed -lt 18 ]; do
				echo "$program $seed 400"
				seed=$((seed + 1))
			done
			;;
		*) echo "$program" ;;
		esac
	done
	[ -z "$unit_tests" ] || echo "$unit_tests --test-threads=1"
} >"$work/commands"

LD_LIBRARY_PATH=$build
export LD_LIBRARY_PATH
# What a program that aborts on purpose would leave.
ulimit -c 0
xargs -P "$(nproc 2>/dev/null || echo 1)" -I '{}' sh -c "timeout 300 valgrind --tool=callgrind \
	--compress-strings=no --compress-pos=no --callgrind-out-file='$work/counts/%p' {} \
	>/dev/null 2>>'$work/valgrind.log'" <"$work/commands"
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
	printf '  %s:%s:\t%s\n' "$file" "$line" "$(sed -n "${line}s/^[[:space:]]*//p" "$file")"
done

total=$(awk '$1 == "total" { print $4 }' "$work/table")
if awk -v total="$total" -v minimum="$minimum" 'BEGIN { exit !(total >= minimum) }'; then
	echo "ok - line coverage of src/: $total %"
else
	echo "not ok - line coverage of src/: $total %, not $minimum %"
	exit 1
fi
