/*
 * The blind writer: overwrites what he likes of a header, of the record of a
 * reference, or of a freed chunk.  He knows our source and every address: of
 * headers, of their fields, of the library's own records, of each word of the
 * process that happens to hold the address of the victim's header.  He has
 * prepared memory: forged chunks with the right links back to the victim and a
 * head copied from elsewhere, loops, a function.  He has read nothing.
 *
 * usage: our_layout [-v] [-n TENTHS_OF_PERCENT] [-s SEED] [TITLE]
 *
 * Each attack writes one place, or two, or a stretch of bytes; then comes one
 * operation; then new chunks are made, all is freed, and new chunks are made
 * again.  No two chunks alive may overlap, none may lie where the attacker likes,
 * and what nobody had a reason to write is as it was.  Of the attacks of one word,
 * -n says how many are made, chosen by SEED; all others are.  Prints a table, and
 * with -v a line for each attack that was not withstood; exits with 1 if there was
 * one.
 */
#include "attack.h"
#include "layout.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* ---- scenes ---- */

enum place { HEAP, POOL, NESTED, CACHE, LIMIT, REFERENCE, NULL_CONTEXT, A_POOL, A_LIMIT, A_CACHE,
	     FIRST, FREED, FREED_MEMBER, PLACES };

static const char *const place_names[PLACES] = {
	"heap", "pool", "pool in a pool", "object of a cache", "below a limit", "with references",
	"below the null context", "a pool", "with a limit of its own", "a cache",
	"first in a pool", "freed", "freed in a pool",
};

enum position { OLDEST, MIDDLE, NEWEST, ALONE, POSITIONS };

static const char *const position_names[POSITIONS] = { "oldest", "middle", "newest", "alone" };

enum form { BARE, WITH_KID, WITH_DESTRUCTORS, FORMS };

static const char *const form_names[FORMS] = { "", ", with a child", ", with destructors" };

enum { SIZE = 48, SLOT = sizeof(struct header) + SIZE, SLOTS = 200, TAKEN = 131, MOST = 400 };

static struct {
	void *top, *ctx, *parent, *older, *victim, *kid, *newer, *other, *owner, *stranger;
	void *pool, *other_pool, *limited, *cache;
	/* all that is alive and that nobody but the end of the test frees */
	struct {
		unsigned char *at;
		size_t size;
		unsigned char fill;
	} live[MOST];
	int count;
	bool overlapped;
	bool is_freed, is_nested, pool_is_gone;
} s;

static void keep(void *ptr, size_t size)
{
	unsigned char *at = ptr;
	int i;

	if (at == NULL || s.count == MOST)
		return;
	for (i = 0; i < s.count; i++)
		s.overlapped |= at - sizeof(struct header) < s.live[i].at + s.live[i].size &&
				s.live[i].at - sizeof(struct header) < at + size;
	s.overlapped |= at + size > shared->bait && at - sizeof(struct header) < shared->bait + BAIT;
	if (s.overlapped)
		return;
	s.live[s.count].at = at;
	s.live[s.count].size = size;
	s.live[s.count].fill = (unsigned char)(s.count * 7 + 1);
	memset(at, s.live[s.count].fill, size);
	s.count++;
}

/* What nobody had a reason to write. */
static bool keepers_suffer(void)
{
	int i;
	size_t j;

	for (i = 0; i < s.count; i++)
		for (j = 0; j < s.live[i].size; j++)
			if (s.live[i].at[j] != s.live[i].fill)
				return true;
	return s.overlapped;
}

static void *node(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, SIZE, name);
}

static void *sibling(enum place place, const char *name)
{
	void *ptr = place == CACHE ? talloc_cache(s.parent) : node(s.parent, name);

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

static int of_kid(void *ptr)
{
	if (ptr != s.kid)
		_exit(DID_RUN);
	return 0;
}

static int of_stranger(void *ptr)
{
	if (ptr != s.stranger)
		_exit(DID_RUN);
	return 0;
}

static void set_scene(enum place place, enum position position, enum form form)
{
	int i;

	if (place == NULL_CONTEXT)
		talloc_enable_null_tracking();
	s.top = talloc_new(NULL);
	s.other_pool = talloc_pool(s.top, 2000);
	s.stranger = node(s.other_pool, "stranger");
	talloc_set_destructor(s.stranger, of_stranger);
	s.ctx = s.top;
	if (place == POOL || place == FREED_MEMBER)
		s.ctx = s.pool = talloc_pool(s.top, 4096);
	s.is_nested = place == NESTED;
	if (place == NESTED)
		s.ctx = s.pool = talloc_pool(talloc_pool(s.top, 8192), 4096);
	s.limited = talloc_new(s.top);
	talloc_set_memlimit(s.limited, 1000000);
	if (place == LIMIT)
		s.ctx = s.limited;
	/* a cache of which the first two words of the bitmap say: one free, the third:
	 * the first ones are not */
	s.cache = talloc_pool_cache(place == CACHE ? s.ctx : s.top, SLOTS * SIZE, SIZE);
	if (place == CACHE || place == POOL) {
		void *objects[TAKEN];

		for (i = 0; i < TAKEN; i++) {
			objects[i] = talloc_cache(s.cache);
			if (i >= 128)
				keep(talloc_steal(s.top, objects[i]), SIZE);
		}
		for (i = 120; i < 128; i++)
			talloc_free(objects[i]);
	}
	s.parent = place == CACHE ? s.cache :
		   place == NULL_CONTEXT ? talloc_parent(s.top) : node(s.ctx, "parent");
	/* the only one that lies in its pool, until it goes */
	if (place == FIRST)
		s.parent = s.pool = talloc_pool(s.top, 2000);
	keep(node(s.ctx, "keeper"), SIZE);
	keep(node(s.top, "keeper"), 40);
	if (position == NEWEST || position == MIDDLE)
		s.older = place == FIRST ? talloc_steal(s.pool, node(s.top, "older")) :
					   sibling(place, "older");
	if (place == A_POOL)
		s.victim = s.pool = talloc_pool(s.parent, 1000);
	else if (place == A_CACHE)
		s.victim = talloc_pool_cache(s.parent, 20 * SIZE, SIZE);
	else
		s.victim = sibling(place, "victim");
	talloc_set_name_const(s.victim, "victim");
	s.is_freed = place == FREED || place == FREED_MEMBER;
	if (form != BARE && !s.is_freed) {
		s.kid = place == A_CACHE ? talloc_cache(s.victim) :
			place == FIRST	 ? talloc_steal(s.victim, node(s.top, "kid")) :
					   node(s.victim, "kid");
		if (place != A_CACHE)
			node(s.kid, "grandkid");
	}
	if (position == OLDEST || position == MIDDLE)
		s.newer = place == FIRST ? talloc_steal(s.pool, node(s.top, "newer")) :
					   sibling(place, "newer");
	s.other = node(s.ctx, "other");
	s.owner = node(s.ctx, "owner");
	if (form == WITH_DESTRUCTORS) {
		talloc_set_destructor(s.victim, of_victim);
		if (s.kid != NULL)
			talloc_set_destructor(s.kid, of_kid);
	}
	if (place == REFERENCE) {
		talloc_reference(s.owner, s.victim);
		talloc_reference(s.other, s.victim);
	}
	if (place == A_LIMIT)
		talloc_set_memlimit(s.victim, 1000000);
	keep(node(s.ctx, "keeper"), SIZE);
	if (s.is_freed)
		talloc_free(s.victim);
}

/* ---- places to write ---- */

#define FIELD(type, field) { #field, offsetof(struct type, field) }

static const struct word {
	const char *name;
	size_t offset;
} header_words[] = {
	FIELD(header, head),  FIELD(header, parent), FIELD(header, next), FIELD(header, child),
	FIELD(header, pprev), FIELD(header, extra),  FIELD(header, home), FIELD(header, name),
	/* of the newest handle of a victim with references */
	{ "handle's head", 0 },
	{ "handle's parent", offsetof(struct handle_chunk, header.parent) },
	{ "handle's next", offsetof(struct handle_chunk, header.next) },
	{ "handle's child", offsetof(struct handle_chunk, header.child) },
	{ "handle's pprev", offsetof(struct handle_chunk, header.pprev) },
	{ "handle's extra", offsetof(struct handle_chunk, header.extra) },
	{ "handle's home", offsetof(struct handle_chunk, header.home) },
	{ "handle's name", offsetof(struct handle_chunk, header.name) },
	{ "handle's target", offsetof(struct handle_chunk, handle.target) },
	{ "handle's back", offsetof(struct handle_chunk, handle.back) },
	{ "handle's older", offsetof(struct handle_chunk, handle.older) },
	{ "handle's location", offsetof(struct handle_chunk, handle.location) },
	{ "handle's destructor", offsetof(struct handle_chunk, handle.destructor) },
};

enum { WORDS = sizeof(header_words) / sizeof(header_words[0]), OF_HEADER = 8 };
enum { HEAD, PARENT, NEXT, CHILD, PPREV, EXTRA, HOME, NAME, HANDLE };
enum { HANDLE_NEXT = HANDLE + NEXT, HANDLE_PPREV = HANDLE + PPREV, HANDLE_TARGET = HANDLE + OF_HEADER,
       HANDLE_BACK, HANDLE_OLDER };

static struct handle_chunk *newest_handle(void)
{
	return (struct handle_chunk *)header_of(s.other)->child;
}

/* The header that is attacked: the victim's, or that of its newest handle. */
static struct header *target_of(int word)
{
	return word < OF_HEADER ? header_of(s.victim) : &newest_handle()->header;
}

static uint64_t *at_word(int word)
{
	return (uint64_t *)((char *)target_of(word) + header_words[word].offset);
}

/* ---- prepared memory ---- */

enum { CHUNK_AT = BAIT / 2 + 512, CELL_AT = BAIT / 2 + 2048, LOOP_AT = BAIT / 2 + 2560,
       ZEROS_AT = 1024 };

static void may_change(const void *from, size_t bytes)
{
	size_t first = (size_t)((const unsigned char *)from - shared->bait) / 8;

	memset(shared->is_link + first, 1, bytes / 8);
}

/* A word that holds the exact address of a header. */
static uint64_t *cell_with(const void *header)
{
	uint64_t *cell = (uint64_t *)BAIT_AT(CELL_AT);

	*cell = (uintptr_t)header;
	may_change(cell, 8);
	return cell;
}

/* A chunk with links that fit those of `h`, as far as they can; the head is that of
 * another chunk, or nothing.  Its links may be written: they were prepared so. */
static struct header *forged(struct header *h, int word, bool with_head)
{
	struct handle_chunk *f = (struct handle_chunk *)BAIT_AT(CHUNK_AT);

	memset(f, 0, sizeof(*f));
	f->header = *header_of(s.stranger);
	if (!with_head)
		f->header.head = 0x0123456789abcdef;
	f->header.child = f->header.next = NULL;
	f->header.pprev = (struct header **)cell_with(f);
	f->header.parent = h->parent;
	f->header.extra = (uintptr_t)planted;
	f->handle.target = h;
	f->handle.back = &h->extra;
	f->handle.destructor = (uintptr_t)planted;
	f->handle.location = "forged";
	switch (word) {
	case NEXT:
		f->header.pprev = &h->next;
		break;
	case CHILD:
		f->header.pprev = &h->child;
		f->header.parent = user_of(h);
		break;
	case PARENT:
		f->header.child = h;
		break;
	case PPREV:
		f->header.next = h;
		break;
	}
	may_change(&f->header.parent, 4 * 8);
	may_change(&f->handle, 3 * 8);
	return &f->header;
}

/* A parent below which something is its own next sibling and child; what its head
 * says is one thing or the other, by chance. */
static struct header *forged_loop(void)
{
	struct header *p = (struct header *)BAIT_AT(LOOP_AT), *c = p + 1;

	memset(p, 0, 2 * sizeof(*p));
	c->head = 0x9e3779b97f4a7c15 * (uint64_t)getpid();
	c->parent = user_of(p);
	c->next = c->child = c;
	c->pprev = &p->child;
	p->head = header_of(s.stranger)->head;
	p->child = p + 1;
	return p;
}

/* Every word of the process, but of its stacks and of ours, that holds that address. */
static uint64_t *word_with(const void *header, int which)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long begin, finish;
	char line[512], perms[8];

	if (maps == NULL)
		return NULL;
	while (fgets(line, sizeof(line), maps) != NULL) {
		uint64_t *at;

		if (sscanf(line, "%lx-%lx %7s", &begin, &finish, perms) != 3 ||
		    strncmp(perms, "rw", 2) != 0 || strstr(line, "[stack") != NULL ||
		    strstr(line, "layout") != NULL || strstr(line, "libc") != NULL ||
		    strstr(line, "ld-") != NULL || begin == (uintptr_t)shared)
			continue;
		for (at = (uint64_t *)begin; at < (uint64_t *)finish; at++) {
			if (*at == (uintptr_t)header && at != (uint64_t *)((struct header *)header)->pprev &&
			    which-- == 0) {
				fclose(maps);
				return at;
			}
		}
	}
	fclose(maps);
	return NULL;
}

/* ---- values ---- */

enum value {
	ZERO, ALL_ONES, NINE_HUNDRED, MORE, LESS, HIGH_BIT, INVERTED, FUNCTION, TO_PATTERN, TO_ZEROS,
	WILD, READ_ONLY, FORGED, FORGED_WITHOUT_HEAD, FORGED_USER, A_CELL, FORGED_NEXT_WORD,
	A_LOOP, SELF, SELF_USER, TO_PARENT, TO_PARENT_USER, TO_OLDER, TO_NEWER, TO_KID, TO_KID_USER,
	TO_OTHER, TO_OTHER_USER, TO_OWNER_USER, TO_CHILD_WORD, TO_NEXT_WORD, TO_EXTRA_WORD, TO_HANDLE,
	STRANGERS, OF_PARENT, OF_OTHER_POOL, OF_LIMITED, OF_CACHE, OF_SLOTS, SCAN_1, SCAN_2, SCAN_3,
	SCAN_4, SCAN_5, SCAN_6, VALUES
};

static const char *const value_names[VALUES] = {
	"0", "all ones", "900", "16 more", "16 less", "a high bit changed", "inverted", "function",
	"buffer", "zeros", "wild", "read-only page", "forged chunk", "forged chunk without a head",
	"forged chunk, user's pointer", "word with the right address", "forged chunk's next",
	"forged loop", "itself", "itself, user's pointer", "parent", "parent, user's pointer", "older",
	"newer", "child", "child, user's pointer", "other", "other, user's pointer",
	"owner, user's pointer", "its own child word", "its own next word", "its own extra word",
	"newest handle", "what a stranger has", "what its parent has", "another pool's record",
	"a limit's record", "a cache's record", "a cache's bitmap", "word that holds its address, 1",
	"word that holds its address, 2", "word that holds its address, 3",
	"word that holds its address, 4", "word that holds its address, 5",
	"word that holds its address, 6",
};

static void *page; /* zeros that may only be read */

static const void *header_or_null(const void *ptr)
{
	return ptr == NULL ? NULL : header_of(ptr);
}

/* False if there is no such value here. */
static bool make_value(enum value value, int word, uint64_t *v)
{
	struct header *h = target_of(word);
	uint64_t old = *at_word(word);
	const void *p = NULL;

	switch (value) {
	case ZERO: *v = 0; return old != 0;
	case ALL_ONES: *v = ~(uint64_t)0; return true;
	case NINE_HUNDRED: *v = 900; return true;
	case MORE: *v = old + 16; return true;
	case LESS: *v = old - 16; return true;
	case HIGH_BIT: *v = old ^ (uint64_t)1 << 60; return true;
	case INVERTED: *v = ~old; return true;
	case FUNCTION: p = (void *)(uintptr_t)planted; break;
	case TO_PATTERN: p = BAIT_AT(256); break;
	case TO_ZEROS: memset(BAIT_AT(ZEROS_AT), 0, 1024); p = BAIT_AT(ZEROS_AT + 512); break;
	case WILD: p = (void *)0x123456780000; break;
	case READ_ONLY: p = (char *)page + 2048; break;
	case FORGED: p = forged(h, word, true); break;
	case FORGED_WITHOUT_HEAD: p = forged(h, word, false); break;
	case FORGED_USER: p = user_of(forged(h, word, true)); break;
	case A_CELL: p = cell_with(h); break;
	case FORGED_NEXT_WORD: p = &forged(h, word, true)->next; break;
	case A_LOOP: p = word == PARENT ? user_of(forged_loop()) : (void *)(forged_loop() + 1); break;
	case SELF: p = h; break;
	case SELF_USER: p = user_of(h); break;
	case TO_PARENT: p = header_or_null(h->parent); break;
	case TO_PARENT_USER: p = h->parent; break;
	case TO_OLDER: p = header_or_null(s.older); break;
	case TO_NEWER: p = header_or_null(s.newer); break;
	case TO_KID: p = header_or_null(s.kid); break;
	case TO_KID_USER: p = s.kid; break;
	case TO_OTHER: p = header_of(s.other); break;
	case TO_OTHER_USER: p = s.other; break;
	case TO_OWNER_USER: p = s.owner; break;
	case TO_CHILD_WORD: p = &h->child; break;
	case TO_NEXT_WORD: p = &h->next; break;
	case TO_EXTRA_WORD: p = &h->extra; break;
	case TO_HANDLE: p = header_of(s.other)->child; break;
	case STRANGERS:
		if (word >= OF_HEADER)
			return false;
		*v = *(uint64_t *)((char *)header_of(s.stranger) + header_words[word].offset);
		return true;
	case OF_PARENT:
		if (word >= OF_HEADER || s.parent == NULL)
			return false;
		*v = *(uint64_t *)((char *)header_of(s.parent) + header_words[word].offset);
		return true;
	case OF_OTHER_POOL: p = header_of(s.other_pool)->home; break;
	case OF_LIMITED: p = header_of(s.limited)->home; break;
	case OF_CACHE: p = header_of(s.cache)->home; break;
	case OF_SLOTS: p = ((struct record *)header_of(s.cache)->home)->start; break;
	default:
		/* such a word is good for a link back only */
		if (header_words[word].offset != offsetof(struct header, pprev) &&
		    header_words[word].offset != offsetof(struct handle_chunk, handle.back))
			return false;
		p = word_with(h, (int)value - SCAN_1);
		break;
	}
	*v = (uintptr_t)p;
	return p != NULL && *v != old;
}

/* ---- operations ---- */

static void *resize(void *ctx, void *ptr, size_t size)
{
	void *moved = talloc_realloc_size(ctx, ptr, size);

	return moved != NULL ? moved : ptr;
}

static void free_it(void) { talloc_free(s.victim); }
static void free_parent(void)
{
	if (s.parent == s.cache || talloc_parent(s.top) == s.parent)
		return;
	s.pool_is_gone = s.pool == s.parent;
	talloc_free(s.parent);
}
static void free_newer(void) { talloc_free(s.newer); }
static void free_older(void) { talloc_free(s.older); }
static void free_kid(void) { talloc_free(s.kid); }
static void free_its_children(void) { talloc_free_children(s.victim); }
static void free_siblings(void)
{
	if (talloc_parent(s.top) != s.parent)
		talloc_free_children(s.parent);
}
static void steal_it(void) { talloc_steal(s.other, s.victim); }
static void steal_it_and_free(void)
{
	talloc_steal(s.other, s.victim);
	talloc_free(s.victim);
}
static void steal_to_it(void) { talloc_steal(s.victim, s.other); }
static void steal_newer(void) { talloc_steal(s.other, s.newer); }
static void grow_it(void) { s.victim = resize(s.parent, s.victim, 500); }
static void grow_more(void) { s.victim = resize(s.parent, s.victim, 20000); }
static void grow_twice(void)
{
	s.victim = resize(s.parent, s.victim, 2000);
	s.victim = resize(s.parent, s.victim, 300000);
}
static void shrink_it(void) { s.victim = resize(s.parent, s.victim, 8); }
static void grow_newer(void) { s.newer = resize(s.parent, s.newer, 500); }
static void grow_kid(void) { s.kid = resize(s.victim, s.kid, 500); }
static void reparent_it(void) { talloc_reparent(s.parent, s.owner, s.victim); }
static void new_child(void) { keep(node(s.victim, "new"), SIZE); }
static void new_sibling(void) { keep(node(s.parent, "new"), SIZE); }
static void refer(void) { talloc_reference(s.owner, s.victim); }
static void unlink_it(void) { talloc_unlink(s.parent, s.victim); }
static void unlink_other(void) { talloc_unlink(s.other, s.victim); }
static void unlink_owner(void) { talloc_unlink(s.owner, s.victim); }
static void free_owner(void) { talloc_free(s.owner); }
static void free_other(void) { talloc_free(s.other); }
static void limit_it(void) { talloc_set_memlimit(s.victim, 500000); }
static void name_it(void) { talloc_set_name(s.victim, "%d", 1); }
static void no_tracking(void) { talloc_disable_null_tracking(); }
static void change_destructor(void) { talloc_set_destructor(s.victim, of_victim); }
static void no_destructor(void) { talloc_set_destructor(s.victim, NULL); }

static void look(void)
{
	talloc_report_full(s.parent, null_file);
	talloc_total_size(s.top);
	talloc_total_blocks(s.top);
}

static void ask(void)
{
	talloc_reference_count(s.victim);
	talloc_is_parent(s.victim, s.other);
	talloc_find_parent_byname(s.victim, "nobody");
	talloc_parent_name(s.victim);
	talloc_get_size(s.victim);
	talloc_show_parents(s.victim, null_file);
	talloc_report_full(s.top, null_file);
}

static void make_some(const void *ctx)
{
	static const size_t sizes[] = { SIZE, SIZE + 16, 900 };
	int i;

	for (i = 0; i < 6; i++) {
		size_t size = sizes[i % 3];

		keep(talloc_named_const(ctx, size, "new"), size);
	}
}

static const struct operation {
	const char *name;
	void (*run)(void);
	bool on_dead; /* makes sense when the victim is freed */
	bool needs_newer, needs_older, needs_kid;
} operations[] = {
	{ "free", free_it, true, false, false, false },
	{ "free of the parent", free_parent, true, false, false, false },
	{ "free of the newer sibling", free_newer, true, true, false, false },
	{ "free of the older sibling", free_older, true, false, true, false },
	{ "free of the child", free_kid, false, false, false, true },
	{ "free_children", free_its_children, false, false, false, false },
	{ "free_children of the parent", free_siblings, true, false, false, false },
	{ "steal", steal_it, false, false, false, false },
	{ "steal and free", steal_it_and_free, false, false, false, false },
	{ "steal to it", steal_to_it, false, false, false, false },
	{ "steal of a sibling", steal_newer, false, true, false, false },
	{ "realloc", grow_it, true, false, false, false },
	{ "realloc to much more", grow_more, false, false, false, false },
	{ "realloc, twice", grow_twice, false, false, false, false },
	{ "realloc to less", shrink_it, false, false, false, false },
	{ "realloc of a sibling", grow_newer, true, true, false, false },
	{ "realloc of the child", grow_kid, false, false, false, true },
	{ "reparent", reparent_it, false, false, false, false },
	{ "new child", new_child, true, false, false, false },
	{ "new sibling", new_sibling, true, false, false, false },
	{ "reference", refer, false, false, false, false },
	{ "unlink", unlink_it, false, false, false, false },
	{ "unlink from one owner", unlink_other, false, false, false, false },
	{ "unlink from the other owner", unlink_owner, false, false, false, false },
	{ "free of one owner", free_owner, false, false, false, false },
	{ "free of the other owner", free_other, false, false, false, false },
	{ "set_memlimit", limit_it, false, false, false, false },
	{ "set_name", name_it, false, false, false, false },
	{ "set_destructor", change_destructor, false, false, false, false },
	{ "clear the destructor", no_destructor, false, false, false, false },
	{ "disable_null_tracking", no_tracking, false, false, false, false },
	{ "report and totals", look, true, false, false, false },
	{ "other questions", ask, false, false, false, false },
};

enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

static bool makes_sense(const struct operation *o)
{
	return (!s.is_freed || o->on_dead) && (!o->needs_newer || s.newer != NULL) &&
	       (!o->needs_older || s.older != NULL) && (!o->needs_kid || s.kid != NULL);
}

/* New ones; all goes; new ones again, over what is kept to the end. */
static void aftermath(void)
{
	int i;

	make_some(s.ctx);
	make_some(s.other_pool);
	if (s.pool != NULL && s.pool != s.victim && s.pool != s.ctx && !s.pool_is_gone)
		make_some(s.pool);
	for (i = 0; i < 16; i++)
		keep(talloc_cache(s.cache), SIZE);
	make_some(NULL);
	if (keepers_suffer())
		_exit(DID_HARM);
	s.count = 0; /* all but the last six may go now */
	talloc_free(s.top);
	make_some(NULL);
	make_some(talloc_pool(NULL, 3000));
	keep(talloc_new(talloc_pool(NULL, 3000)), 0);
}

/* ---- attacks ---- */

/* What is written besides one word: two that help each other, or a stretch. */
enum kind { ONE_WORD, PAIR, OVERRUN, KINDS };

/* A home word that leads from an inner pool to the outer one, which does contain the
 * chunk: not promised to be seen. */
static bool leads_to_outer_pool(int word, uint64_t value)
{
	const struct record *r = target_of(word)->home;

	return header_words[word].offset == offsetof(struct header, home) && s.is_nested &&
	       r->outer == (struct record *)(uintptr_t)(value & ~63ul);
}

static const struct pair {
	int first, second;
	enum value first_value, second_value;
} pairs[] = {
	{ PPREV, NEXT, ZERO, TO_ZEROS },
	{ PPREV, NEXT, ZERO, FORGED },
	{ PPREV, NEXT, A_CELL, TO_ZEROS },
	{ PPREV, NEXT, A_CELL, FORGED },
	{ PPREV, NEXT, A_CELL, ZERO },
	{ PPREV, NEXT, A_CELL, SELF },
	{ PPREV, NEXT, A_CELL, TO_OTHER },
	{ PPREV, CHILD, A_CELL, FORGED },
	{ PPREV, CHILD, A_CELL, ZERO },
	{ PPREV, NEXT, SCAN_1, FORGED }, { PPREV, NEXT, SCAN_1, ZERO },
	{ PPREV, NEXT, SCAN_2, FORGED }, { PPREV, NEXT, SCAN_2, ZERO },
	{ PPREV, NEXT, SCAN_3, FORGED }, { PPREV, NEXT, SCAN_3, ZERO },
	{ PPREV, NEXT, SCAN_4, FORGED }, { PPREV, NEXT, SCAN_4, ZERO },
	{ PPREV, NEXT, SCAN_5, FORGED }, { PPREV, NEXT, SCAN_5, ZERO },
	{ PPREV, NEXT, SCAN_6, FORGED }, { PPREV, NEXT, SCAN_6, ZERO },
	{ PARENT, CHILD, SELF_USER, SELF },
	{ PARENT, NEXT, SELF_USER, SELF },
	{ PARENT, CHILD, A_LOOP, ZERO },
	{ CHILD, NEXT, ZERO, ZERO },
	{ CHILD, NEXT, SELF, SELF },
	{ HOME, PPREV, OF_SLOTS, A_CELL },
	{ HOME, CHILD, OF_SLOTS, ZERO },
	{ HOME, CHILD, OF_PARENT, ZERO },
	{ EXTRA, CHILD, FUNCTION, ZERO },
	{ HANDLE_OLDER, HANDLE_PPREV, WILD, TO_ZEROS },
	{ HANDLE_OLDER, HANDLE_PPREV, TO_ZEROS, TO_ZEROS },
	{ HANDLE_OLDER, HANDLE_PPREV, TO_ZEROS, ZERO },
	{ HANDLE_OLDER, HANDLE_PPREV, SELF, TO_ZEROS },
	{ HANDLE_OLDER, HANDLE_NEXT, FORGED, TO_ZEROS },
	{ HANDLE_OLDER, HANDLE_BACK, ZERO, A_CELL },
	{ HANDLE_BACK, HANDLE_PPREV, A_CELL, TO_ZEROS },
	{ HANDLE_TARGET, HANDLE_PPREV, FORGED, TO_ZEROS },
};

enum { PAIRS = sizeof(pairs) / sizeof(pairs[0]) };

static const unsigned char fills[] = { 0, 'A', 0xff };

enum { FILLS = 3, LENGTHS = 64 };

struct attack {
	enum place place;
	enum position position;
	enum form form;
	enum kind kind;
	int a, b, operation; /* word and value; pair; length and fill */
	bool abort_returns;
};

static bool write_it(const struct attack *a)
{
	uint64_t one, two;
	const struct pair *p;

	switch (a->kind) {
	case ONE_WORD:
		if ((a->a >= OF_HEADER && a->place != REFERENCE) ||
		    !make_value((enum value)a->b, a->a, &one) || leads_to_outer_pool(a->a, one))
			return false;
		*at_word(a->a) = one;
		return true;
	case PAIR:
		p = &pairs[a->a];
		if (p->first >= OF_HEADER && a->place != REFERENCE)
			return false;
		if (!make_value(p->second_value, p->second, &two))
			return false;
		/* the word with the right address last, since a forged chunk may be in its place */
		if (!make_value(p->first_value, p->first, &one))
			return false;
		*at_word(p->second) = two;
		*at_word(p->first) = one;
		return true;
	default:
		memset(header_of(s.victim), fills[a->b], (size_t)a->a + 1);
		return true;
	}
}

static int make_attack(const void *arguments)
{
	const struct attack *a = arguments;
	const struct operation *operation = &operations[a->operation];

	abort_returns = a->abort_returns;
	set_scene(a->place, a->position, a->form);
	if (!makes_sense(operation))
		return NO_SCENE;
	if (a->kind != KINDS && !write_it(a))
		return NO_SCENE;
	bait_is_laid();
	is_harmed = keepers_suffer;
	operation->run();
	aftermath();
	return DONE;
}

/* ---- */

static bool verbose;
static struct row rows[PLACES], kinds[KINDS];
static int per_mille = 100;
static uint64_t seed = 1;

static void tell(const struct attack *a, enum verdict verdict)
{
	printf("  %s: %s, %s%s", verdict_names[verdict], place_names[a->place],
	       position_names[a->position], form_names[a->form]);
	if (a->kind == ONE_WORD)
		printf(", %s = %s", header_words[a->a].name, value_names[a->b]);
	else if (a->kind == PAIR)
		printf(", %s = %s, %s = %s", header_words[pairs[a->a].first].name,
		       value_names[pairs[a->a].first_value], header_words[pairs[a->a].second].name,
		       value_names[pairs[a->a].second_value]);
	else
		printf(", %d bytes of %#x", a->a + 1, (unsigned int)fills[a->b]);
	printf(", %s%s\n", operations[a->operation].name,
	       a->abort_returns ? ", abort function returns" : "");
}

static void try(const struct attack *a)
{
	enum verdict verdict = verdict_of_any_secret(make_attack, a, sizeof(*a),
						     offsetof(struct attack, operation));

	count_verdict(&rows[a->place], verdict);
	count_verdict(&kinds[a->kind], verdict);
	if (verbose && (is_bad(verdict) || verdict == GUESSED))
		tell(a, verdict);
	if (verbose && verdict == WRITTEN)
		printf("    at %d of the bait\n", bait_is_written_at());
}

/* Where nothing is written, nothing is found. */
static void check_scene(struct attack a)
{
	enum verdict verdict;

	a.kind = KINDS;
	verdict = verdict_of(make_attack, &a);
	if (is_bad(verdict) || verdict == WILD_READ ||
	    (verdict == CAUGHT && a.place != FREED && a.place != FREED_MEMBER)) {
		fprintf(stderr, "no attack: %s, %s%s, %s: %s %s\n", place_names[a.place],
			position_names[a.position], form_names[a.form], operations[a.operation].name,
			verdict_names[verdict], shared->reason);
		exit(2);
	}
}

static bool is_chosen(int per_mille)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int)((seed >> 33) % 1000) < per_mille;
}

static void attack_scene(struct attack a)
{
	for (a.operation = 0; a.operation < OPERATIONS; a.operation++)
		if (is_chosen(per_mille * 2))
			check_scene(a);
	a.kind = ONE_WORD;
	for (a.a = 0; a.a < (a.place == REFERENCE ? WORDS : OF_HEADER); a.a++)
		for (a.b = 0; a.b < VALUES; a.b++)
			for (a.operation = 0; a.operation < OPERATIONS; a.operation++) {
				a.abort_returns = is_chosen(250);
				if (is_chosen(per_mille))
					try(&a);
			}
	a.kind = PAIR;
	for (a.a = 0; a.a < PAIRS; a.a++)
		for (a.operation = 0; a.operation < OPERATIONS; a.operation++) {
			a.abort_returns = is_chosen(250);
			if (is_chosen(per_mille * 3))
				try(&a);
		}
	a.kind = OVERRUN;
	for (a.a = 0; a.a < LENGTHS; a.a++)
		for (a.b = 0; a.b < FILLS; a.b++)
			for (a.operation = 0; a.operation < OPERATIONS; a.operation++) {
				a.abort_returns = is_chosen(250);
				if (is_chosen(per_mille / 4 + 1))
					try(&a);
			}
}

int main(int argc, char **argv)
{
	const char *title = "this library, by its source";
	static const char *const kind_names[KINDS] = { "one word", "two words", "1 to 64 bytes" };
	struct row all = { 0, { 0 } };
	bool withstood = true;
	struct attack a;
	int i, v;

	memset(&a, 0, sizeof(a));
	open_bait();
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check_layout();
	try_again_if_told(argc, argv, make_attack, &a, sizeof(a));
	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-v") == 0)
			verbose = true;
		else if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
			per_mille = atoi(argv[++i]);
		else if (strcmp(argv[i], "-s") == 0 && i + 1 < argc)
			seed = (uint64_t)atoll(argv[++i]);
		else
			title = argv[i];
	}
	for (i = 0; i < PLACES * POSITIONS * FORMS; i++) {
		a.place = (enum place)(i / (POSITIONS * FORMS));
		a.position = (enum position)(i / FORMS % POSITIONS);
		a.form = (enum form)(i % FORMS);
		if (a.place == FREED || a.place == FREED_MEMBER ? a.form == WITH_KID :
								  false)
			continue;
		attack_scene(a);
	}
	print_head(title);
	for (i = 0; i < PLACES; i++) {
		print_row(place_names[i], &rows[i]);
		withstood &= is_withstood(&rows[i]);
		all.attacks += rows[i].attacks;
		for (v = 0; v < VERDICTS; v++)
			all.verdicts[v] += rows[i].verdicts[v];
	}
	print_row("all", &all);
	for (i = 0; i < KINDS; i++)
		print_row(kind_names[i], &kinds[i]);
	return withstood && guesses <= MOST_GUESSES ? 0 : 1;
}
