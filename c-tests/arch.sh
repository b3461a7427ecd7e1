#!/bin/sh
# The C tests on other platforms: each is built with Debian's cross compiler, and runs
# natively or under qemu's user emulation beside that platform's own Debian libtalloc2.
#
# usage: arch.sh [PLATFORM...]        (`make check-arch` calls it; without names: all)
#
# With AGAIN=1 those tests alone run that failed.
#
# Installs the Debian packages it needs; root is necessary for that alone. What it fetches
# besides it keeps in build/arch: Rust with the source of `core`, C libraries, the
# original. Prints a line for each test that failed and a table, which it also writes to
# docs/platforms.md; ends with 1 if anything failed.
set -u
LC_ALL=C.UTF-8
TZ=UTC
export LC_ALL TZ

cd "$(dirname "$0")/.." || exit 2
# All of them, on two cores.
minutes=45
all="i386 musl-amd64 arm64 armhf armel mips64el ppc64el riscv64 s390x musl-arm64"
platforms=${*:-$all}
arch=$PWD/build/arch
mkdir -p "$arch" || exit 2

die() {
	echo "$0: $*" >&2
	exit 2
}

# about PLATFORM: Debian's name and release, the compiler's and Rust's; $emulator is empty
# where it runs natively, $like is the header that binfmt_misc is to know.
about() {
	libc=glibc
	debian=$1
	release=bookworm
	emulator=
	like=
	case $1 in
	i386) tuple=i686-linux-gnu rust=i686-unknown-linux-gnu ;;
	musl-amd64) libc=musl debian=amd64 tuple=x86_64-linux-gnu rust=x86_64-unknown-linux-musl ;;
	musl-arm64) libc=musl debian=arm64 rust=aarch64-unknown-linux-musl ;;
	arm64) rust=aarch64-unknown-linux-gnu ;;
	armhf) tuple=arm-linux-gnueabihf rust=armv7-unknown-linux-gnueabihf emulator=arm like='1 1 28 00' ;;
	armel) tuple=arm-linux-gnueabi rust=armv5te-unknown-linux-gnueabi emulator=arm like='1 1 28 00' ;;
	mips64el) tuple=mips64el-linux-gnuabi64 rust=mips64el-unknown-linux-gnuabi64 emulator=mips64el like='2 1 08 00' ;;
	ppc64el) tuple=powerpc64le-linux-gnu rust=powerpc64le-unknown-linux-gnu emulator=ppc64le like='2 1 15 00' ;;
	# Debian 12 was not released for it.
	riscv64) release=trixie tuple=riscv64-linux-gnu rust=riscv64gc-unknown-linux-gnu emulator=riscv64 like='2 1 f3 00' ;;
	s390x) tuple=s390x-linux-gnu rust=s390x-unknown-linux-gnu emulator=s390x like='2 2 00 16' ;;
	*) die "no such platform: $1; there are $all" ;;
	esac
	[ "$debian" != arm64 ] || tuple=aarch64-linux-gnu emulator=aarch64 like='2 1 b7 00'
	here=$arch/$1
}

# ---- what is needed ------------------------------------------------------------------

packages="gcc libc6-dev libcurl4 libgit2-1.5 libsqlite3-0 libtalloc2 make qemu-user util-linux"
for platform in $platforms; do
	about "$platform"
	case $platform in
	musl-amd64) packages="$packages musl musl-tools" ;;
	*) packages="$packages gcc-$(echo "$tuple" | tr _ -) libc6-dev-$debian-cross" ;;
	esac
done
root=
[ "$(id -u)" -eq 0 ] || root='sudo -n'

# The newest Rust that Debian has with its sources; it stays out of the system's way.
get_rust() {
	[ ! -f "$arch/rust/done" ] || return 0
	rm -rf "$arch/rust"
	mkdir -p "$arch/rust/bin" &&
		version=$(apt-cache madison rust-web-src | awk '{ print $3 }' | sort -V | tail -n 1) &&
		[ -n "$version" ] || return 1
	$root apt-get -q install -y --no-install-recommends "$(
		apt-cache show "libstd-rust-web-$(echo "$version" | cut -d. -f1,2)=$version" |
			grep -o 'libllvm[0-9]*' | head -n 1)" || return 1
	(
		cd "$arch/rust" &&
			apt-get -q download "rust-web-src=$version" "rustc-web=$version" \
				"cargo-web=$version" "libstd-rust-web-dev=$version" \
				"libstd-rust-web-$(echo "$version" | cut -d. -f1,2)=$version" || exit 1
		for package in *.deb; do
			dpkg-deb -x "$package" . || exit 1
		done
		rm -f ./*.deb
		for tool in rustc cargo; do
			printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' \
				"'$PWD/usr/lib/x86_64-linux-gnu'" "'$PWD/usr/bin/$tool'" >bin/$tool &&
				chmod +x bin/$tool || exit 1
		done
		bin/rustc --version && bin/cargo --version && touch 'done'
	)
}

# Packages of another architecture, without telling the system's apt about it.
get_root() { # PACKAGES...
	[ ! -f "$here/root/done" ] || return 0
	rm -rf "$here/root" "$here/apt"
	mkdir -p "$here/root" "$here/apt/lists/partial" "$here/apt/cache/archives/partial" || return 1
	: >"$here/apt/status"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
		"http://deb.debian.org/debian $release main" >"$here/apt/sources"
	options="-o Dir::State=$here/apt -o Dir::State::lists=$here/apt/lists
		-o Dir::State::status=$here/apt/status -o Dir::Cache=$here/apt/cache
		-o Dir::Etc::sourcelist=$here/apt/sources -o Dir::Etc::sourceparts=-
		-o APT::Architecture=$debian -o APT::Architectures=$debian
		-o Acquire::Languages=none -q"
	# shellcheck disable=SC2086 # options are words
	(
		cd "$here/apt" &&
			apt-get $options update && apt-get $options download "$@" || exit 1
		for package in *.deb; do
			dpkg-deb -x "$package" "$here/root" || exit 1
		done
		# where these folders are links, they come with no package of a library
		for folder in lib lib64; do
			[ -e "$here/root/$folder" ] || ln -s "usr/$folder" "$here/root/$folder" || exit 1
		done
		# links from the root of the file system lead astray here
		find "$here/root" -type l -lname '/*' | while read -r link; do
			ln -sfn "$here/root$(readlink "$link")" "$link" || exit 1
		done
	) && rm -rf "$here/apt" && touch "$here/root/done"
}

# A compiler for the platform, as $here/cc.
make_cc() {
	flags=
	command=$tuple-gcc
	case $platform in
	i386) # natively, but with a C library of its own
		loader=$here/root/lib/ld-linux.so.2
		flags="-Wl,--dynamic-linker=$loader -Wl,-rpath,$here/root/lib/$debian-linux-gnu"
		;;
	musl-amd64) # and the kernel's headers
		command=musl-gcc
		flags="-idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu"
		;;
	musl-arm64)
		# where Debian's folders are one, the linker finds the shared one beside the static one
		ln -sf "$here/root/lib/aarch64-linux-musl/libc.so" "$here/root/usr/lib/aarch64-linux-musl" ||
			return 1
		specs=$here/musl.specs
		sed "s|/usr/|$here/root/usr/|g; s|/lib/ld-musl|$here/root&|" \
			"$here/root/usr/lib/aarch64-linux-musl/musl-gcc.specs" >"$specs" || return 1
		# the kernel's headers; no atomics of libgcc, which need a function of glibc
		flags="-specs $specs -mno-outline-atomics -idirafter /usr/$tuple/include"
		;;
	esac
	printf '#!/bin/sh\nexec %s "$@" %s\n' "$command" "$flags" >"$here/cc" && chmod +x "$here/cc"
}

build() {
	CARGO_BUILD_TARGET=$rust CARGO_TARGET_DIR=$arch/target RUSTC_BOOTSTRAP=1 \
		CARGO_UNSTABLE_BUILD_STD=core \
		__CARGO_TESTS_ONLY_SRC_ROOT=$(echo "$arch"/rust/usr/src/rustc-*/library) \
		RUSTC=$arch/rust/bin/rustc CARGO=$arch/rust/bin/cargo \
		make --no-print-directory build="build/arch/$platform/make" CC="$here/cc" AR="$tuple-ar" \
		OBJCOPY="$tuple-objcopy" STRIP="$tuple-strip" stage
}

prepare() {
	case $platform in
	musl-amd64) ;;
	musl-arm64) get_root musl musl-dev musl-tools libc6 libgcc-s1 libtalloc2 ;;
	*) get_root libc6 libgcc-s1 libtalloc2 ;;
	esac && make_cc && build
}

log=$arch/packages.log
missing=
for package in $packages; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ] || [ ! -f "$arch/rust/done" ]; then
	# shellcheck disable=SC2086 # names are words
	{ $root apt-get -q update && $root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y \
		--no-install-recommends $missing; } >"$log" 2>&1 || {
		tail -n 5 "$log" >&2
		die "cannot install$missing"
	}
fi
get_rust >"$log" 2>&1 || {
	tail -n 5 "$log" >&2
	die "cannot get Debian's Rust with its sources"
}

# ---- the tests ---------------------------------------------------------------------------

failed=0
end=$(($(date +%s) + minutes * 60))
for platform in $platforms; do
	about "$platform"
	start=$(date +%s)
	echo "== $platform"
	# until run.sh has come to its end
	mkdir -p "$here" && echo "| $platform | not run |" >"$here/row" || exit 2
	if [ "$start" -ge "$end" ]; then
		echo "not ok - $platform: $minutes minutes are over"
		failed=1
		continue
	fi
	if ! prepare >"$arch/$platform.log" 2>&1; then
		echo "not ok - $platform: it builds"
		tail -n 20 "$arch/$platform.log" >&2
		failed=1
		continue
	fi
	seconds=$((end - $(date +%s)))
	[ $seconds -le 900 ] || seconds=900
	[ $seconds -ge 1 ] || seconds=1
	# binfmt_misc, so that programs can start themselves, in a namespace of its own.
	# shellcheck disable=SC2086 # words, or none
	${emulator:+unshare --user --map-root-user --mount} \
		timeout $seconds sh c-tests/arch/run.sh "$platform" "$libc" "$here" "$emulator" "$like" || failed=1
	echo "$(($(date +%s) - start)) s"
done

# ---- the table -----------------------------------------------------------------------------

page=docs/platforms.md
for platform in $platforms; do
	row=$arch/$platform/row
	[ -f "$row" ] || continue
	awk -v row="$(cat "$row")" -v key="| $platform |" \
		'index($0, key) == 1 { print row; next } { print }' "$page" >"$arch/page.$$" &&
		cat "$arch/page.$$" >"$page" && rm "$arch/page.$$"
done
sed -n '/^| platform/,/^$/p' "$page"
exit $failed
