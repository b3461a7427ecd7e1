/*
 * The same by somebody who knows our source: which words lead where, which flags
 * say how they are taken, what lies beside the headers and in freed memory.  He
 * may have read one live header (a forged chunk marked as leaked is a copy of it,
 * with links that fit), but not the secret of the process.
 *
 * usage: our_layout [-v] [TITLE]
 *
 * Each attack writes one place, and perhaps flags of the victim's header with it;
 * then comes one operation; then all is freed, and new chunks are made.  Prints a
 * table, and with -v a line for each attack that the library did not withstand.
 * Exits with 1 if there was one.
 */
#include "attack.h"
#include "layout.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

enum { HEADER = sizeof(struct header) };

/* ---- malloc, to know where the record of a memory limit is ---- */

void *__libc_malloc(size_t size);
static void *last_block;

void *malloc(size_t size)
{
	last_block = __libc_malloc(size);
	return last_block;
}

/* ---- scenes ---- */

enum kind {
	BLOCK, WITH_DESTRUCTOR, REFERENCED, LIMITED, MEMBER, MEMBER_REFERENCED, POOL, POOL_IN_POOL,
	OBJECT, CACHE, DEAD_BLOCK, DEAD_MEMBER, DEAD_OBJECT, KINDS
};

static const char *const kind_names[KINDS] = {
	"block", "block with a destructor", "block with references", "block with a limit",
	"pool member", "pool member with references", "pool", "pool in a pool", "cache object",
	"cache", "freed block", "freed pool member", "freed cache object",
};

enum { SIZE = 48, SLOT = HEADER + SIZE, SLOTS = 80, ROOM = 4096, KEEPERS = 2, MOST = 250 };

static struct {
	void *top, *other, *owner, *parent, *older, *victim, *kid, *newer, *stranger, *account;
	/* the pool or cache that the victim is, or lies in, and where its room ends */
	void *room;
	char *end;
	/* what it was before it was freed */
	unsigned char before[HEADER];
	/* all that is alive, first those that are so to the last */
	struct {
		char *at;
		size_t size;
	} live[MOST];
	int count;
	bool overlapped;
} s;

static void *lives(void *ptr)
{
	memset(ptr, 'k', SIZE);
	s.live[s.count].at = ptr;
	s.live[s.count++].size = SIZE;
	return ptr;
}

static void *node(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, SIZE, name);
}

static void *sibling(bool in_cache, const char *name)
{
	void *ptr = in_cache ? talloc_cache(s.parent) : node(s.parent, name);

	talloc_set_name_const(ptr, name);
	return ptr;
}

/* Destructors that know their chunk: run on another one, they do harm. */
static int of_victim(void *ptr)
{
	if (ptr != s.victim)
		_exit(DID_RUN);
	return 0;
}

static int of_stranger(void *ptr)
{
	if (ptr != s.stranger)
		_exit(DID_RUN);
	return 0;
}

static bool is_dead(enum kind kind)
{
	return kind >= DEAD_BLOCK;
}

static void set_scene(enum kind kind)
{
	bool in_pool = kind == MEMBER || kind == MEMBER_REFERENCED || kind == POOL_IN_POOL ||
		       kind == DEAD_MEMBER;
	bool in_cache = kind == OBJECT || kind == DEAD_OBJECT;
	bool is_pool = kind == POOL || kind == POOL_IN_POOL;
	void *ctx, *strange, *keeper;

	s.top = talloc_new(NULL);
	ctx = in_pool ? talloc_pool(s.top, ROOM) : s.top;
	s.room = in_pool ? ctx : NULL;
	strange = in_pool ? talloc_pool(s.top, ROOM) : talloc_new(s.top);
	if (kind == LIMITED)
		talloc_set_memlimit(strange, 1000000);
	s.parent = in_cache ? talloc_pool_cache(ctx, SLOTS * SIZE, SIZE) : node(ctx, "parent");
	keeper = lives(sibling(in_cache, "keeper"));
	s.older = sibling(in_cache, "older");
	if (is_pool)
		s.victim = talloc_pool(s.parent, ROOM / 4);
	else if (kind == CACHE)
		s.victim = talloc_pool_cache(s.parent, SLOTS * SIZE, SIZE);
	else
		s.victim = sibling(in_cache, "victim");
	talloc_set_name_const(s.victim, "victim");
	s.kid = is_dead(kind) ? NULL : kind == CACHE ? talloc_cache(s.victim) :
						       node(s.victim, "kid");
	s.newer = sibling(in_cache, "newer");
	lives(talloc_steal(NULL, sibling(in_cache, "keeper")));
	talloc_steal(NULL, keeper);
	s.other = lives(node(ctx, "other"));
	s.owner = lives(node(ctx, "owner"));
	s.stranger = lives(node(strange, "stranger"));
	lives(s.older);
	lives(s.newer);
	if (!is_dead(kind))
		lives(s.kid);

	talloc_set_destructor(s.stranger, of_stranger);
	if (kind == WITH_DESTRUCTOR)
		talloc_set_destructor(s.victim, of_victim);
	if (kind == REFERENCED || kind == MEMBER_REFERENCED) {
		talloc_reference(s.owner, s.victim);
		talloc_reference(s.other, s.victim);
	}
	if (kind == LIMITED && talloc_set_memlimit(s.victim, 1000000) == 0)
		s.account = last_block;
	if (is_pool || kind == CACHE)
		s.room = s.victim;
	if (in_cache)
		s.room = s.parent;
	if (s.room != NULL)
		s.end = (char *)s.room + (in_cache || kind == CACHE ? SLOTS * SLOT :
					  is_pool		    ? ROOM / 4 :
								      ROOM);
	memcpy(s.before, header_of(s.victim), HEADER);
	if (is_dead(kind))
		talloc_free(s.victim);
}

/* ---- new chunks, which must lie where nobody is ---- */

static void is_new(char *at, size_t size)
{
	int i;

	if (at == NULL)
		return;
	for (i = 0; i < s.count; i++)
		s.overlapped |= at - HEADER < s.live[i].at + s.live[i].size &&
				s.live[i].at - HEADER < at + size;
	if (s.room != NULL && at < s.end && at + size > s.end)
		s.overlapped = true;
	if (s.count < MOST) {
		s.live[s.count].at = at;
		s.live[s.count++].size = size;
	}
}

static void make(const void *ctx, size_t size)
{
	is_new(talloc_named_const(ctx, size, "new"), size);
}

/* Several, small and large ones. */
static void make_all(const void *ctx)
{
	static const size_t sizes[] = { SIZE, SIZE + 16, 900 };
	int i;

	for (i = 0; i < 30; i++)
		make(ctx, sizes[i % 3]);
}

/* What nobody had a reason to write. */
static bool keepers_suffer(void)
{
	int i, j;

	for (i = 0; i < KEEPERS; i++)
		for (j = 0; j < SIZE; j++)
			if (s.live[i].at[j] != 'k')
				return true;
	return s.overlapped;
}

/* ---- places ---- */

enum group { LINKS, HOOK, HOME, REST, FLAGS_ALONE, WHOLE, HANDLE, ACCOUNT, ARENA, SLOTS_AND_BITS,
	     FREED, GROUPS };

static const char *const group_names[GROUPS] = {
	"parent, next, prev, child", "destructor or reference", "account or arena",
	"tag, size, name", "flags alone", "a whole header", "record of a reference",
	"record of a limit", "record of a pool", "record and bitmap of a cache", "freed memory",
};

enum base { NOWHERE, OF_VICTIM, OF_HANDLE, RECORD, OLDER_RECORD, OF_ACCOUNT, OF_ARENA, OF_SLOTS,
	    BITS, IN_FRONT };

/* What a pool or a cache would have before its header. */
enum { FRONT = sizeof(struct slots) + sizeof(struct arena) };

static char *base_of(enum base base, enum kind kind)
{
	bool has_handles = kind == REFERENCED || kind == MEMBER_REFERENCED;
	bool in_cache = kind == CACHE || kind == OBJECT || kind == DEAD_OBJECT;

	switch (base) {
	case NOWHERE:
	case OF_VICTIM:
		return (char *)header_of(s.victim);
	case OF_HANDLE:
		return has_handles ? (char *)header_of(s.other)->child : NULL;
	case RECORD:
		return has_handles ? user_of(header_of(s.other)->child) : NULL;
	case OLDER_RECORD:
		return has_handles ? user_of(header_of(s.owner)->child) : NULL;
	case OF_ACCOUNT:
		return s.account;
	case OF_ARENA:
		return s.room != NULL ? (char *)arena_of(s.room) : NULL;
	case OF_SLOTS:
		return in_cache ? (char *)slots_of(s.room) : NULL;
	case BITS:
		return in_cache ? s.end : NULL;
	case IN_FRONT:
		/* the end of the neighbour's memory */
		return kind == MEMBER || kind == OBJECT ? (char *)header_of(s.victim) - FRONT : NULL;
	}
	return NULL;
}

#define PLACE(name, group, base, type, field, is_link) \
	{ name, group, base, offsetof(struct type, field), sizeof(((struct type *)0)->field), is_link }
#define FIELD(group, base, type, field) PLACE(#field, group, base, type, field, false)
#define LINK(group, base, type, field) PLACE(#field, group, base, type, field, true)

static const struct place {
	const char *name;
	enum group group;
	enum base base;
	size_t offset, bytes;
	/* A plain pointer: where it leads nowhere, looking there is a crash, and
	 * nothing that an attacker gains by. */
	bool is_link;
} places[] = {
	{ "", FLAGS_ALONE, NOWHERE, 0, 0, false },
	FIELD(REST, OF_VICTIM, header, tag),
	FIELD(REST, OF_VICTIM, header, size),
	LINK(REST, OF_VICTIM, header, name),
	LINK(LINKS, OF_VICTIM, header, parent),
	LINK(LINKS, OF_VICTIM, header, next),
	LINK(LINKS, OF_VICTIM, header, prev),
	LINK(LINKS, OF_VICTIM, header, child),
	FIELD(HOOK, OF_VICTIM, header, hook),
	LINK(HOME, OF_VICTIM, header, home),
	{ "header", WHOLE, OF_VICTIM, 0, HEADER, false },
	{ "arena in front", HOME, IN_FRONT, 0, FRONT, false },
	PLACE("handle's parent", HANDLE, OF_HANDLE, header, parent, true),
	PLACE("handle's next", HANDLE, OF_HANDLE, header, next, true),
	PLACE("handle's prev", HANDLE, OF_HANDLE, header, prev, true),
	PLACE("handle's child", HANDLE, OF_HANDLE, header, child, true),
	PLACE("handle's hook", HANDLE, OF_HANDLE, header, hook, false),
	PLACE("handle's home", HANDLE, OF_HANDLE, header, home, true),
	FIELD(HANDLE, RECORD, handle, target),
	FIELD(HANDLE, RECORD, handle, newer),
	FIELD(HANDLE, RECORD, handle, older),
	LINK(HANDLE, RECORD, handle, location),
	FIELD(HANDLE, RECORD, handle, destructor),
	PLACE("older handle's target", HANDLE, OLDER_RECORD, handle, target, false),
	PLACE("older handle's newer", HANDLE, OLDER_RECORD, handle, newer, false),
	PLACE("older handle's older", HANDLE, OLDER_RECORD, handle, older, false),
	FIELD(ACCOUNT, OF_ACCOUNT, account, home),
	FIELD(ACCOUNT, OF_ACCOUNT, account, above),
	FIELD(ACCOUNT, OF_ACCOUNT, account, max),
	FIELD(ACCOUNT, OF_ACCOUNT, account, used),
	FIELD(ARENA, OF_ARENA, arena, start),
	FIELD(ARENA, OF_ARENA, arena, live),
	PLACE("room's sum", ARENA, OF_ARENA, arena, sum, false),
	PLACE("room's next", ARENA, OF_ARENA, arena, next, false),
	PLACE("room's end", ARENA, OF_ARENA, arena, end, false),
	PLACE("slot size", SLOTS_AND_BITS, OF_SLOTS, slots, size, false),
	PLACE("slot count", SLOTS_AND_BITS, OF_SLOTS, slots, count, false),
	PLACE("slots' sum", SLOTS_AND_BITS, OF_SLOTS, slots, sum, false),
	{ "bitmap, slots 0-63", SLOTS_AND_BITS, BITS, 0, 8, false },
	{ "bitmap, slots 64-79", SLOTS_AND_BITS, BITS, 8, 8, false },
	{ "bitmap, upper level", SLOTS_AND_BITS, BITS, 16, 8, false },
};

enum { PLACES = sizeof(places) / sizeof(places[0]) };

/* ---- values ---- */

/* A forged chunk, with all that may lie around one. */
struct forgery {
	struct slots slots;
	struct arena arena;
	struct header header;
	struct handle handle;
};

enum { BLIND, LEAKED, LEAKED_HANDLE, LEAKED_POOL, LEAKED_CACHE, LEAKED_DEAD };

static struct forgery *forge(int how, const struct place *place)
{
	struct forgery *f = (struct forgery *)BAIT_AT(BAIT / 2 + 1024);
	struct header *victim = header_of(s.victim);
	bool is_handle = place->base == OF_HANDLE, is_header = is_handle || place->base == OF_VICTIM;
	struct header *from = is_handle ? header_of(s.other)->child : victim;
	unsigned char *room = BAIT_AT(1024);

	memset(f, 0, sizeof(*f));
	f->header = *header_of(s.newer);
	if (how == LEAKED_DEAD)
		f->header.tag |= 1 << 20;
	if (how == BLIND)
		f->header.tag ^= 0x5a5a5;
	if (how == LEAKED_HANDLE)
		f->header.tag |= 1 << 26;
	if (how == LEAKED_POOL || how == LEAKED_CACHE)
		f->header.tag |= 1 << 23;
	/* links that fit, as far as they can; nothing else hangs on it */
	f->header.child = f->header.next = f->header.prev = NULL;
	f->header.parent = from->parent;
	if (is_header && place->offset == offsetof(struct header, next))
		f->header.prev = from;
	if (is_header && place->offset == offsetof(struct header, prev))
		f->header.next = from;
	if (is_header && place->offset == offsetof(struct header, parent))
		f->header.child = from;
	if (is_header && place->offset == offsetof(struct header, child))
		f->header.parent = from;
	f->header.hook = (void *)(uintptr_t)planted;
	f->handle = (struct handle){ .target = victim, .location = "forged",
				     .destructor = (void *)(uintptr_t)planted };
	/* the sums are those of another pool, if one was seen */
	f->arena = (struct arena){ s.room != NULL ? arena_of(s.room)->sum : 1,
				   96 + (how == LEAKED_CACHE), 3, room, room + 1024 };
	f->slots = (struct slots){ 1, SIZE, 64 };
	return f;
}

enum value {
	ZERO, ONE, TWO, NINE_HUNDRED, BIG, ALL_ONES, OLD_PLUS, OLD_MINUS, FUNCTION, TO_ZEROS, TO_PATTERN,
	TO_BLIND, TO_LEAKED, TO_LEAKED_HANDLE, TO_LEAKED_POOL, TO_LEAKED_CACHE, TO_LEAKED_DEAD,
	TO_ARENA, TO_ACCOUNT, TO_VICTIM, TO_PARENT, TO_NEWER, TO_OLDER, TO_KID, TO_OTHER, TO_STRANGER,
	STRANGERS, AS_IT_WAS, VALUES
};

static const char *const value_names[VALUES] = {
	"0", "1", "2", "900", "0x0ffffff0", "all bits", "16 more", "16 less", "function", "zeros",
	"buffer", "forged chunk, blind", "forged chunk, leaked", "forged handle, leaked",
	"forged pool, leaked", "forged cache, leaked", "forged freed chunk, leaked", "forged arena",
	"forged account", "the victim", "its parent", "its newer sibling", "its older sibling",
	"its child", "another chunk", "a stranger", "what a stranger has there",
	"what was there before the free",
};

/* Fills in the bytes; false if there is no such value here. */
static bool make_value(enum value value, const struct place *place, const void *at,
		       unsigned char *bytes)
{
	struct forgery *f = NULL;
	uint64_t word = 0;

	memset(bytes, 0, HEADER);
	memcpy(&word, at, place->bytes < 8 ? place->bytes : 8);
	if (value == STRANGERS || value == AS_IT_WAS) {
		if (place->base != OF_VICTIM)
			return false;
		memcpy(bytes, value == STRANGERS ? (unsigned char *)header_of(s.stranger) : s.before,
		       HEADER);
		memmove(bytes, bytes + place->offset, place->bytes);
		return true;
	}
	if (place->bytes == HEADER) {
		if (value == TO_LEAKED)
			memcpy(bytes, &forge(LEAKED, place)->header, HEADER);
		else if (value == TO_PATTERN)
			memset(bytes, 'A', HEADER);
		else if (value != ZERO)
			return false;
		return true;
	}
	if (place->bytes == FRONT) {
		if (value != TO_LEAKED_POOL && value != TO_LEAKED_CACHE)
			return false;
		memcpy(bytes, forge(value == TO_LEAKED_POOL ? LEAKED_POOL : LEAKED_CACHE, place),
		       FRONT);
		return true;
	}
	if (place->is_link && value >= ONE && value <= ALL_ONES)
		return false;
	switch (value) {
	case ZERO: word = 0; break;
	case ONE: word = 1; break;
	case TWO: word = 2; break;
	case NINE_HUNDRED: word = 900; break;
	case BIG: word = 0x0ffffff0; break;
	case ALL_ONES: word = ~(uint64_t)0; break;
	case OLD_PLUS:
	case OLD_MINUS:
		if (place->is_link && word == 0)
			return false;
		word += value == OLD_PLUS ? 16 : -16ull;
		break;
	case FUNCTION: word = (uintptr_t)planted; break;
	case TO_ZEROS:
		memset(shared->bait, 0, BAIT);
		word = (uintptr_t)BAIT_AT(1024);
		break;
	case TO_PATTERN: word = (uintptr_t)BAIT_AT(1024); break;
	case TO_BLIND: f = forge(BLIND, place); break;
	case TO_LEAKED: f = forge(LEAKED, place); break;
	case TO_LEAKED_HANDLE: f = forge(LEAKED_HANDLE, place); break;
	case TO_LEAKED_POOL: f = forge(LEAKED_POOL, place); break;
	case TO_LEAKED_CACHE: f = forge(LEAKED_CACHE, place); break;
	case TO_LEAKED_DEAD: f = forge(LEAKED_DEAD, place); break;
	case TO_ARENA: word = (uintptr_t)&forge(LEAKED_POOL, place)->arena; break;
	case TO_ACCOUNT: {
		struct account *account = (struct account *)BAIT_AT(1024);

		*account = (struct account){ 1, NULL, NULL, 0, 100000 };
		word = (uintptr_t)account;
		break;
	}
	case TO_VICTIM: word = (uintptr_t)header_of(s.victim); break;
	case TO_PARENT: word = (uintptr_t)header_of(s.parent); break;
	case TO_NEWER: word = (uintptr_t)header_of(s.newer); break;
	case TO_OLDER: word = (uintptr_t)header_of(s.older); break;
	case TO_KID:
		if (s.kid == NULL)
			return false;
		word = (uintptr_t)header_of(s.kid);
		break;
	case TO_OTHER: word = (uintptr_t)header_of(s.other); break;
	case TO_STRANGER: word = (uintptr_t)header_of(s.stranger); break;
	default: return false;
	}
	if (f != NULL)
		word = (uintptr_t)&f->header;
	memcpy(bytes, &word, 8);
	return true;
}

/* ---- operations ---- */

static void resize(void **ptr, size_t size)
{
	void *moved = talloc_realloc_size(s.parent, *ptr, size);

	if (moved != NULL)
		*ptr = moved;
}

static void free_it(void) { talloc_free(s.victim); }
static void free_parent(void) { talloc_free(s.parent); }
static void free_newer(void) { talloc_free(s.newer); }
static void free_older(void) { talloc_free(s.older); }
static void free_kid(void) { talloc_free(s.kid); }
static void free_its_children(void) { talloc_free_children(s.victim); }
static void steal_it(void) { talloc_steal(s.other, s.victim); }
static void steal_to_it(void) { talloc_steal(s.victim, s.other); }
static void steal_newer(void) { talloc_steal(s.other, s.newer); }
static void grow_it(void) { resize(&s.victim, 500); }
static void grow_more(void) { resize(&s.victim, 20000); }
static void shrink_it(void) { resize(&s.victim, 8); }
static void grow_newer(void) { resize(&s.newer, 500); }
static void reparent_it(void) { talloc_reparent(s.owner, s.parent, s.victim); }
static void new_child(void) { make(s.victim, SIZE); }
static void new_sibling(void) { make(s.parent, SIZE); }
static void refer(void) { talloc_reference(s.parent, s.victim); }
static void unlink_it(void) { talloc_unlink(s.parent, s.victim); }
static void unlink_owner(void) { talloc_unlink(s.owner, s.victim); }
static void free_owner(void) { talloc_free(s.owner); }
static void free_other(void) { talloc_free(s.other); }
static void limit_it(void) { talloc_set_memlimit(s.victim, 500000); }

static void change_destructor(void)
{
	talloc_set_destructor(s.victim, of_victim);
}

static void look(void)
{
	talloc_report_full(s.parent, null_file);
	talloc_reference_count(s.victim);
	talloc_total_size(s.top);
	talloc_is_parent(s.victim, s.other);
	talloc_find_parent_byname(s.victim, "nobody");
	talloc_parent_name(s.victim);
	talloc_get_size(s.victim);
}

static void new_objects(void)
{
	void *cache = s.room;
	int i;

	for (i = 0; cache != NULL && i < 6; i++)
		is_new(talloc_cache(cache), SIZE);
}

static void new_ones(void)
{
	make_all(s.parent);
	make_all(NULL);
}

/* The blocks that are kept go back. */
static void leave(void)
{
	if (keepers_suffer())
		_exit(DID_HARM);
	exit(DONE);
}

static const struct operation {
	const char *name;
	void (*run)(void);
	bool on_dead; /* makes sense when the victim is freed */
} operations[] = {
	{ "free", free_it, true },
	{ "free of the parent", free_parent, true },
	{ "free of the newer sibling", free_newer, true },
	{ "free of the older sibling", free_older, true },
	{ "free of the child", free_kid, false },
	{ "free_children", free_its_children, false },
	{ "steal", steal_it, false },
	{ "steal to it", steal_to_it, false },
	{ "steal of a sibling", steal_newer, false },
	{ "realloc", grow_it, false },
	{ "realloc to much more", grow_more, false },
	{ "realloc to less", shrink_it, false },
	{ "realloc of a sibling", grow_newer, true },
	{ "reparent", reparent_it, false },
	{ "new child", new_child, false },
	{ "new sibling", new_sibling, true },
	{ "reference", refer, false },
	{ "unlink", unlink_it, false },
	{ "unlink from an owner", unlink_owner, false },
	{ "free of an owner", free_owner, false },
	{ "free of another owner", free_other, false },
	{ "set_memlimit", limit_it, false },
	{ "set_destructor", change_destructor, false },
	{ "report and other questions", look, false },
	{ "new cache objects", new_objects, true },
	{ "new chunks", new_ones, true },
	{ "end of the program", leave, true },
};

enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

/* All goes, but for those that stay; and the memory is used again. */
static void aftermath(void)
{
	s.count = KEEPERS;
	if (s.room == s.victim)
		s.room = NULL; /* somebody else may have the memory then */
	talloc_free(s.top);
	make_all(s.live[0].at);
	make_all(NULL);
}

/* ---- attacks ---- */

struct attack {
	enum kind kind;
	int place, value, operation;
	uint32_t flags;
};

static int make_attack(const void *arguments)
{
	const struct attack *a = arguments;
	const struct place *place = &places[a->place];
	const struct operation *operation = &operations[a->operation];
	unsigned char value[HEADER];
	char *at;

	if (is_dead(a->kind) && !operation->on_dead)
		return NO_SCENE;
	set_scene(a->kind);
	at = base_of(place->base, a->kind);
	if (at == NULL)
		return NO_SCENE;
	at += place->offset;
	if (place->base != NOWHERE) {
		if (!make_value((enum value)a->value, place, at, value) ||
		    memcmp(at, value, place->bytes) == 0)
			return NO_SCENE;
		memcpy(at, value, place->bytes);
	}
	header_of(s.victim)->tag ^= a->flags;
	bait_is_laid();
	is_harmed = keepers_suffer;
	operation->run();
	aftermath();
	return DONE;
}

static const char *flag_names(uint32_t mask)
{
	static char text[256];
	int i;

	text[0] = '\0';
	for (i = 0; i < FLAGS; i++)
		if (mask & flags[i].bit) {
			strcat(text, text[0] == '\0' ? ", flags changed: " : " ");
			strcat(text, flags[i].name);
		}
	return text;
}

/* Where nothing is written, nothing is found. */
static void check_scene(enum kind kind)
{
	struct attack a = { kind, 0, 0, 0, 0 };

	for (a.operation = 0; a.operation < OPERATIONS; a.operation++) {
		enum verdict verdict = verdict_of(make_attack, &a);

		if (is_bad(verdict) || (verdict == CAUGHT && !is_dead(kind))) {
			fprintf(stderr, "no attack: %s, %s: %s %s\n", kind_names[kind],
				operations[a.operation].name, verdict_names[verdict],
				shared->reason);
			exit(2);
		}
	}
}

static bool verbose;
static struct row rows[GROUPS];

static void all_operations(struct attack a)
{
	const struct place *place = &places[a.place];
	bool is_freed = is_dead(a.kind) && place->base <= OF_VICTIM;
	struct row *row = &rows[is_freed ? FREED : place->group];

	for (a.operation = 0; a.operation < OPERATIONS; a.operation++) {
		enum verdict verdict = verdict_of(make_attack, &a);

		count_verdict(row, verdict);
		if (verbose && is_bad(verdict))
			printf("  %s: %s, %s%s%s%s, %s\n", verdict_names[verdict],
			       kind_names[a.kind], place->name, place->bytes > 0 ? " = " : "",
			       place->bytes > 0 ? value_names[a.value] : "", flag_names(a.flags),
			       operations[a.operation].name);
	}
}

/* Flags that give a word another meaning. */
static const struct {
	const char *place;
	uint32_t flags;
} pairs[] = {
	{ "hook", 1 << 26 },  { "hook", 1 << 27 },           { "home", 1 << 28 },
	{ "home", 1 << 24 },  { "home", 1 << 24 | 1 << 28 }, { "child", 1 << 26 },
	{ "child", 1 << 23 }, { "arena in front", 1 << 23 },
};

static void attack_kind(enum kind kind)
{
	struct attack a = { kind, 0, 0, 0, 0 };
	size_t i;

	check_scene(kind);
	for (i = 0; i < FLAGS; i++) {
		a.flags = flags[i].bit;
		all_operations(a);
	}
	a.flags = 0;
	for (a.place = 1; a.place < PLACES; a.place++)
		for (a.value = 0; a.value < VALUES; a.value++)
			all_operations(a);
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		for (a.place = 1; strcmp(places[a.place].name, pairs[i].place) != 0; a.place++)
			;
		a.flags = pairs[i].flags;
		for (a.value = 0; a.value < VALUES; a.value++)
			all_operations(a);
	}
}

int main(int argc, char **argv)
{
	const char *title;
	bool withstood = true;
	int i;

	verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
	title = argc > 1 + verbose ? argv[1 + verbose] : "this library";
	open_bait();
	check_layout();
	for (i = 0; i < KINDS; i++)
		attack_kind((enum kind)i);
	print_head(title);
	for (i = 0; i < GROUPS; i++) {
		print_row(group_names[i], &rows[i]);
		withstood &= is_withstood(&rows[i]);
	}
	return withstood ? 0 : 1;
}
