#!/bin/sh
# Is the binary interface of the library what programs expect?
#
# usage: abi.sh LIBTALLOC.so LIBTALLOC.a
#
# Compares exported symbols, version nodes and the dynamic section with the
# lists in abi/.  One line per check; ends with 1 if one of them failed.
set -u
LC_ALL=C
export LC_ALL

if [ $# -ne 2 ]; then
	echo "usage: $0 LIBTALLOC.so LIBTALLOC.a" >&2
	exit 2
fi
so=$1
archive=$2
here=$(cd "$(dirname "$0")" && pwd) || exit 2
for file in "$so" "$archive"; do
	if [ ! -f "$file" ]; then
		echo "$0: no such file: $file" >&2
		exit 2
	fi
done
for tool in readelf nm objdump; do
	if ! command -v "$tool" >/dev/null 2>&1; then
		echo "skip - $tool is not installed"
		exit 77
	fi
done
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

failed=0

# check NAME CONDITION...: the condition is a command
check() {
	name=$1
	shift
	if "$@" >"$work/log" 2>&1; then
		echo "ok - $name"
	else
		echo "not ok - $name"
		sed 's/^/    /' "$work/log" >&2
		failed=$((failed + 1))
	fi
}

# same WANTED GOT: shows the differences
same() {
	diff -u "$1" "$2"
}

none() {
	! grep . "$1"
}

has() {
	grep -Eq "$1" "$2" || {
		echo "nothing like: $1"
		false
	}
}

readelf -dW "$so" >"$work/dynamic" || exit 2
readelf -lW "$so" >"$work/segments"
readelf -VW "$so" >"$work/versions"
readelf -hW "$so" >"$work/header"

# ---- symbols ----

# "symbol NODE" for each function and object that is defined; the symbols that
# stand for the nodes themselves are absolute.
nm -D --defined-only "$so" >"$work/nm"
awk '$2 != "A" && NF == 3 {
	n = split($3, part, /@+/)
	print part[1], (n > 1 ? part[2] : "(no version)")
}' "$work/nm" | sort >"$work/exports"
check "exported symbols and their version nodes" same "$here/abi/exports.txt" "$work/exports"

# "@@" is the default version, the one the linker binds to.
awk '$2 != "A" && $3 ~ /[^@]@[^@]/' "$work/nm" >"$work/hidden"
check "every version is a default version" none "$work/hidden"
awk '$2 != "A" && $2 != "T" && NF == 3' "$work/nm" >"$work/kinds"
check "every exported symbol is a function" none "$work/kinds"

# ---- version nodes ----

# readelf shows a node and, below it, its parents.
awk '/Version definition section/ { on = 1; next }
     /Version needs section/ { on = 0 }
     on && /Name:/ {
	if (node != "") print node
	node = /Flags: BASE/ ? "" : $NF
	base = /Flags: BASE/ ? $NF : base
     }
     on && /Parent [0-9]+:/ { node = node " " $NF }
     END { if (node != "") print node }' "$work/versions" >"$work/nodes"
check "version nodes, their order and parents" same "$here/abi/version-nodes.txt" "$work/nodes"

# The same seen by another tool, so that a change in one output is noticed.
objdump -p "$so" | awk '/^Version definitions:/ { on = 1; next }
	/^Version References:/ { on = 0 }
	on && NF >= 4 && $4 ~ /^TALLOC_/ { print $4 }' >"$work/nodes-objdump"
cut -d' ' -f1 "$here/abi/version-nodes.txt" >"$work/nodes-only"
check "version nodes, as objdump sees them" same "$work/nodes-only" "$work/nodes-objdump"

# Each node is also an absolute symbol of its own, as in the original.
awk '$2 == "A" { sub(/@.*/, "", $3); print $3 }' "$work/nm" | sort >"$work/node-symbols"
sort "$work/nodes-only" >"$work/nodes-sorted"
check "version nodes are symbols" same "$work/nodes-sorted" "$work/node-symbols"

# ---- dynamic section and segments ----

sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p' "$work/dynamic" >"$work/soname"
echo libtalloc.so.2 >"$work/soname-wanted"
check "soname is libtalloc.so.2" same "$work/soname-wanted" "$work/soname"

sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' "$work/dynamic" >"$work/needed"
grep -Ev '^(libc\.so\.6|ld-linux[-a-z0-9_]*\.so\.[0-9]+)$' "$work/needed" >"$work/needed-other"
check "needs libc" has '^libc\.so\.6$' "$work/needed"
check "needs nothing but libc and the loader" none "$work/needed-other"

check "is a shared object" has 'Type: +DYN' "$work/header"
check "relocations are read-only (GNU_RELRO)" has 'GNU_RELRO' "$work/segments"
check "all symbols are bound at the start (BIND_NOW)" has '\((FLAGS|FLAGS_1|BIND_NOW)\).*NOW|\(BIND_NOW\)' "$work/dynamic"
check "there is a GNU_STACK segment" has 'GNU_STACK' "$work/segments"
grep 'GNU_STACK' "$work/segments" | grep -E 'RWE|R E' >"$work/stack"
check "the stack is not executable" none "$work/stack"
grep -E '^ +LOAD .* RWE ' "$work/segments" >"$work/rwx"
check "nothing is both writable and executable" none "$work/rwx"
grep -E '\(TEXTREL\)|TEXTREL' "$work/dynamic" >"$work/textrel"
check "no relocations in the text (TEXTREL)" none "$work/textrel"
grep -E '\((RPATH|RUNPATH)\)' "$work/dynamic" >"$work/rpath"
check "no RPATH or RUNPATH" none "$work/rpath"

# ---- the static library ----

# Weak ones count too: a static program would take them.  A member that nm
# cannot read (bitcode of another compiler) only makes it complain.
nm -g --defined-only "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u >"$work/archive"
cut -d' ' -f1 "$here/abi/exports.txt" | sort >"$work/archive-wanted"
check "global symbols of the static library" same "$work/archive-wanted" "$work/archive"
nm -g --defined-only "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort | uniq -d >"$work/twice"
check "the static library defines none of them twice" none "$work/twice"

# What cannot panic has no way to the panic functions left in it.
nm "$archive" 2>/dev/null | grep -i 'panick' >"$work/panics"
check "no panic can be reached" none "$work/panics"

[ "$failed" -eq 0 ]
