# smbd with four smbclients at a time, and many short sessions.
. "$here/samba.sh"
packages="samba samba-common-bin smbclient"
programs="smbd smbclient pdbedit"
cost=2

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

drive() {
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
	daemon out smbd -s "$PWD/smb.conf" -F --no-process-group --debug-stdout
	await 30 client ls
	timed clients clients
	timed sessions sessions
	stop $pid
	! grep -rh 'PANIC\|INTERNAL ERROR\|Bad talloc' out log
	for c in 1 2 3 4; do
		listing <session$c >result/session$c
		cat got$c/* | sha256sum >>result/session$c
		(cd share/c$c && ls && cat -- * | sha256sum) >>result/session$c
	done
	sort -u out >result/out
	listing <sessions >result/sessions
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
	sed 's/-21-[0-9]*-[0-9]*-[0-9]*-/-21-X-/; s/^\(Password\|Logon\|Kickoff\|Last\).*//; s/ pid [0-9]*/ pid N/; s|/[^ ]*/smbd/[a-z]*/|/|g'
}
