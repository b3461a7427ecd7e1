"""Commands of gdb for the memory of libtalloc, in a process and in a core: docs/gdb.md.

gdb loads this file by itself together with the library.  It reads memory and calls nothing in
the process, so that it works where the heap is broken, and in a core.  What it reads is told
by the note that the library carries (src/note.rs); what a header, a record and a handle look
like goes with the version of that note (src/header.rs, src/records.rs, src/refs.rs).
"""

import fnmatch
import re
import struct

import gdb
import gdb.printing

# The version of the layout that this file knows.
VERSION = 2

HEADER = 64
WORD = 0xFFFFFFFFFFFFFFFF
PAGE = 4096
LONGEST_NAME = 4096

# What a head says.
SIZE = 0x0FFFFFFF
TOP = 1 << 28
DTOR = 1 << 29
REF = 1 << 30
HANDLE = 1 << 31
MEMBER = 1 << 35
POOL = 1 << 36
LIMIT = 1 << 37
DYING = 1 << 38
ALIVE = 1 << 41

# Where the links are in a header.
NEXT = 16
CHILD = 24
EXTRA = 40

# What a record is about.
A_POOL, A_CACHE, WATCHED, ACCOUNT, LINKED = range(1, 6)
IS_CACHE = 1 << 31


class Unreadable(Exception):
    """There is no memory at an address."""

    def __init__(self, at):
        super().__init__(f"cannot read memory at {at:#x}")


class Memory:
    """The memory of the process or core.  What was read once is kept, so this is for one
    command."""

    def __init__(self):
        self.inferior = gdb.selected_inferior()
        self.pages = {}

    def _page(self, number):
        page = self.pages.get(number)
        if page is None:
            try:
                page = self.inferior.read_memory(number * PAGE, PAGE).tobytes()
            except (gdb.error, OverflowError):
                page = b""
            self.pages[number] = page
        return page

    def read(self, at, size):
        """So many bytes."""
        number, offset = divmod(at, PAGE)
        page = self._page(number)
        if page and offset + size <= PAGE:
            return page[offset : offset + size]
        parts = []
        end = at + size
        while at < end:
            number, offset = divmod(at, PAGE)
            page = self._page(number)
            if not page:
                raise Unreadable(at)
            part = page[offset : offset + end - at]
            parts.append(part)
            at += len(part)
        return b"".join(parts)

    def large(self, start, end):
        """Pieces of what can be read between two addresses, with their addresses."""
        try:
            yield start, self.inferior.read_memory(start, end - start).tobytes()
            return
        except gdb.error:
            pass
        for at in range(start, end, PAGE):
            page = self._page(at // PAGE)
            if page:
                yield at, page

    def text(self, at):
        """The C string there."""
        if at == 0:
            return None
        parts = []
        size = 0
        while size < LONGEST_NAME:
            number, offset = divmod(at + size, PAGE)
            page = self._page(number)
            if not page:
                return "(unreadable)"
            end = page.find(b"\0", offset)
            if end >= 0:
                parts.append(page[offset:end])
                return plain(b"".join(parts))
            parts.append(page[offset:])
            size += PAGE - offset
        return plain(b"".join(parts)[:LONGEST_NAME]) + "..."


def plain(name):
    """A name without what a terminal could take for something else."""

    def escape(m):
        c = m.group()
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(c) or f"\\u{{{ord(c):x}}}"

    return re.sub("[\x00-\x1f\x7f-\x9f]", escape, name.decode("utf-8", "replace"))


class Map:
    """A part of the address space."""

    def __init__(self, start, end, offset, access, path):
        self.start, self.end, self.offset = start, end, offset
        self.access, self.path = access, path


def maps():
    """What `info proc mappings` says, of a process and of a core."""
    try:
        text = gdb.execute("info proc mappings", to_string=True)
    except gdb.error as error:
        raise gdb.GdbError(f"talloc: where the libraries lie is not known: {error}")
    found = []
    for line in text.splitlines():
        m = re.match(
            r"\s*0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)"
            r"(?:\s+([-r][-w][-x][-ps]))?\s*(.*?)\s*$",
            line,
        )
        if m:
            start, end, offset = (int(n, 16) for n in m.group(1, 2, 3))
            found.append(Map(start, end, offset, m.group(4), m.group(5)))
    return found


def writable():
    """The writable parts of memory: of a core those that it has, of a process all but
    devices."""
    inferior = gdb.selected_inferior()
    connection = getattr(inferior, "connection", None)
    if connection is None or connection.type == "core":
        text = gdb.execute("maintenance info sections", to_string=True)
        _, is_core, text = text.partition("Core file:")
        if is_core:
            sections = re.findall(
                r"0x([0-9a-f]+)->0x([0-9a-f]+) at 0x[0-9a-f]+: load\S*( .*)", text
            )
            return [
                (int(start, 16), int(end, 16))
                for start, end, flags in sections
                if "HAS_CONTENTS" in flags and "READONLY" not in flags
            ]
    # An old gdb does not say what may be written.
    return [
        (m.start, m.end)
        for m in maps()
        if (m.access is None or m.access.startswith("rw"))
        and not (m.path.startswith("/dev/") and m.path != "/dev/zero")
        and m.path not in ("[vvar]", "[vsyscall]")
    ]


class Library:
    """Where the library of the process keeps what proves a header, and what that is."""

    def __init__(self, memory, path, order, machine, at, note):
        self.path = path
        self.order = order
        words = len(note) // 4

        def half(offset):
            if offset // 4 >= words:
                raise gdb.GdbError(f"talloc: the note of {path} is garbled")
            return struct.unpack_from(order + "I", note, offset)[0]

        version = half(0)
        if version != VERSION or half(4) != HEADER:
            raise gdb.GdbError(
                f"talloc: {path} has layout version {version}, this script knows {VERSION} alone"
            )
        half(120)  # as long as it has to be

        def word(at):
            return struct.unpack(order + "Q", memory.read(at, 8))[0]

        def address(i):
            # Each word tells how far it is from itself to what it means.
            return (at + 8 * i + struct.unpack_from(order + "Q", note, 8 * i)[0]) & WORD

        try:
            keys = address(1)
            self.place, self.head_back, self.seal_back = (
                word(keys + half(i)) for i in (56, 60, 64)
            )
            self.is_used = word(keys + half(68)) & 0xFFFFFFFF != 0
            self.variables = [address(i) for i in (2, 3, 4, 5)]
        except Unreadable:
            raise gdb.GdbError(f"talloc: the variables of {path} cannot be read")
        # The bits that may be set in an address.
        self.address = {
            62: (1 << 48) - 1,
            183: ((1 << 52) - 1) | (0xF << 56),
        }.get(machine, (1 << 56) - 1)

    def decode(self, place, head):
        """What a head at `place` says; ALIVE or more if it is none."""
        return (head * self.head_back - (place + 1) * self.place) & WORD

    def unseal(self, place, word):
        """The address that was sealed for the chunk at `place`, or None."""
        address = (word * self.seal_back - (place + 1) * self.place) & WORD
        return address if address & ~self.address == 0 else None


def note_of(memory, base):
    """Order of bytes, machine, address and bytes of the note in the file that begins at
    `base`; "32" for one of 32 bits; None without a note."""
    try:
        begin = memory.read(base, PAGE)
    except Unreadable:
        return None
    if begin[:4] != b"\x7fELF":
        return None
    if begin[4] != 2:
        return "32"
    order = "<" if begin[5] == 1 else ">"
    machine = struct.unpack_from(order + "H", begin, 18)[0]
    headers, count = (
        struct.unpack_from(order + kind, begin, at)[0] for kind, at in (("Q", 32), ("H", 56))
    )
    segments = []
    for i in range(count):
        if headers + 56 * (i + 1) <= PAGE:
            kind, _, _, at, _, size = struct.unpack_from(order + "IIQQQQ", begin, headers + 56 * i)
            segments.append((kind, at, size))
    first = next((at for kind, at, _ in segments if kind == 1), None)
    if first is None:
        return None
    bias = base - (first & ~(PAGE - 1))
    for kind, at, size in segments:
        if kind != 4:
            continue
        at = (at + bias) & WORD
        try:
            notes = memory.read(at, min(size, PAGE))
        except Unreadable:
            continue
        i = 0
        while i + 12 <= len(notes):
            name, length, what = struct.unpack_from(order + "III", notes, i)
            start = i + 12 + (name + 3) // 4 * 4
            if name == 7 and what == 1 and notes[i + 12 : i + 19] == b"talloc\0":
                return order, machine, at + start, notes[start : start + length]
            i = start + (length + 3) // 4 * 4
    return None


def find_libraries(memory):
    """The libraries of the process that were used; mostly one."""
    if gdb.selected_inferior().pid == 0:
        raise gdb.GdbError("talloc: there is no process and no core")
    found = []
    original = narrow = unreadable = None
    for m in maps():
        if m.offset != 0 or not m.path:
            continue
        is_named = re.match(r"libtalloc\.so", m.path.rsplit("/", 1)[-1])
        note = note_of(memory, m.start)
        if isinstance(note, tuple):
            library = Library(memory, m.path, *note)
            # A file may be mapped twice, and one that was never used has no secret.
            if library.is_used and all(library.variables != other.variables for other in found):
                found.append(library)
        elif is_named and note == "32":
            narrow = m.path
        elif is_named:
            try:
                memory.read(m.start, 4)
                original = original or m.path
            except Unreadable:
                unreadable = m.path
    if found:
        return found
    if narrow:
        raise gdb.GdbError(f"talloc: {narrow} has 32 bits, and its chunks tell nothing there")
    if original:
        raise gdb.GdbError(
            f"talloc: {original} is another libtalloc: its chunks cannot be told from outside"
        )
    if unreadable:
        raise gdb.GdbError(f"talloc: {unreadable} cannot be read, and the file is not there")
    raise gdb.GdbError("talloc: there is no libtalloc in the process")


class Known:
    """The libraries are looked for once; where they lie and their secrets do not change."""

    key = None
    value = None

    @classmethod
    def forget(cls, *_):
        cls.key = None

    @classmethod
    def libraries(cls, memory):
        inferior = gdb.selected_inferior()
        key = (inferior.num, inferior.pid)
        if inferior.pid == 0 or cls.key != key:
            cls.value = find_libraries(memory)
            cls.key = key
        return cls.value


for _event in ("new_objfile", "clear_objfiles", "exited", "before_prompt"):
    if hasattr(gdb.events, _event):
        getattr(gdb.events, _event).connect(Known.forget)


class Chunk:
    """A header as it was read."""

    __slots__ = (
        "place", "payload", "parent", "next", "child", "pprev", "extra", "home", "name_at",
    )  # fmt: skip

    @property
    def user(self):
        return self.place + HEADER

    @property
    def size(self):
        """User bytes, none for a reference."""
        return 0 if self.payload & HANDLE else self.payload & SIZE

    def has(self, flags):
        return self.payload & flags != 0


class Record:
    """A pool, a cache, or an account of a memory limit."""

    def __init__(self, talloc, at):
        self.at = at
        bytes_ = talloc.memory.read(at, 64)
        self.next, self.end, self.base, self.top = struct.unpack_from(talloc.order + "4Q", bytes_)
        self.live, self.kind = struct.unpack_from(talloc.order + "2I", bytes_, 32)
        self.start, self.outer, self.account = struct.unpack_from(talloc.order + "3Q", bytes_, 40)
        self.is_account = self.kind in (ACCOUNT, LINKED)
        self.is_pool = self.kind in (A_POOL, A_CACHE, WATCHED)
        self.is_cache = self.is_pool and self.live & IS_CACHE != 0
        # Addresses are kept less one.
        self.user = self.base + 1
        self.block_end = self.top - 1
        self.members = (self.live & ~IS_CACHE) // 2
        self.is_own_alive = self.live & 1 != 0
        if not self.is_pool:
            return
        if self.is_cache:
            self.object, self.objects = struct.unpack(
                talloc.order + "2I", talloc.memory.read(self.start, 8)
            )
            self.room = self.block_end - self.user
            self.used = self.room // max(self.objects, 1) * self.members
        else:
            self.room = self.block_end - self.start - 1
            self.used = self.next - self.start


class Talloc:
    """The chunks of a library, as they are while one command runs."""

    def __init__(self, memory, library):
        self.memory, self.library = memory, library
        self.order = self.library.order
        self.chunks = {}
        self.names = {}
        self.lists = {}
        # Chunks that their parent, whose place this is for, does not lead to.
        self.lost = {}
        self.null, self.autofree, self.table, self.mask = (
            self.word(at) for at in self.library.variables
        )

    def word(self, at):
        return struct.unpack(self.order + "Q", self.memory.read(at, 8))[0]

    # ---- headers ------------------------------------------------------------

    def chunk(self, place):
        """The chunk whose header is at `place`, or None."""
        try:
            return self.chunks[place]
        except KeyError:
            pass
        c = None
        try:
            words = struct.unpack(self.order + "8Q", self.memory.read(place & WORD, HEADER))
            payload = self.library.decode(place, words[0])
            if payload < ALIVE:
                c = Chunk()
                c.place = place
                c.payload = payload
                c.parent, c.next, c.child, c.pprev, c.extra, c.home, c.name_at = words[1:]
        except Unreadable:
            pass
        self.chunks[place] = c
        return c

    def before(self, user):
        """The chunk of a user's pointer, or None."""
        return self.chunk(user - HEADER) if user > HEADER else None

    def name(self, c):
        """The name of a chunk; a reference has that of what it leads to."""
        if c.has(HANDLE):
            target = self.target(c)
            return self.name(target) if target and not target.has(HANDLE) else ".reference"
        name = self.names.get(c.name_at)
        if name is None:
            name = self.memory.text(c.name_at) or "UNNAMED"
            self.names[c.name_at] = name
        return name

    def told(self, user):
        """A chunk for people, by its user's pointer."""
        c = self.before(user)
        return f"{user:#x} {self.name(c)}" if c else f"{user:#x}, which is no chunk"

    # ---- references ---------------------------------------------------------

    def handle(self, h):
        """What the record of a reference says: target, back, older, location, destructor."""
        return struct.unpack(self.order + "5Q", self.memory.read(h.user, 40))

    def target(self, h):
        """What a reference leads to, or None."""
        try:
            return self.chunk(self.handle(h)[0])
        except Unreadable:
            return None

    def handles(self, c):
        """The references to a chunk by their places, newest first, and whether the list is as
        it has to be."""
        if not c.has(REF):
            return {}, True
        if c.place not in self.lists:
            self.lists[c.place] = self._handles(c)
        return self.lists[c.place]

    def _handles(self, c):
        found = {}
        at, back = c.extra, c.place + EXTRA
        while at != 0:
            h = self.chunk(at)
            if h is None or not h.has(HANDLE) or at in found:
                return found, False
            try:
                target, leads_back, older, _, _ = self.handle(h)
            except Unreadable:
                return found, False
            if target != c.place or leads_back != back:
                return found, False
            found[at] = h
            at, back = older, h.user + 16
        return found, bool(found)

    def destructor(self, c):
        """The destructor of a chunk with DTOR, or None if it was written over."""
        word = c.extra
        if c.has(REF):
            handles, _ = self.handles(c)
            if not handles:
                return None
            word = self.handle(next(iter(handles.values())))[4]
        return self.library.unseal(c.place, word)

    # ---- records ------------------------------------------------------------

    def record(self, home):
        """The record that a `home` leads to, or None."""
        try:
            return Record(self, self.table + (home & self.mask))
        except Unreadable:
            return None

    def pool_around(self, c):
        """The record of the pool or cache that a chunk is, or else lies in; None if there is
        none that can be."""
        if not c.has(POOL | MEMBER):
            return None
        r = self.record(c.home)
        if r and r.is_account and c.has(LIMIT):
            r = self.record(r.outer)
        if r is None or not r.is_pool:
            return None
        if c.has(POOL):
            return r if r.user == c.user else None
        return r if r.user <= c.place and c.user + c.size <= r.block_end else None

    def pool(self, c):
        """The record of what a chunk itself is, or None."""
        return self.pool_around(c) if c.has(POOL) else None

    def around(self, c):
        """The record of what a chunk lies in, or None."""
        if not c.has(MEMBER):
            return None
        r = self.pool_around(c)
        if r and c.has(POOL):
            r = self.record(r.outer)
            if r is None or not (r.is_pool and r.user <= c.place < r.block_end):
                return None
        return r

    def account(self, c):
        """The account of the nearest memory limit that a block counts for, or None."""
        if not c.has(LIMIT):
            return None
        r = self.record(c.home)
        if r and r.is_pool:
            r = self.record(r.account)
        return r if r and r.is_account else None

    def limit(self, c):
        """Limit and use of the account that a chunk has of its own, or None."""
        r = self.account(c)
        return (r.start, r.end) if r and r.user == c.user else None

    # ---- links --------------------------------------------------------------

    def is_led_to(self, c):
        """Does the word that is to lead to a chunk do so?"""
        if c.pprev == 0:
            return c.parent == 0 and c.next == 0
        if c.parent == 0:
            return False
        if c.pprev == c.parent - HEADER + CHILD:
            above = self.before(c.parent)
            return above is not None and above.child == c.place
        newer = self.chunk(c.pprev - NEXT) if c.pprev > NEXT else None
        return newer is not None and newer.next == c.place and newer.parent == c.parent

    def problems(self, c):
        """What is wrong with a chunk."""
        if not self.is_led_to(c):
            if c.parent != 0 and self.before(c.parent) is None:
                yield f"its parent {c.parent:#x} is no live chunk"
            else:
                yield "its link `pprev` leads to a word that does not lead back"
        for to, offset, parent, what in (
            (c.child, CHILD, c.user, "child"),
            (c.next, NEXT, c.parent, "next"),
        ):
            if to == 0:
                continue
            other = self.chunk(to)
            if other is None:
                yield f"its link `{what}` leads to {to:#x}, where no header is"
            elif other.pprev != c.place + offset or other.parent != parent:
                yield f"its link `{what}` leads to {other.user:#x}, which does not lead back"
        if c.has(HANDLE):
            target = self.target(c)
            if target is None:
                yield "a reference to what is no live chunk"
            elif c.place not in self.handles(target)[0]:
                yield "a reference that is not in the list of what it leads to"
        elif not self.handles(c)[1]:
            yield "its list of references is broken"
        if c.has(DTOR) and not c.has(DYING) and self.destructor(c) is None:
            yield "its destructor was overwritten"
        if c.has(POOL) and self.pool(c) is None:
            yield "the record of its pool is not its own"
        elif c.has(MEMBER) and self.around(c) is None:
            yield "it says that it lies in a pool, and does not"

    def children(self, c):
        """The children of a chunk, newest first, as far as links lead to them; then those that
        are known to be lost."""
        place = c.child
        seen = set()
        while place != 0 and place not in seen:
            seen.add(place)
            child = self.chunk(place)
            if child is None or child.parent != c.user:
                break
            yield child
            place = child.next
        yield from self.lost.get(c.place, ())

    # ---- all ----------------------------------------------------------------

    def scan(self):
        """Every chunk: each word of the writable memory is tried as a head."""
        library = self.library
        back, key = library.head_back, library.place
        spans = writable()
        is_native = self.order == ("<" if struct.pack("=H", 1)[0] else ">")
        for start, end in spans:
            for at in range(start, end, 1 << 20):
                for begin, piece in self.memory.large(at, min(at + (1 << 20), end)):
                    if not piece.strip(b"\0"):
                        continue
                    if is_native:
                        words = memoryview(piece).cast("Q")
                    else:
                        words = struct.unpack(f"{self.order}{len(piece) // 8}Q", piece)
                    of_place = (begin + 1) * key
                    step = 8 * key
                    for i in [
                        i
                        for i, head in enumerate(words)
                        if head and (head * back - of_place - i * step) & WORD < ALIVE
                    ]:
                        c = self.chunk(begin + 8 * i)
                        if c and c.user + (c.payload & SIZE) > end:
                            self.chunks[c.place] = None
        # What only looks like a header is dropped: nothing leads there, and it leads nowhere.
        found = {place: c for place, c in self.chunks.items() if c is not None}
        # By chance zeros behind a word look like a chunk without a parent: what is below one
        # is a chunk, or says that it is; and what its flags speak of is not zero.
        parents = {c.parent - HEADER for c in found.values()}

        def leads_down(c):
            if c.child != 0:
                return self.before(c.child + HEADER) is not None
            is_hollow = c.home == 0 and c.has(MEMBER | POOL | LIMIT) or c.extra == 0 and c.has(DTOR)
            return not is_hollow

        sound = {
            place
            for place, c in found.items()
            if self.is_led_to(c)
            and (
                c.parent != 0
                or c.has(TOP | DYING) and (place in parents or leads_down(c))
            )
        }
        led_to = set()
        if len(sound) < len(found):
            for place in sound:
                led_to.update((found[place].next, found[place].child))
        return [
            found[place]
            for place in sorted(found)
            if place in sound or place in led_to or found[place].parent - HEADER in sound
        ]

    def roots(self, chunks):
        """Those without a parent that is a chunk; of a loop, one."""
        linked = {child.place for c in chunks for child in self.children(c)}
        roots = []
        for c in chunks:
            if c.parent == 0 or self.before(c.parent) is None:
                roots.append(c)
            elif c.place not in linked:
                self.lost.setdefault(c.parent - HEADER, []).append(c)
        reached = {c.place for root in roots for c in self.below(root)}
        loops = []
        for c in chunks:
            if c.place not in reached and self.is_in_loop(c):
                loops.append(c)
                reached.update(x.place for x in self.below(c))
        return roots, loops

    def is_in_loop(self, c):
        """Is a chunk below itself?"""
        at, seen = c, set()
        while at is not None and at.parent != 0:
            at = self.before(at.parent)
            if at is c:
                return True
            if at is None or at.place in seen:
                return False
            seen.add(at.place)
        return False

    def below(self, root):
        """A chunk and all below it, each before what is below it, newest child first."""
        stack, seen = [root], set()
        while stack:
            c = stack.pop()
            if c.place in seen:
                continue
            seen.add(c.place)
            yield c
            if c.child or c.place in self.lost:
                stack.extend(reversed(list(self.children(c))))

    def path(self, c):
        """The names from the root to a chunk."""
        names = [self.name(c)]
        while c.parent != 0 and len(names) < 64:
            c = self.before(c.parent)
            if c is None:
                names.append("?")
                break
            names.append(self.name(c))
        return "/".join(reversed(names))


# ---- what the user means ------------------------------------------------------


def address_of(expression):
    """The address that an expression stands for.  Nothing is called in the process."""
    may_call = gdb.parameter("may-call-functions")
    gdb.execute("set may-call-functions off", to_string=True)
    try:
        value = gdb.parse_and_eval(expression)
        kind = value.type.strip_typedefs()
        if kind.code == gdb.TYPE_CODE_ARRAY and value.address is not None:
            value = value.address
        elif kind.code not in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_INT):
            if kind.code not in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
                raise gdb.GdbError(f"talloc: {expression} is of type {value.type}, no pointer")
            value = value.referenced_value()
        return int(value) & WORD
    except gdb.error as error:
        raise gdb.GdbError(f"talloc: {expression}: {error}")
    finally:
        if may_call:
            gdb.execute("set may-call-functions on", to_string=True)


def tallocs():
    """What there is in the process: one for each library."""
    memory = Memory()
    return [Talloc(memory, library) for library in Known.libraries(memory)]


def each_talloc():
    """The same, with the path of each before what is told of it, if there are more."""
    found = tallocs()
    for talloc in found:
        if len(found) > 1:
            print(f"{talloc.library.path}:")
        yield talloc


def chunk_at(expression):
    """The live chunk that an expression stands for, and whose it is."""
    found = tallocs()
    user = address_of(expression)
    if user == 0:
        raise gdb.GdbError(f"talloc: {expression} is NULL")
    for talloc in found:
        c = talloc.before(user)
        if c:
            return talloc, c
    for talloc in found:
        freed = freed_at(talloc, user)
        if freed:
            raise gdb.GdbError(f"talloc: {user:#x} was freed at {freed[1]}")
    try:
        found[0].memory.read((user - HEADER) & WORD, HEADER)
    except Unreadable:
        raise gdb.GdbError(f"talloc: {user:#x} is no chunk: memory before it cannot be read")
    raise gdb.GdbError(f"talloc: {user:#x} is no chunk")


def freed_at(talloc, user):
    """The size of a chunk that was freed here, and where; None if there was none."""
    place = user - HEADER
    try:
        words = struct.unpack(talloc.order + "8Q", talloc.memory.read(place & WORD, HEADER))
    except Unreadable:
        return None
    payload = talloc.library.decode(place, ~words[0] & WORD)
    if payload >= ALIVE:
        return None
    return payload & SIZE, talloc.memory.text(words[7]) or "(unknown)"


# ---- what is shown --------------------------------------------------------------


def show(columns, rows):
    """Columns; numbers stand at the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [columns] + cells) for i in range(len(columns))]
    right = [any(isinstance(row[i], int) for row in rows) for i in range(len(columns))]
    for row in [[name.upper() for name in columns]] + cells:
        parts = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right)
        ]
        print("  ".join(parts).rstrip())


def count(n, what):
    """So many of something."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


class Group:
    """Siblings of one name: a row."""

    def __init__(self, depth):
        self.chunks, self.bytes, self.blocks, self.depth = [], 0, 0, depth


class Tree:
    """Rows, heaviest first, as those of `talloc-view tree`."""

    def __init__(self, talloc, roots):
        self.talloc = talloc
        self.roots = roots
        self.totals = {}
        for root in roots:
            chunks = list(talloc.below(root))
            for c in reversed(chunks):
                bytes_, blocks = self.totals.get(c.place, (0, 0))
                bytes_, blocks = bytes_ + c.size, blocks + 1
                self.totals[c.place] = bytes_, blocks
                if c.place != root.place:
                    above = c.parent - HEADER
                    more = self.totals.get(above, (0, 0))
                    self.totals[above] = more[0] + bytes_, more[1] + blocks

    def groups(self, chunks, depth):
        groups = {}
        for c in chunks:
            if c.place not in self.totals:
                continue
            group = groups.setdefault((self.talloc.name(c), c.has(HANDLE)), Group(depth))
            bytes_, blocks = self.totals[c.place]
            group.chunks.append(c)
            group.bytes += bytes_
            group.blocks += blocks
        return sorted(groups.values(), key=lambda g: (-g.bytes, -g.blocks))

    def remarks(self, chunks):
        talloc = self.talloc
        remarks = []
        if len(chunks) == 1:
            remarks.append(f"{chunks[0].user:#x}")
        references = sum(len(talloc.handles(c)[0]) for c in chunks)
        if references:
            remarks.append(f"ref {references}")
        if any(c.has(DTOR) for c in chunks):
            remarks.append("destructor")
        if any(c.has(DYING) for c in chunks):
            remarks.append("being freed")
        members = sum(c.has(MEMBER) for c in chunks)
        if members == len(chunks):
            remarks.append("in a pool")
        elif members:
            remarks.append(f"{members} in pools")
        pools = [r for r in (talloc.pool(c) for c in chunks) if r]
        if pools:
            kind = "cache" if all(r.is_cache for r in pools) else "pool"
            used, room = sum(r.used for r in pools), sum(r.room for r in pools)
            remarks.append(f"{kind} {used}/{room}")
        limits = [limit for limit in (talloc.limit(c) for c in chunks) if limit]
        if limits and len(chunks) == 1:
            remarks.append(f"limit {limits[0][1]}/{limits[0][0]}")
        elif limits:
            remarks.append("limited")
        return ", ".join(remarks)

    def show(self, depth):
        talloc = self.talloc
        rows = []
        stack = list(reversed(self.groups(self.roots, 0)))
        shown = set()
        while stack:
            group = stack.pop()
            first = group.chunks[0]
            arrow = "-> " if first.has(HANDLE) else ""
            name = "  " * min(group.depth, 100) + arrow + talloc.name(first)
            rows.append(
                (group.bytes, group.blocks, len(group.chunks), name, self.remarks(group.chunks))
            )
            if depth is not None and group.depth >= depth:
                continue
            # In a loop of links nothing is shown twice.
            shown.update(c.place for c in group.chunks)
            below = [x for c in group.chunks for x in talloc.children(c) if x.place not in shown]
            stack.extend(reversed(self.groups(below, group.depth + 1)))
        show(["bytes", "blocks", "count", "name", "remarks"], rows)


# ---- commands ---------------------------------------------------------------------


class Command(gdb.Command):
    """What all commands have in common: each failure is one line."""

    def __init__(self, name, completer=gdb.COMPLETE_EXPRESSION):
        super().__init__(f"talloc {name}", gdb.COMMAND_DATA, completer)
        self.usage = f"usage: {self.__doc__.splitlines()[-1].strip()}"

    def invoke(self, argument, _from_tty):
        argument = argument.strip()
        if not argument:
            raise gdb.GdbError(self.usage)
        try:
            self.run(argument)
        except (Unreadable, gdb.error) as error:
            raise gdb.GdbError(f"talloc: {error}")


class TreeCommand(Command):
    """Show a chunk and what is below it, the null context, or all chunks.

    Siblings of one name are one row.  --depth limits how many levels below are shown.
    talloc tree EXPRESSION|null|all [--depth N]"""

    def run(self, argument):
        depth = None
        m = re.search(r"\s--depth[ =]\s*(\S+)$", argument)
        if m:
            if not m.group(1).isdigit():
                raise gdb.GdbError(self.usage)
            depth = int(m.group(1))
            argument = argument[: m.start()].strip()
        if not argument or "--depth" in argument:
            raise gdb.GdbError(self.usage)
        if argument == "all":
            for talloc in each_talloc():
                roots, loops = talloc.roots(talloc.scan())
                tree = Tree(talloc, roots + loops)
                tree.show(depth)
                totals = [tree.totals[root.place] for root in tree.roots]
                bytes_, blocks = sum(t[0] for t in totals), sum(t[1] for t in totals)
                print(f"{count(bytes_, 'byte')} in {count(blocks, 'block')}")
            return
        if argument != "null":
            talloc, c = chunk_at(argument)
            Tree(talloc, [c]).show(depth)
            return
        tracking = [talloc for talloc in tallocs() if talloc.null]
        if not tracking:
            raise gdb.GdbError(
                "talloc: null tracking is off: `talloc tree all` shows what has no parent"
            )
        for talloc in tracking:
            c = talloc.chunk(talloc.null)
            if c is None:
                raise gdb.GdbError("talloc: the null context is no live chunk")
            Tree(talloc, [c]).show(depth)


class InfoCommand(Command):
    """Show all that is known about one chunk, also about one that was freed.

    talloc info EXPRESSION"""

    def run(self, argument):
        found = tallocs()
        user = address_of(argument)
        if user and all(talloc.before(user) is None for talloc in found):
            for freed in filter(None, (freed_at(talloc, user) for talloc in found)):
                rows = [("address", f"{user:#x}"), ("size", freed[0]), ("freed at", freed[1])]
                return self.rows(rows)
        talloc, c = chunk_at(argument)
        target = talloc.target(c) if c.has(HANDLE) else None
        children = list(talloc.children(c))
        below = list(talloc.below(c))
        bytes_ = sum(x.size for x in below)
        rows = [
            ("name", talloc.name(c)),
            ("address", f"{user:#x}"),
            ("size", c.size),
            ("with below", f"{count(bytes_, 'byte')} in {count(len(below), 'block')}"),
            ("parent", talloc.told(c.parent) if c.parent else "none"),
            ("children", len(children)),
        ]
        rows += [("", f"{x.user:#x} {self.child(talloc, x)}") for x in children[:20]]
        if len(children) > 20:
            rows.append(("", f"... and {len(children) - 20} more"))
        if c.has(HANDLE):
            where = talloc.memory.text(talloc.handle(c)[3])
            rows.append(("reference to", talloc.told(target.user) if target else "no chunk"))
            rows.append(("made at", where or "unknown"))
        handles, is_whole = talloc.handles(c)
        rows.append(("references", len(handles) if is_whole else f"{len(handles)}, list is broken"))
        for h in handles.values():
            owner = talloc.told(h.parent) if h.parent else "none"
            rows.append(("", f"of {owner}, at {talloc.memory.text(talloc.handle(h)[3])}"))
        rows.append(("destructor", self.destructor(talloc, c)))
        rows.append(("memory limit", self.limit(talloc, c)))
        rows.append(("pool", self.pool(talloc, c)))
        if c.has(DYING):
            rows.append(("state", "being freed"))
        return self.rows(rows)

    @staticmethod
    def rows(rows):
        for name, value in rows:
            print(f"{name:12}  {value}")

    @staticmethod
    def child(talloc, c):
        return ("-> " if c.has(HANDLE) else "") + talloc.name(c)

    @staticmethod
    def destructor(talloc, c):
        if not c.has(DTOR):
            return "none"
        if c.has(DYING):
            return "was called"
        at = talloc.destructor(c)
        if at is None:
            return "was overwritten"
        symbol = gdb.execute(f"info symbol {at:#x}", to_string=True)
        name = symbol.split(" in section ")[0].strip()
        return f"{at:#x}" if name.startswith("No symbol") else f"{at:#x} {name}"

    @staticmethod
    def limit(talloc, c):
        own = talloc.limit(c)
        if own:
            most = own[0] or "no limit"
            return f"{own[1]} of {most} bytes used"
        account = talloc.account(c)
        if account:
            return f"counts for that of {talloc.told(account.user)}"
        if c.has(LIMIT):
            return "its account was overwritten"
        return "none"

    @staticmethod
    def pool(talloc, c):
        parts = []
        if c.has(POOL):
            r = talloc.pool(c)
            if r is None:
                parts.append("its record is not its own")
            elif r.is_cache:
                objects = f"{r.members} of {r.objects} objects of {r.object} bytes"
                parts.append(f"is a cache: {objects} taken")
            else:
                members = count(r.members, "member")
                parts.append(f"is a pool: {r.used} of {r.room} bytes used, {members}")
        if c.has(MEMBER):
            r = talloc.around(c)
            if r is None:
                parts.append("says that it lies in a pool, and does not")
            else:
                kind = "cache" if r.is_cache else "pool"
                where = talloc.told(r.user) if r.is_own_alive else f"{r.user:#x}, which is freed"
                parts.append(f"lies in the {kind} {where}")
        return "; ".join(parts) or "none"


class FindCommand(Command):
    """Show all chunks with a name that a pattern of the shell matches.

    Chunks without a parent are found, too.
    talloc find PATTERN"""

    def __init__(self, name):
        super().__init__(name, gdb.COMPLETE_NONE)

    def run(self, argument):
        # As in a shell, quotes are no part of it.
        if len(argument) > 2 and argument[0] == argument[-1] and argument[0] in "'\"":
            argument = argument[1:-1]
        for talloc in each_talloc():
            matches = {}
            rows = []
            chunks = talloc.scan()
            for c in chunks:
                if c.has(HANDLE):
                    continue
                name = talloc.name(c)
                if name not in matches:
                    matches[name] = fnmatch.fnmatchcase(name, argument)
                if matches[name]:
                    rows.append((f"{c.user:#x}", c.size, talloc.path(c)))
            if rows:
                show(["address", "bytes", "path"], rows)
            print(f"{len(rows)} of {count(len(chunks), 'chunk')}")


class CheckCommand(Command):
    """Check the headers, links, destructors, references and pools of chunks.

    talloc check EXPRESSION|all"""

    def run(self, argument):
        if argument != "all":
            talloc, c = chunk_at(argument)
            return self.show(talloc, talloc.below(c), [])
        for talloc in each_talloc():
            chunks = talloc.scan()
            more = [(c.user, talloc.name(c), "is below itself") for c in talloc.roots(chunks)[1]]
            for place in (talloc.null, talloc.autofree):
                if place and talloc.chunk(place) is None:
                    what = "the null or autofree context is no live chunk"
                    more.append((place + HEADER, "(root)", what))
            self.show(talloc, chunks, more)

    @staticmethod
    def show(talloc, chunks, more):
        checked, rows = 0, []
        for c in chunks:
            checked += 1
            rows += [(c.user, talloc.name(c), what) for what in talloc.problems(c)]
        rows += more
        if rows:
            show(["address", "name", "problem"], [(f"{row[0]:#x}", *row[1:]) for row in rows])
        wrong = count(len(rows), "problem") if rows else "nothing wrong"
        print(f"{count(checked, 'chunk')}, {wrong}")


class TallocCommand(gdb.Command):
    """Commands for the memory of libtalloc."""

    def __init__(self):
        super().__init__("talloc", gdb.COMMAND_DATA, gdb.COMPLETE_COMMAND, True)


class NameFunction(gdb.Function):
    """$talloc_name(POINTER): the name of a chunk, or "(no chunk)"."""

    def __init__(self):
        super().__init__("talloc_name")

    def invoke(self, pointer):
        name = name_of(pointer)
        return "(no chunk)" if name is None else name


def name_of(pointer):
    """The name of the chunk of a pointer, or None."""
    try:
        for talloc in tallocs():
            c = talloc.before(int(pointer) & WORD)
            if c:
                return talloc.name(c)
    except Unreadable:
        pass
    return None


class ContextPrinter:
    """A TALLOC_CTX *, with the name of its chunk."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        pointer = int(self.value) & WORD
        try:
            name = name_of(self.value)
        except (gdb.GdbError, gdb.error):
            name = None
        return f"{pointer:#x}" if name is None else f'{pointer:#x} "{name}"'


def printer_of(value):
    # Its type says that it is a chunk.  A `void *` may be anything.
    kind = value.type.strip_typedefs() if value.type.code == gdb.TYPE_CODE_TYPEDEF else value.type
    if kind.code == gdb.TYPE_CODE_PTR and kind.target().unqualified().name == "TALLOC_CTX":
        return ContextPrinter(value)
    return None


printer_of.name = "talloc"
printer_of.enabled = True

TallocCommand()
TreeCommand("tree")
InfoCommand("info")
FindCommand("find")
CheckCommand("check")
NameFunction()
gdb.printing.register_pretty_printer(None, printer_of, replace=True)
