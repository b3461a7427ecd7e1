#!/bin/sh
# demo.sh STAGE_DIR
#
# Shows the library installed below STAGE_DIR at work: compiles and runs the
# tour next to this file, then runs Debian's ldb tools on it and on the
# system's own libtalloc, and compares. Exit code 0 if all that ran went well.

records=3000
limit=120 # seconds, for each program

die() { echo "demo.sh: $*" >&2; exit 1; }
usage() { echo "demo.sh: $*; usage: demo.sh STAGE_DIR (\`make stage\` makes build/stage)" >&2; exit 2; }
head_line() { printf '\n== %s\n\n' "$*"; }
say() { printf '   %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

[ $# -eq 1 ] || usage "one argument is needed"
[ -d "$1" ] || usage "no such folder: '$1'"
stage=$(CDPATH='' cd -- "$1" && pwd) || usage "cannot enter $1"
lib=$stage/lib
[ -e "$lib/libtalloc.so.2" ] || usage "no lib/libtalloc.so.2 in $1"
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 1
have timeout || die "the command timeout is missing: install coreutils"

LC_ALL=C
export LC_ALL
unset LD_LIBRARY_PATH LD_PRELOAD LD_DEBUG LD_DEBUG_OUTPUT

work=$(mktemp -d) || die "mktemp failed"
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# bounded COMMAND...: with a time limit.
bounded() { timeout -k 5 "$limit" "$@"; }

# on_stage COMMAND...: with the library of STAGE_DIR.
on_stage() { (LD_LIBRARY_PATH=$lib; export LD_LIBRARY_PATH; bounded "$@"); }

# The log of what failed, and out.
fail() {
	[ ! -s "$work/log" ] || tail -n 20 "$work/log" >&2
	die "$*"
}

# as_root COMMAND...: directly or with a sudo that does not ask.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# need PACKAGE COMMAND...: installs PACKAGE if a command is missing and it can.
need() {
	package=$1
	shift
	missing=
	for command; do have "$command" || missing="$missing $command"; done
	[ -n "$missing" ] || return 0
	if have apt-get && as_root true >/dev/null 2>&1; then
		say "Not found:$missing. Installing the package $package with apt-get ..."
		apt install -y "$package" || { apt update && apt install -y "$package"; } || :
	fi
	for command; do
		have "$command" && continue
		say "Left out: there is no $command here. Install the package $package and run this again."
		return 1
	done
}

apt() {
	as_root timeout --foreground 300 env DEBIAN_FRONTEND=noninteractive \
		apt-get -q "$@" </dev/null >>"$work/apt.log" 2>&1
}

# --- The tour -----------------------------------------------------------------

# compile OUTPUT FLAGS: the flags as pkg-config quotes them.
compile() {
	(cd "$here" && eval "bounded ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic tour.c $2 -o \"\$1\"")
}

tour() {
	head_line "A tour of talloc: examples/tour.c, found with pkg-config"
	cc=${CC:-cc}
	cc=${cc%% *}
	need gcc "$cc" && need pkg-config pkg-config || return 0

	PKG_CONFIG_PATH=$lib/pkgconfig
	export PKG_CONFIG_PATH
	flags=$(pkg-config --cflags --libs talloc) || die "pkg-config finds no talloc in $lib/pkgconfig"
	compile "$work/tour" "$flags" || die "tour.c does not compile"
	on_stage ldd "$work/tour" | grep -qF "$lib/libtalloc.so.2 " || die "the tour does not load $lib/libtalloc.so.2"
	on_stage "$work/tour" || die "the tour failed"

	head_line "The same, linked statically"
	flags=$(pkg-config --static --cflags --libs talloc | sed 's/-ltalloc/-l:libtalloc.a/') &&
		compile "$work/tour-static" "$flags" || die "tour.c does not link with libtalloc.a"
	ldd "$work/tour-static" >"$work/log" 2>&1
	! grep -q libtalloc "$work/log" || fail "the static tour still wants libtalloc.so"
	bounded "$work/tour-static" >"$work/log" 2>&1 || fail "the static tour failed"
	say "No libtalloc.so in its ldd; it ran, and all was as expected."
	ran="$ran tour"
}

# --- The ldb tools ------------------------------------------------------------

make_records() {
	awk -v n="$records" 'BEGIN {
		print "dn: @INDEXLIST\n@IDXATTR: cn\n@IDXATTR: objectClass\n"
		for (i = 1; i <= n; i++) {
			printf "dn: cn=user%05d,ou=people,dc=example\n", i
			printf "objectClass: person\ncn: user%05d\nuidNumber: %d\n", i, 10000 + i
			printf "mail: user%d@example.org\ndescription: number %d of %d\n\n", i, i, n
		}
	}'
}

# ldb_run NAME RUNNER: adds, searches; sets count, digest, taken, seconds.
ldb_run() {
	name=$1 runner=$2
	rm -f "$work/$name".*
	start=$(date +%s%N)
	(
		LD_DEBUG=libs LD_DEBUG_OUTPUT=$work/$name.load
		export LD_DEBUG LD_DEBUG_OUTPUT
		"$runner" ldbadd -H "tdb://$work/$name.ldb" "$work/in.ldif" &&
			"$runner" ldbsearch -H "tdb://$work/$name.ldb" -b dc=example '(objectClass=person)' >"$work/$name.out"
	) >"$work/log" 2>&1 || fail "ldbadd or ldbsearch failed with the $name library"
	end=$(date +%s%N)
	seconds=$(awk -v ns="$((end - start))" 'BEGIN { printf "%.2f", ns / 1e9 }')
	count=$(grep -c '^dn: ' "$work/$name.out")
	digest=$(grep -v '^#' "$work/$name.out" | sort | sha256sum | cut -c 1-16)
	# The loader names each library it starts, in each process.
	taken=$(sed -n 's|.*calling init: \(.*/libtalloc\.so\.2\)$|\1|p' "$work/$name.load".* | sort | uniq -c)
	processes=$(echo "$taken" | awk '{ n += $1 } END { print n }')
	taken=$(echo "$taken" | sed 's/^ *[0-9]* //')
}

ldb() {
	head_line "A program of the system: Debian's ldb tools"
	need ldb-tools ldbadd ldbsearch || return 0

	make_records >"$work/in.ldif"
	ldb_run system bounded # so that both timed runs find the files in memory
	ldb_run staged on_stage
	[ "$taken" = "$lib/libtalloc.so.2" ] && [ "$processes" -eq 2 ] ||
		die "ldbadd and ldbsearch loaded this, not the staged library: $taken"
	our_count=$count our_digest=$digest our_seconds=$seconds our_library=$taken
	ldb_run system bounded

	say "$records records added with ldbadd, and found again with ldbsearch."
	say "The loader says which libtalloc they took:"
	say "   staged   $our_library"
	say "   system   $taken"
	echo
	printf '   %-10s %8s   %-16s  %s\n' library records 'sorted digest' seconds
	printf '   %-10s %8s   %-16s  %8s\n' staged "$our_count" "$our_digest" "$our_seconds" \
		system "$count" "$digest" "$seconds"
	echo
	[ "$our_count" -eq "$records" ] || die "$our_count records found with the staged library, not $records"
	[ "$our_digest" = "$digest" ] || die "the results of the two libraries differ"
	case $taken in
	"$our_library") say "Note: the system's library is the staged one; there was nothing to compare." ;;
	*) say "Same $records records, same digest. The times are information only." ;;
	esac
	ran="$ran ldb"
}

ran=
tour
ldb
echo
case $ran in
" tour ldb") echo "The demo went well." ;;
"") die "nothing could run, see above" ;;
*) echo "The part that ran went well; the other was left out, see above." ;;
esac
