# winbindd and wbinfo, for the users and groups of the machine's own database.
. "$here/samba.sh"
packages="winbind samba-common-bin"
programs="winbindd wbinfo pdbedit net"
as_root=always
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
			server role = classic primary domain controller
			log level = 1
	END
	net -s smb.conf setlocalsid S-1-5-21-1-2-3 >result/net
	for user in root daemon bin; do
		printf 'word\nword\n' | pdbedit -s smb.conf -a -t -u $user
	done >pdbedit.out 2>&1
	for group in adm mail news; do
		net -s smb.conf groupmap add ntgroup=$group unixgroup=$group type=domain
	done >>result/net
	daemon out winbindd -s "$PWD/smb.conf" -F --no-process-group --debug-stdout
	await 30 wbinfo -p
	timed questions questions >result/answers
	stop $pid
	# What winbindd started would wait for others for a while.
	stop "$(cat pid/samba-dcerpcd.pid)"
	! grep -rh 'PANIC\|INTERNAL ERROR\|Bad talloc' out log
}

questions() {
	for option in -u -g -m --own-domain -t --online-status; do
		ask $option
	done
	for i in $(seq "$(part 20)"); do
		ask -n TESTING+root
		ask -n 'TESTING\root'
		ask -s S-1-5-21-1-2-3-1000
		ask -s "S-1-5-32-$((500 + i))"
		ask -S S-1-5-21-1-2-3-1000
		ask -Y S-1-5-32-544
		ask -i 'TESTING\daemon'
		ask -r 'TESTING\bin'
		ask --user-domgroups S-1-5-21-1-2-3-1001
		ask --user-sids S-1-5-21-1-2-3-1001
		ask --lookup-sids S-1-5-21-1-2-3-1000,S-1-5-21-1-2-3-1001,S-1-1-0
		ask -R 500,501,1000
		ask -a 'TESTING\root%word'
		ask -a 'TESTING\root%wrong'
	done
	for d in BUILTIN TESTING NOWHERE; do
		ask -D $d
	done
}

# An answer may be that there is none.
ask() {
	echo "$*"
	wbinfo "$@" 2>&1 || echo "exit $?"
}
