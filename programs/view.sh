#!/bin/sh
# talloc-view looks at Debian's programs while they are at work on this library: nothing
# is wrong, and what it shows is what they report themselves.
#
# usage: view.sh STAGE_DIR TALLOC_VIEW        (`make view-programs` calls it)
#
# PROGRAMS="smbd" picks, SCALE=20 does a fifth of the work. Prints "ok", "not ok" and "skip"
# lines. With CHECK_STRICT=1 a skip fails.
set -u
if [ $# -ne 2 ] || [ ! -x "$2" ]; then
	echo "usage: $0 STAGE_DIR TALLOC_VIEW, which \`make stage\` and \`make view\` have made" >&2
	exit 2
fi
: "${PROGRAMS:=smbd freeradius notmuch}"
. "$(dirname "$0")/common.sh"
begin "$1"
name=talloc-view
need gdb || exit 77
cp "$2" "$work/talloc-view" && chmod 755 "$work/talloc-view" || exit 2
view=$work/talloc-view
export view
scale=$SCALE
purpose=check
function=look
passed=0
failed=0
skipped=0
for name in $PROGRAMS; do
	is_loaded "$name" || continue
	if ! command -v look >/dev/null; then
		echo "$0: there is nothing to be looked at in $name" >&2
		exit 2
	fi
	dir=$work/$name/looked
	if ! run "$name" path "$dir" || [ ! -s "$dir/result/looks" ]; then
		echo "not ok - $name: runs"
		failed=$((failed + 1))
		tail -n 20 "$dir/stderr" >&2
	fi
	cat "$dir/result/looks"
	passed=$((passed + $(grep -c '^ok' "$dir/result/looks")))
	failed=$((failed + $(grep -c '^not ok' "$dir/result/looks")))
	unset -f look
	done_with "$name"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && { [ $skipped -eq 0 ] || [ "${CHECK_STRICT-}" != 1 ]; }
