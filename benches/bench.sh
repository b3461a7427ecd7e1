#!/bin/sh
# Nanoseconds of each operation on this library, on the original, and of malloc:
# pairs of runs, one right after the other, since the machine is not the same from
# one minute to the next. Medians of the ratios in each pair.
#
# In the first three pairs also the session, and what one would take instead: the
# original with another malloc preloaded, and that malloc alone. Ours has none of
# them.
#
# usage: bench.sh STAGE_DIR [WORKLOAD...]        (`make bench` calls it)
#
# BENCH_PAIRS=n changes the number of pairs, 7. Only a run of all workloads writes
# benches/results and the figures in docs/figures.md and README.md.
set -eu
LC_ALL=C
export LC_ALL

if [ $# -lt 1 ] || [ ! -f "$1/lib/libtalloc.so.2" ]; then
	echo "usage: $0 STAGE_DIR [WORKLOAD...], where \`make stage\` has installed the library" >&2
	exit 2
fi
pairs=${BENCH_PAIRS-7}
case $pairs in
'' | *[!0-9]* | 0)
	echo "$0: BENCH_PAIRS is a whole number" >&2
	exit 2
	;;
esac
few=3 # pairs for what takes long
stage=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")"

# ---- packages ----------------------------------------------------------------

missing=
for package in gcc libc6-dev libtalloc2 valgrind; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
		missing="$missing $package"
done
if [ -n "$missing" ] && [ "$(id -u)" -eq 0 ]; then
	echo "installing$missing"
	# shellcheck disable=SC2086 # names are words
	{ apt-get -q update && DEBIAN_FRONTEND=noninteractive \
		apt-get -q install -y --no-install-recommends $missing; } >/dev/null 2>&1 || :
fi
library() { # SONAME: the system's, or nothing
	ldconfig -p 2>/dev/null | sed -n "s/^[[:space:]]*$1 .*=> //p" | head -n 1
}
original=$(library libtalloc.so.2)
if [ -z "$original" ]; then
	echo "$0 needs the original:  apt-get install libtalloc2" >&2
	exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
# a release of Debian has one of the packages, or the other
while read -r name file packages; do
	path=$(library "$file")
	for package in $packages; do
		if [ -n "$path" ] || [ "$(id -u)" -ne 0 ]; then
			break
		fi
		DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
			"$package" </dev/null >/dev/null 2>&1 || continue
		echo "installed $package"
		path=$(library "$file")
	done
	if [ -n "$path" ]; then
		echo "$name $path" >>"$work/mallocs"
	else
		echo "without $name: package ${packages%% *}"
	fi
done <<'END'
jemalloc libjemalloc.so.2 libjemalloc2
tcmalloc libtcmalloc_minimal.so.4 libtcmalloc-minimal4 libtcmalloc-minimal4t64
mimalloc libmimalloc.so.[23] libmimalloc2.0 libmimalloc3
END
: >>"$work/mallocs"
"${CC:-cc}" -std=gnu11 -O2 -fno-builtin -Wno-deprecated-declarations -I"$stage/include" \
	-o "$work/bench" bench.c "$stage/lib/libtalloc.so.2" -lpthread -ldl
unset TALLOC_FREE_FILL TALLOC_THREAD_CACHE LD_PRELOAD

# ---- runs --------------------------------------------------------------------

all=
LD_LIBRARY_PATH=$stage/lib "$work/bench" list >"$work/list"
LD_LIBRARY_PATH=$stage/lib "$work/bench" timed >"$work/timed"
for workload in "$@"; do
	grep -qx "$workload" "$work/list" || {
		# shellcheck disable=SC2046 # names are words
		echo "$0: no workload $workload; there are:" $(grep -v '^malloc_' "$work/list") >&2
		exit 2
	}
done
if [ $# -eq 0 ]; then
	all=yes
	# shellcheck disable=SC2046 # names are words
	set -- $(grep -v '^malloc_' "$work/list")
fi

run() { # SIDE LIBRARY MALLOC WORKLOAD...
	side=$1
	library=$2
	malloc=$3
	shift 3
	(
		LD_LIBRARY_PATH=$(dirname "$library")
		export LD_LIBRARY_PATH
		case $1 in
		*_kept) export TALLOC_THREAD_CACHE=16777216 ;;
		esac
		[ -z "$malloc" ] || export LD_PRELOAD="$malloc"
		exec "$work/bench" run "$@"
	) >"$work/out" 2>"$work/err" || {
		cat "$work/err" >&2
		exit 2
	}
	if ! grep -qFx "library $library path" "$work/out" ||
		{ [ -n "$malloc" ] && ! grep -qFx "malloc $malloc path" "$work/out"; }; then
		echo "$0: not the library that was meant, $library $malloc:" >&2
		grep ' path$' "$work/out" >&2
		exit 1
	fi
	sed "s/^/$pair $side /" "$work/out" >>"$work/runs"
	sed "s/^/$side: /" "$work/err" >>"$work/died"
}

: >"$work/died"
pair=1
while [ $pair -le "$pairs" ]; do
	for workload in "$@"; do
		[ ! -t 2 ] || printf '\rpair %d of %d: %-20s' $pair "$pairs" "$workload" >&2
		[ "$workload" != session ] || [ $pair -le $few ] || continue
		# and malloc's, if there is such a one
		both="$workload $(grep -x "malloc_$workload" "$work/list" || :)"
		# shellcheck disable=SC2086 # names are words
		if [ $((pair % 2)) -eq 1 ]; then
			run ours "$stage/lib/libtalloc.so.2" '' $both
			run original "$original" '' $both
		else
			run original "$original" '' $both
			run ours "$stage/lib/libtalloc.so.2" '' $both
		fi
		{ [ $pair -le $few ] && grep -qx "$workload" "$work/timed"; } || continue
		while read -r name path; do
			# shellcheck disable=SC2086 # names are words
			run "$name" "$original" "$path" $both
		done <"$work/mallocs"
	done
	pair=$((pair + 1))
done
[ ! -t 2 ] || printf '\r%40s\r' '' >&2
if [ -n "$all" ] && command -v valgrind >/dev/null 2>&1; then
	instructions=$(sh ./instructions.sh "$stage" start)
	{
		echo "1 ours start ${instructions% *} instr"
		echo "1 original start ${instructions#* } instr"
	} >>"$work/runs"
fi

# ---- what came of it -----------------------------------------------------------

awk -f statistics.awk targets.txt "$work/runs" >"$work/rows"
awk -f table.awk "$work/rows"
sort "$work/died" | uniq -c | sed 's/^ *\([0-9]*\) \(.*\)/died: \2, \1 times/'
[ -n "$all" ] || exit 0

cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
[ -n "$cpu" ] || cpu=$(uname -m)
cores=$(getconf _NPROCESSORS_ONLN)
date=$(date -u +%Y-%m-%d)
libc=$(getconf GNU_LIBC_VERSION)
ours=$(basename "$(readlink -f "$stage/lib/libtalloc.so.2")")
ours=${ours#libtalloc.so.}
! commit=$(git rev-parse --short HEAD 2>/dev/null) || ours="$ours ($commit)"
theirs=$(dpkg-query -W -f '${Version}' libtalloc2 2>/dev/null || basename "$(readlink -f "$original")")
where="$cpu, $cores cores, $date; here $ours, original $theirs, $libc; median of $pairs pairs"

mkdir -p results
slug=$(echo "$cpu" | tr '[:upper:]' '[:lower:]' | tr -cs '[:alnum:]' - | sed 's/^-*//; s/-*$//')
awk -v date="$date" -v cpu="$cpu" -v cores="$cores" -v ours="$ours" -v original="$theirs" \
	-v libc="$libc" -v pairs="$pairs" -f json.awk "$work/rows" >"results/$slug-$date.json"
awk -v title="Time of an operation, the original = 1 (shorter is better)" -v where="$where" \
	-f chart.awk "$work/rows" >results/latest.svg

# The documents: what stands between their two marks. README.md has some of the rows.
write_figures() { # FILE, and for awk
	file=$1
	shift
	{
		echo "$where."
		echo
		awk -v markdown=1 "$@" -f table.awk "$work/rows"
	} >"$work/figures"
	awk -v figures="$work/figures" '
		/^<!-- end of figures -->$/ { inside = 0; print "" }
		!inside { print }
		/^<!-- figures: / {
			inside = 1
			print ""
			while ((getline line < figures) > 0)
				print line
		}' "$file" >"$work/written"
	cat "$work/written" >"$file"
}
write_figures ../docs/figures.md
write_figures ../README.md -v only="churn tree3 request formatted append pool_tree3 irregular_free steal2 cache wide_bytes parent_flat"
echo
echo "written: benches/results/$slug-$date.json, benches/results/latest.svg, the figures in docs/figures.md and README.md"
