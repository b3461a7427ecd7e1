#!/bin/sh
# make install and uninstall as a packager uses them, and programs built against
# what was installed, found by pkg-config, shared and static.
#
# usage: install.sh        (in the project's top folder, after `make`)
set -u
LC_ALL=C
export LC_ALL
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cc=${CC:-cc}
failed=0

check() { # STATUS NAME
	if [ "$1" -eq 0 ]; then
		echo "ok - $2"
	else
		echo "not ok - $2"
		failed=$((failed + 1))
	fi
}

root=$work/root
make -s install DESTDIR="$root" prefix=/opt/t libdir=/opt/t/lib/multi >"$work/log" 2>&1
check $? "make install with DESTDIR, prefix and libdir"
(cd "$root" && find . ! -type d | sort) >"$work/files"
cat >"$work/want" <<-END
	./opt/t/include/talloc.h
	./opt/t/lib/multi/libtalloc.a
	./opt/t/lib/multi/libtalloc.so
	./opt/t/lib/multi/libtalloc.so.2
	./opt/t/lib/multi/libtalloc.so.2.5.0
	./opt/t/lib/multi/pkgconfig/talloc.pc
END
diff "$work/want" "$work/files"
check $? "those files and no others are installed"

pc=$root/opt/t/lib/multi/pkgconfig
if ! command -v pkg-config >/dev/null 2>&1; then
	echo "skip - programs found by pkg-config: package pkg-config"
	exit 77
fi
config() {
	PKG_CONFIG_PATH=$pc pkg-config --define-variable=prefix="$root/opt/t" "$@" talloc
}
[ "$(config --modversion)" = 2.5.0 ]
check $? "pkg-config --modversion says 2.5.0"
[ "$(config --variable=libdir)" = "$root/opt/t/lib/multi" ] &&
	[ "$(config --variable=includedir)" = "$root/opt/t/include" ]
check $? "talloc.pc follows its prefix"

cat >"$work/program.c" <<-'END'
	#include <stdio.h>
	#include <talloc.h>

	int main(void)
	{
		char *text = talloc_asprintf(NULL, "%d", 42);

		puts(text);
		return talloc_free(text);
	}
END
# shellcheck disable=SC2046 # flags are words
"$cc" -Wall -Werror -o "$work/shared" "$work/program.c" $(config --cflags --libs) &&
	[ "$(LD_LIBRARY_PATH=$root/opt/t/lib/multi "$work/shared")" = 42 ]
check $? "a program links with the shared library and runs"
# shellcheck disable=SC2046
"$cc" -Wall -Werror -static -o "$work/static" "$work/program.c" \
	$(config --static --cflags --libs) 2>"$work/log" && [ "$("$work/static")" = 42 ]
check $? "a program links statically and runs"

make -s uninstall DESTDIR="$root" prefix=/opt/t libdir=/opt/t/lib/multi >"$work/log" 2>&1 &&
	[ -z "$(find "$root" ! -type d)" ]
check $? "make uninstall leaves no file"
[ $failed -eq 0 ]
