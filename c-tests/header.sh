#!/bin/sh
# Does talloc.h compile everywhere, and do compilers reject what is wrong?
#
# usage: header.sh INCLUDE_DIR [SINCE]
#
# SINCE is 25 (the default) or 24, which leaves out what a 2.4 header lacks.
# One line per check; ends with 1 if one of them failed.
set -u
LC_ALL=C
export LC_ALL

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
	echo "usage: $0 INCLUDE_DIR [SINCE]" >&2
	exit 2
fi
since=${2:-25}
here=$(cd "$(dirname "$0")" && pwd) || exit 2
if [ ! -f "$1/talloc.h" ]; then
	echo "$0: no talloc.h in $1" >&2
	exit 2
fi
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# A copy, in a folder that no compiler takes for a system folder: there it
# would keep quiet about what is wrong in macros.
mkdir "$work/include" && cp "$1/talloc.h" "$work/include/" || exit 2

include=$work/include
failed=0
warnings="-Wall -Wextra -Wpedantic -Werror"

# ok NAME / not_ok NAME [FILE with the reason]
ok() {
	echo "ok - $1"
}

not_ok() {
	echo "not ok - $1"
	[ $# -lt 2 ] || sed 's/^/    /' "$2" >&2
	failed=$((failed + 1))
}

installed() {
	command -v "$1" >/dev/null 2>&1
}

# compile COMPILER STANDARD FILE [FLAGS...]: what it says is in $work/log
compile() {
	cc=$1 std=$2 file=$3
	shift 3
	case $cc in
	*++) language=c++ ;;
	*) language=c ;;
	esac
	# shellcheck disable=SC2086 # the warnings are several words
	"$cc" -x "$language" -std="$std" $warnings -fsyntax-only -I "$include" \
		-I "$here/header" "-DTALLOC_TEST_SINCE=$since" "$@" "$file" >"$work/log" 2>&1
}

# Does the compiler know this standard at all?
knows() {
	echo 'typedef int nothing;' >"$work/empty.c"
	compile "$1" "$2" "$work/empty.c"
}

# ---- accepted everywhere ----

accepted() {
	if compile "$@"; then
		ok "$name"
	else
		not_ok "$name" "$work/log"
	fi
}

for cc in gcc clang g++ clang++; do
	if ! installed "$cc"; then
		echo "skip - $cc is not installed"
		continue
	fi
	case $cc in
	*++) standards="c++98 c++11 c++14 c++17 c++20 gnu++17" ;;
	*) standards="c89 c99 c11 c17 c2x gnu89 gnu17" ;;
	esac
	for std in $standards; do
		if ! knows "$cc" "$std"; then
			echo "skip - $cc does not know -std=$std"
			continue
		fi
		name="$cc -std=$std: every macro and function"
		accepted "$cc" "$std" "$here/header/use_all.c"
		name="$cc -std=$std: the same with TALLOC_DEPRECATED"
		accepted "$cc" "$std" "$here/header/use_all.c" -DTALLOC_DEPRECATED=1
	done
	case $cc in
	*++) std=c++11 ;;
	*) std=c99 ;;
	esac
	name="$cc -std=$std: what a program defines before stays"
	accepted "$cc" "$std" "$here/header/overrides.c"
done

# Programs say the usual definitions once more: before, after, twice; with
# -Werror a definition that differs in a space would stop them. Both headers,
# where the original's is installed; it has no _PUBLIC_ before 2.5.
mkdir "$work/original"
[ ! -f /usr/include/talloc.h ] || cp /usr/include/talloc.h "$work/original/"
cat >"$work/usual.h" <<'END'
#define PRINTF_ATTRIBUTE(a1, a2) __attribute__ ((format (__printf__, a1, a2)))
#define _DEPRECATED_ __attribute__ ((deprecated))
#define _PUBLIC_ __attribute__((visibility("default")))
END
usual='#include "usual.h"'
same='#include <talloc.h>'
uses='_PUBLIC_ int uses(const char *format, ...) PRINTF_ATTRIBUTE(1, 2);
_DEPRECATED_ int of_old(void);'
repeats() { # NAME, LINE...
	what="the usual definitions $1"
	shift
	printf '%s\n' "$@" "$uses" >"$work/repeats.c"
	for cc in gcc clang g++ clang++; do
		installed "$cc" || continue
		case $cc in
		*++) std=c++11 ;;
		*) std=c99 ;;
		esac
		accepted_by_both "$cc: $what" "$cc" "$std" "$work/repeats.c"
	done
}
accepted_by_both() { # NAME COMPILER STANDARD FILE
	name=$1
	shift
	accepted "$@" -iquote "$work"
	[ -f "$work/original/talloc.h" ] || return 0
	name="$name, with the original's header"
	include=$work/original
	accepted "$@" -iquote "$work"
	include=$work/include
}
repeats "after" "$same" "$usual"
repeats "before" "$usual" "$same"
repeats "before and after" "$usual" "$same" "$usual"
repeats "twice after, and the header twice" "$same" "$usual" "$usual" "$same"
repeats "between two inclusions" "$same" "$usual" "$same"
repeats "after names of old were asked for" "#define TALLOC_DEPRECATED 1" "$same" "$usual" \
	"#define TALLOC_DEPRECATED 1"
repeats "with the other macros that programs have" "$same" "$usual" \
	"#define TALLOC_DEPRECATED 0" "#define TALLOC_MAX_DEPTH 10000"
repeats "guarded by #ifndef, after" "$same" "#ifndef _PUBLIC_" "$usual" "#endif" \
	"#ifndef PRINTF_ATTRIBUTE" "$usual" "#endif" "$usual"
# And that this check would see one space too few.
for line in '#define PRINTF_ATTRIBUTE(a1, a2) __attribute__((format(__printf__, a1, a2)))' \
	'#define _DEPRECATED_ __attribute__((deprecated))'; do
	printf '%s\n' "$same" "$line" "$uses" >"$work/repeats.c"
	cc=gcc
	installed gcc || cc=clang
	name="$cc: seen when it differs in a space: ${line%%__attr*}"
	if compile "$cc" c99 "$work/repeats.c"; then
		not_ok "$name"
	else
		ok "$name"
	fi
done

# ---- complete ----

cc=gcc
installed gcc || cc=clang

# Each function is declared, not only a macro of that name.
{
	echo '#include <talloc.h>'
	echo 'unsigned long declared(void);'
	echo 'unsigned long declared(void) {'
	echo 'unsigned long n = 0;'
	while read -r symbol node; do
		case $since:$symbol in
		24:*cache* | 24:talloc_asprintf_addsep | 24:_talloc_realloc_array_zero) continue ;;
		esac
		printf '#undef %s\nn += sizeof(&%s); /* %s */\n' "$symbol" "$symbol" "$node"
	done <"$here/abi/exports.txt"
	echo 'return n; }'
} >"$work/declared.c"
name="every exported function is declared"
accepted "$cc" c99 "$work/declared.c" -Wno-deprecated-declarations

{
	echo '#include <talloc.h>'
	while read -r macro when; do
		case $macro:$when in
		'#'*) continue ;;
		*:25) [ "$since" -ge 25 ] || continue ;;
		*:deprecated)
			printf '#ifdef %s\n#error "%s, without TALLOC_DEPRECATED"\n#endif\n' \
				"$macro" "$macro"
			continue
			;;
		esac
		printf '#ifndef %s\n#error "%s"\n#endif\n' "$macro" "$macro"
	done <"$here/header/macros.txt"
	echo 'typedef int nothing;'
} >"$work/macros.c"
name="every macro is defined, deprecated ones only on demand"
accepted "$cc" c99 "$work/macros.c"

{
	echo '#define TALLOC_DEPRECATED 1'
	echo '#include <talloc.h>'
	while read -r macro when; do
		[ "$when" != deprecated ] ||
			printf '#ifndef %s\n#error "%s"\n#endif\n' "$macro" "$macro"
	done <"$here/header/macros.txt"
	echo 'typedef int nothing;'
} >"$work/deprecated.c"
name="every deprecated macro is there with TALLOC_DEPRECATED"
accepted "$cc" c99 "$work/deprecated.c"

# ---- rejected ----

tab=$(printf '\t')

# in_function STATEMENT: one that has the statement in it
in_function() {
	number=$((number + 1))
	printf 'int use_%d(void *ctx, ...);\n' "$number"
	printf 'int use_%d(void *ctx, ...)\n{\n\tVARIABLES;\n\t%s\n\tUSED;\n}\n' "$number" "$1"
}

# complaint KIND COMPILER: what the compiler has to say, as a pattern
complaint() {
	case $1:$2 in
	format:*) echo 'error: .*\[-Werror[=,](-W)?format' ;;
	deprecated:*) echo 'error: .*deprecated' ;;
	type:*++) echo 'error: (cannot (convert|initialize)|invalid conversion|assigning to|no matching function|invalid static_cast|.*incompatible)' ;;
	type:*) echo 'error: .*\[-W[^ ]*(incompatible-[a-z-]*types|int-conversion|discarded-qualifiers|discards-qualifiers)' ;;
	any-error:*) echo 'error: ' ;;
	esac
}

for cc in gcc clang g++ clang++; do
	installed "$cc" || continue
	case $cc in
	*++) std=gnu++17 ;;
	*) std=gnu17 ;;
	esac
	warnings="-Wall -Wextra -Werror -Werror=deprecated-declarations"
	number=0
	echo '#include "wrong-uses.h"' >"$work/right.c"
	while IFS=$tab read -r name when kind wrong right; do
		case $name in
		'#'*) continue ;;
		esac
		[ "$when" -le "$since" ] || continue
		in_function "$right" >>"$work/right.c"
		{
			echo '#include "wrong-uses.h"'
			in_function "$wrong"
		} >"$work/wrong.c"
		if compile "$cc" "$std" "$work/wrong.c"; then
			echo "accepted: $wrong" >"$work/log"
			not_ok "$cc rejects: $name" "$work/log"
		elif grep -Eq "$(complaint "$kind" "$cc")" "$work/log"; then
			ok "$cc rejects: $name"
		else
			not_ok "$cc rejects: $name (for another reason)" "$work/log"
		fi
	done <"$here/header/wrong-uses.txt"
	name="$cc accepts the right form of each of these"
	accepted "$cc" "$std" "$work/right.c"
done

# ---- up to date ----

# That of this project is what cbindgen makes of src/abi.rs.
if cmp -s "$1/talloc.h" "$here/../include/talloc.h"; then
	name="include/talloc.h is what src/abi.rs and cbindgen.toml say"
	if ! installed cargo; then
		echo "skip - $name: cargo"
	elif (cd "$here/.." && timeout 300 make -s check-header) >"$work/log" 2>&1; then
		ok "$name"
	else
		not_ok "$name" "$work/log"
	fi
fi

[ "$failed" -eq 0 ]
