# proot, which traces a shell and gives it another root folder.
packages=proot
programs=proot
as_root=replaced
# What it traces nobody else can, and what is preloaded would be in its guests.
watch=loader
ways="path replaced"

# No program that uses statx: those fail, on the original, too.
drive() {
	mkdir there
	proot -b "$PWD/there:/there" /bin/sh -c '
		i=0
		while [ $i -lt 300 ]; do
			i=$((i + 1))
			echo $i >/there/f$i
			[ $((i % 50)) -ne 0 ] || cat /there/f$i
		done' >result/bound
	timed proot proot -0 -b "$PWD/there:/mnt" -w /mnt /bin/sh -c '
		mkdir -p a/b/c/d
		for i in '"$(seq -s ' ' "$(part 100)")"'; do
			cat f$i f1 >a/b/c/d/f$i
			mv a/b/c/d/f$i a/b/g$i
			ln -s ../b/g$i a/link$i
			cat a/link$i
		done
		pwd
		cd a/../a/b/c/../..
		pwd -P
		find . | sort
		test -w /etc/passwd && echo may write
		chown 1:1 b && echo may chown' >result/session
	# Its own folder, too: where the loader writes what it does.
	proot -r "$PWD/there" -b "$PWD" -w / -b /bin -b /lib -b /lib64 -b /usr /bin/sh -c 'cat /f7; pwd; echo /*' >result/root
	proot /bin/sh -c 'exit 7' || echo "exit $?" >result/exit
	proot -b /nowhere:/there /bin/true >result/error 2>&1 || echo "exit $?" >>result/exit
	(cd there && find . -type f | sort | xargs cat | sha256sum) >result/files
}
