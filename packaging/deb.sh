#!/bin/sh
# Debian's packages from a release, by way of a source package.
#
# usage: deb.sh talloc-RELEASE.tar.xz FOLDER        (`make deb` calls it)
#
# The folder is made anew. Installs what the build needs, as root; otherwise it says what
# is missing.
set -eu
LC_ALL=C.UTF-8
export LC_ALL

if [ $# -ne 2 ] || [ ! -f "$1" ]; then
	echo "usage: $0 talloc-RELEASE.tar.xz FOLDER" >&2
	exit 2
fi
name=$(basename "$1" .tar.xz)
. "$(dirname "$0")/need.sh"
have dpkg-source:dpkg-dev xz:xz-utils
rm -rf "$2"
mkdir -p "$2"
cp "$1" "$2/talloc-rust_${name#talloc-}.orig.tar.xz"
cd "$2"
tar -xf "talloc-rust_${name#talloc-}.orig.tar.xz"
cd "$name"
cp -R packaging/debian debian

if ! dpkg-checkbuilddeps 2>/dev/null && [ "$(id -u)" -eq 0 ]; then
	echo "installing what the packages are built with"
	{ apt-get -q update &&
		env DEBIAN_FRONTEND=noninteractive apt-get -q build-dep -y --no-install-recommends ./
	} >../build-dep.log 2>&1 || tail -n 5 ../build-dep.log >&2
fi
if ! dpkg-checkbuilddeps; then
	echo "$0: \`apt-get build-dep $PWD\` installs what is missing" >&2
	exit 1
fi

# The packages have what they say themselves, not what this make was told.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES CC CFLAGS CPPFLAGS LDFLAGS AR DESTDIR
if ! timeout 1800 dpkg-buildpackage -us -uc >../build.log 2>&1 </dev/null; then
	tail -n 30 ../build.log >&2
	echo "$0: the build failed; $2/build.log has all of it" >&2
	exit 1
fi
cd ..
rm -f build-dep.log
printf "  DEB     %s\n" *.deb
