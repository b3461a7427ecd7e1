#!/bin/sh
# drive.sh NAME prepare|drive|soak: that part of a program's work, in the current
# folder. common.sh starts it, with $here, $work, $input and $scale.
set -eu

# part N: N, scaled
part() {
	n=$(($1 * scale / 100))
	echo $((n > 1 ? n : 1))
}

# timed STEP COMMAND...: adds its milliseconds to the table of times
timed() {
	label=$1
	shift
	from=$(date +%s%N)
	"$@"
	echo "$label $((($(date +%s%N) - from) / 1000000))" >>times
}

# daemon LOG COMMAND...: in the foreground of a session of its own; its pid
# is in $pid. What has not been stopped when drive ends is then.
daemon() {
	log=$1
	shift
	setsid "$@" >"$log" 2>&1 </dev/null &
	pid=$!
	daemons="$daemons $pid"
}
daemons=
# shellcheck disable=SC2154 # drive fails
trap 'code=$?; for d in $daemons; do ended "$d" || kill "$d"; done; exit $code' EXIT
trap 'exit 1' HUP INT TERM

# await SECONDS COMMAND...: until it succeeds
await() {
	tries=$(($1 * 10))
	[ "$purpose" != cost ] || tries=$((tries * 10))
	shift
	until "$@" >await.log 2>&1; do
		tries=$((tries - 1))
		if [ $tries -le 0 ]; then
			echo "timeout waiting for: $*" >&2
			cat await.log >&2
			return 1
		fi
		sleep 0.1
	done
}

# stop PID: ends it as its init script would, and waits until it has
stop() {
	kill -TERM "$1"
	await 30 ended "$1"
}

ended() {
	! kill -0 "$1" 2>/dev/null
}

# A TCP and UDP port of 127.0.0.1 that nobody has, and the next one.
free_port() {
	p=$((20000 + $$ % 5000 * 2))
	while grep -qi ":\($(printf '%04X\|%04X' $p $((p + 1)))\) " /proc/net/tcp /proc/net/udp; do
		p=$((p + 2))
	done
	echo $p
}

# sample PID: the memory of each process of a daemon's session, every few seconds
# from now on until drive ends
sample() {
	start=$(date +%s)
	while sleep 5; do
		ps -s "$1" -o pid=,comm=,rss= | sed "/ 0$/d; s/^/$(($(date +%s) - start)) /"
	done >samples 2>sample.err &
	daemons="$daemons $!"
}

# for_minutes COMMAND...: again and again until $minutes are over
for_minutes() {
	end=$(($(date +%s) + minutes * 60))
	while [ "$(date +%s)" -lt $end ]; do
		"$@"
	done
}

# looked TEXT COMMAND...: a line of result/looks
looked() {
	text=$1
	shift
	if "$@" >look.log 2>&1; then
		echo "ok - $text"
	else
		echo "not ok - $text"
		sed 's/^/  /' look.log
	fi >>result/looks
}

# sound COMMAND...: while it runs, talloc-view check finds nothing wrong in any of the
# processes that COMMAND names
sound() {
	times=0
	while ! ended "$loaded_by"; do
		for p in $("$@"); do
			code=0
			"$view" check "$p" || code=$?
			# One that is gone is not to be seen any more.
			[ $code -eq 0 ] || { [ $code -eq 2 ] && await 5 ended "$p"; } || return 1
			times=$((times + 1))
		done
	done
	echo "$times times"
	[ $times -ge 5 ]
}

# reports PID FILE [COMMAND]: gdb lets it report all there is, after a command of gdb's, and
# talloc-view sees the same meanwhile
reports() {
	cat >commands <<-END
		set pagination off
		set confirm off
		set breakpoint pending on
		${3-}
		set \$f = ((void *(*)(const char *, const char *)) fopen)("$PWD/$2", "w")
		call ((void (*)(void *, void *)) talloc_report_full)(0, \$f)
		call ((int (*)(void *)) fclose)(\$f)
		shell "$view" diff $1 "$PWD/$2" && touch "$PWD/$2.is_the_same"
		detach
	END
	timeout 60 gdb -nx -batch -p "$1" -x commands
	[ "$(grep -c ' contains ' "$2")" -gt 20 ] && [ -e "$2.is_the_same" ]
}

# What talloc reports as left, each different line once: every process that came
# and went has its report. Those that ended with a message on its way tell nothing.
leaks() {
	sed -n '/talloc report on/,$ { s/ 0x[0-9a-f]*$//; p; }' | awk '
		/talloc report on/ { out(); report = "" }
		{ report = report $0 "\n" }
		function out() { if (report !~ /struct messaging_dgm_out_queue/) printf "%s", report }
		END { out() }' | sort -u
}

# mails COUNT: so many, in threads of five, in the folder mail
mails() {
	mkdir mail
	awk -v n="$1" 'BEGIN {
		for (i = 1; i <= n; i++) {
			file = sprintf("mail/%05d", i)
			printf "From: Writer %d <writer%d@example.org>\nTo: list@example.org\n", i % 37, i % 37 >file
			printf "Subject: %s%s number %d\n", i % 5 == 1 ? "" : "Re: ", i % 3 ? "tea" : "milk", int((i - 1) / 5) >file
			printf "Date: Mon, %02d Jan 2024 %02d:%02d:00 +0000\n", 1 + i % 28, i % 24, i % 60 >file
			printf "Message-ID: <m%d@example.org>\n", i >file
			if (i % 5 != 1)
				printf "In-Reply-To: <m%d@example.org>\nReferences: <m%d@example.org>\n", i - 1, i - 1 >file
			printf "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n" >file
			for (line = 0; line < 3 + i % 40; line++)
				printf "The word %d of letter %d is pot%d.\n", line, i, (i * 7 + line) % 997 >file
			close(file)
		}
	}'
}

# development: a copy of the staged library that is there for building only, in dev
development() {
	cp -R "$stage" dev
	sed -i "s|^prefix=.*|prefix=$PWD/dev|" dev/lib/pkgconfig/talloc.pc
	PKG_CONFIG_PATH=$PWD/dev/lib/pkgconfig
	export PKG_CONFIG_PATH
	[ "$(pkg-config --variable=libdir talloc)" = "$PWD/dev/lib" ]
}

# without_original COMMAND...: with nothing of the original's development package;
# where its library is, and the link for the linker leads, is ours
without_original() {
	map=
	[ "$(id -u)" -eq 0 ] || map=--map-root-user
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount $map sh -ec '
		mount --bind "$1" "$2"
		shift 2
		for file in /usr/include/talloc.h /usr/lib/*/libtalloc.a /usr/lib/*/pkgconfig/talloc.pc; do
			[ ! -e "$file" ] || mount --bind /dev/null "$file"
		done
		exec "$@"' sh "$ours" "$original" "$@"
}

# debian_source PACKAGE: unpacked and patched into tree
debian_source() {
	# Its own list of sources: the machine may have none.
	mkdir -p apt/lists/partial
	apt-get indextargets --format 'deb-src $(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
		sort -u >apt/sources.list
	for command in update "source --download-only $1"; do
		# shellcheck disable=SC2086 # words
		apt-get -q -o Dir::Etc::sourcelist="$PWD/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
			-o Dir::State::lists="$PWD/apt/lists" -o APT::Sandbox::User=root $command || {
			echo "no source of $1"
			exit 77
		}
	done
	dpkg-source --no-check -x "$1"_*.dsc tree
}

prepare() { :; }
. "$here/each/$1.sh"
"$2"
