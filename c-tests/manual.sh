#!/bin/sh
# The manual: is it clean, complete, the same as talloc.h, and true? Its examples run
# on this library and on the original. And the API reference that `make doc` makes.
#
# usage: manual.sh STAGE_DIR
set -u
LC_ALL=C.UTF-8
export LC_ALL

if [ $# -ne 1 ] || [ ! -f "$1/share/man/man3/talloc.3" ]; then
	echo "usage: $0 STAGE_DIR, where \`make stage\` has installed library and manual" >&2
	exit 2
fi
stage=$(cd "$1" && pwd) || exit 2
cd "$(dirname "$0")/.." || exit 2
tools=c-tests/manual
. c-tests/results.sh

# ---- complete, and the same as the header ---------------------------------------

sed '/^#/d' c-tests/header/macros.txt | cut -f1 >"$work/macros"
{
	cat "$work/macros"
	echo TALLOC_CTX
	cut -d' ' -f1 c-tests/abi/exports.txt
} | sort >"$work/names"
awk -f $tools/header.awk "$work/macros" include/talloc.h | sort -u >"$work/header"

# Of a folder of pages: what the log has if they are not as they should be.
headings() { # FOLDER
	for page in "$1"/*.3; do
		sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \([^ ]*\).*/\1/p' "$page" | sort >"$work/heading"
		awk -f $tools/synopsis.awk "$page" | cut -f2 | sort | diff "$work/heading" - ||
			echo "in $page the names of the heading and of the synopsis differ"
		cat "$work/heading" >&3
	done >"$work/log" 3>"$work/headings"
	sort "$work/headings" | diff "$work/names" - >>"$work/log"
	[ ! -s "$work/log" ]
}
synopses() { # FOLDER
	awk -f $tools/synopsis.awk "$1"/*.3 >"$work/synopses"
	awk -f $tools/prototypes.awk "$work/macros" "$work/synopses" | sort |
		diff "$work/header" - >"$work/log"
}
uses() { # FOLDER
	awk -f $tools/synopsis.awk "$1"/*.3 >"$work/synopses"
	awk -f $tools/uses.awk "$work/macros" "$work/synopses" >"$work/uses.c"
	"${CC:-cc}" -std=gnu11 -Wall -Wextra -Werror -I"$stage/include" -fsyntax-only \
		"$work/uses.c" >"$work/log" 2>&1
}

headings man
check $? "each function, macro and type is on one page ($(wc -l <"$work/names"))"
synopses man
check $? "the synopses are the prototypes of talloc.h"
uses man
check $? "macros take and return the types of the synopses"

changed() { # NAME PAGE CHANGE COMMAND
	rm -rf "$work/changed"
	cp -R man "$work/changed"
	sed -i "$3" "$work/changed/$2.3"
	! cmp -s "man/$2.3" "$work/changed/$2.3" && ! "$4" "$work/changed"
	check $? "noticed: $1"
}
changed "a name that is missing" talloc_string '/^\.Nm talloc_strndup ,/d' headings
changed "another type of an argument" talloc_pool '/^\.Fn talloc_pool/s/size_t/int/' synopses
changed "another result" talloc_debug '0,/^\.Ft void/s//.Ft int/' synopses
changed "another argument of a macro" talloc_steal '/^\.Fn talloc_move/s/pptr/ptr/' synopses
changed "another result of a macro" talloc_array '0,/^\.Ft "type \*"/s//.Ft "char *"/' uses

# ---- clean --------------------------------------------------------------------

if command -v mandoc >/dev/null 2>&1; then
	# Pages that refer to each other are not where it looks for them.
	mandoc -Tlint -Wstyle man/*.3 2>/dev/null |
		grep -v 'STYLE: referenced manual not found: Xr' >"$work/log"
	[ ! -s "$work/log" ]
	check $? "mandoc finds nothing wrong"
	! printf '.Dd a\n.Sh NAME\n' | mandoc -Tlint -Wstyle >"$work/log" 2>&1 && [ -s "$work/log" ]
	check $? "noticed: a page that is wrong"
else
	skip "mandoc -Tlint: package mandoc"
fi
: >"$work/log"
for page in man/*.3; do
	for part in NAME SYNOPSIS DESCRIPTION '"RETURN VALUES"' EXAMPLES '"SEE ALSO"' STANDARDS; do
		grep -q "^\.Sh $(echo "$part" | tr -d '"')$" "$page" ||
			echo "$page: no section $part" >>"$work/log"
	done
	sed -n 's/^\.\(It \)\{0,1\}Xr \(_*talloc[a-z_]*\) 3.*/\2/p' "$page" | sort -u |
		while read -r other; do
			[ -f "$stage/share/man/man3/$other.3" ] || echo "$page: no page $other(3)"
		done >>"$work/log"
done
[ ! -s "$work/log" ]
check $? "each page has the usual sections, and what it refers to is there"

# ---- found ----------------------------------------------------------------------

shown_by() { # COMMAND NAME
	MANPAGER=cat PAGER=cat "$1" -M "$stage/share/man" 3 "$2" 2>"$work/log" | col -b >"$work/shown"
	grep -q "\b$2\b" "$work/shown" && grep -q 'include <talloc.h>' "$work/shown"
}
found=
for man in man mman; do
	# That of a minimal system has no pages to show.
	for command in $man col; do
		command -v "$command" >/dev/null 2>&1 || continue 2
	done
	[ $man = mman ] || man --version >/dev/null 2>&1 || continue
	found=yes
	for name in talloc talloc_strdup talloc_free TALLOC_FREE _talloc_array __location__; do
		shown_by $man $name
		check $? "$man 3 $name"
	done
done
[ -n "$found" ] || skip "man 3 talloc_strdup: package man-db or mandoc, and bsdextrautils"
while read -r name; do
	page=$stage/share/man/man3/$name.3
	[ ! -f "$page" ] || page=$stage/share/man/$(sed -n 's/^\.so //p' "$page" | grep . || echo "man3/$name.3")
	grep -q "^\.Nm $name\( ,\)\{0,1\}$" "$page" 2>/dev/null || echo "$name: $page"
done <"$work/names" >"$work/log"
[ ! -s "$work/log" ]
check $? "each name leads to the page that has it"

# ---- true ----------------------------------------------------------------------

mkdir "$work/examples"
awk -v folder="$work/examples" -f $tools/examples.awk man/*.3
original=$(original_library)
both=0
for source in "$work"/examples/*.c; do
	program=${source%.c}
	name=$(basename "$program")
	"${CC:-cc}" -std=c11 -Wall -Wextra -Werror -Wno-deprecated-declarations -I"$stage/include" \
		-o "$program" "$source" "$stage/lib/libtalloc.so.2" >"$work/log" 2>&1 &&
		LD_LIBRARY_PATH=$stage/lib timeout 20 "$program" >"$work/printed" 2>>"$work/log" &&
		diff "$program.out" "$work/printed" >>"$work/log"
	check $? "the example $name prints what its page says"
	if [ -z "$original" ] || [ ! -x "$program" ]; then
		continue
	fi
	# What asks for functions that an older version has not is not for it.
	if ! timeout 20 "$program" >"$work/printed" 2>"$work/log" &&
		grep -q 'not found (required by' "$work/log"; then
		continue
	fi
	both=$((both + 1))
	diff "$program.out" "$work/printed" >>"$work/log"
	check $? "and on the original: $name"
done
for page in man/*.3; do
	[ -f "$work/examples/$(basename "$page" .3)-1.out" ] || echo "$page"
done >"$work/log"
[ ! -s "$work/log" ]
check $? "each page has an example, and says what it prints"
if [ -n "$original" ]; then
	[ "$both" -ge 19 ]
	check $? "$both examples ran on the original"
else
	skip "the examples on the original: package libtalloc2"
fi

# ---- the API reference -----------------------------------------------------------

if command -v doxygen >/dev/null 2>&1; then
	make -s doc >"$work/log" 2>&1
	check $? "doxygen has nothing to warn of"
	cat build/doc/html/group__*.html >"$work/html" 2>>"$work/log"
	while read -r name; do
		# The names of members are in the attribute by which the search finds them.
		grep -q "class=\"memItemRight\".*>$name<" "$work/html" || echo "$name"
	done <"$work/names" >"$work/log"
	[ ! -s "$work/log" ]
	check $? "each function, macro and type is in a group"
else
	skip "make doc: package doxygen"
fi

finish
