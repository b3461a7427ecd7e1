# Debian's Python with its talloc, ldb, tdb and samba modules.
packages="python3 python3-talloc python3-ldb python3-tdb python3-samba"
programs=python3
cost=20

drive() {
	for part in ndr ldb security; do
		timed $part python3 -Bs "$here/python.py" $part "$(part 1000)" >result/$part
	done
	timed param python3 -Bs "$here/python.py" param "$(part 1000)" >result/param
}
