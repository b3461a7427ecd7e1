# What every program here is run with. Sourced, not run; see docs/real-programs.md.
#
# A program is a file each/NAME.sh that sets
#
#	packages	Debian packages it needs
#	programs	the commands that run on libtalloc
#	prepare()	makes the input, once, in $input; exits with 77 if it cannot
#	drive()		does the work in an empty folder, the current one, and
#			puts what is compared into result/
#
# and may set
#
#	normal()	a filter: takes out of results and stderr what differs
#			between two runs on one library
#	seconds		the longest a run may take
#	cost		the part of the work for callgrind, in percent; 0 for none
#	ways		how else the library is taken, if not in all three
#	watch		"loader", if its processes cannot be traced
#	privileges	"mounts", "network": what drive is given a private one of
#	as_root		"always", or the ways in which it needs to be root
#
# Both find the helpers of drive.sh.
LC_ALL=C.UTF-8
TZ=UTC
export LC_ALL TZ

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 2
all_programs="ldb notmuch smbtorture smbd python freeradius domain dc winbind sssd proot osmo ruby sscg
	samples notmuch-source freeradius-source"

# ---- set-up ------------------------------------------------------------------

# begin STAGE_DIR: a work folder, with the library where any user can read it
begin() {
	if [ ! -f "$1/lib/libtalloc.so.2" ]; then
		echo "$0: no lib/libtalloc.so.2 in '$1': make stage" >&2
		exit 2
	fi
	stage=$(cd "$1" && pwd)
	unset LD_LIBRARY_PATH LD_PRELOAD LD_DEBUG LD_DEBUG_OUTPUT
	: "${PROGRAMS:=$all_programs}"
	for name in $PROGRAMS; do
		if [ ! -f "$here/each/$name.sh" ]; then
			echo "$0: no program '$name'; there are: $all_programs" >&2
			exit 2
		fi
	done
	case ${SCALE:=100} in
	*[!0-9]* | 0*)
		echo "$0: SCALE is a percentage, not '$SCALE'" >&2
		exit 2
		;;
	esac
	work=$(mktemp -d) || exit 2
	# KEEP=1 leaves everything to be looked at.
	trap '[ -n "${KEEP-}" ] && echo "kept: $work" || rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	chmod 755 "$work"
	mkdir "$work/lib"
	cp "$stage/lib/libtalloc.so.2" "$work/lib/libtalloc.so.2" || exit 2
	chmod 644 "$work/lib/libtalloc.so.2"
	ours=$work/lib/libtalloc.so.2
	need libtalloc2 "${CC:-cc}:gcc" || exit 77
	# The loader's cache knows where the original is.
	found=$(PATH=$PATH:/sbin ldconfig -p | sed -n 's/.*libtalloc\.so\.2 .*=> //p' | head -n 1)
	original=$(readlink -f "$found")
	if cmp -s "$original" "$ours"; then
		echo "$0: $original is this library: nothing to compare with" >&2
		exit 2
	fi
	mkdir "$work/copy"
	cp "$original" "$work/copy/libtalloc.so.2" && chmod 644 "$work/copy/libtalloc.so.2" || exit 2
	"${CC:-cc}" -std=gnu11 -O2 -o "$work/watch" "$here/watch.c" || exit 2
}

# need PACKAGE|COMMAND:PACKAGE...: installs what is missing, or says so
need() {
	missing=
	for package; do
		case $package in
		*:*) command -v "${package%:*}" >/dev/null 2>&1 || missing="$missing ${package##*:}" ;;
		*)
			dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
				missing="$missing $package"
			;;
		esac
	done
	[ -n "$missing" ] || return 0
	root=
	[ "$(id -u)" -eq 0 ] || root='sudo -n'
	# shellcheck disable=SC2086 # words
	if command -v apt-get >/dev/null 2>&1 && { [ -z "$root" ] || $root true 2>/dev/null; }; then
		# No daemon may start because of a test.
		policy=/usr/sbin/policy-rc.d
		[ -e $policy ] && policy=
		[ -z "$policy" ] || printf '#!/bin/sh\nexit 101\n' | $root sh -c "cat >$policy; chmod 755 $policy"
		{ $root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
			apt-get -q install -y --no-install-recommends $missing ||
			{ $root apt-get -q update && $root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
				apt-get -q install -y --no-install-recommends $missing; }
		} >"$work/apt.log" 2>&1 && missing=
		[ -z "$policy" ] || $root rm -f "$policy"
		[ -n "$missing" ] || return 0
		tail -n 5 "$work/apt.log" >&2
	fi
	echo "skip - $name: apt-get install$missing"
	return 1
}

# load NAME: its definitions, and its input made, $scale percent of it; 1 if it has
# to be left out, 2 if that failed
load() {
	name=$1
	packages=
	programs=
	privileges=
	watch=tracer
	seconds=300
	cost=5
	ways="path preload replaced"
	as_root=
	normal() { cat; }
	. "$here/each/$name.sh"
	if [ "$(id -u)" -ne 0 ]; then
		case $as_root in always)
			echo "skip - $name: needs to be root"
			return 1
			;;
		esac
		for way in $as_root; do
			echo "$name: not run in the way '$way', which needs root"
			ways=$(echo " $ways " | sed "s/ $way / /")
		done
	fi
	# shellcheck disable=SC2086 # words
	need $packages || return 1
	input=$work/$name/input
	rm -rf "$input"
	mkdir -p "$input"
	(
		cd "$input" || exit 2
		PATH=/usr/sbin:/usr/bin:/sbin:/bin
		export here work stage ours original input scale purpose PATH
		sh "$here/drive.sh" "$name" prepare
	) >"$work/$name/prepare.log" 2>&1 && return
	[ $? -ne 77 ] || {
		echo "skip - $name: $(tail -n 1 "$work/$name/prepare.log")"
		return 1
	}
	echo "not ok - $name: prepare"
	tail -n 20 "$work/$name/prepare.log" >&2
	return 2
}

# is_loaded NAME: the same, and $skipped and $failed count what is not
is_loaded() {
	load "$1"
	case $? in
	0) return 0 ;;
	1) skipped=$((skipped + 1)) ;;
	*) failed=$((failed + 1)) ;;
	esac
	return 1
}

# ---- running -----------------------------------------------------------------

# in_way WAY COMMAND...: on the original or a copy of it, or on ours taken in that way
in_way() {
	way=$1
	shift
	unshared=
	case " $privileges " in *" network "*) unshared=--net ;; esac
	case " $privileges $way " in *" mounts "* | *" replaced "*) unshared="$unshared --mount" ;; esac
	if [ -n "$unshared" ]; then
		[ "$(id -u)" -eq 0 ] || unshared="$unshared --map-root-user"
		# shellcheck disable=SC2086,SC2016 # words; for the inner shell
		set -- unshare $unshared sh -c '
			! [ -e /proc/self/net ] || ip link set lo up 2>/dev/null
			[ "$1" != replaced ] || { mount --bind "$2" "$3" && cmp "$2" "$3"; } || exit 126
			shift 3
			exec "$@"' sh "$way" "$ours" "$original" "$@"
	fi
	case $way in
	path) LD_LIBRARY_PATH=$work/lib "$@" ;;
	copy) LD_LIBRARY_PATH=$work/copy "$@" ;;
	preload) LD_PRELOAD=$ours "$@" ;;
	*) "$@" ;;
	esac
}

# run NAME WAY DIR [WRAPPER...]: drive, in a folder that becomes DIR afterwards: it
# has the same path each time, which so many a program prints; its exit status
run() {
	name=$1 way=$2 dir=$3
	shift 3
	place=$work/$name/${place_of_run-run}
	rm -rf "$place"
	mkdir -p "$place/result"
	chmod 755 "$place"
	(
		cd "$place" || exit 2
		# Debian's own programs, or what stands before them.
		PATH=$work/before:/usr/sbin:/usr/bin:/sbin:/bin
		export here work input scale purpose PATH
		in_way "$way" timeout -k 10 "$seconds" "$@" sh "$here/drive.sh" "$name" "${function-drive}"
	) >"$place/stdout" 2>"$place/stderr" </dev/null
	status=$?
	rm -rf "$dir"
	mv "$place" "$dir"
	return $status
}

# watched NAME WAY DIR: the same with a line for each process in DIR/processes
watched() {
	if [ "$watch" = tracer ]; then
		run "$1" "$2" "$3" "$work/watch" processes "$ours"
		return
	fi
	run "$1" "$2" "$3" env LD_DEBUG=libs LD_DEBUG_OUTPUT="$work/$1/run/loader.of"
	status=$?
	# In its own mounts the library has the path of the original.
	expected=$ours
	[ "$2" != replaced ] || expected=$found
	# One process may be several programs, and a number come again.
	for process in "$3"/loader.of.*; do
		awk -v expected="$expected" '
			/calling init: .*libtalloc\.so\.2/ { library = $NF == expected ? "ours" : "other" }
			/initialize program: / {
				program = $NF
				sub(".*/", "", program)
				print program, library ? library : "-", 0
				library = ""
			}
			END { if (library) print program, library, 0 }' "$process"
	done >"$3/processes"
	return $status
}

# One file of what a run gave, to be compared.
results() { # DIR
	(cd "$1/result" && find . -type f | sort | while read -r file; do
		echo "== $file"
		normal <"$file"
	done)
}

# done_with NAME: its files go
done_with() {
	[ -n "${KEEP-}" ] || rm -rf "${work:?}/$1"
}
