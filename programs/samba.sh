# Folders for Samba's programs, all below the current one.

# samba_folders NAME: a smb.conf, to which the caller may add
samba_folders() {
	mkdir -p private state cache lock pid ncalrpc log base
	chmod 755 ncalrpc
	cat >smb.conf <<-END
		[global]
			workgroup = TESTING
			netbios name = $1
			private dir = $PWD/private
			state directory = $PWD/state
			cache directory = $PWD/cache
			lock directory = $PWD/lock
			pid directory = $PWD/pid
			ncalrpc dir = $PWD/ncalrpc
			log file = $PWD/log/%m
			interfaces = 127.0.0.1
			bind interfaces only = yes
			server min protocol = SMB2_02
			disable netbios = yes
			load printers = no
			printing = bsd
			printcap name = /dev/null
	END
}
