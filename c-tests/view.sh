#!/bin/sh
# The tests of talloc-view, and what `make view` and `make install` make of it.
#
# usage: view.sh STAGE_DIR
set -u
LC_ALL=C.UTF-8
export LC_ALL

. "$(dirname "$0")/results.sh"
take_stage "$@"
TALLOC_STAGE=$stage
export TALLOC_STAGE
if ! command -v gcore >/dev/null 2>&1; then
	echo "skip - talloc-view: package gdb"
	exit 77
fi

# Its build has a bound of its own, so that a slow registry is told from a slow test.
timeout 400 make -s view >"$work/log" 2>&1
check $? "make view"

(
	CARGO_TARGET_DIR=$PWD/build/view/target
	export CARGO_TARGET_DIR
	cd view && timeout 450 cargo test --release --locked
) >"$work/log" 2>&1
check $? "cargo test"
n=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$work/log" | paste -sd+ -)
n=$((${n:-0}))
# So many there are: what was not run cannot fail.
[ "$n" -ge 18 ]
check $? "the tests of talloc-view ran"

root=$work/root
make -s install DESTDIR="$root" prefix=/usr >"$work/log" 2>&1
check $? "make install"
"$root/usr/bin/talloc-view" --version >>"$work/log" 2>&1
check $? "the tool is installed"
for command in tree top json check diff dot flame leaks pools watch; do
	[ -s "$root/usr/share/man/man1/talloc-view-$command.1" ]
	check $? "talloc-view $command has a man page"
done
for part in "EXIT STATUS" EXAMPLES "SEE ALSO"; do
	grep -qx "\.SH $part" "$root/usr/share/man/man1/talloc-view.1"
	check $? "its man page has the section $part"
done
if command -v mandoc >/dev/null 2>&1; then
	mandoc -Tlint -Wstyle "$root"/usr/share/man/man1/*.1 2>/dev/null |
		grep -v 'STYLE: referenced manual not found: Xr' >"$work/log"
	[ ! -s "$work/log" ]
	check $? "mandoc finds nothing wrong with the man pages"
else
	echo "skip - mandoc -Tlint of the man pages: package mandoc"
fi
bash -n "$root/usr/share/bash-completion/completions/talloc-view" 2>>"$work/log"
check $? "completions for bash"
make -s uninstall DESTDIR="$root" prefix=/usr >"$work/log" 2>&1
[ -z "$(find "$root" ! -type d)" ]
check $? "nothing is left by make uninstall"

echo "checks: $((n + 20))"
[ "$failed" -eq 0 ]
