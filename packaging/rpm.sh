#!/bin/sh
# RPMs from a release, and their source package.
#
# usage: rpm.sh talloc-RELEASE.tar.xz FOLDER        (`make rpm` calls it)
#
# The folder is made anew. Installs rpmbuild, as root, where that is Debian's; otherwise it
# says what is missing.
set -eu
LC_ALL=C.UTF-8
export LC_ALL

if [ $# -ne 2 ] || [ ! -f "$1" ]; then
	echo "usage: $0 talloc-RELEASE.tar.xz FOLDER" >&2
	exit 2
fi
. "$(dirname "$0")/need.sh"
have rpmbuild:rpm xz:xz-utils
rm -rf "$2"
mkdir -p "$2/SOURCES"
cp "$1" "$2/SOURCES"
cd "$2"
name=$(basename "$1" .tar.xz)
tar -xOf "SOURCES/$name.tar.xz" "$name/packaging/talloc.spec" >talloc.spec

# Where no package came as an RPM, rpm knows of no compiler.
known=
[ -n "$(rpm -qa 2>/dev/null | head -n 1)" ] || known=--nodeps
: "${SOURCE_DATE_EPOCH:=$(tar -tvf "SOURCES/$name.tar.xz" --utc --full-time "$name/Makefile" |
	awk '{ print $4, $5 }' | date -u -f - +%s)}"
export SOURCE_DATE_EPOCH
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES CC CFLAGS CPPFLAGS LDFLAGS AR DESTDIR
# shellcheck disable=SC2086 # one word or none
if ! timeout 1800 rpmbuild -ba $known --define "_topdir $PWD" --define '_buildhost reproducible' \
	--define 'use_source_date_epoch_as_buildtime 1' \
	--define 'clamp_mtime_to_source_date_epoch 1' talloc.spec >build.log 2>&1 </dev/null; then
	tail -n 30 build.log >&2
	echo "$0: the build failed; $2/build.log has all of it" >&2
	exit 1
fi
find RPMS SRPMS -name '*.rpm' | sort | sed "s|^|  RPM     $2/|"
