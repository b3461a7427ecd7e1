#!/bin/sh
# The packages: built twice, looked at by lintian, installed over Debian's in a small Debian
# of their own, used there, and taken away again; the RPMs unpacked and used.
#
# usage: check.sh talloc-RELEASE.tar.xz DEBS RPMS        (`make check-packages` calls it)
#
# Of this machine it touches no package but those that such checks are made with.
set -u
LC_ALL=C.UTF-8
TZ=UTC
export LC_ALL TZ

if [ $# -ne 3 ] || [ ! -f "$1" ] || [ ! -d "$2" ] || [ ! -d "$3" ]; then
	echo "usage: $0 talloc-RELEASE.tar.xz DEBS RPMS, from \`make deb rpm\`" >&2
	exit 2
fi
tarball=$(readlink -f "$1")
debs=$(readlink -f "$2")
rpms=$(readlink -f "$3")
here=$(cd "$(dirname "$0")" && pwd) || exit 2
work=$(mktemp -d) || exit 2
root=$work/root
failed=0
skipped=0
sleeper=

end() {
	[ -z "$sleeper" ] || kill "$sleeper" 2>/dev/null
	# Nothing may be removed below what is still mounted.
	if [ ! -e "$root/proc/self" ] || umount "$root/proc" || umount -l "$root/proc"; then
		rm -rf "$work"
	fi
}
trap end EXIT
trap 'exit 1' HUP INT TERM

check() { # STATUS NAME
	if [ "$1" -eq 0 ]; then
		echo "ok - $2"
	else
		echo "not ok - $2"
		tail -n 20 "$work/log" >&2
		failed=$((failed + 1))
	fi
	: >"$work/log"
}

skip() {
	echo "skip - $*"
	skipped=$((skipped + 1))
}

# need PACKAGE:COMMAND...: installs what is missing, if it may
need() {
	missing=
	for pair; do
		command -v "${pair#*:}" >/dev/null 2>&1 || missing="$missing ${pair%:*}"
	done
	[ -n "$missing" ] || return 0
	# shellcheck disable=SC2086 # words
	[ "$(id -u)" -eq 0 ] && env DEBIAN_FRONTEND=noninteractive \
		apt-get -q install -y --no-install-recommends $missing >"$work/log" 2>&1 && return 0
	skip "$skips: packages$missing"
	return 1
}

: >"$work/log"
arch=$(dpkg --print-architecture)
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
package() { # NAME: its file
	ls "$debs/$1"_*_"$arch".deb
}
shared=usr/lib/$multiarch/libtalloc.so.2.5.0

# ---- the same bytes ------------------------------------------------------------------

for folder in "$work/one" "$work/a longer = way/two"; do
	mkdir -p "$folder" "$work/cargo" && tar -xf "$tarball" -C "$folder" --strip-components 1 &&
		(
			unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES CARGO_TARGET_DIR CARGO_BUILD_TARGET
			export CARGO_HOME="$work/cargo" CARGO_NET_OFFLINE=true
			cd "$folder" && timeout 600 make
		) >"$work/log" 2>&1
	check $? "make in the unpacked tarball, without network"
done
for file in libtalloc.so.2.5.0 libtalloc.a; do
	cmp "$work/one/build/$file" "$work/a longer = way/two/build/$file" >"$work/log" 2>&1
	check $? "$file: the same bytes in both folders"
done
rm -rf "$work/one" "$work/a longer = way"

DEB_BUILD_OPTIONS=nocheck timeout 1800 sh "$here/deb.sh" "$tarball" "$work/a longer way/again" >"$work/log" 2>&1
check $? "the packages are built again, in another folder"
for file in "$debs"/*.deb "$debs"/*.dsc "$debs"/*.tar.xz; do
	cmp "$file" "$work/a longer way/again/${file##*/}" >"$work/log" 2>&1
	check $? "${file##*/}: the same bytes"
done
rm -rf "$work/a longer way"

# ---- what is in them -----------------------------------------------------------------

skips="lintian"
if need lintian:lintian; then
	# As root it warns of that.
	timeout 900 lintian --allow-root --fail-on error,warning "$debs"/*.changes >"$work/log" 2>&1 &&
		[ ! -s "$work/log" ]
	check $? "lintian finds no errors, and nothing to warn of"
fi
for name in libtalloc2 libtalloc-dev talloc-tools libtalloc2-dbgsym talloc-tools-dbgsym; do
	dpkg-deb -x "$(package $name)" "$work/$name" >"$work/log" 2>&1
	check $? "there is a package $name"
done
[ -f "$work/talloc-tools/usr/share/gdb/auto-load/$shared-gdb.py" ]
check $? "talloc-tools has what gdb loads by itself with the library"
[ -f "$work/libtalloc-dev/usr/share/man/man3/talloc.3.gz" ]
check $? "libtalloc-dev has manual pages"
dpkg-deb -f "$(package libtalloc2)" Depends >"$work/log"
grep -qx 'libc6 (>= [0-9.]*)' "$work/log"
check $? "libtalloc2 depends on the C library alone"
for name in libtalloc2 talloc-tools; do
	file=$work/$name/$shared
	[ $name = libtalloc2 ] || file=$work/$name/usr/bin/talloc-view
	id=$(readelf -n "$file" | sed -n 's/.*Build ID: //p')
	debug=$work/$name-dbgsym/usr/lib/debug/.build-id/$(echo "$id" | cut -c 1-2)/$(echo "$id" | cut -c 3-).debug
	[ -n "$id" ] && readelf -SW "$debug" 2>"$work/log" | grep -q debug_line
	check $? "the debug symbols of $name belong to it"
done

# What a package of a program that was built with these will depend on.
ours_to_build() { # SOURCE.c: shlibdeps of the program
	cc -I"$work/libtalloc-dev/usr/include" -o "$work/program" "$1" \
		-L"$work/libtalloc2/usr/lib/$multiarch" -l:libtalloc.so.2 >"$work/log" 2>&1 &&
		dpkg-deb -e "$(package libtalloc2)" "$work/libtalloc2/DEBIAN" &&
		mkdir -p "$work/debian" &&
		printf 'Source: s\n\nPackage: p\nArchitecture: any\n' >"$work/debian/control" &&
		(cd "$work" && dpkg-shlibdeps -O -Slibtalloc2 -e program 2>"$work/log")
}
cat >"$work/old.c" <<-'END_'
	#include <stdio.h>
	#include <talloc.h>
	#include <unistd.h>

	int main(void)
	{
		char *top = talloc_named_const(NULL, 0, "sleeper");

		for (int i = 0; i < 7; i++)
			talloc_set_name_const(talloc_size(top, 100), "seven of 100");
		puts("ready");
		fflush(stdout);
		sleep(600);
		return talloc_free(top);
	}
END_
cat >"$work/new.c" <<-'END_'
	#include <talloc.h>

	int main(void)
	{
		void *cache = talloc_pool_cache(NULL, 1024, 64);

		return talloc_cache(cache) == NULL || talloc_free(cache);
	}
END_
ours_to_build "$work/new.c" >"$work/depends"
cat "$work/depends" >>"$work/log"
grep -q 'libtalloc2-cache' "$work/depends"
check $? "a program with static pool caches depends on a library that has them"
ours_to_build "$work/old.c" >"$work/depends"
cat "$work/depends" >>"$work/log"
grep -q 'libtalloc2 (>= 2\.0\.4~git20101213)' "$work/depends" && ! grep -q cache "$work/depends"
check $? "another program depends on what it would with Debian's"

# ---- RPMs ----------------------------------------------------------------------------

skips="the RPMs"
if need rpm2cpio:rpm2cpio cpio:cpio; then
	for file in "$rpms"/RPMS/*/*.rpm; do
		mkdir -p "$work/rpm"
		(cd "$work/rpm" && rpm2cpio "$file" | cpio -idm --quiet) >"$work/log" 2>&1
		check $? "${file##*/} can be unpacked"
	done
	(cd "$work/rpm" && find . ! -type d) >"$work/files"
	for wanted in lib.*/libtalloc.so.2 lib.*/libtalloc.so.2.5.0 lib.*/libtalloc.so lib.*/libtalloc.a \
		lib.*/pkgconfig/talloc.pc include/talloc.h bin/talloc-view share/man/man1/talloc-view.1.* \
		share/man/man3/talloc.3.* share/gdb/auto-load/usr/lib.*/libtalloc.so.2.5.0-gdb.py; do
		cp "$work/files" "$work/log"
		[ "$(grep -cx "\./usr/$wanted" "$work/files")" -eq 1 ]
		check $? "the RPMs have one $wanted"
	done
	library=$(find "$work/rpm" -name libtalloc.so.2)
	cc -I"$work/rpm/usr/include" -o "$work/of-rpm" "$work/new.c" "$library" >"$work/log" 2>&1 &&
		LD_LIBRARY_PATH=$(dirname "$library") "$work/of-rpm" >"$work/log" 2>&1
	check $? "a program runs on the library of the RPM"
	"$work/rpm/usr/bin/talloc-view" --version >"$work/log" 2>&1
	check $? "talloc-view of the RPM runs"
	rm -rf "$work/rpm"
fi

# ---- a small Debian ------------------------------------------------------------------

in_root() {
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC \
		DEBIAN_FRONTEND=noninteractive timeout 600 chroot "$root" "$@" </dev/null
}
apt() {
	in_root apt-get -q -o APT::Install-Recommends=false "$@" >"$work/log" 2>&1
}

# What the programs print, and the libtalloc that each of them takes.
drive() { # NAME
	# shellcheck disable=SC2016 # for the shell in it
	in_root sh -eu >"$work/$1.out" 2>"$work/log" -c '
		rm -rf /tmp/drive
		mkdir /tmp/drive
		cd /tmp/drive
		export LD_DEBUG=libs LD_DEBUG_OUTPUT=/tmp/drive/load
		awk "BEGIN { for (i = 1; i <= 500; i++) printf \"dn: cn=u%d,dc=example\nobjectClass: person\ncn: u%d\n\n\", i, i }" >in.ldif
		ldbadd -H tdb:///tmp/drive/test.ldb in.ldif
		ldbsearch -H tdb:///tmp/drive/test.ldb -b dc=example "(cn=u4*)" | sort
		mkdir -p mail/cur mail/new mail/tmp
		for i in 1 2 3 4 5 6 7 8 9; do
			printf "From: a@example.org\nTo: b@example.org\nSubject: number %s\nMessage-ID: <%s@example.org>\nDate: Thu, 1 Jan 2026 00:00:0%s +0000\n\nThe text of %s.\n" $i $i $i $i >mail/cur/$i
		done
		export NOTMUCH_CONFIG=/tmp/drive/notmuch
		printf "[database]\npath=/tmp/drive/mail\n[user]\nname=n\nprimary_email=b@example.org\n" >notmuch
		notmuch new --quiet
		notmuch tag +seen subject:number
		# Threads are numbered as the folder happens to list its files.
		notmuch search --format=json --sort=oldest-first "*" |
			sed "s/\"date_relative\": \"[^\"]*\"//; s/\"thread\": \"[^\"]*\"//"
		notmuch dump | sort
		smbclient --version
		smbclient -s /dev/null -N -p 1 -L 127.0.0.1 || echo "exit $?"
		/usr/bin/python3 -c "
import talloc, ldb
talloc.enable_null_tracking()
before = talloc.total_blocks()
d = ldb.Ldb(\"tdb:///tmp/drive/test.ldb\")
print(len(d.search(base=\"dc=example\", expression=\"(cn=u1*)\")))
print(talloc.total_blocks() > before)
"
	' && [ -s "$work/$1.out" ]
	status=$?
	# The last to be started of each process: the loader calls the file what it was found as.
	sed -n 's|.*calling init: \(.*/libtalloc\.so\.2[^ ]*\)$|\1|p' "$root"/tmp/drive/load.* 2>/dev/null |
		while read -r file; do readlink -f "$root$file"; done | sort | uniq -c >"$work/$1.libraries"
	rm -rf "$root/tmp/drive"
	return $status
}

# All that is in the root, but logs, caches of apt and what dpkg writes anew.
everything() {
	(cd "$root" && find . -xdev \( -path ./proc -o -path ./tmp -o -path ./var/cache -o -path ./var/log \
		-o -path ./var/lib/apt -o -path './var/lib/dpkg/*-old' -o -path ./var/lib/dpkg/triggers \
		-o -path ./var/lib/dpkg/available -o -path ./var/lib/dpkg/status -o -path ./var/lib/systemd \) \
		-prune -o -type f -exec md5sum {} + -o ! -type f -printf '%y %m %p %l\n' | sort -k 2)
	# shellcheck disable=SC2016 # for dpkg-query
	in_root dpkg-query -W -f '${Package} ${Architecture} ${Version} ${Status}\n'
}

packages() {
	# shellcheck disable=SC2016 # for dpkg-query
	in_root dpkg-query -W -f '${Package}\n' | sort -u
}

scratch() {
	skips="a small Debian"
	need debootstrap:debootstrap || return 0
	# Where this machine has its packages from.
	# shellcheck disable=SC2016 # for apt-get
	mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
		sed -n 's/ bookworm$//p' | head -n 1)
	mkdir "$root"
	timeout 1200 debootstrap --variant=minbase --include=ca-certificates bookworm "$root" \
		"${mirror:-http://deb.debian.org/debian}" >"$work/log" 2>&1
	status=$?
	check $status "a small Debian 12 is made"
	[ $status -eq 0 ] || return 0
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	mount -t proc proc "$root/proc" || {
		check 1 "proc is mounted in it"
		return 0
	}
	apt update && apt install -y libtalloc2 libtalloc-dev ldb-tools notmuch smbclient python3-talloc python3-ldb
	check $? "Debian's programs are installed"
	# shellcheck disable=SC2016 # for dpkg-query
	debian=$(in_root dpkg-query -W -f '${Version}' libtalloc2)
	drive before && grep -qx " *[1-9][0-9]* $root/usr/lib/$multiarch/libtalloc\.so\.2\.4\.0" "$work/before.libraries"
	check $? "they run on Debian's libtalloc2 $debian"
	everything >"$work/before.all"
	packages >"$work/before.packages"

	mkdir "$root/tmp/debs"
	for file in "$debs"/*.deb; do
		name=${file##*/}
		cp "$file" "$root/tmp/debs/${name%%_*}.deb"
	done
	# Its libtalloc.so leads to a file of Debian's libtalloc2.
	apt -s install /tmp/debs/libtalloc2.deb && grep -q '^Remv libtalloc-dev ' "$work/log"
	check $? "libtalloc2 does not come without libtalloc-dev where Debian's is"
	apt install -y /tmp/debs/libtalloc2.deb /tmp/debs/libtalloc-dev.deb
	check $? "libtalloc2 and libtalloc-dev are installed over Debian's"
	packages | diff "$work/before.packages" - >"$work/log"
	check $? "no package had to come or go for it"
	apt check
	check $? "apt-get check"
	in_root dpkg --audit >"$work/log" 2>&1 && [ ! -s "$work/log" ]
	check $? "dpkg --audit"
	apt install -y python3-samba && apt install -y --reinstall python3-talloc
	check $? "Debian's python3-talloc, and what depends on it, can be installed now"
	apt -s upgrade && grep -q '^0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded' "$work/log"
	check $? "apt-get upgrade leaves all as it is"
	apt install -y /tmp/debs/talloc-tools.deb /tmp/debs/libtalloc2-dbgsym.deb /tmp/debs/talloc-tools-dbgsym.deb
	check $? "talloc-tools and the debug symbols are installed"
	apt check && in_root dpkg -V libtalloc2 libtalloc-dev talloc-tools >"$work/log" 2>&1 && [ ! -s "$work/log" ]
	check $? "apt-get check and dpkg -V with all of them"
	[ "$(in_root pkg-config --modversion talloc)" = 2.5.0 ] &&
		[ "$(in_root readlink -e "/usr/lib/$multiarch/libtalloc.so")" = "/$shared" ]
	check $? "programs are built with ours: pkg-config and libtalloc.so"
	[ "$(in_root ldconfig -p | sed -n 's/.*libtalloc\.so\.2 .*=> //p')" = "/lib/$multiarch/libtalloc.so.2" ] &&
		cmp "$work/libtalloc2/$shared" "$root/lib/$multiarch/libtalloc.so.2" >"$work/log" 2>&1
	check $? "the loader's cache leads to ours"

	drive ours
	check $? "ldb's tools, notmuch, smbclient and python3 run on it"
	diff "$work/before.out" "$work/ours.out" >"$work/log"
	check $? "they print what they printed on Debian's"
	cat "$work/ours.libraries" >"$work/log"
	[ "$(sed 's/^ *[0-9]* //' "$work/ours.libraries")" = "$root/$shared" ] &&
		[ "$(awk '{ print $1 }' "$work/ours.libraries")" -ge 8 ]
	check $? "each of their processes took ours ($(awk '{ print $1 }' "$work/ours.libraries") processes)"
	in_root python3 -c 'import samba.param, samba.dcerpc.security as s; print(s.dom_sid("S-1-5-32"))' >"$work/log" 2>&1
	check $? "python3-samba runs on it"

	cp "$work/program" "$root/tmp/sleeper"
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" /tmp/sleeper >"$work/ready" 2>&1 </dev/null &
	sleeper=$!
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		grep -q ready "$work/ready" && break
		sleep 0.2
	done
	cat "$work/ready" >"$work/log"
	grep -q "$shared" "/proc/$sleeper/maps"
	check $? "a program that sleeps has ours in /proc/PID/maps"
	in_root talloc-view tree "$sleeper" >"$work/log" 2>&1 &&
		grep -Eq '^ *700 +7 +7 +seven of 100' "$work/log"
	check $? "talloc-view shows its tree"
	in_root talloc-view check "$sleeper" >"$work/log" 2>&1
	check $? "talloc-view finds nothing wrong with it"
	kill "$sleeper" 2>/dev/null
	wait "$sleeper" 2>/dev/null
	sleeper=
	rm "$root/tmp/sleeper"

	# The way back, as the package tells it.
	apt remove -y talloc-tools && apt install -y --allow-downgrades libtalloc2/bookworm libtalloc-dev/bookworm
	check $? "Debian's libtalloc2 and libtalloc-dev are installed again"
	# shellcheck disable=SC2046 # words
	apt purge -y $(packages | comm -13 "$work/before.packages" -)
	check $? "all else is purged"
	apt check && in_root dpkg -V libtalloc2 libtalloc-dev >"$work/log" 2>&1 && [ ! -s "$work/log" ]
	check $? "apt-get check and dpkg -V are content"
	(cd "$root/tmp" && in_root sh -c 'cd /tmp && apt-get -q download libtalloc2' >"$work/log" 2>&1) &&
		dpkg-deb -x "$root"/tmp/libtalloc2_*.deb "$work/original" &&
		cmp "$work/original/usr/lib/$multiarch/libtalloc.so.2.4.0" \
			"$root/usr/lib/$multiarch/libtalloc.so.2.4.0" >"$work/log" 2>&1
	check $? "the library is that of Debian's package"
	drive after && diff "$work/before.out" "$work/after.out" >"$work/log" &&
		diff "$work/before.libraries" "$work/after.libraries" >"$work/log"
	check $? "the programs run on Debian's as before"
	everything >"$work/after.all"
	diff "$work/before.all" "$work/after.all" >"$work/log"
	check $? "every file and package is what it was"

	apt install -y /tmp/debs/libtalloc2.deb /tmp/debs/libtalloc-dev.deb /tmp/debs/talloc-tools.deb &&
		apt purge -y --autoremove libtalloc2 libtalloc-dev talloc-tools &&
		[ -z "$(find "$root/usr" "$root/etc" "$root/var/lib/dpkg" -name '*talloc*')" ]
	check $? "nothing is left of ours that is purged"
}

if [ "$(id -u)" -eq 0 ]; then
	scratch
else
	skip "a small Debian: needs root"
fi

[ $failed -eq 0 ] || exit 1
[ $skipped -eq 0 ] || exit 77
