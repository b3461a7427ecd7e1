# smbd with four smbclients at a time, and many short sessions.
. "$here/samba.sh"
packages="samba samba-common-bin smbclient"
programs="smbd smbclient pdbedit"
as_root=replaced
cost=8

prepare() {
	for c in 1 2 3 4; do
		mkdir $c
		for i in $(seq "$(part 2500)"); do
			printf '%s file %d of client %d\n' "$(seq -s ' ' $((i % 50)))" "$i" $c >$c/f$i.txt
		done
	done
}

client() { # COMMANDS
	smbclient -s smb.conf -p "$port" //127.0.0.1/share -U root%word -c "$1"
}

# What one client does, in a folder of its own on the server.
session() { # NUMBER
	mkdir "got$1"
	client "mkdir c$1; cd c$1; lcd $input/$1; prompt; mput *.txt; ls"
	client "cd c$1; rename f1.txt first.txt; allinfo first.txt; mkdir sub; put $input/$1/f1.txt sub/one.txt;
		lcd got$1; prompt; mget *.txt; recurse; ls"
	client "cd c$1; del f*0.txt; del f*[5]*.txt; deltree sub; ls; volume; du"
}

serve() {
	samba_folders serve
	mkdir share
	port=$(free_port)
	cat >>smb.conf <<-END
			smb ports = $port
			passdb backend = tdbsam:$PWD/private/passdb.tdb
			load printers = no
			disable spoolss = yes
			log level = 1
		[share]
			path = $PWD/share
			read only = no
			store dos attributes = no
	END
	printf 'word\nword\n' | pdbedit -s smb.conf -a -t -u root >result/pdbedit 2>pdbedit.err
	daemon out smbd -s "$PWD/smb.conf" -F --no-process-group --debug-stdout --leak-report-full
	await 30 client ls
}

# What it says at its end, and what it still had.
served() {
	# Until it has cleaned up behind the last client.
	sleep 3
	stop $pid
	! grep -rh 'PANIC\|INTERNAL ERROR\|Bad talloc' out log
	sed '/talloc report on/,$d' out | sort -u >result/out
	leaks <out >result/leaks
}

drive() {
	serve
	timed clients clients
	timed sessions sessions
	served
	for c in 1 2 3 4; do
		listing <session$c >result/session$c
		cat got$c/* | sha256sum >>result/session$c
		(cd share/c$c && ls && cat -- * | sha256sum) >>result/session$c
	done
	listing <sessions >result/sessions
}

# What talloc-view sees of it, and what it says itself.
look() {
	serve
	clients &
	loaded_by=$!
	looked "smbd: nothing wrong in any process under load" sound processes
	wait $loaded_by
	# One client that stays.
	{
		echo "put $input/1/f1.txt there"
		sleep 60
	} | smbclient -s smb.conf -p "$port" //127.0.0.1/share -U root%word >stays 2>&1 &
	daemons="$daemons $!"
	await 30 test -e share/there
	await 30 idle
	for p in $(processes); do
		looked "smbd: the same as smbcontrol pool-usage" says $p
	done
	[ "$(grep -c pool-usage result/looks)" -ge 4 ]
}

processes() {
	pgrep -f "^smbd -s $PWD/smb.conf"
}

# Nothing has been done for a second.
idle() {
	before=$(work_done)
	sleep 1
	[ "$before" = "$(work_done)" ]
}

work_done() {
	for p in $(processes); do
		cut -d ' ' -f 14,15 "/proc/$p/stat"
	done
}

says() { # PID
	smbcontrol -s smb.conf "$1" pool-usage >usage
	[ "$(grep -c ' contains ' usage)" -gt 20 ] && "$view" diff "$1" usage
}

# One client that stays, and others that come and go.
soak() {
	serve
	sample $pid
	mkdir got
	for_minutes stay | smbclient -s smb.conf -p "$port" //127.0.0.1/share -U root%word >stays 2>&1 &
	for_minutes come
	wait $!
	served
}

stay() {
	printf 'lcd %s/1\nput f1.txt stay1\nput f2.txt stay2\nls\nget stay1 %s/got/stay1\nallinfo stay2\n' "$input" "$PWD"
	printf 'rename stay2 stay3\ndel stay1\ndel stay3\nmkdir d\nls d\\*\nrmdir d\n'
	sleep 0.1
}

come() {
	client "mkdir c; cd c; lcd $input/2; prompt; mput f1*.txt; ls; del *; cd ..; rmdir c" >come 2>&1
	echo >>rounds
}

clients() {
	sessions=
	for c in 1 2 3 4; do
		session $c >session$c 2>&1 &
		sessions="$sessions $!"
	done
	for s in $sessions; do
		wait "$s"
	done
}

sessions() {
	for i in $(seq "$(part 100)"); do
		client "ls c1/f1*; allinfo c2/first.txt"
	done >sessions
}

# Without sizes of the disk, times, speeds and numbers, in an order of its own:
# a folder is listed in whatever order it has.
listing() {
	sed '/blocks of size/d; /^[a-z]*_time: /d; /^volume: /d; /^Volume: /d
		s/ \(Mon\|Tue\|Wed\|Thu\|Fri\|Sat\|Sun\) .*//; s/ ([0-9.a-z]* .*\/s[ec]*).*//
		s/ of size \([0-9]*\) as.*/ \1/' | sort
}

normal() {
	sed 's/-21-[0-9]*-[0-9]*-[0-9]*-/-21-X-/; s/^\(Password\|Logon\|Kickoff\|Last\).*//; s/ pid [0-9]*/ pid N/'
}
