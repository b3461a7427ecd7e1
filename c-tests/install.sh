#!/bin/sh
# make, install and uninstall as a packager uses them, and programs built against
# what was installed, found by pkg-config, shared and static.
#
# usage: install.sh        (in the project's top folder, after `make`)
set -u
LC_ALL=C
export LC_ALL
. "$(dirname "$0")/results.sh"
cc=${CC:-cc}
top=$PWD

sections() { # FILE: the names of those with debug information
	readelf -SW "$1" | grep -o '\.debug_[a-z]*'
}

# ---- files -------------------------------------------------------------------

root=$work/root
folder=$root/opt/t/lib/multi
make_() { # TARGET [VARIABLES]
	(umask 077 && make -s "$@" DESTDIR="$root" prefix=/opt/t libdir=/opt/t/lib/multi view_made= \
		>"$work/log" 2>&1)
}

# The manual: its pages, and one for each function, macro and type.
{
	for page in man/*.3; do
		basename "$page"
	done
	{
		cut -d' ' -f1 c-tests/abi/exports.txt
		sed '/^#/d' c-tests/header/macros.txt | cut -f1
		echo TALLOC_CTX
	} | sed 's/$/.3/'
} | sort -u | sed 's|^|./opt/t/share/man/man3/|' >"$work/manual"
sort - "$work/manual" >"$work/want" <<-END
	./opt/t/include/talloc.h
	./opt/t/lib/multi/libtalloc.a
	./opt/t/lib/multi/libtalloc.so
	./opt/t/lib/multi/libtalloc.so.2
	./opt/t/lib/multi/libtalloc.so.2.5.0
	./opt/t/lib/multi/pkgconfig/talloc.pc
	./opt/t/share/gdb/auto-load/opt/t/lib/multi/libtalloc.so.2.5.0-gdb.py
END
for target in install install-strip; do
	make_ $target
	check $? "make $target with DESTDIR, prefix and libdir"
	(cd "$root" && find . ! -type d | sort) >"$work/files"
	diff "$work/want" "$work/files"
	check $? "those files and no others are installed"
	! find "$root" -path '*/man3/*' ! -perm 644 | grep -q .
	check $? "pages of the manual can be read by all"
	for file in libtalloc.so.2.5.0 libtalloc.a; do
		case $target in
		install)
			sections "$folder/$file" | grep -q debug_line
			check $? "$file keeps its debug information"
			;;
		*)
			[ -z "$(sections "$folder/$file")" ]
			check $? "$file is without debug information"
			;;
		esac
	done
done
[ "$(DESTDIR=$work/by-environment make -s install >/dev/null 2>&1 &&
	find "$work/by-environment" -name talloc.h)" = \
	"$work/by-environment/usr/local/include/talloc.h" ]
check $? "DESTDIR may come from the environment"
if grep -q cbindgen Cargo.lock; then
	check 1 "the library is built without cbindgen"
else
	check 0 "the library is built without cbindgen"
fi

# ---- the loader's list ---------------------------------------------------------

# A stand-in that knows one folder, and says that it was run.
mkdir "$work/bin" "$work/known"
ln -s known "$work/same"
cat >"$work/bin/ldconfig" <<-END
	#!/bin/sh
	case \$* in
	*N*) printf '%s: (from a file)\n\tlibc.so.6 -> libc.so.6\n' '$work/known/lib' ;;
	*) echo run >>'$work/ran' ;;
	esac
END
# shellcheck disable=SC2016 # for the stand-in
printf '#!/bin/sh\necho "$USER_ID"\n' >"$work/bin/id"
chmod +x "$work/bin/ldconfig" "$work/bin/id"
loader() { # TIMES USER_ID NAME MAKE_ARGUMENTS...
	times=$1
	user=$2
	name=$3
	shift 3
	: >"$work/ran"
	USER_ID=$user PATH=$work/bin:$PATH make -s LDCONFIG="$work/bin/ldconfig" "$@" >"$work/log" 2>&1 &&
		[ "$(grep -c run "$work/ran")" -eq "$times" ]
	check $? "ldconfig: $name"
}
loader 1 0 "run by root's install into a folder of the loader" install prefix="$work/known"
loader 1 0 "run by install-strip there" install-strip prefix="$work/known"
loader 1 0 "run for another name of that folder" install prefix="$work/same"
loader 0 1000 "not run by others than root" install prefix="$work/known"
loader 0 0 "not run with DESTDIR" install prefix="$work/known" DESTDIR="$work/dest"
loader 0 0 "not run for a folder of one's own" install prefix="$work/own"
loader 0 0 "not run for a folder below one of the loader" install prefix="$work/known" \
	libdir="$work/known/lib/below"
loader 1 0 "run by root's uninstall" uninstall prefix="$work/known"
loader 0 0 "not run by an uninstall elsewhere" uninstall prefix="$work/own"

# ---- programs ------------------------------------------------------------------

pc=$folder/pkgconfig
config() {
	PKG_CONFIG_PATH=$pc pkg-config --define-variable=prefix="$root/opt/t" "$@" talloc
}
grep -q '^URL: https://' "$pc/talloc.pc"
check $? "talloc.pc has a URL"

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
if command -v pkg-config >/dev/null 2>&1; then
	config --validate
	check $? "talloc.pc is valid"
	[ "$(config --modversion)" = 2.5.0 ]
	check $? "pkg-config --modversion says 2.5.0"
	[ "$(config --variable=libdir)" = "$folder" ] &&
		[ "$(config --variable=includedir)" = "$root/opt/t/include" ]
	check $? "talloc.pc follows its prefix"
	# shellcheck disable=SC2046 # flags are words
	"$cc" -Wall -Werror -o "$work/shared" "$work/program.c" $(config --cflags --libs) &&
		[ "$(LD_LIBRARY_PATH=$folder "$work/shared")" = 42 ]
	check $? "a program links with the shared library and runs"
	# shellcheck disable=SC2046
	"$cc" -Wall -Werror -static -o "$work/static" "$work/program.c" \
		$(config --static --cflags --libs) 2>"$work/log" && [ "$("$work/static")" = 42 ]
	check $? "a program links statically and runs"
else
	echo "skip - programs found by pkg-config: package pkg-config"
fi

foreign=$root/opt/t/share/man/man3/talloc_of_another.3
: >"$foreign"
make_ uninstall && [ "$(find "$root" ! -type d)" = "$foreign" ]
check $? "make uninstall leaves no file, but those of others"

# ---- builds elsewhere ------------------------------------------------------------

# A variable of the make that runs this would come first.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

copy() { # FOLDER
	mkdir -p "$1" && cp -R Cargo.toml Cargo.lock Makefile build.rs talloc.map talloc.ld talloc.pc.in \
		include src "$1"
}
build() { # FOLDER LOG [VARIABLE=VALUE...]
	at=$1
	log=$2
	shift 2
	(cd "$at" && env "$@" timeout 400 make) >"$work/$log" 2>&1
}
# A compiler and an archiver that write down what they were asked for.
wrapper() { # NAME COMMAND
	printf '#!/bin/sh\necho "$*" >>"%s"\nexec %s "$@"\n' "$work/ran-$1" "$2" >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}
wrapper wrapped-cc "$cc"
wrapper wrapped-ar "${AR:-ar}"

one=$work/one
two="$work/the other = a deeper/and longer folder"
copy "$one" && copy "$two"
build "$one" one.log -u CARGO_TARGET_DIR -u CARGO_BUILD_TARGET &
build "$two" two.log -u CARGO_BUILD_TARGET CARGO_TARGET_DIR="$work/cargo" \
	CC="$work/bin/wrapped-cc" AR="$work/bin/wrapped-ar"
status=$?
[ $status -eq 0 ] || tail -n 20 "$work/two.log" >&2
check $status "make with CARGO_TARGET_DIR, CC and AR, in a folder with spaces"
wait $!
status=$?
[ $status -eq 0 ] || tail -n 20 "$work/one.log" >&2
check $status "make in another folder"
[ -d "$work/cargo/release" ] && [ ! -e "$two/target" ]
check $? "CARGO_TARGET_DIR is where cargo works, and the only place"
grep -q -e '-c .*format\.c' "$work/ran-wrapped-cc" && grep -q -e '-shared' "$work/ran-wrapped-cc"
check $? "CC is what compiles and links"
grep -q 'build/libtalloc\.a' "$work/ran-wrapped-ar"
check $? "AR is what archives"
for file in libtalloc.so.2.5.0 libtalloc.a; do
	cmp "$one/build/$file" "$two/build/$file"
	check $? "$file: the same bytes in both folders"
	! grep -qF -e "$work" -e "$top" -e "${CARGO_HOME:-$HOME/.cargo}" -e "$HOME/.rustup" \
		"$two/build/$file"
	check $? "$file names no folder of who made it"
	grep -qF /usr/src/talloc-2.5.0 "$two/build/$file"
	check $? "$file names /usr/src/talloc-2.5.0 in its debug information"
done
! grep -v '^ *\(Compiling\|Updating\|Locking\|Download\|Finished\|Blocking\|LINK\|ARCHIVE\)' "$work/one.log" |
	grep .
check $? "make says one line for each thing it does"

host=$(${RUSTC:-rustc} -vV | sed -n 's/^host: //p')
rm -rf "$two/build"
build "$two" three.log CARGO_TARGET_DIR="$work/cargo" CARGO_BUILD_TARGET="$host" \
	LDFLAGS="-Wl,-rpath,/of/ldflags" CFLAGS="-DOF_CFLAGS -g3"
status=$?
[ $status -eq 0 ] || tail -n 20 "$work/three.log" >&2
check $status "make with CARGO_BUILD_TARGET, LDFLAGS and CFLAGS"
[ -f "$work/cargo/$host/release/libtalloc.a" ]
check $? "CARGO_BUILD_TARGET is what cargo builds for"
readelf -d "$two/build/libtalloc.so.2.5.0" | grep -q '/of/ldflags'
check $? "LDFLAGS are what the library is linked with"
grep -q OF_CFLAGS "$two/build/libtalloc.so.2.5.0"
check $? "CFLAGS are what C is compiled with"
"$cc" -o "$work/third" -I"$two/include" "$work/program.c" "$two/build/libtalloc.a" -lpthread -ldl &&
	[ "$("$work/third")" = 42 ]
check $? "a program runs with the archive of this build"

# A cargo that makes nothing, and one that fails after it made something.
for cargo in true false; do
	copy "$work/$cargo"
	! build "$work/$cargo" none.log CARGO="$cargo" && [ ! -e "$work/$cargo/build/libtalloc.a" ] &&
		[ ! -e "$work/$cargo/build/libtalloc.so.2.5.0" ] && [ ! -e "$work/$cargo/build/rust.a" ]
	check $? "no library without what cargo makes: CARGO=$cargo"
done

[ $failed -eq 0 ]
