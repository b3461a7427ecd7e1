# FreeRADIUS from Debian's source, built on the staged library with nothing of the
# original to build on; then its own test suite.
packages="dpkg-dev gcc make pkg-config libssl-dev libpcre2-dev libpcap-dev libreadline-dev perl openssl"
programs="unittest radiusd radclient"
seconds=600
# Its own tools set LD_LIBRARY_PATH.
ways="preload replaced"
# Its tests would fetch and build another program.
privileges=network

prepare() {
	debian_source freeradius
	development
	cd tree
	without_original ./configure --disable-developer CFLAGS=-O1 \
		LDFLAGS="$(pkg-config --libs-only-L talloc)" \
		--with-talloc-include-dir="$(pkg-config --variable=includedir talloc)" \
		--with-talloc-lib-dir="$(pkg-config --variable=libdir talloc)"
	grep -q 'HAVE_TALLOC_SET_MEMLIMIT 1' src/include/autoconf.h
	without_original make -j2
	# From here on the loader finds the library elsewhere.
	rm -rf ../dev
}

drive() {
	cd "$input/tree"
	rm -rf build/tests
	status=0
	timed tests make test >"$OLDPWD/log" 2>&1 || status=$?
	# One server is left to whoever comes next.
	[ ! -s src/tests/radiusd.pid ] || stop "$(cat src/tests/radiusd.pid)"
	cd "$OLDPWD"
	grep -i '^[A-Z]*-TEST \|success\|fail\|error' log >result/tests
	echo "exit $status" >>result/tests
	[ "$(grep -c TEST result/tests)" -gt 50 ]
}
