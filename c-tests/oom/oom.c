/*
 * Every call that needs memory, with each of its allocations failing in turn.
 *
 * To be run with failing_malloc.c preloaded.  A scenario is set up, its call is
 * made with the first allocation failing, then in a fresh world with the
 * second one, and so on until nothing fails any more; and the same with all
 * allocations failing from there on.  After a failure the call must have said
 * so, everything else must be as it was, the same call must work with memory,
 * and when all is freed no block, page or record of libtalloc may be left.  All this in
 * several surroundings: below limits, in pools with and without room, at the top.
 *
 * That is with TALLOC_THREAD_CACHE=0, where each failure reaches the call.  Without it the
 * library keeps blocks, which it gives back when memory is short, to ask once more: then
 * all allocations fail from the first on, the second and so on, with something kept and
 * with nothing; and a single one that fails while something is kept is not noticed.
 *
 *	oom            the scenarios, one line each
 *	oom -w SEEDS   random walks in which every allocation fails once
 *
 * The scenarios run on the original too and print the same, but for the lines
 * that are in the table of excuses below; those it prints as "excuse", once
 * it has shown again what it does wrong.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* All functions are called, those too that nobody should use. */
#define _DEPRECATED_
#include <talloc.h>

#include "failing_malloc.h"

static failing_malloc_arm_fn *arm;
static failing_malloc_arm_pages_fn *arm_pages;
static failing_malloc_disarm_fn *disarm;
static failing_malloc_failed_fn *failed;
static failing_malloc_failed_at_fn *failed_at;
static failing_malloc_live_fn *live;
static failing_malloc_mapped_fn *mapped;

/* What libtalloc 2.4.0 does not have. */
static struct {
	void *(*pool_cache)(const void *, size_t, size_t);
	void *(*cache)(const void *);
	void *(*cache_zero)(const void *);
	void *(*realloc_array_zero)(const void *, void *, size_t, unsigned, const char *);
	void (*addsep)(char **, const char *, const char *, ...);
} newer;

static bool original;

/* The library keeps freed blocks. */
static bool keeps;

/* What a scenario says to the process that started it. */
static struct {
	long cases;
	char where[200];   /* for the message if it crashes */
	char fails[400];   /* the answers that there were */
	char works[400];
	long failed;       /* in a process that has ended */
	bool bad;
} *shared;

/* What the process that runs now is to fail at. */
static long failing_k;
static bool failing_all;

/* Problems are not printed while an excuse is being tried. */
static bool quiet;

__attribute__((format(printf, 1, 2))) static void problem(const char *fmt, ...)
{
	va_list ap;

	shared->bad = true;
	if (quiet)
		return;
	fprintf(stderr, "%s: ", shared->where);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static char answer[400];

__attribute__((format(printf, 1, 2))) static const char *say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(answer, sizeof(answer), fmt, ap);
	va_end(ap);
	return answer;
}

static char log_text[4000];

static void log_gather(const char *message)
{
	size_t used = strlen(log_text);

	snprintf(log_text + used, sizeof(log_text) - used, "%s",
		 message != NULL ? message : "(NULL)");
}

static char abort_reason[400];

static void abort_gather(const char *reason)
{
	snprintf(abort_reason, sizeof(abort_reason), "%s", reason);
}

static const char *long_text(void)
{
	static char text[3001];

	if (text[0] == '\0')
		memset(text, 'l', sizeof(text) - 1);
	return text;
}

/* ---- what the library has put by ------------------------------------------------ */

/*
 * Pools, in one block, that take all records that there are, so that the next one needs
 * memory.  How many are made when more memory comes is the step.
 */
static struct {
	void *pool, *root;
	long records, step;
} hoard;

enum { HOARD_BLOCKS = 2 };

/* After that no record is free, and no block is kept: the last one that it asks for in vain
 * makes the library give back all. */
static void take_records(void)
{
	if (original)
		return;
	disarm();
	if (hoard.root == NULL) {
		long blocks;

		hoard.pool = talloc_pool(NULL, 1 << 27);
		hoard.root = talloc_named_const(NULL, 0, "hoard");
		hoard.records = 1;
		blocks = live();
		talloc_free(talloc_named_const(hoard.root, 900, "kept"));
		if (live() != blocks + keeps)
			problem("it keeps %ld blocks", live() - blocks);
	}
	arm_pages();
	while (talloc_pool(hoard.pool, 0) != NULL && failed() == 0)
		hoard.records++;
	disarm();
	if (hoard.step == 0)
		hoard.step = hoard.records;
}

/* Blocks of a size that no scenario uses are kept. */
static void put_by(void)
{
	void *chunks[3];
	long blocks = live();
	int i;

	for (i = 0; i < 3; i++)
		chunks[i] = talloc_named_const(hoard.root, 900, "kept");
	for (i = 0; i < 3; i++)
		talloc_free(chunks[i]);
	if (live() != blocks + 3)
		problem("it keeps %ld blocks of 3", live() - blocks);
}

struct usage {
	long blocks, pages;
};

static struct usage in_use(void)
{
	take_records();
	return (struct usage){ live() - (original ? 0 : HOARD_BLOCKS), mapped() };
}

static void compare_usage(struct usage before, const char *where)
{
	struct usage now = in_use();

	if (now.blocks != before.blocks)
		problem("%ld blocks more%s", now.blocks - before.blocks, where);
	if (now.pages != before.pages)
		problem("%ld bytes of pages more%s", now.pages - before.pages, where);
}

/* When no world is there. */
static void compare_records(const char *where)
{
	if (!original && hoard.records % hoard.step != 0)
		problem("%ld records are left%s",
			hoard.step - hoard.records % hoard.step, where);
}

/* ---- a world ------------------------------------------------------------------- */

enum { OUTS = 8 };

struct world {
	void *root; /* what must not change hangs below it */
	void *pool; /* the pool that ctx is in, or NULL */
	void *ctx;  /* where the call works; NULL at the top */
	void *p, *q;
	char *s;
	void *outs[OUTS]; /* what the call made */
	int n;
	bool tracked;
};

static bool at_top(const void *ptr)
{
	const void *parent = talloc_parent(ptr);

	return parent == NULL || strcmp(talloc_get_name(parent), "null_context") == 0;
}

static void *keep(struct world *w, void *ptr)
{
	if (ptr != NULL && at_top(ptr) && w->n < OUTS)
		w->outs[w->n++] = ptr;
	return ptr;
}

/* What was there before: children, a made name, references, a pool. */
static void furnish(struct world *w)
{
	char *older = talloc_zero_size(w->root, 100);
	void *newer_chunk = talloc_named_const(w->root, 10, "newer");
	void *pool = talloc_pool(w->root, 1000);

	memset(newer_chunk, 'n', 10);
	strcpy(older, "contents");
	talloc_set_name(older, "made %d", 1);
	talloc_strdup(older, "below");
	talloc_reference(newer_chunk, older);
	talloc_reference(pool, older);
	talloc_strdup(pool, "pooled");
}

/* Takes what room there is in a pool. */
static void fill(void *pool)
{
	/* What comes from elsewhere is to come from malloc. */
	take_records();
	for (;;) {
		long before = live();
		void *filler = talloc_named_const(pool, 0, "filler");

		if (live() > before) {
			talloc_free(filler);
			return;
		}
	}
}

enum surroundings {
	PLAIN,
	LIMITED,
	LIMITS,
	ROOM,
	FULL,
	FULL_LIMITED,
	FULL_OWNER,
	TRACKED,
	TOP,
	CACHED,
	CACHED_LIMITED,
	SURROUNDINGS
};

static const char *const surroundings_name[] = {
	"plain",
	"below a limit",
	"limited below a limit",
	"in a pool with room",
	"in a full pool",
	"in a full pool below a limit",
	"limited in a full pool",
	"at the top, null tracking on",
	"at the top",
	"an object of a pool cache",
	"an object of a pool cache below a limit",
};

enum { PLENTY = 1 << 26 };

static void build(struct world *w, enum surroundings around)
{
	void *above;

	memset(w, 0, sizeof(*w));
	w->tracked = around == TRACKED;
	if (w->tracked)
		talloc_enable_null_tracking();
	w->root = talloc_named_const(NULL, 8, "root");
	memset(w->root, 'r', 8);
	furnish(w);
	switch (around) {
	case LIMITED:
	case LIMITS:
	case FULL_LIMITED:
	case CACHED_LIMITED:
		talloc_set_memlimit(w->root, PLENTY);
		break;
	default:
		break;
	}
	above = w->root;
	switch (around) {
	case ROOM:
		above = w->pool = talloc_pool(w->root, 1 << 18);
		break;
	case FULL:
	case FULL_LIMITED:
	case FULL_OWNER:
		above = w->pool = talloc_pool(w->root, 6000);
		break;
	case CACHED:
	case CACHED_LIMITED:
		above = newer.pool_cache(w->root, 1000, 100);
		w->ctx = newer.cache_zero(above);
		talloc_set_name_const(w->ctx, "ctx");
		break;
	default:
		break;
	}
	if (w->ctx == NULL && around != TOP && around != TRACKED) {
		w->ctx = talloc_named_const(above, 20, "ctx");
		memset(w->ctx, 'c', 20);
	}
	if (around == LIMITS || around == FULL_OWNER)
		talloc_set_memlimit(w->ctx, PLENTY / 2);
	talloc_strdup(w->root, "newest");
}

/* When what the scenario itself sets up is there too. */
static void build_rest(struct world *w, enum surroundings around)
{
	if (around == FULL || around == FULL_LIMITED || around == FULL_OWNER)
		fill(w->pool);
}

static void tear_down(struct world *w)
{
	void *tops[] = { w->s, w->p, w->q };
	int i;

	for (i = 0; i < 3; i++) {
		if (tops[i] == NULL || !at_top(tops[i]))
			tops[i] = NULL;
	}
	for (i = 0; i < w->n; i++)
		talloc_free(w->outs[i]);
	for (i = 2; i >= 0; i--) {
		if (tops[i] != NULL)
			talloc_free(tops[i]);
	}
	talloc_free(w->root);
	if (w->tracked)
		talloc_disable_null_tracking();
}

/* ---- all there is to see of it ---------------------------------------------------- */

static FILE *digest_file;
static bool digest_addresses;

static void digest_chunk(const void *ptr, int depth, int max_depth, int is_ref, void *unused)
{
	const unsigned char *bytes = ptr;
	size_t i, size = talloc_get_size(ptr);
	unsigned long sum = 5381;

	(void)max_depth;
	(void)unused;
	if (!is_ref) {
		for (i = 0; i < size; i++)
			sum = sum * 33 + bytes[i];
	}
	fprintf(digest_file, "%d %d %s %zu %lx refs %zu blocks %zu total %zu", depth, is_ref,
		talloc_get_name(ptr), size, sum, talloc_reference_count(ptr),
		talloc_total_blocks(ptr), talloc_total_size(ptr));
	if (digest_addresses)
		fprintf(digest_file, " %p in %p", ptr, talloc_parent(ptr));
	fputc('\n', digest_file);
}

static void digest_tree(void *ptr)
{
	if (ptr == NULL)
		return;
	talloc_report_depth_cb(ptr, 0, -1, digest_chunk, NULL);
	/* For the accounts of limits. */
	talloc_report_full(ptr, digest_file);
}

static void cut_addresses(char *text)
{
	char *to = text;

	while (*text != '\0') {
		if (strncmp(text, " 0x", 3) == 0)
			text += 3 + strspn(text + 3, "0123456789abcdef");
		else
			*to++ = *text++;
	}
	*to = '\0';
}

static char *digest(struct world *w, bool addresses)
{
	char *text;
	size_t size;
	void *tops[] = { w->root, w->p, w->q, w->s };
	size_t i;

	digest_addresses = addresses;
	digest_file = open_memstream(&text, &size);
	for (i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
		if (tops[i] != NULL && (i == 0 || at_top(tops[i])))
			digest_tree(tops[i]);
	}
	if (w->tracked)
		talloc_report_depth_cb(NULL, 0, 1, digest_chunk, NULL);
	fclose(digest_file);
	if (!addresses)
		cut_addresses(text);
	return text;
}

/* ---- scenarios --------------------------------------------------------------------- */

struct scenario {
	const char *name;
	void (*set_up)(struct world *w);
	const char *(*call)(struct world *w);
	/* The answers: NULL for fails if it says the same whether there is memory. */
	const char *fails, *works;
	/* What a failure does beyond that; NULL: nothing. */
	void (*failure)(struct world *w);
	unsigned flags;
};

enum {
	/* Not on the original: it is not there, or the contract differs. */
	OURS = 1,
	/* Makes no call of malloc at all. */
	NEEDS_NONE = 2,
	/* Not at the top: needs a ctx. */
	NEEDS_CTX = 4,
	/* Not twice in one world. */
	ONCE = 8,
	/* Does without a record, if it can have no more of them. */
	NEEDS_NO_RECORD = 16,
};

static const char *made(struct world *w, void *ptr)
{
	if (keep(w, ptr) == NULL)
		return "NULL";
	return say("%.24s %zu", talloc_get_name(ptr), talloc_get_size(ptr));
}

static const char *zeros(struct world *w, void *ptr)
{
	size_t i, size = talloc_get_size(ptr);

	for (i = 0; i < size; i++) {
		if (((char *)ptr)[i] != 0)
			return "not zero";
	}
	return made(w, ptr);
}

/* s has become t. */
static const char *grown(struct world *w, char *t)
{
	if (t == NULL)
		return "NULL";
	w->s = t;
	if (talloc_get_name(t) != t)
		return "not named by its text";
	return say("%.12s %zu", t, talloc_get_size(t));
}

/* p has become r; its first bytes are those of set_up_p(). */
static const char *resized(struct world *w, void *r)
{
	size_t i, size = talloc_get_size(r);

	if (r == NULL)
		return "NULL";
	w->p = r;
	for (i = 0; i < size && i < 3000; i++) {
		if (((char *)r)[i] != 'p')
			return say("wrong byte at %zu", i);
	}
	return say("%s %zu of %zu in %zu", talloc_get_name(r), talloc_get_size(r),
		   talloc_total_size(r), talloc_total_blocks(r));
}

static void set_up_s(struct world *w)
{
	w->s = talloc_strdup(w->ctx, "text");
	talloc_set_name_const(w->s, "label");
	talloc_named_const(w->s, 3, "child of s");
}

static void set_up_empty_s(struct world *w)
{
	w->s = talloc_strdup(w->ctx, "");
}

static void free_s(struct world *w)
{
	talloc_free(w->s);
	w->s = NULL;
}

/* 3000 bytes, with children, one of them named by a chunk. */
static void set_up_p(struct world *w)
{
	w->p = talloc_named_const(w->ctx, 3000, "p");
	memset(w->p, 'p', 3000);
	memset(talloc_named_const(w->p, 7, "child of p"), '7', 7);
	talloc_set_name(talloc_size(w->p, 0), "made");
}

static void set_up_limited_p(struct world *w)
{
	set_up_p(w);
	talloc_set_memlimit(w->p, PLENTY / 4);
}

/* As the last chunk in its pool, if it is in one. */
static void set_up_last_p(struct world *w)
{
	w->p = talloc_named_const(w->ctx, 3000, "p");
	memset(w->p, 'p', 3000);
}

/* p, and q that refers to it. */
static void set_up_referenced(struct world *w)
{
	w->p = talloc_named_const(w->ctx, 5, "p");
	memset(w->p, 'p', 5);
	w->q = talloc_named_const(w->ctx, 5, "q");
	memset(w->q, 'q', 5);
	_talloc_reference_loc(w->q, w->p, "the first");
	_talloc_reference_loc(w->q, w->p, "the second");
}

static void set_up_pair(struct world *w)
{
	w->p = talloc_named_const(w->ctx, 5, "p");
	memset(w->p, 'p', 5);
	w->q = talloc_named_const(w->ctx, 5, "q");
	memset(w->q, 'q', 5);
}

static void set_up_chain(struct world *w)
{
	void *at;
	int i;

	w->p = at = talloc_named_const(w->ctx, 5, "p");
	memset(w->p, 'p', 5);
	for (i = 0; i < 100; i++) {
		at = talloc_named_const(at, 0, "link");
		talloc_named_const(at, 0, "leaf");
	}
}

#define CALL(id, ...)                                \
	static const char *id(struct world *w)       \
	{                                            \
		(void)w;                             \
		return __VA_ARGS__;                  \
	}

CALL(do_talloc, made(w, _talloc(w->ctx, 100)))
CALL(do_size_0, made(w, talloc_named_const(w->ctx, 0, "nothing")))
CALL(do_named_const, made(w, talloc_named_const(w->ctx, 100, "named")))
CALL(do_large, made(w, talloc_named_const(w->ctx, 1 << 20, "large")))
CALL(do_zero, zeros(w, _talloc_zero(w->ctx, 500, "zero")))
CALL(do_named, made(w, talloc_named(w->ctx, 10, "n%d", 5)))
CALL(do_named_long, made(w, talloc_named(w->ctx, 10, "%s", long_text())))
CALL(do_init, made(w, talloc_init("init%d", 5)))
CALL(do_init_long, made(w, talloc_init("%s", long_text())))
CALL(do_memdup, made(w, _talloc_memdup(w->ctx, "memory", 6, "dup")))
CALL(do_memdup_0, made(w, _talloc_memdup(w->ctx, "", 0, "dup")))
CALL(do_array, made(w, _talloc_array(w->ctx, 8, 9, "array")))
CALL(do_zero_array, zeros(w, _talloc_zero_array(w->ctx, 8, 9, "array")))
CALL(do_realloc_null, made(w, _talloc_realloc(w->ctx, NULL, 9, "re")))
CALL(do_realloc_array_null, made(w, _talloc_realloc_array(w->ctx, NULL, 9, 9, "re")))
CALL(do_realloc_fn_null, made(w, talloc_realloc_fn(w->ctx, NULL, 9)))
CALL(do_realloc_zero_null, zeros(w, newer.realloc_array_zero(w->ctx, NULL, 9, 9, "re")))

CALL(do_strdup, made(w, talloc_strdup(w->ctx, "dup")))
CALL(do_strdup_long, made(w, talloc_strdup(w->ctx, long_text())))
CALL(do_strndup, made(w, talloc_strndup(w->ctx, "dupdup", 3)))
CALL(do_asprintf, made(w, talloc_asprintf(w->ctx, "as%d", 5)))
CALL(do_asprintf_long, made(w, talloc_asprintf(w->ctx, "%s", long_text())))
CALL(do_append_null, made(w, talloc_strdup_append(NULL, "new")))
CALL(do_append_buffer_null, made(w, talloc_strdup_append_buffer(NULL, "new")))
CALL(do_asprintf_append_null, made(w, talloc_asprintf_append(NULL, "new%d", 1)))
CALL(do_asprintf_append_buffer_null, made(w, talloc_asprintf_append_buffer(NULL, "new%d", 1)))

/* Long enough that no allocator has the room by chance. */
CALL(do_strdup_append, grown(w, talloc_strdup_append(w->s, long_text())))
CALL(do_strdup_append_buffer, grown(w, talloc_strdup_append_buffer(w->s, long_text())))
/* Beyond what a block of the least size has room for, and within that. */
CALL(do_strdup_append_short, grown(w, talloc_strdup_append(w->s, "+more")))
CALL(do_strdup_append_least, grown(w, talloc_strdup_append(w->s, "+")))
CALL(do_strdup_append_own, grown(w, talloc_strdup_append(w->s, w->s)))
CALL(do_strndup_append, grown(w, talloc_strndup_append(w->s, long_text(), 2000)))
CALL(do_strndup_append_buffer,
     grown(w, talloc_strndup_append_buffer(w->s, long_text(), 2000)))
CALL(do_asprintf_append, grown(w, talloc_asprintf_append(w->s, "%d", 12345)))
CALL(do_asprintf_append_long, grown(w, talloc_asprintf_append(w->s, "%s", long_text())))
CALL(do_asprintf_append_buffer, grown(w, talloc_asprintf_append_buffer(w->s, "%d", 12345)))
CALL(do_asprintf_append_buffer_long,
     grown(w, talloc_asprintf_append_buffer(w->s, "%s", long_text())))
CALL(do_append_nothing, grown(w, talloc_strdup_append(w->s, NULL)))
CALL(do_asprintf_append_nothing, talloc_asprintf_append(w->s, "%s", "") == w->s ? "s" : "?")

__attribute__((format(printf, 3, 4))) static char *by_list(char *(*f)(char *, const char *, va_list),
							   char *s, const char *fmt, ...)
{
	va_list ap;
	char *t;

	va_start(ap, fmt);
	t = f(s, fmt, ap);
	va_end(ap);
	return t;
}

__attribute__((format(printf, 2, 3))) static char *vasprintf_of(const void *ctx,
								const char *fmt, ...)
{
	va_list ap;
	char *t;

	va_start(ap, fmt);
	t = talloc_vasprintf(ctx, fmt, ap);
	va_end(ap);
	return t;
}

CALL(do_vasprintf, made(w, vasprintf_of(w->ctx, "as%d", 5)))
CALL(do_vasprintf_append, grown(w, by_list(talloc_vasprintf_append, w->s, "%d", 12345)))
CALL(do_vasprintf_append_long,
     grown(w, by_list(talloc_vasprintf_append, w->s, "%s", long_text())))
CALL(do_vasprintf_append_buffer,
     grown(w, by_list(talloc_vasprintf_append_buffer, w->s, "%d", 12345)))

static const char *added(struct world *w)
{
	return w->s == NULL ? "NULL" : grown(w, w->s);
}

CALL(do_addbuf, (talloc_asprintf_addbuf(&w->s, "%d", 12345), added(w)))
CALL(do_addbuf_long, (talloc_asprintf_addbuf(&w->s, "%s", long_text()), added(w)))
CALL(do_addsep, (newer.addsep(&w->s, ", ", "%d", 12345), added(w)))
CALL(do_addsep_digits, (newer.addsep(&w->s, ", ", "%d", 1234567890), added(w)))
CALL(do_addsep_long, (newer.addsep(&w->s, long_text(), "%s", long_text()), added(w)))

/* One check at the end of a chain. */
static const char *do_addbuf_chain(struct world *w)
{
	int i;

	for (i = 0; i < 5; i++)
		talloc_asprintf_addbuf(&w->s, "%d %s", i, long_text() + 2900);
	talloc_asprintf_addbuf(&w->s, ",end");
	return added(w);
}

static const char *named_now(const void *ptr, const char *name)
{
	return say("%s, %s", name != NULL ? name : "NULL", talloc_get_name(ptr));
}

CALL(do_set_name, named_now(w->p, talloc_set_name(w->p, "set%d", 1)))
CALL(do_set_name_long, (talloc_set_name(w->p, "%s", long_text()) == NULL)
			       ? say("NULL, %s", talloc_get_name(w->p))
			       : "long")
CALL(do_set_name_const, (talloc_set_name_const(w->p, "set"), "set"))

static void no_name(struct world *w)
{
	talloc_set_name_const(w->p, NULL);
}

static void set_up_named(struct world *w)
{
	set_up_pair(w);
	talloc_set_name(w->p, "before");
}

static void set_up_pool(struct world *w)
{
	w->p = talloc_pool(w->ctx, 10);
	talloc_set_name_const(w->p, "pool");
}

CALL(do_realloc_grow, resized(w, _talloc_realloc(w->ctx, w->p, 4000, "re")))
CALL(do_realloc_more, resized(w, _talloc_realloc(w->ctx, w->p, 1 << 20, "re")))
CALL(do_realloc_cut, resized(w, _talloc_realloc(w->ctx, w->p, 100, "re")))
CALL(do_realloc_trim, resized(w, _talloc_realloc(w->ctx, w->p, 2990, "re")))
CALL(do_realloc_same, resized(w, _talloc_realloc(w->ctx, w->p, 3000, "re")))
CALL(do_realloc_array, resized(w, _talloc_realloc_array(w->ctx, w->p, 5, 1000, "re")))
CALL(do_realloc_fn, resized(w, talloc_realloc_fn(w->ctx, w->p, 5000)))
CALL(do_realloc_zero, resized(w, newer.realloc_array_zero(w->ctx, w->p, 5, 1000, "re")))
CALL(do_realloc_refused, _talloc_realloc(w->ctx, w->p, 5000, "re") == NULL ? "NULL" : "?")
/* The context that everything of the scenario hangs below. */
static const char *do_realloc_ctx(struct world *w)
{
	void *r = _talloc_realloc(NULL, w->ctx, 5000, "ctx");

	if (r == NULL)
		return "NULL";
	w->ctx = r;
	return say("%zu in %zu", talloc_get_size(r), talloc_total_blocks(r));
}

CALL(do_pool, made(w, talloc_pool(w->ctx, 5000)))
CALL(do_pool_named, ({
	     void *pool = talloc_pool(w->ctx, 1000);
	     const char *member = pool != NULL ? talloc_strdup(pool, "m") : NULL;

	     keep(w, pool) == NULL ? "NULL" : member == NULL ? "no member" : "pool";
     }))
CALL(do_pooled_object, made(w, _talloc_pooled_object(w->ctx, 20, "object", 3, 100)))
CALL(do_pool_cache, made(w, newer.pool_cache(w->ctx, 1000, 100)))
CALL(do_pool_cache_many, made(w, newer.pool_cache(w->ctx, 16000, 16)))

static void set_up_cache(struct world *w)
{
	w->p = newer.pool_cache(w->ctx, 200, 100);
	talloc_set_name_const(w->p, "cache");
}

static void set_up_full_cache(struct world *w)
{
	set_up_cache(w);
	memset(newer.cache_zero(w->p), '1', 100);
	memset(newer.cache_zero(w->p), '2', 100);
}

/* An object of a cache, with a child. */
static void set_up_object(struct world *w)
{
	void *cache = newer.pool_cache(w->ctx, 10000, 3000);

	w->q = cache;
	w->p = newer.cache(cache);
	memset(w->p, 'p', 3000);
	talloc_set_name_const(w->p, "p");
	talloc_named_const(w->p, 7, "child of p");
}

CALL(do_cache, made(w, newer.cache(w->p)))
CALL(do_cache_zero, zeros(w, newer.cache_zero(w->p)))

CALL(do_reference, _talloc_reference_loc(w->q, w->p, "here") == w->p
			   ? say("p, %zu", talloc_reference_count(w->p))
			   : say("NULL, %zu", talloc_reference_count(w->p)))
CALL(do_reference_null, _talloc_reference_loc(NULL, w->p, "here") == w->p
				? "p"
				: "NULL")

static const char *do_increase(struct world *w)
{
	int got = talloc_increase_ref_count(w->p);

	return say("%d, %zu", got, talloc_reference_count(w->p));
}

/* What refers to it from the top has to go before p can. */
static void drop_top_reference(struct world *w)
{
	while (talloc_reference_count(w->p) > 0 && talloc_unlink(NULL, w->p) == 0)
		;
}

static const char *do_reference_null_and_drop(struct world *w)
{
	const char *said = do_reference_null(w);

	disarm();
	drop_top_reference(w);
	return said;
}

static const char *do_increase_and_drop(struct world *w)
{
	const char *said = do_increase(w);

	disarm();
	drop_top_reference(w);
	return said;
}

CALL(do_memlimit, say("%d", talloc_set_memlimit(w->p, 1 << 20)))
CALL(do_memlimit_0, say("%d", talloc_set_memlimit(w->p, 0)))

/* The text of a report without memory is the one with memory. */
static const char *report_of(void *ptr, void (*report)(const void *, FILE *))
{
	char *before, *after;
	size_t size;
	FILE *f = open_memstream(&after, &size);
	bool same;

	report(ptr, f);
	fclose(f);
	disarm();
	f = open_memstream(&before, &size);
	report(ptr, f);
	fclose(f);
	same = strcmp(before, after) == 0;
	free(before);
	free(after);
	return same ? "right" : "wrong";
}

static void report_depth_2(const void *ptr, FILE *f)
{
	talloc_report_depth_file(ptr, 3, 5, f);
}

CALL(do_report, report_of(w->root, talloc_report))
CALL(do_report_full, report_of(w->root, talloc_report_full))
CALL(do_report_null, report_of(NULL, talloc_report_full))
CALL(do_report_depth, report_of(w->root, report_depth_2))
CALL(do_show_parents, report_of(w->root, talloc_show_parents))

/* Each line that was logged is what it should be, as far as it goes. */
static const char *log_is(int got, const char *first, const char *second, const char *third)
{
	char want[400];
	const char *at = log_text;
	const char *lines[] = { first, second, third };
	size_t i, n;

	disarm();
	talloc_set_log_fn(NULL);
	snprintf(want, sizeof(want), "%s%s%s", first, second, third);
	if (strcmp(log_text, want) == 0)
		return say("%d", got);
	for (i = 0; i < 3; i++) {
		for (n = 0; at[n] != '\0' && at[n] == lines[i][n];)
			n++;
		if (n < strcspn(lines[i], "@\n"))
			return say("%d, but the log has \"%s\"", got, log_text);
		at += n;
	}
	return *at == '\0' ? say("%d", got) : say("%d, but the log ends \"%s\"", got, at);
}

static const char *do_free_referenced(struct world *w)
{
	int got;

	log_text[0] = '\0';
	talloc_set_log_fn(log_gather);
	got = _talloc_free(w->p, "@free");
	return log_is(got, "ERROR: talloc_free with references at @free\n",
		      "\treference at @two\n", "\treference at @one\n");
}

static const char *do_steal_referenced(struct world *w)
{
	int got;

	log_text[0] = '\0';
	talloc_set_log_fn(log_gather);
	got = _talloc_steal_loc(w->root, w->p, "@steal") == w->p ? 0 : -1;
	log_is(got, "WARNING: talloc_steal with references at @steal\n",
	       "\treference at @two\n", "\treference at @one\n");
	if (talloc_parent(w->p) != w->root)
		say("not stolen");
	_talloc_steal_loc(w->ctx, w->p, "back");
	return answer;
}

static void set_up_logged(struct world *w)
{
	set_up_pair(w);
	_talloc_reference_loc(w->q, w->p, "@one");
	_talloc_reference_loc(w->q, w->p, "@two");
}

/* The reason is complete, or it is the first words of it. */
static const char *do_mismatch(struct world *w)
{
	void *got;

	abort_reason[0] = '\0';
	talloc_set_abort_fn(abort_gather);
	got = _talloc_get_type_abort(w->p, "other", "here");
	talloc_set_abort_fn(NULL);
	return say("%s, %s", got == NULL ? "NULL" : "?", abort_reason);
}

static const char *do_mismatch_logged(struct world *w)
{
	const char *want = "here: Type mismatch: name[p] expected[other]";
	void *got;

	log_text[0] = '\0';
	abort_reason[0] = '\0';
	talloc_set_log_fn(log_gather);
	talloc_set_abort_fn(abort_gather);
	got = _talloc_get_type_abort(w->p, "other", "here");
	talloc_set_abort_fn(NULL);
	talloc_set_log_fn(NULL);
	if (strcmp(abort_reason, "Type mismatch") != 0 && strcmp(abort_reason, want) != 0)
		return say("reason %s", abort_reason);
	if (strncmp(log_text, abort_reason, strlen(abort_reason)) != 0)
		return say("log %s", log_text);
	return got == NULL ? "NULL" : "?";
}

/* A chunk in a pool that is still there can be read after its free. */
static void set_up_freed(struct world *w)
{
	void *pool = talloc_pool(w->root, 1000);

	talloc_strdup(pool, "stays");
	w->outs[OUTS - 1] = talloc_strdup(pool, "goes");
	_talloc_free(w->outs[OUTS - 1], "@freed");
}

static const char *do_use_freed(struct world *w)
{
	void *got;

	log_text[0] = '\0';
	abort_reason[0] = '\0';
	talloc_set_log_fn(log_gather);
	talloc_set_abort_fn(abort_gather);
	got = talloc_strdup(w->outs[OUTS - 1], "no");
	talloc_set_abort_fn(NULL);
	log_is(got == NULL ? 0 : -1,
	       "talloc: access after free error - first free may be at @freed\n",
	       "Bad talloc magic value - access after free\n", "");
	if (strcmp(answer, "0") != 0)
		return answer;
	return say("%s, %s", got == NULL ? "NULL" : "?", abort_reason);
}

/* ---- what needs no memory --------------------------------------------------------- */

static int refuses(void *ptr)
{
	(void)ptr;
	return -1;
}

static int consents(void *ptr)
{
	(void)ptr;
	return 0;
}

static const char *do_free(struct world *w)
{
	int got = talloc_free(w->p);

	w->p = NULL;
	return say("%d", got);
}

static const char *do_free_refused(struct world *w)
{
	int got;

	_talloc_set_destructor(w->p, refuses);
	got = talloc_free(w->p);
	_talloc_set_destructor(w->p, consents);
	return say("%d", got);
}

/* Refers to the child, so that it inherits it. */
static const char *do_free_heir(struct world *w)
{
	int got = talloc_free(w->s);

	w->s = NULL;
	return say("%d, p in %s", got, talloc_get_name(talloc_parent(w->p)));
}

static void set_up_heir(struct world *w)
{
	w->s = talloc_named_const(w->ctx, 1, "s");
	w->p = talloc_named_const(w->s, 5, "p");
	w->q = talloc_named_const(w->ctx, 5, "q");
	talloc_reference(w->q, w->p);
}

static const char *do_free_children(struct world *w)
{
	talloc_free_children(w->p);
	return say("%zu", talloc_total_blocks(w->p));
}

static const char *do_moves(struct world *w)
{
	void *p = w->p;
	char *moved;

	talloc_steal(w->q, p);
	if (talloc_parent(p) != w->q)
		return "not stolen";
	moved = talloc_move(w->root, &w->p);
	if (w->p != NULL || moved != p || talloc_parent(p) != w->root)
		return "not moved";
	w->p = p;
	if (talloc_reparent(w->root, w->q, p) != p || talloc_parent(p) != w->q)
		return "not reparented";
	return "moved";
}

static const char *do_unlinks(struct world *w)
{
	int first = talloc_unlink(w->q, w->p), second = talloc_unlink(w->q, w->p);

	return say("%d %d, %d left", first, second, (int)talloc_reference_count(w->p));
}

static const char *do_looks(struct world *w)
{
	if (talloc_version_minor() < 4 || talloc_test_get_magic() != talloc_test_get_magic())
		return "another library";
	return say("%zu %zu %zu %s %s %d %d %s %s %d", talloc_total_size(w->p),
		   talloc_total_blocks(w->p), talloc_get_size(w->p),
		   talloc_get_name(w->p), talloc_check_name(w->p, "p") == w->p ? "p" : "?",
		   talloc_is_parent(w->p, w->p),
		   talloc_find_parent_byname(w->p, "p") == w->p,
		   _talloc_get_type_abort(w->p, "p", "here") == w->p ? "p" : "?",
		   w->ctx != NULL ? talloc_parent_name(w->p) : "ctx",
		   talloc_version_major());
}

static const char *do_cut_pool(struct world *w)
{
	void *r = _talloc_realloc(w->ctx, w->p, 0, "re");

	w->p = NULL;
	return r == NULL ? "NULL" : "?";
}

#define NO NULL

static const struct scenario scenarios[] = {
	{ "_talloc", NO, do_talloc, "NULL", "UNNAMED 100", NO, 0 },
	{ "talloc_named_const", NO, do_named_const, "NULL", "named 100", NO, 0 },
	{ "a size of 0", NO, do_size_0, "NULL", "nothing 0", NO, 0 },
	{ "1 MiB", NO, do_large, "NULL", "large 1048576", NO, 0 },
	{ "_talloc_zero", NO, do_zero, "NULL", "zero 500", NO, 0 },
	{ "talloc_named", NO, do_named, "NULL", "n5 10", NO, 0 },
	{ "talloc_named, long", NO, do_named_long, "NULL", "llllllllllllllllllllllll 10", NO, 0 },
	{ "talloc_init", NO, do_init, "NULL", "init5 0", NO, 0 },
	{ "talloc_init, long", NO, do_init_long, "NULL", "llllllllllllllllllllllll 0", NO, 0 },
	{ "_talloc_memdup", NO, do_memdup, "NULL", "dup 6", NO, 0 },
	{ "_talloc_memdup of nothing", NO, do_memdup_0, "NULL", "dup 0", NO, 0 },
	{ "_talloc_array", NO, do_array, "NULL", "array 72", NO, 0 },
	{ "_talloc_zero_array", NO, do_zero_array, "NULL", "array 72", NO, 0 },
	{ "_talloc_realloc(NULL)", NO, do_realloc_null, "NULL", "re 9", NO, 0 },
	{ "_talloc_realloc_array(NULL)", NO, do_realloc_array_null, "NULL", "re 81", NO, 0 },
	{ "talloc_realloc_fn(NULL)", NO, do_realloc_fn_null, "NULL", "UNNAMED 9", NO, 0 },
	{ "_talloc_realloc_array_zero(NULL)", NO, do_realloc_zero_null, "NULL", "re 81", NO, OURS },

	{ "talloc_strdup", NO, do_strdup, "NULL", "dup 4", NO, 0 },
	{ "talloc_strdup, long", NO, do_strdup_long, "NULL", "llllllllllllllllllllllll 3001", NO, 0 },
	{ "talloc_strndup", NO, do_strndup, "NULL", "dup 4", NO, 0 },
	{ "talloc_asprintf", NO, do_asprintf, "NULL", "as5 4", NO, 0 },
	{ "talloc_asprintf, long", NO, do_asprintf_long, "NULL", "llllllllllllllllllllllll 3001", NO, 0 },
	{ "talloc_vasprintf", NO, do_vasprintf, "NULL", "as5 4", NO, 0 },
	{ "talloc_strdup_append(NULL)", NO, do_append_null, "NULL", "new 4", NO, 0 },
	{ "talloc_strdup_append_buffer(NULL)", NO, do_append_buffer_null, "NULL", "new 4", NO, 0 },
	{ "talloc_asprintf_append(NULL)", NO, do_asprintf_append_null, "NULL", "new1 5", NO, 0 },
	{ "talloc_asprintf_append_buffer(NULL)", NO, do_asprintf_append_buffer_null, "NULL", "new1 5", NO, 0 },
	{ "talloc_strdup_append", set_up_s, do_strdup_append, "NULL", "textllllllll 3005", NO, ONCE },
	{ "talloc_strdup_append, short", set_up_s, do_strdup_append_short, "NULL", "text+more 10", NO, ONCE },
	{ "talloc_strdup_append of one byte", set_up_s, do_strdup_append_least, NO, "text+ 6", NO, ONCE | NEEDS_NONE | OURS },
	{ "talloc_strdup_append to itself", set_up_s, do_strdup_append_own, "NULL", "texttext 9", NO, ONCE },
	{ "talloc_strdup_append_buffer", set_up_s, do_strdup_append_buffer, "NULL", "textllllllll 3005", NO, ONCE },
	{ "talloc_strndup_append", set_up_s, do_strndup_append, "NULL", "textllllllll 2005", NO, ONCE },
	{ "talloc_strndup_append_buffer", set_up_s, do_strndup_append_buffer, "NULL", "textllllllll 2005", NO, ONCE },
	{ "talloc_asprintf_append", set_up_s, do_asprintf_append, "NULL", "text12345 10", NO, ONCE },
	{ "talloc_asprintf_append, long", set_up_s, do_asprintf_append_long, "NULL", "textllllllll 3005", NO, ONCE },
	{ "talloc_asprintf_append_buffer", set_up_s, do_asprintf_append_buffer, "NULL", "text12345 10", NO, ONCE },
	{ "talloc_asprintf_append_buffer, long", set_up_s, do_asprintf_append_buffer_long, "NULL", "textllllllll 3005", NO, ONCE },
	{ "talloc_vasprintf_append", set_up_s, do_vasprintf_append, "NULL", "text12345 10", NO, ONCE },
	{ "talloc_vasprintf_append, long", set_up_s, do_vasprintf_append_long, "NULL", "textllllllll 3005", NO, ONCE },
	{ "talloc_vasprintf_append_buffer", set_up_s, do_vasprintf_append_buffer, "NULL", "text12345 10", NO, ONCE },
	{ "talloc_strdup_append of nothing", set_up_empty_s, do_append_nothing, NO, " 1", NO, NEEDS_NONE },
	{ "talloc_asprintf_append of nothing", set_up_s, do_asprintf_append_nothing, NO, "s", NO, NEEDS_NONE },
	{ "talloc_asprintf_addbuf", set_up_s, do_addbuf, "NULL", "text12345 10", free_s, ONCE },
	{ "talloc_asprintf_addbuf, long", set_up_s, do_addbuf_long, "NULL", "textllllllll 3005", free_s, ONCE },
	{ "talloc_asprintf_addbuf, a chain", set_up_s, do_addbuf_chain, "NULL", "text0 llllll 519", free_s, ONCE },
	{ "talloc_asprintf_addsep", set_up_s, do_addsep, "NULL", "text, 12345 12", free_s, ONCE | OURS },
	{ "talloc_asprintf_addsep, long", set_up_s, do_addsep_long, "NULL", "textllllllll 6005", free_s, ONCE | OURS },
	{ "talloc_asprintf_addsep to nothing", set_up_empty_s, do_addsep_digits, "NULL", "1234567890 11", free_s, ONCE | OURS },
	{ "talloc_asprintf_addsep, little to nothing", set_up_empty_s, do_addsep, NO, "12345 6", NO, ONCE | NEEDS_NONE | OURS },

	{ "talloc_set_name", set_up_pair, do_set_name, "NULL, UNNAMED", "set1, set1", no_name, 0 },
	{ "talloc_set_name, long", set_up_pair, do_set_name_long, "NULL, UNNAMED", "long", no_name, 0 },
	{ "talloc_set_name again", set_up_named, do_set_name, "NULL, UNNAMED", "set1, set1", no_name, 0 },
	{ "talloc_set_name of a pool", set_up_pool, do_set_name_long, "NULL, UNNAMED", "long", no_name, 0 },
	{ "talloc_set_name_const", set_up_pair, do_set_name_const, NO, "set", NO, NEEDS_NONE },

	{ "_talloc_realloc, growing", set_up_p, do_realloc_grow, "NULL", "re 4000 of 4012 in 4", NO, 0 },
	{ "_talloc_realloc to 1 MiB", set_up_p, do_realloc_more, "NULL", "re 1048576 of 1048588 in 4", NO, 0 },
	{ "_talloc_realloc of the last", set_up_last_p, do_realloc_grow, "NULL", "? 4000 of 4000 in 1", NO, 0 },
	{ "_talloc_realloc, by far smaller", set_up_p, do_realloc_cut, "NULL", "? 100 of 112 in 4", NO, 0 },
	{ "_talloc_realloc, a little smaller", set_up_p, do_realloc_trim, NO, "? 2990 of 3002 in 4", NO, NEEDS_NONE },
	{ "_talloc_realloc to the same size", set_up_p, do_realloc_same, NO, "? 3000 of 3012 in 4", NO, NEEDS_NONE },
	{ "_talloc_realloc of a limited chunk", set_up_limited_p, do_realloc_grow, "NULL", "re 4000 of 4012 in 4", NO, 0 },
	{ "_talloc_realloc of a limited chunk, by far smaller", set_up_limited_p, do_realloc_cut, "NULL", "? 100 of 112 in 4", NO, 0 },
	{ "_talloc_realloc of the context", set_up_p, do_realloc_ctx, "NULL", "5000 in 5", NO, NEEDS_CTX },
	{ "_talloc_realloc with references", set_up_referenced, do_realloc_refused, NO, "NULL", NO, NEEDS_NONE },
	{ "_talloc_realloc_array", set_up_p, do_realloc_array, "NULL", "re 5000 of 5012 in 4", NO, 0 },
	{ "talloc_realloc_fn", set_up_p, do_realloc_fn, "NULL", "UNNAMED 5000 of 5012 in 4", NO, 0 },
	{ "_talloc_realloc_array_zero", set_up_p, do_realloc_zero, "NULL", "re 5000 of 5012 in 4", NO, OURS },

	{ "talloc_pool", NO, do_pool, "NULL", "UNNAMED 0", NO, NEEDS_NO_RECORD },
	{ "talloc_pool with a member", NO, do_pool_named, "NULL", "pool", NO, NEEDS_NO_RECORD },
	{ "_talloc_pooled_object", NO, do_pooled_object, "NULL", "object 20", NO, NEEDS_NO_RECORD },
	{ "talloc_pool_cache", NO, do_pool_cache, "NULL", "UNNAMED 0", NO, OURS },
	{ "talloc_pool_cache of a thousand objects", NO, do_pool_cache_many, "NULL", "UNNAMED 0", NO, OURS },
	{ "talloc_cache", set_up_cache, do_cache, NO, "UNNAMED 100", NO, OURS | NEEDS_NONE },
	{ "talloc_cache_zero", set_up_cache, do_cache_zero, NO, "UNNAMED 100", NO, OURS | NEEDS_NONE },
	{ "talloc_cache, full", set_up_full_cache, do_cache, NO, "NULL", NO, OURS | NEEDS_NONE },
	{ "_talloc_realloc of an object of a cache", set_up_object, do_realloc_grow, "NULL", "re 4000 of 4007 in 2", NO, OURS },

	{ "_talloc_reference_loc", set_up_pair, do_reference, "NULL, 0", "p, 1", NO, ONCE },
	{ "_talloc_reference_loc, one more", set_up_referenced, do_reference, "NULL, 2", "p, 3", NO, ONCE },
	{ "_talloc_reference_loc of no context", set_up_pair, do_reference_null_and_drop, "NULL", "p", NO, 0 },
	{ "talloc_increase_ref_count", set_up_pair, do_increase_and_drop, "-1, 0", "0, 1", NO, 0 },
	{ "talloc_set_memlimit", set_up_p, do_memlimit, "1", "0", NO, 0 },
	{ "talloc_set_memlimit again", set_up_limited_p, do_memlimit_0, NO, "0", NO, NEEDS_NONE },

	{ "talloc_report", NO, do_report, NO, "right", NO, 0 },
	{ "talloc_report_full", NO, do_report_full, NO, "right", NO, 0 },
	{ "talloc_report_full of many", set_up_chain, do_report_full, NO, "right", NO, 0 },
	{ "talloc_report_full(NULL)", NO, do_report_null, NO, "right", NO, 0 },
	{ "talloc_report_depth_file", NO, do_report_depth, NO, "right", NO, 0 },
	{ "talloc_show_parents", NO, do_show_parents, NO, "right", NO, NEEDS_NONE },
	{ "_talloc_free with references, logged", set_up_logged, do_free_referenced, NO, "-1", NO, NEEDS_CTX },
	{ "_talloc_steal_loc with references, logged", set_up_logged, do_steal_referenced, NO, "0", NO, ONCE | NEEDS_CTX },
	{ "_talloc_get_type_abort", set_up_pair, do_mismatch, "NULL, Type mismatch",
	  "NULL, here: Type mismatch: name[p] expected[other]", NO, 0 },
	{ "_talloc_get_type_abort, logged", set_up_pair, do_mismatch_logged, NO, "NULL", NO, 0 },
	{ "use after free, logged", set_up_freed, do_use_freed, NO, "NULL, Bad talloc magic value - access after free", NO, OURS },

	{ "_talloc_free", set_up_chain, do_free, NO, "0", NO, NEEDS_NONE | ONCE },
	{ "_talloc_free, refused", set_up_chain, do_free_refused, NO, "-1", NO, NEEDS_NONE },
	{ "_talloc_free with an heir", set_up_heir, do_free_heir, NO, "0, p in q", NO, NEEDS_NONE | ONCE },
	{ "talloc_free_children", set_up_chain, do_free_children, NO, "1", NO, NEEDS_NONE | ONCE },
	{ "_talloc_steal_loc, _talloc_move, talloc_reparent", set_up_pair, do_moves, NO, "moved", NO, NEEDS_NONE | ONCE },
	{ "talloc_unlink", set_up_referenced, do_unlinks, NO, "0 0, 0 left", NO, NEEDS_NONE | ONCE },
	{ "_talloc_realloc to 0", set_up_chain, do_cut_pool, NO, "NULL", NO, NEEDS_NONE | ONCE },
	{ "looking", set_up_chain, do_looks, NO, "5 201 5 p p 1 1 p ctx 2", NO, NEEDS_NONE },
};

enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

/* ---- the original is excused ---------------------------------------------------- */

#define IN(around) (1u << (around))
#define EVERYWHERE (~0u)

static const struct excuse {
	const char *scenario; /* NULL: all */
	unsigned around;
	const char *why;
} excuses[] = {
	{ NULL, IN(FULL_OWNER), "never frees the limit of a pool member" },
	{ "talloc_set_memlimit", IN(ROOM) | IN(FULL) | IN(FULL_LIMITED),
	  "never frees the limit of a pool member" },
	{ "talloc_set_memlimit again", IN(ROOM) | IN(FULL) | IN(FULL_LIMITED),
	  "never frees the limit of a pool member" },
	{ "_talloc_realloc of a limited chunk", EVERYWHERE, "never frees a limit whose owner moved" },
	{ "_talloc_realloc of a limited chunk, by far smaller", IN(ROOM) | IN(FULL) | IN(FULL_LIMITED),
	  "never frees the limit of a pool member" },
	{ "_talloc_realloc of the context", IN(LIMITS), "never frees a limit whose owner moved" },
	{ "talloc_asprintf_addbuf, a chain", IN(FULL_LIMITED),
	  "has wrong accounts for what grew out of a pool" },
	{ "_talloc_realloc, a little smaller", IN(LIMITED) | IN(LIMITS) | IN(FULL_LIMITED),
	  "asks for memory to shrink a little below a limit" },
	{ "_talloc_free with references, logged", EVERYWHERE, "calls the log function with NULL" },
	{ "_talloc_steal_loc with references, logged", EVERYWHERE,
	  "calls the log function with NULL" },
	{ "_talloc_get_type_abort", EVERYWHERE, "never frees the message of a type mismatch" },
	{ "_talloc_get_type_abort, logged", EVERYWHERE, "never frees the message of a type mismatch" },
};

static const struct excuse *excuse_for(const char *name, int around)
{
	size_t i;

	if (!original)
		return NULL;
	for (i = 0; i < sizeof(excuses) / sizeof(excuses[0]); i++) {
		const struct excuse *e = &excuses[i];

		if ((e->scenario == NULL || strcmp(e->scenario, name) == 0) &&
		    (e->around & IN(around)) != 0)
			return e;
	}
	return NULL;
}

/* ---- running them ---------------------------------------------------------------- */

/* A "?" in the table stands for one word. */
static bool matches(const char *got, const char *want)
{
	for (;; got++, want++) {
		if (*want == '?') {
			got += strcspn(got, " ,");
			want++;
		}
		if (*got != *want)
			return false;
		if (*got == '\0')
			return true;
	}
}

static void set_up(struct world *w, const struct scenario *sc, enum surroundings around)
{
	build(w, around);
	if (sc->set_up != NULL)
		sc->set_up(w);
	build_rest(w, around);
}

/* What the failure leaves, if that is not the world as it was. */
static char *expected(const struct scenario *sc, enum surroundings around)
{
	struct world twin;
	char *text;

	set_up(&twin, sc, around);
	sc->failure(&twin);
	text = digest(&twin, false);
	tear_down(&twin);
	return text;
}

/* What fails, and what is kept then. */
enum fault { NTH, ALL, ALL_KEPT, NTH_KEPT, FAULTS };

static const char *const fault_name[] = {
	"",
	" and all after it",
	" and all after it, with something kept",
	", with something kept",
};

static bool fault_applies(int fault)
{
	return keeps ? fault != NTH : fault < ALL_KEPT;
}

static bool is_all(int fault)
{
	return fault == ALL || fault == ALL_KEPT;
}

/* Does a call that says whether there was memory have to say no? */
static bool is_short(unsigned flags, int fault)
{
	/* The second attempt has worked; it is not made for pages. */
	if (fault == NTH_KEPT)
		return failed_at(FOR_PAGES) > 0;
	return (flags & NEEDS_NO_RECORD) != 0 ? failed_at(FOR_BLOCKS) > 0 : failed() > 0;
}

/* One world, one call. True when nothing failed in it. */
static bool run_case(const struct scenario *sc, enum surroundings around, long k, int fault)
{
	const char *fails = sc->fails != NULL ? sc->fails : sc->works;
	struct usage at_first, at_call;
	long failures, asked;
	char *before, *after;
	bool lacks;
	struct world w;
	char got[sizeof(answer)];

	snprintf(shared->where, sizeof(shared->where), "%s, %s, allocation %ld%s", sc->name,
		 surroundings_name[around], k, fault_name[fault]);
	at_first = in_use();
	before = sc->failure != NULL ? expected(sc, around) : NULL;
	set_up(&w, sc, around);
	if (before == NULL)
		before = digest(&w, true);
	at_call = in_use();
	if (fault >= ALL_KEPT)
		put_by();
	arm(k, is_all(fault));
	snprintf(got, sizeof(got), "%s", sc->call(&w));
	failures = failed();
	/* Keeping what it frees may take pages. */
	asked = keeps ? failed_at(FOR_BLOCKS) : failures;
	lacks = is_short(sc->flags, fault);
	disarm();
	shared->cases += failures > 0;
	if ((sc->flags & NEEDS_NONE) != 0 && asked > 0 && !original)
		problem("asks for memory");
	if (!lacks) {
		if (!matches(got, sc->works))
			problem("with memory it says \"%s\", not \"%s\"", got, sc->works);
		snprintf(shared->works, sizeof(shared->works), "%s", sc->works);
	} else {
		if (!matches(got, fails))
			problem("without memory it says \"%s\", not \"%s\"", got, fails);
		snprintf(shared->fails, sizeof(shared->fails), "%s", fails);
		after = digest(&w, sc->failure == NULL);
		/* A change that is no failure is not to be compared. */
		if ((sc->fails != NULL || (sc->flags & ONCE) == 0) && strcmp(before, after) != 0)
			problem("something changed, before:\n%s\nafter:\n%s", before, after);
		if (sc->failure == NULL && sc->fails != NULL)
			compare_usage(at_call, "");
		free(after);
		if (sc->failure != free_s && sc->fails != NULL &&
		    !matches(sc->call(&w), sc->works))
			problem("then, with memory, it says \"%s\", not \"%s\"", answer,
				sc->works);
	}
	free(before);
	tear_down(&w);
	compare_usage(at_first, failures > 0 ? " at the end" : " at the end, though nothing failed");
	compare_records(failures > 0 ? "" : ", though nothing failed");
	return failures == 0;
}

static void run_around(const struct scenario *sc, enum surroundings around)
{
	int fault;
	long k;

	for (fault = 0; fault < FAULTS; fault++) {
		for (k = 1; fault_applies(fault) && !run_case(sc, around, k, fault) && k < 1000; k++)
			;
	}
}

static bool applies(const struct scenario *sc, int around)
{
	if ((around == CACHED || around == CACHED_LIMITED) && newer.pool_cache == NULL)
		return false;
	return (sc->flags & NEEDS_CTX) == 0 || (around != TOP && around != TRACKED);
}

/* In a process of its own; false if it found a problem or died. */
static bool apart(const struct scenario *sc, int around)
{
	int status, i;
	pid_t pid;

	fflush(stdout);
	shared->bad = false;
	pid = fork();
	if (pid == 0) {
		alarm(20);
		if (quiet) {
			/* What the original says while it dies is known. */
			if (freopen("/dev/null", "w", stderr) == NULL)
				_exit(99);
		}
		for (i = 0; i < SURROUNDINGS; i++) {
			if (around >= 0 ? i == around : applies(sc, i) && excuse_for(sc->name, i) == NULL)
				run_around(sc, i);
		}
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		exit(99);
	if (status != 0)
		problem("ended by signal %d", WTERMSIG(status));
	return !shared->bad;
}

static int bad_lines;

static void run_scenario(const struct scenario *sc)
{
	int i;

	if (original && (sc->flags & OURS) != 0)
		return;
	shared->fails[0] = shared->works[0] = '\0';
	if (!apart(sc, -1)) {
		bad_lines++;
		printf("not ok - %s\n", sc->name);
	} else if (shared->works[0] != '\0') {
		printf("ok - %s: %s%s%s\n", sc->name, sc->works,
		       sc->fails != NULL ? "; without memory " : "",
		       sc->fails != NULL ? sc->fails : "");
		if (sc->fails != NULL && shared->fails[0] == '\0') {
			bad_lines++;
			printf("not ok - %s: nothing ever failed\n", sc->name);
		}
	}
	/* An excuse must be a true one. */
	quiet = true;
	for (i = 0; i < SURROUNDINGS; i++) {
		const struct excuse *e = excuse_for(sc->name, i);

		if (e == NULL || !applies(sc, i))
			continue;
		if (apart(sc, i)) {
			bad_lines++;
			printf("not ok - %s, %s: needs no excuse\n", sc->name, surroundings_name[i]);
		} else {
			printf("excuse - %s, %s: %s\n", sc->name, surroundings_name[i], e->why);
		}
	}
	quiet = false;
}

/* ---- what is made once in a process, and what happens at its end -------------------- */

/*
 * Each case is a process of its own, and what it writes to stdout and stderr
 * counts, addresses cut off.  It ends by exit(), with the allocations still
 * failing if it has not called enough().  "*" stands for whatever it writes.
 */
struct ending_case {
	const char *name;
	void (*run)(void);
	const char *works, *fails; /* NULL for fails: the same */
	int signal;                /* that it ends by */
	const char *why;           /* the original is excused */
	bool may_leak;
	/* In a process that has freed nothing yet; and it says itself what fails. */
	enum { NOT_SPECIAL, FRESH, FRESH_ONCE } special;
};

static bool may_leak;

static void enough(void)
{
	if (failed() > shared->failed)
		shared->failed = failed();
	disarm();
}

/* What the library keeps goes: nothing is as large as that. */
static void give_back(void)
{
	if (!keeps)
		return;
	arm(1, true);
	talloc_named_const(NULL, PLENTY * 2, "too large");
	disarm();
}

/* Registered before anything of libtalloc's, so it runs after that. */
static void at_end(void)
{
	enough();
	if (!may_leak)
		give_back();
	if (live() != 0 && !may_leak)
		printf("%ld blocks are left\n", live());
	fflush(stdout);
}

static void say_parent(const char *who, const void *ptr)
{
	void *parent = talloc_parent(ptr);

	printf("%s in %s, ", who, parent != NULL ? talloc_get_name(parent) : "nothing");
}

static void end_autofree(void)
{
	void *autofree = talloc_autofree_context();
	void *child;

	enough();
	printf("%s, ", autofree != NULL ? talloc_get_name(autofree) : "NULL");
	child = talloc_named_const(talloc_autofree_context(), 0, "child");
	say_parent("child", child);
}

static int say_gone(void *ptr)
{
	printf("%s is gone", talloc_get_name(ptr));
	fflush(stdout);
	return 0;
}

static void end_autofree_gone(void)
{
	void *autofree;

	disarm();
	autofree = talloc_autofree_context();
	_talloc_set_destructor(talloc_named_const(autofree, 0, "child"), say_gone);
	talloc_reference(autofree, talloc_strdup(autofree, "text"));
	arm(1, true);
}

static void tracking(void (*enable)(void))
{
	void *p;

	enable();
	enough();
	p = talloc_named_const(NULL, 0, "p");
	say_parent("p", p);
	talloc_free(p);
	enable();
	p = talloc_named_const(NULL, 0, "p");
	say_parent("then", p);
	talloc_free(p);
	talloc_disable_null_tracking();
}

static void end_tracking(void)
{
	tracking(talloc_enable_null_tracking);
}

static void end_tracking_no_autofree(void)
{
	tracking(talloc_enable_null_tracking_no_autofree);
}

static void end_tracking_autofree(void)
{
	void *autofree = talloc_autofree_context();

	if (autofree == NULL) {
		enough();
		autofree = talloc_autofree_context();
	}
	talloc_enable_null_tracking();
	enough();
	say_parent("autofree", autofree);
	printf("%zu blocks", talloc_total_blocks(autofree));
	talloc_disable_null_tracking();
}

static void end_tracking_off(void)
{
	void *p;

	disarm();
	talloc_enable_null_tracking();
	p = talloc_named_const(NULL, 0, "p");
	arm(1, true);
	talloc_disable_null_tracking();
	say_parent("p", p);
	talloc_free(p);
}

static void leak(void)
{
	void *p = talloc_named_const(NULL, 5, "leak");

	talloc_named_const(p, 6, "child");
}

static void end_leak_report(void)
{
	talloc_enable_leak_report();
	enough();
	leak();
}

static void end_leak_report_full(void)
{
	talloc_enable_leak_report_full();
	enough();
	leak();
}

/* Here it is the report itself that has no memory. */
static void end_leak_reported(void)
{
	long k = failing_k;
	bool all = failing_all;

	disarm();
	talloc_enable_leak_report_full();
	leak();
	arm(k, all);
}

static void exit_abort(const char *reason)
{
	printf("%s%s", reason, strstr(log_text, "(NULL)") != NULL ? ", NULL logged" : "");
	exit(0);
}

static void end_mismatch(void)
{
	talloc_set_abort_fn(exit_abort);
	_talloc_get_type_abort(NULL, "other", "here");
}

static void use_freed(void)
{
	long k = failing_k;
	bool all = failing_all;
	void *pool, *gone;

	disarm();
	pool = talloc_pool(NULL, 1000);
	talloc_strdup(pool, "stays");
	gone = talloc_strdup(pool, "goes");
	talloc_free(gone);
	arm(k, all);
	talloc_get_name(gone);
}

static void end_freed(void)
{
	talloc_set_abort_fn(exit_abort);
	use_freed();
}

/* The log has only the beginning of a line if there is no memory for it. */
static void end_freed_logged(void)
{
	talloc_set_log_fn(log_gather);
	end_freed();
}

static void end_freed_abort(void)
{
	use_freed();
}

static void end_freed_stderr(void)
{
	talloc_set_log_stderr();
	end_freed();
}

/* What the call needs for itself is not below any limit. */
static void end_append_near_limit(void)
{
	char *s;

	disarm();
	talloc_enable_null_tracking();
	s = talloc_strdup(NULL, "text");
	talloc_set_memlimit(talloc_parent(s), 5000);
	s = talloc_asprintf_append(s, "%s", long_text());
	printf("%s", s != NULL ? "grown" : "NULL");
	talloc_free(s);
	talloc_disable_null_tracking();
}

static void end_no_chunk(void)
{
	static const long long words[40];

	talloc_set_abort_fn(exit_abort);
	talloc_get_name(&words[39]);
}

/* ---- the first of its kind in a process ---- */

static void say_first(bool worked, bool lacks)
{
	printf(worked == !lacks ? "right" : worked ? "worked without memory" : "did not work");
	if (worked != !lacks)
		printf(" (%ld %ld %ld)", failed_at(FOR_BLOCKS), failed_at(FOR_PAGES),
		       failed_at(FOR_ACCESS));
}

/* Members need no malloc, and all room is for them. */
static bool is_pool(void *pool)
{
	long blocks = live();

	return talloc_size(pool, 900) != NULL && live() == blocks;
}

static bool is_cache(void *cache, int count)
{
	while (count > 0 && newer.cache(cache) != NULL)
		count--;
	return count == 0 && newer.cache(cache) == NULL;
}

static bool is_limited(void *p)
{
	return talloc_size(p, 1000) != NULL && talloc_size(p, 1000) == NULL;
}

static void end_first_free(void)
{
	void *p;
	int got;

	disarm();
	p = talloc_named_const(NULL, 5, "p");
	talloc_named_const(p, 5, "child");
	arm(failing_k, failing_all);
	got = talloc_free(p);
	enough();
	printf("%d", got);
}

static void end_first_pool(void)
{
	void *pool = talloc_pool(NULL, 1000), *other;
	const char *member = pool != NULL ? talloc_strdup(pool, "member") : NULL;

	say_first(pool != NULL && member != NULL, failed_at(FOR_BLOCKS) > 0);
	enough();
	other = talloc_pool(NULL, 1000);
	printf(", then %s", is_pool(other) ? "a pool" : "no pool");
	talloc_free(other);
	talloc_free(pool);
}

static void end_first_limit(void)
{
	void *p;
	int got;

	disarm();
	p = talloc_named_const(NULL, 5, "p");
	arm(failing_k, failing_all);
	got = talloc_set_memlimit(p, 2000);
	say_first(got == 0, failed_at(FOR_BLOCKS) + failed_at(FOR_ACCESS) > 0);
	enough();
	talloc_set_memlimit(p, 2000);
	printf(", then %s", is_limited(p) ? "a limit" : "no limit");
	talloc_free(p);
}

static void end_first_cache(void)
{
	void *cache = newer.pool_cache(NULL, 1000, 100);

	say_first(cache != NULL, failed_at(FOR_BLOCKS) + failed_at(FOR_ACCESS) > 0);
	enough();
	if (cache == NULL)
		cache = newer.pool_cache(NULL, 1000, 100);
	printf(", then %s", is_cache(cache, 10) ? "a cache" : "no cache");
	talloc_free(cache);
}

/* What has been freed is there for the next, wherever the library keeps it. */
static void end_records_again(void)
{
	enum { MANY = 2000 };
	static void *chunks[MANY];
	void *pool;
	int i, round;

	disarm();
	pool = talloc_pool(NULL, MANY * 100);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < MANY; i++) {
			chunks[i] = talloc_size(pool, 0);
			if (talloc_set_memlimit(chunks[i], 1000) != 0)
				printf("no limit %d, ", i);
		}
		for (i = 0; round == 0 && i < MANY; i++)
			talloc_free(chunks[i]);
		arm_pages();
	}
	enough();
	talloc_free(pool);
	printf("%d limits", MANY);
}

/* The table of records is a block then. */
static void end_no_pages(void)
{
	void *pool, *p, *cache, *freed;

	arm_pages();
	pool = talloc_pool(NULL, 1000);
	printf("%s, ", is_pool(pool) ? "pool" : "no pool");
	p = talloc_named_const(NULL, 5, "p");
	printf("%s, ", talloc_set_memlimit(p, 2000) == 0 && is_limited(p) ? "limit" : "no limit");
	cache = newer.pool_cache(NULL, 1000, 100);
	printf("%s, ", is_cache(cache, 10) ? "cache" : "no cache");
	printf("%s, ", newer.pool_cache(NULL, 16000, 16) != NULL ? "large cache" : "no large cache");
	freed = talloc_named_const(NULL, 5, "freed");
	talloc_free(freed);
	talloc_free(pool);
	talloc_free(p);
	talloc_free(cache);
	enough();
	give_back();
	printf("%ld block, %ld bytes of pages", live(), mapped());
}

#define LEAK_LINE "    leak                           contains     11 bytes in   2 blocks (ref 0)\n"
#define LEAK_FULL                                                                      \
	"full talloc report on 'null_context' (total     11 bytes in   3 blocks)\n"    \
	LEAK_LINE                                                                      \
	"        child                          contains      6 bytes in   1 blocks (ref 0)\n"

static const struct ending_case ending_cases[] = {
	{ "talloc_autofree_context", end_autofree,
	  "autofree_context, child in autofree_context, ", "NULL, child in autofree_context, ",
	  0, "crashes", false, NOT_SPECIAL },
	{ "the autofree context at exit", end_autofree_gone, NULL, "child is gone", 0, NULL, false, NOT_SPECIAL },
	{ "talloc_enable_null_tracking", end_tracking,
	  "p in null_context, then in null_context, ", "p in nothing, then in null_context, ",
	  0, NULL, false, NOT_SPECIAL },
	{ "talloc_enable_null_tracking_no_autofree", end_tracking_no_autofree,
	  "p in null_context, then in null_context, ", "p in nothing, then in null_context, ",
	  0, NULL, false, NOT_SPECIAL },
	{ "talloc_enable_null_tracking with an autofree context", end_tracking_autofree,
	  "autofree in null_context, 1 blocks", "autofree in ?, 1 blocks", 0, "crashes", false, NOT_SPECIAL },
	{ "talloc_disable_null_tracking", end_tracking_off, NULL, "p in nothing, ", 0, NULL, false, NOT_SPECIAL },
	{ "talloc_enable_leak_report", end_leak_report,
	  "talloc report on 'null_context' (total     11 bytes in   3 blocks)\n" LEAK_LINE, "",
	  0, NULL, true, NOT_SPECIAL },
	{ "talloc_enable_leak_report_full", end_leak_report_full, LEAK_FULL, "", 0, NULL, true, NOT_SPECIAL },
	{ "a leak report", end_leak_reported, LEAK_FULL, NULL, 0, NULL, true, NOT_SPECIAL },
	{ "_talloc_get_type_abort of NULL", end_mismatch,
	  "here: Type mismatch: name[NULL] expected[other]", "Type mismatch", 0, NULL, true, NOT_SPECIAL },
	{ "use after free", end_freed, "Bad talloc magic value - access after free", NULL, 0, NULL, true, NOT_SPECIAL },
	{ "use after free, logged", end_freed_logged, "Bad talloc magic value - access after free",
	  NULL, 0, "calls the log function with NULL", true, NOT_SPECIAL },
	{ "use after free, nobody listening", end_freed_abort,
	  "Bad talloc magic value - access after free\n", NULL, SIGABRT, "dies without a word", true, NOT_SPECIAL },
	{ "use after free, logged on stderr", end_freed_stderr, "*", NULL, 0, "crashes", true, NOT_SPECIAL },
	{ "a long append near the limit of the null context", end_append_near_limit, "grown", NULL,
	  0, NULL, false, NOT_SPECIAL },
	{ "no chunk", end_no_chunk, "Bad talloc magic value - unknown value", NULL, 0, NULL, true, NOT_SPECIAL },
	{ "the first free", end_first_free, "0", NULL, 0, NULL, false, FRESH },
	{ "the first pool", end_first_pool, "right, then a pool", NULL, 0, NULL, false, FRESH },
	{ "the first limit", end_first_limit, "right, then a limit", NULL, 0, NULL, false, FRESH },
	{ "the first cache", end_first_cache, "right, then a cache", NULL, 0, NULL, false, FRESH },
	{ "records again", end_records_again, "2000 limits", NULL, 0, NULL, false, FRESH_ONCE },
	{ "no pages at all", end_no_pages,
	  "pool, limit, cache, no large cache, 1 block, 0 bytes of pages", NULL, 0, NULL, true,
	  FRESH_ONCE },
};

enum { ENDING_CASES = sizeof(ending_cases) / sizeof(ending_cases[0]) };

/* One run; true if nothing failed in it. */
static bool run_ending(const struct ending_case *c, long k, bool all)
{
	const char *want;
	char got[2000];
	size_t used = 0;
	int out[2], status;
	ssize_t n;
	pid_t pid;

	snprintf(shared->where, sizeof(shared->where), "%s, allocation %ld%s", c->name, k,
		 all ? " and all after it" : "");
	fflush(stdout);
	fflush(stderr);
	shared->failed = 0;
	if (pipe(out) != 0 || (pid = fork()) < 0)
		exit(99);
	if (pid == 0) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		close(out[0]);
		close(out[1]);
		alarm(20);
		may_leak = c->may_leak;
		failing_k = k;
		failing_all = all;
		atexit(at_end);
		if (keeps && c->special == NOT_SPECIAL) {
			/* The pages of what it keeps are no part of the case. */
			talloc_free(talloc_named_const(NULL, 0, "first"));
			give_back();
		}
		arm(k, all);
		c->run();
		exit(0);
	}
	close(out[1]);
	while ((n = read(out[0], got + used, sizeof(got) - 1 - used)) > 0)
		used += (size_t)n;
	close(out[0]);
	got[used] = '\0';
	cut_addresses(got);
	if (waitpid(pid, &status, 0) != pid)
		exit(99);
	shared->cases += shared->failed > 0;
	want = shared->failed > 0 && c->fails != NULL ? c->fails : c->works;
	if (want == NULL)
		want = c->fails; /* it is to need no memory at all */
	if (c->works == NULL && shared->failed > 0)
		problem("asks for memory");
	if (strcmp(want, "*") != 0 && !matches(got, want))
		problem("it says \"%s\", not \"%s\"", got, want);
	if (c->signal != 0 ? !WIFSIGNALED(status) || WTERMSIG(status) != c->signal : status != 0)
		problem("it ends with status %x", (unsigned)status);
	return shared->failed == 0;
}

static void run_endings(const struct ending_case *c)
{
	bool excused = original && c->why != NULL;
	long k;
	int all;

	if (original && c->special != NOT_SPECIAL)
		return;
	shared->bad = false;
	quiet = excused;
	for (all = 0; all < 2; all++) {
		for (k = 1; !run_ending(c, k, all) && k < 100 && c->special != FRESH_ONCE; k++)
			;
	}
	quiet = false;
	if (excused && shared->bad) {
		printf("excuse - %s: %s\n", c->name, c->why);
	} else if (excused || shared->bad) {
		bad_lines++;
		printf("not ok - %s%s\n", c->name, excused ? ": needs no excuse" : "");
	} else {
		printf("ok - %s\n", c->name);
	}
}

/* ---- random walks -------------------------------------------------------------------- */

/*
 * A tree made and changed at random.  Each call that may need memory is made
 * with its first allocation failing, then its second, and so on, and must
 * leave the tree as it was, until it works.  So it goes on where a walk without
 * failures would.  References that would make a chunk its own ancestor are left
 * out, everything else is in: the tree is what talloc_report_full() and
 * digest_chunk() say of it.
 */
enum { NODES = 40, STEPS = 100, TRIES = 20 };

static struct node {
	void *ptr;
	bool text;
} nodes[NODES];

static void *walk_root;
static struct node *newest;
static uint64_t walk_state;

static unsigned below(unsigned n)
{
	walk_state ^= walk_state << 13;
	walk_state ^= walk_state >> 7;
	walk_state ^= walk_state << 17;
	return (unsigned)(walk_state >> 33) % n;
}

static int node_gone(void *ptr)
{
	int i;

	for (i = 0; i < NODES; i++) {
		if (nodes[i].ptr == ptr)
			nodes[i].ptr = NULL;
	}
	return 0;
}

static struct node *any_node(void)
{
	unsigned i, from = below(NODES);

	for (i = 0; i < NODES; i++) {
		struct node *n = &nodes[(from + i) % NODES];

		if (n->ptr != NULL)
			return n;
	}
	return NULL;
}

static struct node *any_text(void)
{
	unsigned i, from = below(NODES);

	for (i = 0; i < NODES; i++) {
		struct node *n = &nodes[(from + i) % NODES];

		if (n->ptr != NULL && n->text)
			return n;
	}
	return NULL;
}

static struct node *free_node(void)
{
	int i;

	for (i = 0; i < NODES; i++) {
		if (nodes[i].ptr == NULL)
			return &nodes[i];
	}
	return NULL;
}

enum op {
	OP_NAMED_CONST, OP_NAMED, OP_STRDUP, OP_ASPRINTF, OP_MEMDUP, OP_ZERO_ARRAY,
	OP_POOL, OP_POOLED_OBJECT, OP_POOL_CACHE, OP_CACHE, OP_CACHE_ZERO,
	OP_STRDUP_APPEND, OP_ASPRINTF_APPEND, OP_ASPRINTF_APPEND_LONG, OP_ADDBUF,
	OP_REALLOC, OP_REALLOC_2, OP_REALLOC_ZERO, OP_SET_NAME, OP_REFERENCE,
	OP_REFERENCE_2, OP_INCREASE, OP_MEMLIMIT, OP_REPORT, OP_FREE, OP_FREE_CHILDREN,
	OP_STEAL, OP_STEAL_2, OP_UNLINK, OPS
};

/* Step by step the same call with the same arguments. */
struct step {
	enum op op;
	void *ctx;
	struct node *n;
	unsigned size;
};

enum came_of { REFUSED, DONE, NOTHING_TO_TELL };

static enum came_of take_as_new(void *ptr, bool text)
{
	struct node *n;
	size_t size = talloc_get_size(ptr);

	disarm();
	if (ptr == NULL)
		return REFUSED;
	if (!text && size > 0 && !(*(char *)ptr == 0))
		memset(ptr, 'w', size);
	n = free_node();
	newest = n;
	n->ptr = ptr;
	n->text = text;
	_talloc_set_destructor(ptr, node_gone);
	return DONE;
}

static enum came_of take_as_changed(struct node *n, void *ptr)
{
	if (ptr == NULL)
		return REFUSED;
	n->ptr = ptr;
	return DONE;
}

static enum came_of take_int(int bad)
{
	return bad ? REFUSED : DONE;
}

static enum came_of make_step(const struct step *s)
{
	struct node *n = s->n;
	char *text = n != NULL ? n->ptr : NULL;

	switch (s->op) {
	case OP_NAMED_CONST:
		return take_as_new(talloc_named_const(s->ctx, s->size, "node"), false);
	case OP_NAMED:
		return take_as_new(talloc_named(s->ctx, s->size, "node %u", s->size), false);
	case OP_STRDUP:
		return take_as_new(talloc_strdup(s->ctx, "node"), true);
	case OP_ASPRINTF:
		return take_as_new(talloc_asprintf(s->ctx, "%*u", s->size, s->size), true);
	case OP_MEMDUP:
		return take_as_new(_talloc_memdup(s->ctx, long_text(), s->size, "dup"), false);
	case OP_ZERO_ARRAY:
		return take_as_new(_talloc_zero_array(s->ctx, 4, s->size, "array"), false);
	case OP_POOL:
		return take_as_new(talloc_pool(s->ctx, s->size * 2), false);
	case OP_POOLED_OBJECT:
		return take_as_new(_talloc_pooled_object(s->ctx, 50, "object", 3, s->size),
				   false);
	case OP_POOL_CACHE:
		return take_as_new(newer.pool_cache(s->ctx, s->size + 50, 50), false);
	case OP_CACHE:
		return take_as_new(newer.cache(s->ctx), false);
	case OP_CACHE_ZERO:
		return take_as_new(newer.cache_zero(s->ctx), false);
	case OP_STRDUP_APPEND:
		return take_as_changed(n, talloc_strndup_append(text, long_text(), s->size));
	case OP_ASPRINTF_APPEND:
		return take_as_changed(n, talloc_asprintf_append(text, "+%u", s->size));
	case OP_ASPRINTF_APPEND_LONG:
		return take_as_changed(n, talloc_asprintf_append_buffer(text, "%*u", 1500,
									s->size));
	case OP_ADDBUF:
		talloc_asprintf_addbuf(&text, "+%u", s->size);
		if (text != NULL)
			n->ptr = text;
		else if (n->ptr != NULL)
			problem("addbuf gave NULL and did not free");
		return text != NULL ? DONE : NOTHING_TO_TELL;
	case OP_REALLOC:
	case OP_REALLOC_2:
		return take_as_changed(n, _talloc_realloc(NULL, n->ptr, s->size + 1, "re"));
	case OP_REALLOC_ZERO:
		return take_as_changed(n, newer.realloc_array_zero(NULL, n->ptr, 4, s->size + 1,
								   "re"));
	case OP_SET_NAME: {
		const char *before = talloc_get_name(n->ptr);

		if (talloc_set_name(n->ptr, "name %u", s->size) != NULL)
			return DONE;
		if (strcmp(talloc_get_name(n->ptr), "UNNAMED") != 0)
			problem("a name without memory");
		talloc_set_name_const(n->ptr, before);
		return REFUSED;
	}
	case OP_REFERENCE:
	case OP_REFERENCE_2:
		return take_int(talloc_reference(s->ctx, n->ptr) == NULL);
	case OP_INCREASE:
		return take_int(talloc_increase_ref_count(n->ptr) != 0);
	case OP_MEMLIMIT:
		return take_int(talloc_set_memlimit(n->ptr, s->size % 3 == 0 ? 0 :
							    s->size % 3 == 1 ? s->size * 20 :
									       PLENTY) != 0);
	case OP_REPORT:
		return strcmp(report_of(walk_root, talloc_report_full), "right") == 0 ?
			       DONE :
			       (problem("a wrong report"), DONE);
	case OP_FREE:
		log_text[0] = '\0';
		talloc_free(n->ptr);
		return NOTHING_TO_TELL;
	case OP_FREE_CHILDREN:
		talloc_free_children(n->ptr);
		return NOTHING_TO_TELL;
	case OP_STEAL:
	case OP_STEAL_2:
		log_text[0] = '\0';
		talloc_steal(s->ctx, n->ptr);
		return NOTHING_TO_TELL;
	case OP_UNLINK:
		talloc_unlink(s->ctx, n->ptr);
		return NOTHING_TO_TELL;
	case OPS:
		break;
	}
	return NOTHING_TO_TELL;
}

/* Can the step be made? */
static bool draw_step(struct step *s)
{
	struct node *ctx = below(8) > 0 ? any_node() : NULL;

	s->op = (enum op)below(OPS);
	s->ctx = ctx != NULL ? ctx->ptr : walk_root;
	s->size = below(4) > 0 ? below(300) : below(3000);
	s->n = NULL;
	if (s->op <= OP_CACHE_ZERO)
		return free_node() != NULL;
	s->n = s->op <= OP_ADDBUF ? any_text() : any_node();
	if (s->n == NULL)
		return false;
	switch (s->op) {
	case OP_ADDBUF:
		/* Else the free of its failure would change more. */
		return talloc_reference_count(s->n->ptr) == 0;
	case OP_REALLOC:
	case OP_REALLOC_2:
	case OP_REALLOC_ZERO:
		/* It is no text any more, if it is cut. */
		s->n->text = false;
		return true;
	case OP_REFERENCE:
	case OP_REFERENCE_2:
	case OP_STEAL:
	case OP_STEAL_2:
		return talloc_is_parent(s->ctx, s->n->ptr) == 0;
	case OP_FREE:
	case OP_FREE_CHILDREN:
		return below(3) == 0;
	default:
		return true;
	}
}

static char *walk_digest(void)
{
	char *text;
	size_t size;

	digest_addresses = true;
	digest_file = open_memstream(&text, &size);
	talloc_report_depth_cb(walk_root, 0, -1, digest_chunk, NULL);
	talloc_report_full(walk_root, digest_file);
	fclose(digest_file);
	return text;
}

static void walk(unsigned long seed)
{
	struct usage at_first = in_use();
	bool tracked = seed % 2 != 0;
	int i, tries, k;

	walk_state = seed * 0x9E3779B97F4A7C15u + 1;
	memset(nodes, 0, sizeof(nodes));
	if (tracked) {
		void *p;

		talloc_enable_null_tracking();
		p = talloc_named_const(NULL, 0, "p");
		walk_root = talloc_parent(p);
		talloc_free(p);
	} else {
		walk_root = talloc_named_const(NULL, 0, "root");
	}
	talloc_set_log_fn(log_gather);
	for (i = 0; i < STEPS; i++) {
		struct step s;
		bool drawn = false, other = below(2) != 0;
		int fault = keeps ? (other ? ALL_KEPT : ALL) : (other ? ALL : NTH);

		for (tries = 0; tries < TRIES && !drawn; tries++)
			drawn = draw_step(&s);
		if (!drawn)
			continue;
		for (k = 1; k < 20; k++) {
			char *before = walk_digest();
			enum came_of came;
			unsigned flags = s.op == OP_POOL || s.op == OP_POOLED_OBJECT ? NEEDS_NO_RECORD : 0;
			long failures;
			bool lacks;

			snprintf(shared->where, sizeof(shared->where),
				 "walk %lu, step %d, call %d, allocation %d%s", seed, i, s.op, k,
				 fault_name[fault]);
			take_records();
			if (fault == ALL_KEPT)
				put_by();
			arm(k, is_all(fault));
			came = make_step(&s);
			failures = failed();
			lacks = is_short(flags, fault);
			disarm();
			shared->cases += failures > 0;
			if (came == DONE && lacks && s.op != OP_REPORT)
				problem("says it worked");
			/* A pool without a record: it may as well have none at all. */
			if (came == DONE && failures > 0 && flags != 0 && !lacks) {
				talloc_free(newest->ptr);
				came = REFUSED;
			}
			if (came == REFUSED) {
				char *after = walk_digest();

				if (strcmp(before, after) != 0)
					problem("something changed, before:\n%s\nafter:\n%s", before,
						after);
				free(after);
			}
			free(before);
			if (came != REFUSED || failures == 0)
				break;
		}
	}
	talloc_set_log_fn(NULL);
	/* References from the top would keep it all. */
	for (i = 0; i < NODES; i++) {
		while (nodes[i].ptr != NULL && talloc_reference_count(nodes[i].ptr) > 0 &&
		       talloc_unlink(NULL, nodes[i].ptr) == 0)
			;
	}
	for (i = 0; tracked && i < 100 && talloc_total_blocks(NULL) > 1; i++)
		talloc_free_children(walk_root);
	if (tracked)
		talloc_disable_null_tracking();
	else
		talloc_free(walk_root);
	for (i = 0; i < NODES; i++) {
		if (nodes[i].ptr != NULL)
			talloc_free(nodes[i].ptr);
	}
	compare_usage(at_first, " at the end");
	compare_records("");
}

static void walks(unsigned long seeds)
{
	unsigned long seed, bad = 0;
	int status;
	pid_t pid;

	for (seed = 1; seed <= seeds; seed++) {
		fflush(stdout);
		shared->bad = false;
		pid = fork();
		if (pid == 0) {
			alarm(20);
			walk(seed);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			exit(99);
		if (status != 0)
			problem("ended with status %x", (unsigned)status);
		bad += shared->bad;
	}
	printf("%s - %lu random walks, %ld failing allocations, %lu walks are wrong\n",
	       bad == 0 ? "ok" : "not ok", seeds, shared->cases, bad);
	bad_lines += bad != 0;
}

/* ---- main ------------------------------------------------------------------------- */

static void find_functions(void)
{
	void *lib = dlopen("libtalloc.so.2", RTLD_NOW | RTLD_NOLOAD);
	const char *kept = getenv("TALLOC_THREAD_CACHE");

	arm = (failing_malloc_arm_fn *)dlsym(RTLD_DEFAULT, "failing_malloc_arm");
	disarm = (failing_malloc_disarm_fn *)dlsym(RTLD_DEFAULT, "failing_malloc_disarm");
	failed = (failing_malloc_failed_fn *)dlsym(RTLD_DEFAULT, "failing_malloc_failed");
	arm_pages = (failing_malloc_arm_pages_fn *)dlsym(RTLD_DEFAULT, "failing_malloc_arm_pages");
	failed_at = (failing_malloc_failed_at_fn *)dlsym(RTLD_DEFAULT, "failing_malloc_failed_at");
	live = (failing_malloc_live_fn *)dlsym(RTLD_DEFAULT, "failing_malloc_live");
	mapped = (failing_malloc_mapped_fn *)dlsym(RTLD_DEFAULT, "failing_malloc_mapped");
	if (lib == NULL || arm == NULL || arm_pages == NULL || disarm == NULL || failed == NULL ||
	    failed_at == NULL || live == NULL || mapped == NULL) {
		fprintf(stderr, "oom: preload failing_malloc.so\n");
		exit(2);
	}
	newer.pool_cache = (void *(*)(const void *, size_t, size_t))dlsym(lib, "talloc_pool_cache");
	newer.cache = (void *(*)(const void *))dlsym(lib, "talloc_cache");
	newer.cache_zero = (void *(*)(const void *))dlsym(lib, "talloc_cache_zero");
	newer.realloc_array_zero =
		(void *(*)(const void *, void *, size_t, unsigned, const char *))dlsym(
			lib, "_talloc_realloc_array_zero");
	newer.addsep = (void (*)(char **, const char *, const char *, ...))dlsym(
		lib, "talloc_asprintf_addsep");
	original = newer.pool_cache == NULL;
	keeps = !original && (kept == NULL || strcmp(kept, "0") != 0);
}

int main(int argc, char **argv)
{
	int i;

	find_functions();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	if (argc == 3 && strcmp(argv[1], "-w") == 0) {
		walks(strtoul(argv[2], NULL, 10));
		return bad_lines != 0;
	}
	for (i = 0; i < SCENARIOS; i++) {
		if (argv[1] == NULL || strcmp(argv[1], scenarios[i].name) == 0)
			run_scenario(&scenarios[i]);
	}
	for (i = 0; i < ENDING_CASES; i++) {
		if (argv[1] == NULL || strcmp(argv[1], ending_cases[i].name) == 0)
			run_endings(&ending_cases[i]);
	}
	printf("# %ld cases of a failing allocation\n", shared->cases);
	return bad_lines != 0;
}
