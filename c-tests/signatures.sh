#!/bin/sh
# Do the functions in talloc.h have the types that programs expect?
#
# usage: signatures.sh INCLUDE_DIR REFERENCE_TALLOC_H
#
# Compares INCLUDE_DIR/talloc.h with the reference header (that of libtalloc-dev;
# "-" for none) and with the list in abi/prototypes.h, and shows that a
# difference would be noticed for each single function.
# One line per check; ends with 1 if one of them failed.
set -u
LC_ALL=C
export LC_ALL

if [ $# -ne 2 ]; then
	echo "usage: $0 INCLUDE_DIR REFERENCE_TALLOC_H" >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd) || exit 2
if [ ! -f "$1/talloc.h" ]; then
	echo "$0: no talloc.h in $1" >&2
	exit 2
fi
if [ "$2" != - ] && [ ! -f "$2" ]; then
	echo "$0: no such file: $2" >&2
	exit 2
fi
cc=gcc
if ! command -v gcc >/dev/null 2>&1; then
	echo "skip - gcc is not installed"
	exit 77
fi
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

# #undef lines for all macros that a header defines, its guard included, but
# not for those of the system headers.
undefine() { # HEADER
	printf '#include <stdarg.h>\n#include <stdio.h>\n#include <stdlib.h>\n' |
		$cc -x c -std=gnu17 -dM -E - | sort >"$work/system-macros"
	printf '#include <stdarg.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include "%s"\n' "$1" |
		$cc -x c -std=gnu17 -I "$work" -dM -E - | sort |
		comm -13 "$work/system-macros" - |
		sed -n 's/^#define \([A-Za-z_][A-Za-z_0-9]*\).*/#undef \1/p'
}

# Deprecated functions are only declared here, not used.
compile() { # FLAGS...
	$cc -x c -std=gnu17 -Wall -Wextra -Werror -fsyntax-only -I "$work" "$@" \
		"$here/abi/signatures.c" >"$work/log" 2>&1
}

# A prototype that is wrong for each function which the list names.
wrong_for() { # FILE of prototypes
	echo 'struct wrong;'
	sed -n 's/^[a-z].*[ *]\(_*talloc[a-z_]*\)(.*/struct wrong *\1(struct wrong *, struct wrong *);/p' "$1"
}

rejected() { # the names the compiler complained about
	sed -n "s/.*error: conflicting types for '\([a-z_]*\)'.*/\1/p" "$work/log" | sort -u
}

cp "$1/talloc.h" "$work/new-talloc.h" && cp "$here/abi/prototypes.h" "$work/" || exit 2
undefine new-talloc.h >"$work/new-undef.h"

compile
report $? "the header by itself"

compile -DHAVE_LIST=1
report $? "the types are those of the list"

wrong_for "$work/prototypes.h" >"$work/wrong.h"
grep -c 'struct wrong \*_*talloc' "$work/wrong.h" >"$work/count"
sed -n 's/.*struct wrong \*\(_*talloc[a-z_]*\)(.*/\1/p' "$work/wrong.h" | sort >"$work/wanted"
cut -d' ' -f1 "$here/abi/exports.txt" | sort >"$work/exports"
diff -u "$work/exports" "$work/wanted" >"$work/log"
report $? "the list has every exported function ($(cat "$work/count"))"

# Without the list: it is the header that has to be in conflict.
compile -DHAVE_WRONG=1
rejected >"$work/got"
diff -u "$work/wanted" "$work/got" >"$work/log"
report $? "a wrong type of each function in the header is noticed"

if [ "$2" = - ]; then
	echo "skip - no reference header"
else
	cp "$2" "$work/reference-talloc.h" || exit 2
	undefine reference-talloc.h >"$work/reference-undef.h"
	compile -DHAVE_REFERENCE=1
	report $? "the types are those of the reference header"

	# How many of them the reference can speak about: a header that is
	# empty in effect would agree with everything.
	cp "$work/new-talloc.h" "$work/kept.h"
	cp "$work/new-undef.h" "$work/kept-undef.h"
	: >"$work/new-talloc.h"
	: >"$work/new-undef.h"
	compile -DHAVE_REFERENCE=1 -DHAVE_WRONG=1
	rejected >"$work/in-reference"
	mv "$work/kept.h" "$work/new-talloc.h"
	mv "$work/kept-undef.h" "$work/new-undef.h"
	[ "$(wc -l <"$work/in-reference")" -ge 60 ]
	report $? "the reference header has $(wc -l <"$work/in-reference") of them"

	# The same from the other side: small differences of one prototype.
	for change in 's/size_t talloc_get_size/int talloc_get_size/' \
		's/talloc_unlink(const void/talloc_unlink(void/' \
		's/\(talloc_set_memlimit(const void[^,]*, \)size_t/\1unsigned int/' \
		's/\(_talloc_array(const void[^;]*\)unsigned\( int\)*/\1size_t/' \
		's/const char *\*talloc_get_name/char *talloc_get_name/'; do
		tr '\n' '\001' <"$1/talloc.h" | sed "$change" | tr '\001' '\n' >"$work/new-talloc.h"
		if cmp -s "$1/talloc.h" "$work/new-talloc.h"; then
			printf 'skip - not found in the header: %s\n' "$change"
			continue
		fi
		compile -DHAVE_REFERENCE=1
		grep -q 'error: conflicting types for' "$work/log"
		report $? "noticed against the reference: $change"
	done
fi

[ "$failed" -eq 0 ]
