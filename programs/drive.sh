#!/bin/sh
# drive.sh NAME prepare|drive: that part of a program's work, in the current
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
# is in $pid
daemon() {
	log=$1
	shift
	setsid "$@" >"$log" 2>&1 </dev/null &
	pid=$!
}

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

# A TCP and UDP port of 127.0.0.1 that nobody has.
free_port() {
	p=$((20000 + $$ % 10000))
	while grep -qi ":$(printf %04X $p) " /proc/net/tcp /proc/net/udp; do
		p=$((p + 1))
	done
	echo $p
}

prepare() { :; }
. "$here/each/$1.sh"
"$2"
