#!/bin/sh
# What packages are made from: the release, and what the packages say of the library. The
# packages themselves: `make check-packages`.
#
# usage: packaging.sh        (in the project's top folder)
set -u
LC_ALL=C
export LC_ALL
. c-tests/results.sh

# ---- versions --------------------------------------------------------------------------

version=$(sed -n 's/^version = //p' Makefile)
# shellcheck disable=SC2016 # make's
release=$(sed -n 's/^release = \$(version)//p' Makefile)
release=$version$release
[ "$(sed -n '1s/.*(\(.*\)-[^-]*).*/\1/p' packaging/debian/changelog)" = "$release" ]
check $? "packaging/debian/changelog is of release $release"
[ "$(sed -n 's/^Version: *//p' packaging/talloc.spec)" = "$release" ] &&
	[ "$(sed -n 's/^%global abi *//p' packaging/talloc.spec)" = "$version" ]
check $? "packaging/talloc.spec is of release $release"
grep -qF "=/usr/src/talloc-$version" packaging/debian/rules
check $? "packaging/debian/rules is of version $version"

# ---- symbols ---------------------------------------------------------------------------

symbols=packaging/debian/libtalloc2.symbols
# "symbol NODE" for each, and "NODE NODE".
sed -n 's/^ \([^ @]*\)@\([^ ]*\) .*/\1 \2/p' $symbols | sort >"$work/symbols"
awk '
	$1 ~ /^TALLOC_/ { node = $1; print node, node }
	/^\t_*talloc[a-z_]*;$/ { sub(";", ""); print $1, node }' talloc.map | sort >"$work/map"
diff "$work/map" "$work/symbols" >"$work/log"
check $? "the symbols of libtalloc2 are those of talloc.map"
# A program that uses a function of ours alone must not get along with Debian's package,
# whatever its version.
sed -n 's/^ \(.*\)@TALLOC_CACHE_.* 1$/\1/p' $symbols | sort >"$work/log"
awk '/^TALLOC_CACHE_/ { print $1; ours = 1 } ours && /;$/ && /^\t/ { sub(";", ""); print $1 }' talloc.map |
	sort | diff - "$work/log" >"$work/difference"
status=$?
mv "$work/difference" "$work/log"
check $status "those of the static pool caches, and no others, ask for libtalloc2-cache"
arch=$(dpkg --print-architecture 2>/dev/null)
debian=/var/lib/dpkg/info/libtalloc2:$arch.symbols
# shellcheck disable=SC2016 # for dpkg-query
case $(dpkg-query -W -f '${source:Package}' libtalloc2 2>/dev/null) in
talloc | samba)
	sed -n 's/^ //p' "$debian" | sort >"$work/debian"
	sed -n 's/^ //p' $symbols | sort >"$work/ours"
	[ -s "$work/debian" ] && comm -23 "$work/debian" "$work/ours" >"$work/log" && [ ! -s "$work/log" ]
	check $? "what Debian's libtalloc2 says of each of its symbols, ours says too"
	[ "$(sed -n 's/^libtalloc 2 //p' "${debian%symbols}shlibs")" = \
		"$(sed -n "s/.*dh_makeshlibs -V '\(.*\)'.*/\1/p" packaging/debian/rules)" ]
	check $? "and of the library as a whole"
	;;
*) skip "Debian's symbols: package libtalloc2" ;;
esac

# ---- the release -----------------------------------------------------------------------

if git rev-parse -q --verify HEAD >/dev/null 2>&1; then
	timeout 300 make -s dist dist="$work/one.tar.xz" >"$work/log" 2>&1
	check $? "make dist"
	mkdir "$work/elsewhere" && git clone -q . "$work/elsewhere/clone" >"$work/log" 2>&1 &&
		(cd "$work/elsewhere/clone" && umask 077 && timeout 300 make -s dist dist="$work/two.tar.xz") >"$work/log" 2>&1 &&
		cmp "$work/one.tar.xz" "$work/two.tar.xz" >"$work/log" 2>&1
	check $? "make dist in a clone, by somebody with another umask: the same bytes"
	(cd "$work/elsewhere" && tar -xf "$work/one.tar.xz") >"$work/log" 2>&1
	top=$work/elsewhere/talloc-$release
	[ -f "$top/vendor/$(sed -n '/^name = "libc"/{ n; s/^version = "\(.*\)"/libc-\1/p; }' Cargo.lock)/src/lib.rs" ]
	check $? "it has the crates"
	find "$top" -type f \( -name '*.a' -o -name '*.lib' -o -name '*.dll' -o -name '*.so' -o -name '*.o' -o -name '*.exe' \) >"$work/log"
	[ ! -s "$work/log" ]
	check $? "it has nothing compiled"
	(
		mkdir "$work/cargo" || exit 1
		export CARGO_HOME="$work/cargo" CARGO_NET_OFFLINE=true
		cd "$top" && cargo metadata -q --locked --format-version 1 >/dev/null &&
			cargo metadata -q --locked --format-version 1 --manifest-path view/Cargo.toml >/dev/null
	) >"$work/log" 2>&1
	check $? "cargo finds all it needs there, without network"
	# What debian/copyright says of vendor holds for each crate in it.
	sed -n 's/^license = //p' "$top"/vendor/*/Cargo.toml | sort -u | grep -v -x -e '"MIT"' \
		-e '.*\(MIT\|Apache-2\.0\)\( OR \| \?/ \?\)\(MIT\|Apache-2\.0\).*' -e '"Apache-2.0 OR BSL-1.0"' -e '"Unlicense OR MIT"' >"$work/log"
	printf '"%s"\n' CDDL-1.0 Zlib | diff - "$work/log" >"$work/difference"
	status=$?
	cat "$work/difference" >"$work/log"
	check $status "packaging/debian/copyright names the licences of the crates"
	(cd "$top" && make dist) >"$work/log" 2>&1
	[ $? -eq 2 ] && grep -q 'this is none' "$work/log"
	check $? "make dist outside of a repository says so"
else
	skip "make dist: this is no git repository"
fi

finish
