# make                 build/libtalloc.so.2.5.0 and build/libtalloc.a
# make demo            a tour, and a program of the system, on this library
# make check           every test; `make check-upstream TALLOC_SRC=dir` one more
# make soak MINUTES=n  random walks beside the original; make coverage
# make check-arch      the C tests on other platforms; ARCH="arm64 s390x" picks
# make bench           times beside the original and malloc; BENCH="churn mix" some;
#                      make bench-calls: of each call
# make ops             instructions; make ops-update commits to the present ones
# make check-programs  Debian's programs on it, PROGRAMS="ldb notmuch" picks; also
#                      make soak-programs MINUTES=n, make cost-programs, and
#                      make view-programs, which looks into some with talloc-view
# make view            the tool talloc-view, with its man pages and completions; needs
#                      crates that the library does not. make install then takes it along
# make install         DESTDIR prefix exec_prefix bindir libdir includedir datarootdir as
#                      usual, with the manual and debug information; make install-strip
#                      leaves the latter out
# make uninstall, make clean
# make doc             the functions of talloc.h as HTML, in build/doc/html: needs doxygen
# make header          include/talloc.h again, after a change in src/abi.rs or
#                      cbindgen.toml; make check-header tells whether it is due
# make dist, deb, rpm  a tarball that is built without network, Debian's packages, RPMs:
#                      docs/packages.md; make check-packages installs the packages in a
#                      small Debian of their own
# V=1 shows commands. CC CFLAGS LDFLAGS AR CARGO_TARGET_DIR CARGO_BUILD_TARGET do what
# they usually do, from the environment too.

version = 2.5.0
soname = libtalloc.so.2
# What packages are called: the version of the interface, and which release it is of ours.
release = $(version)+rust1

prefix = /usr/local
exec_prefix = $(prefix)
libdir = $(exec_prefix)/lib
includedir = $(prefix)/include
bindir = $(exec_prefix)/bin
datarootdir = $(prefix)/share

# CC and AR are make's, unless the environment says otherwise.
OBJCOPY ?= objcopy
STRIP ?= strip
CARGO ?= cargo
RUSTC ?= rustc
INSTALL ?= install
LDCONFIG ?= ldconfig

V =
Q = $(if $(filter 1,$(V)),,@)

build = build
stage = $(CURDIR)/$(build)/stage
rust = $(build)/rust.a
shared = $(build)/libtalloc.so.$(version)
static = $(build)/libtalloc.a

sources = Cargo.toml Cargo.lock build.rs include/talloc.h $(wildcard src/*.rs src/*.c)

# What debug information calls this folder: the result is the same wherever it is
# made. Rust's own sources keep the name they have where they are not installed.
named = /usr/src/talloc-$(version)
rust_here = $$($(RUSTC) --print sysroot)/lib/rustlib/src/rust
rust_named = /rustc/$$($(RUSTC) -vV | sed -n 's/^commit-hash: //p')

# Functions and loops begin with a line of the processor's cache: what one takes does not
# depend on what lies before it.  What is to be inlined says so; of the rest a copy is made
# only where it is short.
tuned = -C llvm-args=-align-all-functions=6 -C llvm-args=-align-loops=64 \
	-C llvm-args=-inline-threshold=50

all: $(shared) $(static)

# A copy of what cargo made: it says where that is.
$(rust): $(sources)
	@mkdir -p $(build)
	$(Q)TALLOC_SOURCE_NAME='$(named)' $(CARGO) rustc --release --locked --lib \
		--message-format=json-render-diagnostics \
		-- --remap-path-prefix='$(CURDIR)=$(named)' \
		--remap-path-prefix="$(rust_here)=$(rust_named)" $(tuned) \
		>$(build)/cargo.json
	$(Q)cp "$$(sed -n 's/.*"filenames":\["\([^"]*libtalloc\.a\)"\].*/\1/p' $(build)/cargo.json)" $@

# A cdylib would leave out the C functions and the version nodes.  Its own functions call
# each other directly: each symbol that is looked up when a program starts costs.  A linker
# that does not take the script: make layout=
layout = $(if $(filter x86_64-% aarch64-%,$(machine)),-Wl$(comma)-T$(comma)talloc.ld)
machine = $(shell $(CC) -dumpmachine)
comma = ,
$(shared): $(rust) talloc.map talloc.ld
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ \
		-Wl,--whole-archive $(rust) -Wl,--no-whole-archive \
		-Wl,--version-script=talloc.map -Wl,--no-undefined-version \
		-Wl,-Bsymbolic-functions $(layout) \
		-Wl,--gc-sections -Wl,-soname,$(soname) -Wl,-O1 -Wl,--as-needed \
		-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,text -Wl,-z,defs \
		-static-libgcc

# One object in which every symbol but those of talloc.h is local.
$(build)/exports: talloc.map
	@mkdir -p $(build)
	$(Q)sed -n 's/^\t\(_*talloc[a-z_]*\);$$/\1/p' talloc.map >$@

# On MIPS the linker makes a global pointer up for it, which it subtracts but does not note.
pointer = $(if $(filter mips%,$(machine)),-Wl$(comma)--defsym=_gp=0)
$(static): $(rust) $(build)/exports
	@echo "  ARCHIVE $@"
	$(Q)$(CC) $(CFLAGS) -r -nostdlib -o $(build)/talloc.o -Wl,--gc-sections \
		-Wl,--force-group-allocation $(pointer) \
		-Wl,--whole-archive $(rust) -Wl,--no-whole-archive \
		$$(sed 's/^/-Wl,-u,/' $(build)/exports)
	$(Q)$(OBJCOPY) --keep-global-symbols=$(build)/exports \
		--remove-section=.llvmbc --remove-section=.llvmcmd \
		--strip-symbol=rust_eh_personality $(build)/talloc.o
	$(Q)rm -f $@
	$(Q)$(AR) rcsD $@ $(build)/talloc.o

# The committed header is what cbindgen makes of src/abi.rs; only these two need it.
make_header = CARGO_TARGET_DIR=$(build)/header $(CARGO) run -q --locked --release \
	--manifest-path tools/header/Cargo.toml --

header:
	@$(make_header) include/talloc.h

check-header:
	@mkdir -p $(build)
	@$(make_header) $(build)/talloc.h
	@cmp $(build)/talloc.h include/talloc.h || { \
		echo "include/talloc.h is not what src/abi.rs and cbindgen.toml say:" \
			"run \`make header\`" >&2; exit 1; }

# The manual: man/*.3, and for each name in their headings a page that leads there.
pages = $(wildcard man/*.3)
man3 = $(DESTDIR)$(datarootdir)/man/man3
$(build)/staged: $(pages)
names_in = sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \([^ ]*\).*/\1/p'

# The same groups as HTML, from the comments of the header.
doc:
	@command -v doxygen >/dev/null || { \
		echo "make doc needs doxygen: Debian's package doxygen" >&2; exit 1; }
	@rm -rf $(build)/doc && mkdir -p $(build)/doc
	$(Q)doxygen docs/api/Doxyfile
	@echo "  DOC     $(build)/doc/html/index.html"

# The tool, a crate of its own: what it uses is no burden of the library's.
viewer = $(build)/view/talloc-view

view: $(viewer)

$(viewer): view/Cargo.toml view/Cargo.lock $(wildcard view/src/*.rs)
	@mkdir -p $(build)/view
	$(Q)CARGO_TARGET_DIR=$(build)/view/target $(CARGO) build --release --locked --bins \
		--manifest-path view/Cargo.toml --message-format=json-render-diagnostics \
		>$(build)/view/cargo.json
	$(Q)rm -rf $(build)/view/share && mkdir $(build)/view/share
	$(Q)made=$$(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' $(build)/view/cargo.json) && \
		"$$made" generate $(build)/view/share && cp "$$made" $@

# What `make install` takes along: the tool, if it was made.
view_made = $(wildcard $(viewer))

# Root's installation into a folder that the loader knows is for every program: at
# once, not with the next ldconfig that somebody runs. DESTDIR and folders of one's own
# are none of the loader's business.
loader = @[ -n '$(DESTDIR)' ] || [ "$$(id -u)" -ne 0 ] || { \
	PATH="$$PATH:/usr/sbin:/sbin"; \
	$(LDCONFIG) -vNX 2>/dev/null | sed -n 's|^\(/[^:]*\):.*|\1|p' | \
		while read -r folder; do [ ! "$$folder" -ef '$(libdir)' ] || echo it; done | \
		grep -q it || exit 0; \
	echo "  LDCONFIG"; \
	$(LDCONFIG); }

# Where gdb looks for what it is to load with the library, by the path of that.
auto_load = $(DESTDIR)$(datarootdir)/gdb/auto-load$(libdir)
gdb_script = $(auto_load)/libtalloc.so.$(version)-gdb.py

install: all
	@echo "  INSTALL $(DESTDIR)$(libdir) $(DESTDIR)$(includedir)"
	$(Q)$(INSTALL) -d '$(DESTDIR)$(libdir)/pkgconfig' '$(DESTDIR)$(includedir)'
	$(Q)$(INSTALL) -m 755 $(shared) '$(DESTDIR)$(libdir)/libtalloc.so.$(version)'
	$(Q)ln -sf libtalloc.so.$(version) '$(DESTDIR)$(libdir)/$(soname)'
	$(Q)ln -sf $(soname) '$(DESTDIR)$(libdir)/libtalloc.so'
	$(Q)$(INSTALL) -m 644 $(static) '$(DESTDIR)$(libdir)/libtalloc.a'
	$(Q)$(INSTALL) -m 644 include/talloc.h '$(DESTDIR)$(includedir)/talloc.h'
	$(Q)$(INSTALL) -d '$(man3)' && $(INSTALL) -m 644 $(pages) '$(man3)'
	$(Q)for page in $(notdir $(pages)); do \
		for name in $$($(names_in) man/$$page); do \
			[ $$name.3 != $$page ] || continue; \
			echo ".so man3/$$page" >'$(man3)'/$$name.3 && chmod 644 '$(man3)'/$$name.3 || exit 1; \
		done; \
	done
	$(Q)sed -e 's|@version@|$(version)|' \
	    -e 's|@prefix@|$(prefix)|' \
	    -e 's|@exec_prefix@|$(exec_prefix:$(prefix)%=$${prefix}%)|' \
	    -e 's|@libdir@|$(libdir:$(exec_prefix)%=$${exec_prefix}%)|' \
	    -e 's|@includedir@|$(includedir:$(prefix)%=$${prefix}%)|' \
	    talloc.pc.in >'$(DESTDIR)$(libdir)/pkgconfig/talloc.pc'
	$(Q)$(INSTALL) -d '$(auto_load)'
	$(Q)$(INSTALL) -m 644 tools/gdb/talloc-gdb.py '$(gdb_script)'
	$(if $(view_made),$(install_view))
	$(loader)

man1 = $(DESTDIR)$(datarootdir)/man/man1
bash = $(DESTDIR)$(datarootdir)/bash-completion/completions
zsh = $(DESTDIR)$(datarootdir)/zsh/site-functions
fish = $(DESTDIR)$(datarootdir)/fish/vendor_completions.d

install_view = $(Q)$(INSTALL) -d '$(DESTDIR)$(bindir)' '$(man1)' '$(bash)' '$(zsh)' '$(fish)' && \
	$(INSTALL) -m 755 $(viewer) '$(DESTDIR)$(bindir)/talloc-view' && \
	$(INSTALL) -m 644 $(build)/view/share/*.1 '$(man1)' && \
	$(INSTALL) -m 644 $(build)/view/share/talloc-view.bash '$(bash)/talloc-view' && \
	$(INSTALL) -m 644 $(build)/view/share/_talloc-view '$(zsh)' && \
	$(INSTALL) -m 644 $(build)/view/share/talloc-view.fish '$(fish)'

install-strip: install
	$(Q)$(STRIP) --strip-unneeded '$(DESTDIR)$(libdir)/libtalloc.so.$(version)'
	$(Q)$(STRIP) --strip-debug '$(DESTDIR)$(libdir)/libtalloc.a'

uninstall:
	$(Q)for name in $(basename $(notdir $(pages))) $$($(names_in) $(pages)); do rm -f '$(man3)'/$$name.3; done
	$(Q)rm -f '$(DESTDIR)$(libdir)/libtalloc.so.$(version)' '$(DESTDIR)$(libdir)/$(soname)' \
	      '$(DESTDIR)$(libdir)/libtalloc.so' '$(DESTDIR)$(libdir)/libtalloc.a' \
	      '$(DESTDIR)$(libdir)/pkgconfig/talloc.pc' '$(DESTDIR)$(includedir)/talloc.h' \
	      '$(DESTDIR)$(bindir)/talloc-view' '$(man1)/talloc-view.1' '$(man1)'/talloc-view-*.1 \
	      '$(bash)/talloc-view' '$(zsh)/_talloc-view' '$(fish)/talloc-view.fish' '$(gdb_script)'
	$(loader)

# What the demo and the tests run on.
$(build)/staged: $(shared) $(static) talloc.pc.in include/talloc.h tools/gdb/talloc-gdb.py Makefile
	$(Q)rm -rf '$(stage)'
	$(Q)$(MAKE) --no-print-directory install-strip prefix='$(stage)' exec_prefix='$(stage)' \
		libdir='$(stage)/lib' includedir='$(stage)/include' datarootdir='$(stage)/share' \
		DESTDIR= view_made= >/dev/null
	@touch $@

stage: $(build)/staged

demo: stage
	@sh examples/demo.sh '$(stage)'

check: stage
	@sh c-tests/check.sh '$(stage)'

# The C tests on other platforms, beside the original there: docs/platforms.md.
# AGAIN=1 runs those alone that failed.
ARCH =
check-arch: stage
	@sh c-tests/arch.sh $(ARCH)

# Random walks beside the original for as long as you like; then fuzzing.
MINUTES = 10
soak: stage
	@sh c-tests/soak.sh '$(stage)' '$(MINUTES)'

# Debian's programs on this library and on the original.
check-programs: stage
	@sh programs/check.sh '$(stage)'

# talloc-view beside what some of them report themselves, while they are at work.
view-programs: stage view
	@sh programs/view.sh '$(stage)' $(build)/view/talloc-view

# Servers under load for as long as you like, and what the programs cost.
soak-programs: stage
	@sh programs/soak.sh '$(stage)' '$(MINUTES)'

cost-programs: stage
	@sh programs/cost.sh '$(stage)'

# Which lines of src/ the tests reach.
coverage: stage
	@sh c-tests/coverage.sh

# Nanoseconds per operation, here, on the original and of malloc, in pairs of
# runs; all of them also make benches/results and the figures in docs/figures.md and README.md.
BENCH =
BENCH_PAIRS = 7
bench: stage
	@BENCH_PAIRS='$(BENCH_PAIRS)' sh benches/bench.sh '$(stage)' $(BENCH)

# Nanoseconds of each call of the interface, here and on the original: docs/calls.md.
bench-calls: stage
	@sh benches/calls.sh '$(stage)'

# Instructions per operation, here, on the original and of malloc; what
# `make check` holds the next change to.
ops: stage
	@sh benches/instructions.sh '$(stage)' table

ops-update: stage
	@sh benches/instructions.sh '$(stage)' update

check-upstream: stage
	@sh c-tests/upstream/run.sh '$(TALLOC_SRC)' '$(stage)'

# What others build packages from, and those packages.
dist = $(build)/talloc-$(release).tar.xz
dist:
	@echo "  DIST    $(dist)"
	@CARGO='$(CARGO)' sh packaging/dist.sh '$(release)' '$(dist)'

deb: dist
	@sh packaging/deb.sh '$(dist)' $(build)/deb

rpm: dist
	@sh packaging/rpm.sh '$(dist)' $(build)/rpm

check-packages: deb rpm
	@sh packaging/check.sh '$(dist)' $(build)/deb $(build)/rpm

.PHONY: dist deb rpm check-packages

clean:
	rm -rf $(build) target

.DELETE_ON_ERROR:

.PHONY: all view doc header check-header install install-strip uninstall stage demo check check-arch check-programs view-programs soak soak-programs \
	cost-programs coverage bench bench-calls ops ops-update check-upstream clean
