# notmuch from Debian's source, built on the staged library with nothing of the
# original to build on; then its own test suite.
packages="dpkg-dev gcc g++ make pkg-config libxapian-dev libgmime-3.0-dev zlib1g-dev perl gnupg
	python3 python3-cffi python3-dev python3-setuptools"
programs="notmuch notmuch-shared"
seconds=600
ways=path
# They run programs under gdb, which a tracer would prevent.
watch=loader

prepare() {
	debian_source notmuch
	development
	cd tree
	# What of it is not in C++ and C has nothing to do with us.
	without_original ./configure --without-emacs --without-ruby --without-docs --without-api-docs \
		--without-bash-completion --without-zsh-completion --without-desktop
	without_original make -j2 V=1 all test-binaries
	# From here on the loader finds the library elsewhere.
	rm -rf ../dev
}

drive() {
	# A few fail for root, or where a tool is missing.
	(
		cd "$input/tree/test"
		NOTMUCH_TEST_SERIALIZE=1 ./notmuch-test
	) >log 2>&1 || [ $? -eq 1 ]
	# Where it was stopped in a debugger depends on time.
	sed 's/detected [0-9]*>10/detected >10/' log | grep '^ *\(PASS\|FAIL\|BROKEN\|FIXED\|SKIP\) \|^T[0-9]*-' >result/tests
	sed -n '/^Notmuch test suite complete/,$p' log >result/sum
	[ "$(grep -c '^ *PASS ' result/tests)" -gt 1000 ]
}
