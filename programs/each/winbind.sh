# winbindd and wbinfo, for the users and groups of the machine's own database.
. "$here/samba.sh"
packages="winbind samba-common-bin"
programs="winbindd wbinfo pdbedit net"
# Its socket is where wbinfo looks for it.
privileges=mounts
cost=10

drive() {
	mount -t tmpfs none /run
	mkdir -p /run/samba/winbindd
	samba_folders serve
	cat >>smb.conf <<-END
			passdb backend = tdbsam:$PWD/private/passdb.tdb
			winbindd socket directory = /run/samba/winbindd
			winbind enum users = yes
			winbind enum groups = yes
			idmap config * : backend = tdb
			idmap config * : range = 100000-200000
			log level = 1
	END
	net -s smb.conf setlocalsid S-1-5-21-1-2-3 >result/net
	for user in root daemon bin; do
		printf 'word\nword\n' | pdbedit -s smb.conf -a -t -u $user
	done >pdbedit.out 2>&1
	daemon out winbindd -s "$PWD/smb.conf" -F --no-process-group --debug-stdout
	await 30 wbinfo -p
	timed questions questions >result/answers
	stop $pid
	! grep -h 'PANIC\|INTERNAL ERROR\|Bad talloc' out log/*
}

questions() {
	wbinfo -u
	wbinfo -g
	wbinfo -m
	wbinfo --own-domain
	wbinfo -t
	for i in $(seq "$(part 60)"); do
		ask -n SERVE+root
		ask -n 'SERVE\root'
		ask -s S-1-5-21-1-2-3-1000
		ask -s "S-1-5-32-$((500 + i))"
		ask -S S-1-5-21-1-2-3-1000
		ask -Y S-1-5-32-544
		ask -i 'SERVE\daemon'
		ask -r 'SERVE\bin'
		ask --user-domgroups S-1-5-21-1-2-3-1001
		ask --user-sids S-1-5-21-1-2-3-1001
		ask --lookup-sids S-1-5-21-1-2-3-1000,S-1-5-21-1-2-3-1001,S-1-1-0
		ask -R 500,501,1000
		ask -a 'SERVE\root%word'
		ask -a 'SERVE\root%wrong'
	done
	for d in BUILTIN SERVE nowhere; do
		ask -D $d
	done
}

# An answer may be that there is none.
ask() {
	echo "$*"
	wbinfo "$@" 2>&1 || echo "exit $?"
}
