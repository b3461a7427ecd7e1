#!/bin/sh
# The release: the committed files, the crates of the library and of talloc-view, and the
# setting by which cargo takes those, so that all is built without network.
#
# usage: dist.sh RELEASE FILE.tar.xz        (`make dist` calls it)
#
# The same commit makes the same bytes; all files have the time SOURCE_DATE_EPOCH, which is
# the time of the commit if nobody says otherwise.
set -eu
LC_ALL=C
export LC_ALL

if [ $# -ne 2 ]; then
	echo "usage: $0 RELEASE FILE.tar.xz" >&2
	exit 2
fi
name=talloc-$1
case $2 in
/*) file=$2 ;;
*) file=$PWD/$2 ;;
esac
cd "$(dirname "$0")/.."
. packaging/need.sh
have git:git xz:xz-utils
: "${CARGO:=cargo}"
# A folder that lies in somebody else's repository is not committed.
if [ ! -e .git ] || ! git rev-parse -q --verify HEAD >/dev/null; then
	echo "$0: a release is made from a git repository; this is none" >&2
	exit 1
fi
if [ -n "$(git status --porcelain --untracked-files=no)" ]; then
	echo "note: changes that are not committed are not in the release" >&2
fi
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
case $SOURCE_DATE_EPOCH in
*[!0-9]* | '')
	echo "$0: SOURCE_DATE_EPOCH is a number of seconds, not '$SOURCE_DATE_EPOCH'" >&2
	exit 2
	;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
git archive --prefix="$name/" HEAD >"$work/commit.tar"
tar -xf "$work/commit.tar" -C "$work"
cd "$work/$name"
"$CARGO" vendor -q --locked --versioned-dirs --sync view/Cargo.toml vendor >/dev/null

# Crates for other systems than Linux hold libraries that nobody has compiled here, and are
# most of the size. Cargo wants to see that they exist: their names and versions stay.
targets="x86_64-unknown-linux-gnu x86_64-unknown-linux-musl aarch64-unknown-linux-gnu
	i686-unknown-linux-gnu armv7-unknown-linux-gnueabihf mips64el-unknown-linux-gnuabi64
	powerpc64le-unknown-linux-gnu riscv64gc-unknown-linux-gnu s390x-unknown-linux-gnu"
crates() { # EDGES: those of all these, as their folders are called
	for manifest in Cargo.toml view/Cargo.toml; do
		# shellcheck disable=SC2046,SC2086 # words
		"$CARGO" tree -q --locked --manifest-path "$manifest" $(printf -- '--target %s ' $targets) \
			--edges "$1" --prefix none --no-dedupe --format '{p}'
	done >"$work/trees"
	sed -n 's/^\([^ ]*\) v\([^ ]*\).*/\1-\2/p' "$work/trees" | sort -u
}
crates normal,build,dev >"$work/used"
crates normal >"$work/linked"
for crate in vendor/*; do
	! grep -qxF "${crate#vendor/}" "$work/used" || continue
	sum=$(sed 's/.*"package":"\([0-9a-f]*\)".*/\1/' "$crate/.cargo-checksum.json")
	find "$crate" -mindepth 1 -maxdepth 1 ! -name Cargo.toml -exec rm -rf {} +
	mkdir "$crate/src"
	: >"$crate/src/lib.rs"
	printf '{"files":{},"package":"%s"}' "$sum" >"$crate/.cargo-checksum.json"
done

# Whose work is in the programs, for packages to have along; each has the Apache License,
# which most of them offer as well, at hand.
{
	echo "Crates in the library and in talloc-view, and the terms of their authors."
	while read -r crate; do
		[ -d "vendor/$crate" ] || continue # our own
		printf '\n==== %s\n' "$crate"
		sed -n '/^\[package\]/,/^\[[^p]/{ s/^license = "\(.*\)"/Licence: \1/p; s/^repository = "\(.*\)"/From: \1/p; }' \
			"vendor/$crate/Cargo.toml"
		for text in "vendor/$crate"/*; do
			case ${text##*/} in
			*APACHE* | *Apache* | *UNLICENSE* | *BOOST*) continue ;;
			LICEN[CS]E* | COPY* | NOTICE*) ;;
			*) continue ;;
			esac
			if [ -f "$text" ] && ! head -n 5 "$text" | grep -q 'Apache License'; then
				echo
				cat "$text"
			fi
		done
	done <"$work/linked"
} >CRATES

mkdir .cargo
cat >.cargo/config.toml <<-'END_'
	# The crates of this release; nothing comes from elsewhere.
	[source.crates-io]
	replace-with = "vendored"

	[source.vendored]
	directory = "vendor"
END_

cd "$work"
mkdir -p "$(dirname "$file")"
tar --sort=name --format=gnu --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
	--mode=u=rwX,go=rX -cf "$name.tar" "$name"
xz -T1 -3 "$name.tar"
mv "$name.tar.xz" "$file"
