#!/bin/sh
# Do the definitions in src/abi.rs have the types of talloc.h?
#
# usage: signatures-ctest2.sh INCLUDE_DIR [REFERENCE_INCLUDE_DIR]
#
# Runs the crate in signatures/ with INCLUDE_DIR/talloc.h, with the original's
# header if there is one of version 2.4 (in /usr/include, unless told), and with
# wrong headers, to show that it notices. It links with libtalloc in
# TALLOC_LIBDIR (build/stage/lib, of `make stage`).
# One line per check; ends with 1 if one of them failed.
set -u
LC_ALL=C
export LC_ALL

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
	echo "usage: $0 INCLUDE_DIR [REFERENCE_INCLUDE_DIR]" >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd) || exit 2
if [ ! -f "$1/talloc.h" ]; then
	echo "$0: no talloc.h in $1" >&2
	exit 2
fi
include=$(cd "$1" && pwd) || exit 2
reference=${2:-/usr/include}
if ! command -v cargo >/dev/null 2>&1; then
	echo "skip - cargo is not installed"
	exit 77
fi
TALLOC_LIBDIR=${TALLOC_LIBDIR:-$here/../build/stage/lib}
if [ ! -f "$TALLOC_LIBDIR/libtalloc.so.2" ]; then
	echo "$0: no libtalloc.so.2 in $TALLOC_LIBDIR; try make stage" >&2
	exit 2
fi
TALLOC_LIBDIR=$(cd "$TALLOC_LIBDIR" && pwd) || exit 2
CARGO_TARGET_DIR=$here/../build/signatures
export TALLOC_LIBDIR CARGO_TARGET_DIR
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

failed=0

report() { # STATUS NAME
	if [ "$1" -eq 0 ]; then
		printf 'ok - %s\n' "$2"
	else
		printf 'not ok - %s\n' "$2"
		sed 's/^/    /' "$work/log" >&2
		failed=$((failed + 1))
	fi
}

compare() { # INCLUDE_DIR SINCE
	TALLOC_INCLUDE=$1 TALLOC_SINCE=$2 cargo test --quiet --locked \
		--manifest-path "$here/signatures/Cargo.toml" >"$work/log" 2>&1
}

compared() { # how many functions, says the last comparison
	sed -n 's/^\([0-9][0-9]*\) functions compared with .*/\1/p' "$work/log"
}

refused() { # the functions that the compiler did not accept
	sed -n 's/.* return \(_*talloc[a-z_]*\);$/\1/p' "$work/log" | sort -u
}

# refuses NAME WHAT SED_COMMAND: the header with that change, all of it one
# line, since prototypes may be several, and without its examples.
refuses() {
	sed '/^\/\*\*$/,/^ \*\/$/d' "$include/talloc.h" >"$work/bare.h"
	tr '\n' '\001' <"$work/bare.h" | sed "$3" | tr '\001' '\n' >"$work/talloc.h"
	if cmp -s "$work/bare.h" "$work/talloc.h"; then
		echo "the change finds nothing in the header: $3" >"$work/log"
		report 1 "noticed: $1, $2"
		return
	fi
	! compare "$work" 25 && [ "$(refused)" = "$1" ]
	report $? "noticed: $1, $2"
}

cut -d' ' -f1 "$here/abi/exports.txt" | sort >"$work/exports"

compare "$include" 25
report $? "the types are those of the header"
count=$(compared)
[ "$count" = "$(wc -l <"$work/exports")" ]
report $? "every exported function was compared (${count:-none})"

if [ ! -f "$reference/talloc.h" ]; then
	echo "skip - no reference header"
elif ! grep -q '^#define TALLOC_VERSION_MINOR 4$' "$reference/talloc.h"; then
	echo "skip - the reference header is not of version 2.4"
else
	compare "$reference" 24
	report $? "the types are those of the reference header"
	count=$(compared)
	[ "${count:-0}" -ge 66 ]
	report $? "the reference header has ${count:-none} of them"
fi

# The other way round: no function is there whose type would not matter.
{
	printf '#include <stdarg.h>\n#include <stdio.h>\nstruct wrong;\n'
	sed 's/.*/struct wrong *&(struct wrong *, struct wrong *);/' "$work/exports"
} >"$work/talloc.h"
! compare "$work" 25 && refused >"$work/refused" &&
	diff -u "$work/exports" "$work/refused" >>"$work/log"
report $? "noticed: a wrong type of each function"

# Small differences, one at a time.
refuses talloc_get_size "another result" 's/size_t talloc_get_size/int talloc_get_size/'
refuses talloc_get_name "a result without const" 's/const char \*talloc_get_name/char *talloc_get_name/'
refuses talloc_strdup "a result with const" 's/char \*talloc_strdup(/const &/'
refuses talloc_set_memlimit "a narrower argument" 's/\(talloc_set_memlimit([^)]*\)size_t/\1unsigned int/'
refuses _talloc_array "a wider argument" 's/\(_talloc_array([^)]*\)unsigned int/\1size_t/'
refuses talloc_is_parent "an unsigned result" 's/int talloc_is_parent/unsigned &/'
refuses talloc_unlink "an argument without const" 's/talloc_unlink(const void/talloc_unlink(void/'
refuses talloc_free_children "an argument with const" 's/talloc_free_children(void/talloc_free_children(const void/'
refuses talloc_pool "one argument more" 's/talloc_pool([^)]*/&, int more/'
refuses talloc_pool_cache "one argument less" 's/\(talloc_pool_cache([^)]*\),[^,)]*)/\1)/'
refuses talloc_report_full "another kind of pointer" 's/\(talloc_report_full([^)]*\)FILE/\1void/'
refuses talloc_asprintf_addbuf "a pointer less" 's/talloc_asprintf_addbuf(char \*\*/talloc_asprintf_addbuf(char */'
refuses talloc_set_log_fn "a callback with another argument" 's/\(talloc_set_log_fn(void (\*[a-z_]*)(\)const char/\1char/'
refuses _talloc_set_destructor "a callback with another result" 's/\(_talloc_set_destructor(const void[^,]*,[^(]*\)int (/\1void (/'
refuses talloc_report_depth_cb "a callback with one argument less" 's/int is_ref,//'
refuses talloc_named "no variable arguments" 's/\(talloc_named([^)]*\),[^,)]*\.\.\.)/\1)/;s/PRINTF_ATTRIBUTE(3, *4)//g'
refuses talloc_vasprintf "a pointer to va_list" 's/\(talloc_vasprintf([^)]*va_list\) /\1 */'
refuses talloc_parent_name "no such function" 's/talloc_parent_name(/talloc_name_of_parent(/'

[ "$failed" -eq 0 ]
