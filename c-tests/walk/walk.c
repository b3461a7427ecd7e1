/*
 * A random walk over the whole API.
 *
 * From a seed and a number of steps this program makes calls and writes what
 * came of them to stdout.  Nothing there depends on addresses or on the size of
 * the library's header, so the transcripts of two libraries can be compared
 * line by line; pair.c does that.  The program is linked to libtalloc.so.2 and
 * runs on whichever the loader finds.
 *
 *	walk [-v] [-w] [-d EVERY] [-o STEPS] SEED NUMBER
 *	walk -V
 *
 *	-v   the whole state in full after each digest, report texts in full
 *	-w   nothing is avoided: for a library that is to survive all of it
 *	-d   a digest of the whole state after every EVERY-th step (default 8)
 *	-o   only these steps, e.g. 3,17,20-25; the others are left out
 *	-V   say which library this runs on, what is avoided and why
 *
 * Each step draws from a generator of its own, seeded with (seed, step), and
 * picks chunks so that the choice changes little when others are missing.  So
 * steps can be left out to shrink a case.
 *
 * The program must never touch a freed chunk.  Every chunk it uses tells its
 * death: by its destructor (those that the walk wants are dispatched from that
 * one), or, where there is to be none, by a small child with a destructor, which
 * only dies with its parent: a "bare" chunk.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* All functions are called, those too that nobody should use. */
#define _DEPRECATED_
#include <talloc.h>

/* ---- the functions, for counting ---------------------------------------- */

#define FUNCTIONS(X)                                                            \
	X(_talloc) X(_talloc_array) X(_talloc_free) X(_talloc_get_type_abort)   \
	X(_talloc_memdup) X(_talloc_move) X(_talloc_pooled_object)              \
	X(_talloc_realloc) X(_talloc_realloc_array)                             \
	X(_talloc_realloc_array_zero) X(_talloc_reference_loc)                  \
	X(_talloc_set_destructor) X(_talloc_steal_loc) X(_talloc_zero)          \
	X(_talloc_zero_array) X(talloc_asprintf) X(talloc_asprintf_addbuf)      \
	X(talloc_asprintf_addsep) X(talloc_asprintf_append)                     \
	X(talloc_asprintf_append_buffer) X(talloc_autofree_context)             \
	X(talloc_check_name) X(talloc_disable_null_tracking)                    \
	X(talloc_enable_leak_report) X(talloc_enable_leak_report_full)          \
	X(talloc_enable_null_tracking)                                          \
	X(talloc_enable_null_tracking_no_autofree) X(talloc_find_parent_byname) \
	X(talloc_free_children) X(talloc_get_name) X(talloc_get_size)           \
	X(talloc_increase_ref_count) X(talloc_init) X(talloc_is_parent)         \
	X(talloc_named) X(talloc_named_const) X(talloc_parent)                  \
	X(talloc_parent_name) X(talloc_pool) X(talloc_realloc_fn)               \
	X(talloc_reference_count) X(talloc_reparent) X(talloc_report)           \
	X(talloc_report_depth_cb) X(talloc_report_depth_file)                   \
	X(talloc_report_full) X(talloc_set_abort_fn) X(talloc_set_log_fn)       \
	X(talloc_set_log_stderr) X(talloc_set_memlimit) X(talloc_set_name)      \
	X(talloc_set_name_const) X(talloc_show_parents) X(talloc_strdup)        \
	X(talloc_strdup_append) X(talloc_strdup_append_buffer)                  \
	X(talloc_strndup) X(talloc_strndup_append)                              \
	X(talloc_strndup_append_buffer) X(talloc_test_get_magic)                \
	X(talloc_total_blocks) X(talloc_total_size) X(talloc_unlink)            \
	X(talloc_vasprintf) X(talloc_vasprintf_append)                          \
	X(talloc_vasprintf_append_buffer) X(talloc_version_major)               \
	X(talloc_version_minor)

enum function {
#define X(f) F_##f,
	FUNCTIONS(X)
#undef X
	FUNCTION_COUNT
};

static const char *const function_names[] = {
#define X(f) #f,
	FUNCTIONS(X)
#undef X
};

static unsigned long calls[FUNCTION_COUNT];
static unsigned char pairs[FUNCTION_COUNT][FUNCTION_COUNT];
static int last_call = -1;

static void count(enum function f)
{
	calls[f]++;
	errno = 0;
	if (last_call >= 0)
		pairs[last_call][f] = 1;
	last_call = (int)f;
}

/* A call that counts; errno is cleared so that it can be compared. */
#define CALL(f, args) (count(F_##f), f args)

/* ---- what is avoided, and why ------------------------------------------- */

/*
 * The known deliberate differences, and the places where the original's own
 * answer is an accident.  The walk does not go there (or does not print what
 * differs); how often it turned back is part of the summary.
 */
#define AVOIDED(X)                                                              \
	X(HANGS_IN_LOOP, "find_parent_byname, show_parents in a loop of "       \
	  "parents: never returns (contract, section 12)")                      \
	X(REFUSE_IN_LOOP, "a destructor that refuses while there are loops of " \
	  "parents: the original asks it for ever")                             \
	X(REFUSE_REFERRED, "a destructor that refuses while a chunk has a "      \
	  "reference from itself or from below: becomes its own ancestor")      \
	X(REFUSE_AFTER_FREE, "a destructor that refuses after another one has " \
	  "freed a tree in the same walk: the heir may be gone")                \
	X(DANGLING, "moving in a destructor into what is dying, or after "      \
	  "another one has freed a tree: dangling pointers to parents there")   \
	X(NESTED_FREE_PINNED, "a destructor that frees what may be above an "   \
	  "argument of the call that runs: used after free")                    \
	X(LIMIT_STEAL, "moving what is under a memory limit: the original "     \
	  "leaves its bytes there (contract, section 12)")                      \
	X(LIMIT_REALLOC, "realloc of the owner of a memory limit: accounts")    \
	X(LOOP_NULL_REF, "freeing in a loop of parents, with a reference from "  \
	  "NULL: where that is to a child, its new parent is gone there")       \
	X(CHILDREN_IN_LOOP, "talloc_free_children while there are loops: where " \
	  "it comes round to its argument, that is used after free there")      \
	X(FREE_IN_LOOP, "a destructor that frees a tree while there are loops "  \
	  "of parents: the original's pointers to parents may dangle")          \
	X(LIMIT_NESTED, "a destructor under a memory limit that frees, perhaps " \
	  "what it is in: used after free, accounts")                           \
	X(LIMIT_REFUSE, "a destructor that refuses under a memory limit: "      \
	  "a move, as above")                                                   \
	X(TYPE_MISMATCH, "get_type_abort with another name, null tracking on, " \
	  "the abort function returns: the original leaves the message as a chunk") \
	X(BIG_STRING, "a string that would become longer than the walk wants")

enum avoided {
#define X(a, why) AV_##a,
	AVOIDED(X)
#undef X
	AVOIDED_COUNT
};

static const struct {
	const char *name, *why;
} avoided_table[] = {
#define X(a, why) { #a, why },
	AVOIDED(X)
#undef X
};

/* Differences that are never printed. */
static const char *const not_printed[] = {
	"talloc_version_minor: 4 there, 5 here",
	"talloc_test_get_magic: differs from process to process",
	"addresses, and whether a chunk lies in a pool: the header's size differs",
	"cur_size of a memory limit: printed without the headers",
	"locations inside the library's own source in log lines: printed as LIB",
	"element size 0 (SIGFPE there), abort without log and abort function "
	"(silent there), abort function that returns after a bad pointer (NULL "
	"dereference there): contract, section 12; tests of ours cover them",
	"NULL to get_name, set_name*, set_destructor, reference_count, "
	"set_memlimit; NULL name to check_name, find_parent_byname: SIGSEGV there",
	"realloc of the autofree context, a destructor for it: the library keeps "
	"its address, and has a destructor there",
	"totals from within a report's callback of what the report has not left: 0 "
	"there",
	"_talloc_steal_loc with a bad context and a chunk with references: logs "
	"these first there, checks first here",
	"talloc_reparent with a bad new parent when the old one is none: NULL there",
	"pools within the header's size of 256 MiB: the header's size differs",
	"the name after realloc in a pool: changes with the place only",
	"a dying chunk is not used from a child's destructor, except for new "
	"children: dangling pointers there",
};

static unsigned long avoided[AVOIDED_COUNT];

static bool wild;

static bool avoid(enum avoided what)
{
	avoided[what]++;
	return !wild || what == AV_BIG_STRING || what == AV_HANGS_IN_LOOP;
}

/* ---- output ------------------------------------------------------------- */

static char buffer[1 << 16];
static size_t buffered;
static bool unbuffered;
static bool verbose;
static bool hashing;
static uint64_t hash;

static void flush(void)
{
	size_t done = 0;

	while (done < buffered) {
		ssize_t n = write(1, buffer + done, buffered - done);

		if (n <= 0)
			_exit(98);
		done += (size_t)n;
	}
	buffered = 0;
}

static void out_text(const char *text, size_t n)
{
	if (hashing) {
		for (size_t i = 0; i < n; i++)
			hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
		return;
	}
	while (n > 0) {
		size_t part = sizeof(buffer) - buffered;

		if (part > n)
			part = n;
		memcpy(buffer + buffered, text, part);
		buffered += part;
		text += part;
		n -= part;
		if (buffered == sizeof(buffer))
			flush();
	}
	if (unbuffered)
		flush();
}

static void out(const char *fmt, ...) PRINTF_ATTRIBUTE(1, 2);
static void out(const char *fmt, ...)
{
	char text[16384];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	out_text(text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* What must never be, whichever the library. */
static unsigned long complaints;

static const char *complaint(const char *text)
{
	complaints++;
	return text;
}

/* Bytes as a C string would show them. */
static void out_bytes(const char *bytes, size_t n)
{
	out("\"");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c >= ' ' && c < 127 && c != '"' && c != '\\')
			out("%c", c);
		else
			out("\\%03o", c);
	}
	out("\"");
}

static void start_hash(void)
{
	hashing = !verbose;
	hash = 0xcbf29ce484222325;
}

static void end_hash(const char *what)
{
	if (!hashing)
		return;
	hashing = false;
	out("    %s %016llx\n", what, (unsigned long long)hash);
}

/* What was written before a crash is worth having. */
static void on_signal(int sig)
{
	hashing = false;
	flush();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* ---- random numbers ----------------------------------------------------- */

struct rng {
	uint64_t state;
};

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static struct rng rng_for(uint64_t a, uint64_t b, uint64_t c)
{
	return (struct rng){ mix(mix(mix(a) ^ b) ^ c) };
}

static unsigned below(struct rng *r, unsigned n)
{
	r->state = mix(r->state);
	return (unsigned)((r->state >> 33) % n);
}

static bool chance(struct rng *r, unsigned percent)
{
	return below(r, 100) < percent;
}

/* ---- profiles ----------------------------------------------------------- */

enum group {
	G_ALLOC, G_STRING, G_POOL, G_FREE, G_MOVE, G_REF, G_REALLOC, G_NAME,
	G_LOOK, G_REPORT, G_DTOR, G_LIMIT, G_NULL, G_MISC, G_APART,
	GROUP_COUNT
};

static const struct profile {
	const char *name;
	unsigned char weight[GROUP_COUNT];
	unsigned char live;       /* how many chunks at most */
	unsigned char evict;      /* percent of allocations that free instead */
	unsigned char wild;       /* percent of destructors that do something */
	unsigned char refuse;     /* percent of those that may refuse */
	unsigned char bare;       /* percent of chunks without a destructor */
	bool loops;               /* of parents */
	bool null;                /* null tracking is on from the start, or not */
	bool limits;
} profiles[] = {
	/*                 all str poo fre mov ref rea nam loo rep dto lim nul mis apa */
	{ "tree",        { 30, 10,  0, 12, 20,  0, 14,  8, 14,  8,  4,  0,  1,  3,  1 },
	  48, 12, 15, 50, 20, false, false, false },
	{ "loops",       { 30,  4,  4, 10, 30, 20,  8,  4, 10,  6,  4,  0,  1,  1,  1 },
	  20, 44, 10,  0, 20, true, false, false },
	{ "references",  { 30,  4,  2, 10, 12, 40,  8,  4, 12,  6,  4,  0,  1,  1,  1 },
	  24, 65, 20, 50, 15, false, false, false },
	{ "pools",       { 30, 14, 20, 14, 14,  8, 30,  6,  8,  5,  4,  0,  1,  1,  1 },
	  40, 44, 15, 50, 30, false, false, false },
	{ "strings",     { 10, 60,  8, 10,  6,  4, 10, 10, 10,  3,  2,  0,  1,  2,  1 },
	  30, 32, 10, 50, 30, false, false, false },
	{ "limits",      { 40, 20,  0, 14,  8,  0, 20,  6,  8,  8,  4, 14,  1,  1,  1 },
	  40, 14, 15, 30, 20, false, false, true },
	{ "destructors", { 40,  4,  6, 20, 16, 12,  8,  4,  8,  5, 16,  0,  1,  1,  1 },
	  40, 46, 90, 60, 10, false, false, false },
	{ "null",        { 30,  6,  4, 12, 16, 16,  8,  4, 10,  8,  4,  0, 12,  2,  2 },
	  30, 48, 20, 50, 15, true, true, false },
	{ "everything",  { 30, 12,  8, 12, 16, 16, 14,  8, 12,  6,  6,  0,  3,  3,  1 },
	  36, 44, 40, 40, 15, true, true, false },
};

#define PROFILES (sizeof(profiles) / sizeof(profiles[0]))

static const struct profile *profile;
static uint64_t seed;
static unsigned step;

/* ---- the chunks that are alive ------------------------------------------ */

enum kind { DATA, STRING, POOL, OBJECT, AUTOFREE };
enum state { NONE, LIVE, DEAD };

/* What a destructor does. */
enum plan {
	PLAIN, REFUSE, ODD_RESULT, FREE_SELF, FREE_OTHER, ALLOC_SELF, ALLOC_OTHER,
	ALLOC_PARENT, STEAL_OTHER, STEAL_SELF, STEAL_SELF_REFUSE, SWAP_REFUSE,
	SWAP_AGREE, DROP_REFUSE, CHILDREN_SELF, REFER, UNLINK, REALLOC_OTHER, LOOK,
	RENAME, ADOPT, PLAN_COUNT
};

static const char *const plan_names[] = {
	"plain", "refuse", "odd result", "free self", "free other", "alloc in self",
	"alloc in other", "alloc in parent", "steal other", "steal self",
	"steal self, refuse", "swap, refuse", "swap", "no destructor, refuse",
	"free children", "refer", "unlink", "realloc other", "look", "rename",
	"adopt",
};

struct rec {
	enum state state;
	enum kind kind;
	unsigned id;
	void *ptr;
	size_t filled;           /* bytes with our pattern */
	enum plan plan;
	int left;                /* refusals */
	unsigned called;         /* the destructor */
	int which;               /* of the two destructors */
	int running;             /* destructors on the stack */
	int pinned;              /* an argument of a call that runs */
	bool bare;
	bool null_ref;           /* has, or had, a reference from NULL */
	unsigned died;           /* when, among the dead of this step */
	bool limited;
	bool charged;            /* is, or has been, below one of those */
	bool pooled;             /* may lie in a pool */
};

#define ID_STEP 16               /* chunks that a step can make */
#define RECS 256

static struct rec recs[RECS];
static unsigned made;            /* in this step */
static int depth;                /* of destructors */
static int pins;
static bool freed_inside;        /* a destructor has freed something */
static bool in_loop;             /* there are loops of parents */
static bool inner;               /* or references from below their target */
static unsigned live_count;
static unsigned deaths;          /* in this step */

static const char *label_id(unsigned id)
{
	static char text[8][24];
	static unsigned next;
	char *t = text[next++ % 8];

	if (id % ID_STEP == 0)
		snprintf(t, sizeof(text[0]), "c%u", id / ID_STEP);
	else
		snprintf(t, sizeof(text[0]), "c%u_%u", id / ID_STEP, id % ID_STEP);
	return t;
}

static struct rec *find(const void *ptr)
{
	struct rec *dead = NULL;

	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->state != NONE && c->ptr == ptr) {
			if (c->state == LIVE)
				return c;
			/* of those in the same place, the last */
			if (dead == NULL || c->died > dead->died)
				dead = c;
		}
	}
	return dead;
}

/* For what a call gave us: a chunk that is there, or NULL. */
static const char *label(const void *ptr)
{
	static char text[4][80];
	static unsigned next;
	struct rec *c;

	if (ptr == NULL)
		return "NULL";
	c = find(ptr);
	if (c != NULL)
		return c->kind == AUTOFREE ? "AUTOFREE" : label_id(c->id);
	next++;
	snprintf(text[next % 4], sizeof(text[0]), "<%s>", talloc_get_name(ptr));
	return text[next % 4];
}

static const char *rlabel(const struct rec *c)
{
	if (c == NULL)
		return "NULL";
	return c->kind == AUTOFREE ? "AUTOFREE" : label_id(c->id);
}

static void *ptr_of(const struct rec *c)
{
	return c != NULL ? c->ptr : NULL;
}

/* Of those allowed, the one whose id is nearest to a random number in a random
 * order: others that are missing do not change the choice. */
static struct rec *pick(struct rng *r, bool (*allowed)(const struct rec *))
{
	uint64_t key = (uint64_t)below(r, 1u << 30) << 20, best = UINT64_MAX;
	struct rec *found = NULL;

	for (struct rec *c = recs; c < recs + RECS; c++) {
		uint64_t score;

		if (c->state != LIVE || !allowed(c))
			continue;
		score = mix(key ^ c->id);
		if (score < best) {
			best = score;
			found = c;
		}
	}
	return found;
}

/* In a destructor, chunks without one may be dying. */
static bool any(const struct rec *c)
{
	return depth == 0 || (!c->bare && !c->running);
}

static bool movable(const struct rec *c)
{
	return any(c) && !c->pinned && !c->running;
}

static bool is_string(const struct rec *c)
{
	return c->kind == STRING && movable(c);
}

static bool resizable(const struct rec *c)
{
	return movable(c) && c->kind != AUTOFREE;
}

static bool has_destructor(const struct rec *c)
{
	return movable(c) && !c->bare;
}

/* ---- contents ----------------------------------------------------------- */

#define FILL 1200

static unsigned char pattern(const struct rec *c, size_t i)
{
	return (unsigned char)(c->id * 37 + i * 7 + (i >> 8));
}

static void fill(struct rec *c, size_t size)
{
	unsigned char *p = c->ptr;

	c->filled = size < FILL ? size : FILL;
	for (size_t i = 0; i < c->filled; i++)
		p[i] = pattern(c, i);
}

static void verify_upto(const struct rec *c, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n && i < c->filled; i++) {
		if (p[i] != pattern(c, i)) {
			out("    %s of %s at %zu\n", complaint("WRONG CONTENTS"), rlabel(c), i);
			return;
		}
	}
}

static void verify(const struct rec *c)
{
	verify_upto(c, c->ptr, c->filled);
}

static void verify_zero(const struct rec *c, const void *ptr, size_t from, size_t to)
{
	const unsigned char *p = ptr;

	for (size_t i = from; i < to; i++) {
		if (p[i] != 0) {
			out("    %s in %s at %zu\n", complaint("NOT ZERO"), rlabel(c), i);
			return;
		}
	}
}

/* ---- texts that stay ---------------------------------------------------- */

static const char *const names[] = {
	"n0", "n1", "n2", "struct thing", "%s%n%d", "",
	"a name that is longer than thirty bytes", "n7", "n8", "null_context",
};

static const char *const locations[] = {
	"walk:1", "walk:2", "walk:3", "walk:elsewhere/f.c:40",
};

#define PICK(r, array) ((array)[below((r), sizeof(array) / sizeof((array)[0]))])

static const char *const words[] = {
	"", "a", "bc", "hello", "%d %s", "sixteen bytes..",
	"a text of some length, forty-two bytes it has",
};

static size_t some_size(struct rng *r)
{
	switch (below(r, 12)) {
	case 0:
		return 0;
	case 1:
	case 2:
		return 100 + below(r, 1200);
	case 3:
		return profile->limits ? below(r, 2000) : 1000 + below(r, 5000);
	case 4:
		if (profile->limits)
			return (size_t)(1 + below(r, 3)) << 20;
		return below(r, 64);
	default:
		return below(r, 130);
	}
}

/* Now and then one that must be refused. */
static size_t size_or_too_much(struct rng *r)
{
	if (chance(r, 2))
		return chance(r, 50) ? 0x10000000 : SIZE_MAX - below(r, 200);
	return some_size(r);
}

/* ---- destructors -------------------------------------------------------- */

static int destructor_a(void *ptr);
static int destructor_b(void *ptr);
static int (*const destructors[])(void *) = { destructor_a, destructor_b };

static void die(struct rec *c)
{
	c->state = DEAD;
	c->died = deaths++;
}

static int sentinel_dies(void *ptr)
{
	unsigned id;

	memcpy(&id, ptr, sizeof(id));
	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->state == LIVE && c->id == id) {
			out("    .%s\n", rlabel(c));
			verify(c);
			die(c);
			return 0;
		}
	}
	out("    .%s %s\n", label_id(id), complaint("UNKNOWN"));
	return 0;
}

static void make_bare(struct rec *c)
{
	unsigned *sentinel = talloc_named_const(c->ptr, sizeof(*sentinel), "~");

	if (sentinel == NULL) {
		/* a memory limit: it has to be the other kind */
		_talloc_set_destructor(c->ptr, destructors[c->which]);
		return;
	}
	*sentinel = c->id;
	_talloc_set_destructor(sentinel, sentinel_dies);
	c->bare = true;
}

static enum plan some_plan(struct rng *r)
{
	static const enum plan refusing[] = {
		REFUSE, REFUSE, REFUSE, STEAL_SELF_REFUSE, SWAP_REFUSE, DROP_REFUSE,
	};
	static const enum plan others[] = {
		ODD_RESULT, FREE_SELF, FREE_OTHER, FREE_OTHER, ALLOC_SELF, ALLOC_OTHER,
		ALLOC_PARENT, STEAL_OTHER, STEAL_OTHER, STEAL_SELF, SWAP_AGREE,
		CHILDREN_SELF, REFER, UNLINK, REALLOC_OTHER, LOOK, RENAME, ADOPT,
	};

	if (!chance(r, profile->wild))
		return PLAIN;
	return chance(r, profile->refuse) ? PICK(r, refusing) : PICK(r, others);
}

static void set_plan(struct rec *c, struct rng *r)
{
	c->plan = some_plan(r);
	c->left = 1 + (int)below(r, 3);
	c->which = (int)below(r, 2);
	/* what destructors make would never end otherwise */
	if (depth > 0 && c->plan != REFUSE)
		c->plan = PLAIN;
}

static bool room_for_more(void)
{
	return live_count < profile->live && made < ID_STEP;
}

/* Notes a new chunk and gives it what it needs. */
static struct rec *add(void *ctx, void *ptr, enum kind kind, struct rng *r)
{
	struct rec *parent = ctx != NULL ? find(ctx) : NULL;
	struct rec *c = recs;

	while (c < recs + RECS && c->state != NONE)
		c++;
	if (c == recs + RECS)
		exit(97);
	*c = (struct rec){ .state = LIVE, .kind = kind, .ptr = ptr };
	c->id = step * ID_STEP + made++;
	c->charged = parent != NULL && (parent->charged || parent->limited);
	c->pooled = kind == POOL || kind == OBJECT || (parent != NULL && parent->pooled);
	live_count++;
	set_plan(c, r);
	if (kind != AUTOFREE && !chance(r, profile->bare))
		_talloc_set_destructor(ptr, destructors[c->which]);
	else
		make_bare(c);
	return c;
}

/* The beginning of each call's line. */
static void begin(void)
{
	if (depth == 0)
		out("#%u ", step);
	else
		out("    %*s> ", depth * 2, "");
}

static void result_int(long long n)
{
	out("    %*s= %lld\n", depth * 2, "", n);
}

static void result_ptr(const void *ptr)
{
	out("    %*s= %s\n", depth * 2, "", label(ptr));
}

static void result_text(const char *text)
{
	out("    %*s= ", depth * 2, "");
	if (text == NULL)
		out("NULL");
	else
		out_bytes(text, strlen(text));
	out("\n");
}

/* The result of an allocation: a new chunk, or NULL and errno. */
static struct rec *result_new(void *ctx, void *ptr, enum kind kind, size_t size, struct rng *r)
{
	int error = errno;
	struct rec *c;

	if (ptr == NULL) {
		out("    %*s= NULL, errno %d\n", depth * 2, "", error);
		return NULL;
	}
	c = add(ctx, ptr, kind, r);
	out("    %*s= %s, size %zu%s\n", depth * 2, "", rlabel(c), talloc_get_size(ptr),
	    (uintptr_t)ptr % _Alignof(max_align_t) != 0 ? complaint(" NOT ALIGNED") : "");
	if (kind == DATA || kind == OBJECT)
		fill(c, size);
	return c;
}

/* ---- contexts ----------------------------------------------------------- */

static void *null_context(void)
{
	for (struct rec *c = recs; c < recs + RECS; c++) {
		void *parent;

		if (c->state != LIVE || (depth > 0 && (c->bare || c->running)))
			continue;
		parent = talloc_parent(c->ptr);
		if (parent != NULL && find(parent) == NULL &&
		    strcmp(talloc_get_name(parent), "null_context") == 0)
			return parent;
	}
	return NULL;
}

static void *some_context(struct rng *r)
{
	unsigned n = below(r, 100);

	if (n < (profile->null ? 20 : 10))
		return NULL;
	if (n < 22 && profile->null && depth == 0)
		return null_context();
	return ptr_of(pick(r, any));
}

static bool looped(const void *ptr);

static bool any_loop(void)
{
	if (!profile->loops && profile->weight[G_REF] == 0)
		return false;
	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->state == LIVE && looped(c->ptr))
			return true;
	}
	return false;
}

/* Is there a reference to a chunk from itself or from below it? */
static bool found_inner;

static void on_inner(const void *ptr, int level, int max, int is_ref, void *top)
{
	(void)level;
	(void)max;
	if (is_ref && ptr == top)
		found_inner = true;
}

static bool any_inner(void)
{
	found_inner = false;
	for (struct rec *c = recs; c < recs + RECS && !found_inner; c++) {
		if (c->state == LIVE && talloc_reference_count(c->ptr) > 0)
			talloc_report_depth_cb(c->ptr, 0, -1, on_inner, c->ptr);
	}
	return found_inner;
}

/* ---- texts of reports --------------------------------------------------- */

static FILE *stream;
static char *stream_text;
static size_t stream_size;
static size_t header;            /* bytes that a limit counts for a chunk itself */

static FILE *text_begin(void)
{
	if (stream == NULL)
		stream = open_memstream(&stream_text, &stream_size);
	if (stream == NULL)
		exit(96);
	return stream;
}

/* One line with the addresses as labels, places in the library as LIB,
 * and what a limit has counted without the headers. */
static void out_line(const char *line, size_t n, const char *next, bool know)
{
	const char *end = line + n;

	while (line < end) {
		if (end - line > 2 && strncmp(line, "0x", 2) == 0) {
			char *after;
			void *ptr = (void *)(uintptr_t)strtoull(line, &after, 16);
			struct rec *c = know ? find(ptr) : NULL;

			out("@%s", c != NULL ? rlabel(c) : "");
			line = after;
		} else if (end - line > 4 && strncmp(line, " at ", 4) == 0 &&
			   strncmp(line + 4, "walk:", 5) != 0) {
			/* a place in the library's own source */
			out(" at LIB");
			line = end;
		} else if (end - line > 11 && strncmp(line, "cur_size = ", 11) == 0) {
			const char *blocks = next != NULL ? strstr(next, " bytes in ") : NULL;
			char *after;
			unsigned long cur = strtoul(line + 11, &after, 10);

			if (blocks != NULL && header != 0)
				out("%ld", (long)(cur - header * strtoul(blocks + 10, NULL, 10)));
			line = after;
		} else {
			out_text(line, 1);
			line++;
		}
	}
}

/* open_memstream keeps the length it once had: so another one next time. */
static void text_drop(void)
{
	fclose(stream);
	free(stream_text);
	stream = NULL;
	stream_text = NULL;
}

static void text_end(void)
{
	const char *line;

	fflush(stream);
	stream_text[stream_size] = '\0';
	start_hash();
	for (line = stream_text; *line != '\0';) {
		size_t n = strcspn(line, "\n");
		const char *next = line[n] == '\n' ? line + n + 1 : NULL;

		out("    | ");
		out_line(line, n, next, true);
		out("\n");
		line += n + (next != NULL);
	}
	end_hash("text");
	text_drop();
}

/* ---- log and abort functions -------------------------------------------- */

static void log_one(char who, const char *message)
{
	size_t n = strlen(message);

	out("    log %c: ", who);
	out_line(message, n > 0 && message[n - 1] == '\n' ? n - 1 : n, NULL, true);
	out(n > 0 && message[n - 1] == '\n' ? "\n" : "|\n");
}

static void log_a(const char *message)
{
	log_one('A', message);
}

static void log_b(const char *message)
{
	log_one('B', message);
}

static bool abort_ends;

static void abort_one(char who, const char *reason)
{
	out("    abort %c: %s\n", who, reason);
	if (abort_ends) {
		flush();
		_exit(42);
	}
	if (strstr(reason, "Type mismatch") == NULL)
		complaint(reason);
}

static void abort_a(const char *reason)
{
	abort_one('A', reason);
}

static void abort_b(const char *reason)
{
	abort_one('B', reason);
}

/* ---- the calls, each with its line -------------------------------------- */

static void pin(struct rec *c, int by)
{
	pins += by;
	if (c != NULL)
		c->pinned += by;
}

/* Is a loop of parents above (or at) this chunk?  No library call that might
 * not end is used. */
static bool looped(const void *ptr)
{
	const void *p = ptr;

	for (int n = 0; p != NULL; n++) {
		if (n > 2 * RECS)
			return true;
		p = talloc_parent(p);
	}
	return false;
}

/* A child with a reference from NULL goes to the parent of what is freed, which
 * in a loop is gone already. */
static bool may_free_looped(const struct rec *c)
{
	if (c == NULL || !in_loop || !looped(c->ptr))
		return true;
	for (const struct rec *x = recs; x < recs + RECS; x++) {
		if (x->state == LIVE && x->null_ref && talloc_reference_count(x->ptr) > 0 &&
		    looped(x->ptr))
			return !avoid(AV_LOOP_NULL_REF);
	}
	return true;
}

static void do_free(struct rec *c, struct rng *r)
{
	const char *location = PICK(r, locations);
	int n;

	if (!may_free_looped(c))
		return;
	begin();
	out("_talloc_free(%s, \"%s\")\n", rlabel(c), location);
	if (depth > 0)
		freed_inside = true;
	n = CALL(_talloc_free, (ptr_of(c), location));
	result_int(n);
}

static void do_free_children(struct rec *c)
{
	if (c != NULL && (in_loop || inner)) {
		avoid(AV_CHILDREN_IN_LOOP);
		return;
	}
	begin();
	out("talloc_free_children(%s)\n", rlabel(c));
	if (depth > 0)
		freed_inside = true;
	pin(c, 1);
	CALL(talloc_free_children, (ptr_of(c)));
	pin(c, -1);
	if (c != NULL && c->state != LIVE)
		out("    GONE\n");
}

static void do_unlink(void *ctx, struct rec *c)
{
	struct rec *owner = ctx != NULL ? find(ctx) : NULL;
	int n;

	/* where that only drops the reference from NULL, all is well */
	if (!(ctx == NULL && c != NULL && c->null_ref && talloc_reference_count(c->ptr) > 0) &&
	    !may_free_looped(c))
		return;
	begin();
	out("talloc_unlink(%s, %s)\n", label(ctx), rlabel(c));
	if (depth > 0)
		freed_inside = true;
	pin(owner, 1);
	n = CALL(talloc_unlink, (ctx, ptr_of(c)));
	pin(owner, -1);
	result_int(n);
}

/* Would this make a chunk its own ancestor?  In a destructor that is not known
 * where the way up comes to what is dying; its parent may be gone. */
static bool makes_loop(const void *ctx, const void *ptr)
{
	if (depth > 0 && freed_inside)
		return avoid(AV_DANGLING);
	for (int n = 0; ctx != NULL; n++) {
		if (ctx == ptr || n > 2 * RECS)
			return true;
		if (depth > 0) {
			struct rec *c = find(ctx);

			if (c != NULL && (c->bare || c->state == DEAD))
				return avoid(AV_DANGLING);
		}
		ctx = talloc_parent(ctx);
	}
	return false;
}

static bool is_limited(const struct rec *c)
{
	return c != NULL && (c->charged || c->limited);
}

/* The chunk and all below it come under a limit. */
static void charge(const struct rec *top)
{
	if (!profile->limits)
		return;
	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->state == LIVE && (depth == 0 || !c->bare) && makes_loop(c->ptr, top->ptr))
			c->charged = true;
	}
}

static bool may_move(const void *ctx, const void *ptr)
{
	if (!profile->loops && makes_loop(ctx, ptr))
		return false;
	if (is_limited(find(ptr)) || (depth > 0 && is_limited(find(ctx))))
		return !avoid(AV_LIMIT_STEAL);
	return true;
}

static void do_steal(void *ctx, struct rec *c, struct rng *r)
{
	const char *location = PICK(r, locations);
	void *ptr = ptr_of(c);

	if (!may_move(ctx, ptr))
		return;
	begin();
	if (below(r, 3) == 0) {
		out("_talloc_move(%s, &%s)\n", label(ctx), rlabel(c));
		result_ptr(CALL(_talloc_move, (ctx, &ptr)));
		if (ptr != NULL)
			out("    %s\n", complaint("NOT CLEARED"));
	} else {
		out("_talloc_steal_loc(%s, %s, \"%s\")\n", label(ctx), rlabel(c), location);
		result_ptr(CALL(_talloc_steal_loc, (ctx, ptr, location)));
	}
	if (c != NULL && is_limited(find(ctx)))
		charge(c);
}

static void do_reference(void *ctx, struct rec *c, struct rng *r)
{
	const char *location = PICK(r, locations);

	if (depth > 0)
		inner = true;
	if (c != NULL && (ctx == NULL || find(ctx) == NULL))
		c->null_ref = true;
	begin();
	if (ctx == NULL && c != NULL && chance(r, 50)) {
		out("talloc_increase_ref_count(%s)\n", rlabel(c));
		result_int(CALL(talloc_increase_ref_count, (c->ptr)));
		return;
	}
	out("_talloc_reference_loc(%s, %s, \"%s\")\n", label(ctx), rlabel(c), location);
	result_ptr(CALL(_talloc_reference_loc, (ctx, ptr_of(c), location)));
}

static struct rec *do_alloc(void *ctx, struct rng *r)
{
	static char data[8192];
	size_t size = size_or_too_much(r);
	const char *name = PICK(r, names);
	unsigned el, n;
	void *ptr;
	struct rec *c;

	if (data[1] == 0)
		memset(data, 'm', sizeof(data));
	begin();
	switch (below(r, 8)) {
	case 0:
		out("_talloc(%s, %zu)\n", label(ctx), size);
		ptr = CALL(_talloc, (ctx, size));
		break;
	case 1:
		n = below(r, 1000);
		out("talloc_named(%s, %zu, \"named %%u\", %u)\n", label(ctx), size, n);
		ptr = CALL(talloc_named, (ctx, size, "named %u", n));
		break;
	case 2:
		n = below(r, 1000);
		size = 0;
		out("talloc_init(\"init %%u\", %u)\n", n);
		ptr = CALL(talloc_init, ("init %u", n));
		break;
	case 3:
		if (size > 1 << 16 && size < 0x10000000)
			size &= 0xfff;
		out("_talloc_zero(%s, %zu, \"%s\")\n", label(ctx), size, name);
		ptr = CALL(_talloc_zero, (ctx, size, name));
		if (ptr != NULL)
			verify_zero(NULL, ptr, 0, size);
		break;
	case 4:
		if (size > sizeof(data))
			size = 1;
		n = chance(r, 5); /* a NULL source */
		out("_talloc_memdup(%s, %s, %zu, \"%s\")\n", label(ctx), n ? "NULL" : "data",
		    size, name);
		ptr = CALL(_talloc_memdup, (ctx, n ? NULL : data, size, name));
		if (ptr != NULL && !n && memcmp(ptr, data, size) != 0)
			out("    %s\n", complaint("NOT COPIED"));
		break;
	case 5:
	case 6:
		el = 1 + below(r, 24);
		n = (unsigned)(size / el);
		if (chance(r, 2))
			n = UINT32_MAX - below(r, 3);
		size = (size_t)el * n;
		if (below(r, 2) || (size > 1 << 16 && size < 0x10000000)) {
			out("_talloc_array(%s, %u, %u, \"%s\")\n", label(ctx), el, n, name);
			ptr = CALL(_talloc_array, (ctx, el, n, name));
			break;
		}
		out("_talloc_zero_array(%s, %u, %u, \"%s\")\n", label(ctx), el, n, name);
		ptr = CALL(_talloc_zero_array, (ctx, el, n, name));
		if (ptr != NULL)
			verify_zero(NULL, ptr, 0, size);
		break;
	default:
		if (chance(r, 5))
			name = NULL;
		out("talloc_named_const(%s, %zu, \"%s\")\n", label(ctx), size,
		    name != NULL ? name : "NULL");
		ptr = CALL(talloc_named_const, (ctx, size, name));
	}
	c = result_new(ctx, ptr, DATA, size, r);
	return c;
}

static void *(*realloc_array_zero)(const void *, void *, size_t, unsigned, const char *);
static void (*asprintf_addsep)(char **, const char *, const char *, ...);

/* For a library that has not got it. */
static void *own_realloc_array_zero(const void *ctx, void *ptr, size_t el, unsigned n,
				    const char *name)
{
	size_t old = talloc_get_size(ptr);
	char *p = _talloc_realloc_array(ctx, ptr, el, n, name);

	if (p != NULL && talloc_get_size(p) > old)
		memset(p + old, 0, talloc_get_size(p) - old);
	return p;
}

static void own_asprintf_addsep(char **s, const char *sep, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (*s == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (**s != '\0')
		talloc_asprintf_addbuf(s, "%s", sep);
	talloc_asprintf_addbuf(s, "%s", text);
}

static void do_realloc(void *ctx, struct rec *c, struct rng *r)
{
	size_t old = c != NULL ? talloc_get_size(c->ptr) : 0;
	size_t size = size_or_too_much(r);
	const char *name = PICK(r, names);
	struct rec *owner = ctx != NULL ? find(ctx) : NULL;
	unsigned el = 1 + below(r, 24), n;
	bool zero = false, same;
	char *ptr;

	if (c != NULL && profile->limits && c->limited) {
		avoid(AV_LIMIT_REALLOC);
		return;
	}
	if (c != NULL && chance(r, 30))
		size = old + below(r, 40) - (old < 20 ? old : 20);
	if (size == 0 && depth > 0)
		size = 1;
	begin();
	pin(owner, 1);
	switch (below(r, 5)) {
	case 0:
		out("talloc_realloc_fn(%s, %s, %zu)\n", label(ctx), rlabel(c), size);
		ptr = CALL(talloc_realloc_fn, (ctx, ptr_of(c), size));
		break;
	case 1:
		n = (unsigned)(size / el);
		size = (size_t)el * n;
		out("_talloc_realloc_array(%s, %s, %u, %u, \"%s\")\n", label(ctx), rlabel(c), el,
		    n, name);
		ptr = CALL(_talloc_realloc_array, (ctx, ptr_of(c), el, n, name));
		break;
	case 2:
		n = (unsigned)(size / el);
		size = (size_t)el * n;
		if (size > 1 << 16 && size < 0x10000000)
			size = el * (n = 100);
		out("_talloc_realloc_array_zero(%s, %s, %u, %u, \"%s\")\n", label(ctx), rlabel(c),
		    el, n, name);
		count(F__talloc_realloc_array_zero);
		ptr = realloc_array_zero(ctx, ptr_of(c), el, n, name);
		zero = true;
		break;
	default:
		out("_talloc_realloc(%s, %s, %zu, \"%s\")\n", label(ctx), rlabel(c), size, name);
		ptr = CALL(_talloc_realloc, (ctx, ptr_of(c), size, name));
	}
	pin(owner, -1);
	if (c == NULL || ptr == NULL) {
		if (ptr != NULL && zero)
			verify_zero(NULL, ptr, 0, size);
		result_new(ctx, ptr, DATA, size, r);
		return;
	}
	same = ptr == (char *)c->ptr;
	verify_upto(c, (unsigned char *)ptr, size < old ? size : old);
	if (zero && size > old)
		verify_zero(c, ptr, old, size);
	c->ptr = ptr;
	/* In a pool the name changes or not with the place; as text of the
	 * chunk's own it would be gone. */
	if (c->pooled || c->kind == STRING)
		talloc_set_name_const(ptr, name);
	if (c->kind == STRING) {
		out("    text ");
		out_bytes(ptr, old < size ? old : size);
		out("\n");
		c->kind = DATA;
	}
	fill(c, size);
	out("    %*s= %s, size %zu, name %s%s%s\n", depth * 2, "", rlabel(c),
	    talloc_get_size(ptr), talloc_get_name(ptr), size == old ? ", same size" : "",
	    size == old && !same ? complaint(" MOVED") : "");
}

/* ---- destructors at work ------------------------------------------------ */

static bool may_refuse(const struct rec *c)
{
	if (in_loop)
		return !avoid(AV_REFUSE_IN_LOOP);
	if (inner)
		return !avoid(AV_REFUSE_REFERRED);
	if (freed_inside)
		return !avoid(AV_REFUSE_AFTER_FREE);
	if (is_limited(c))
		return !avoid(AV_LIMIT_REFUSE);
	return true;
}

/* A leaf can be nobody's ancestor. */
static bool may_free_inside(const struct rec *c)
{
	for (const struct rec *x = recs; x < recs + RECS; x++) {
		if (is_limited(x) && (x == c || (x->state == LIVE && x->running)))
			return !avoid(AV_LIMIT_NESTED);
	}
	if (talloc_total_blocks(c->ptr) == 1)
		return true;
	if (in_loop)
		return !avoid(AV_FREE_IN_LOOP);
	if (pins == 0)
		return true;
	return !avoid(AV_NESTED_FREE_PINNED);
}

static int act(struct rec *c, struct rng *r)
{
	struct rec *other = pick(r, movable), *third = pick(r, movable);
	enum plan plan = c->plan;

	if (depth > 3 && plan != REFUSE && plan != ODD_RESULT)
		plan = PLAIN;
	if ((plan == REFUSE || plan == STEAL_SELF_REFUSE || plan == SWAP_REFUSE ||
	     plan == DROP_REFUSE) && (c->left-- <= 0 || !may_refuse(c)))
		plan = PLAIN;
	switch (plan) {
	case REFUSE:
		return -1;
	case ODD_RESULT:
		return below(r, 2) ? 1 : -2;
	case FREE_SELF:
		begin();
		out("_talloc_free(%s)\n", rlabel(c));
		result_int(CALL(_talloc_free, (c->ptr, "walk:inside")));
		break;
	case FREE_OTHER:
		if (other != NULL && may_free_inside(other))
			do_free(other, r);
		break;
	case ALLOC_SELF:
		if (room_for_more())
			do_alloc(c->ptr, r);
		break;
	case ALLOC_OTHER:
		if (room_for_more())
			do_alloc(ptr_of(other), r);
		break;
	case ALLOC_PARENT:
		if (room_for_more())
			do_alloc(talloc_parent(c->ptr), r);
		break;
	case STEAL_OTHER:
		if (other != NULL && third != NULL && other != third)
			do_steal(third->ptr, other, r);
		break;
	case STEAL_SELF:
	case STEAL_SELF_REFUSE:
		if (other != NULL && !makes_loop(other->ptr, c->ptr)) {
			c->left = 0;
			do_steal(other->ptr, c, r);
			return plan == STEAL_SELF ? 0 : -1;
		}
		break;
	case SWAP_REFUSE:
	case SWAP_AGREE:
		c->which = !c->which;
		begin();
		out("_talloc_set_destructor(%s, %c)\n", rlabel(c), 'A' + c->which);
		CALL(_talloc_set_destructor, (c->ptr, destructors[c->which]));
		return plan == SWAP_REFUSE ? -1 : 0;
	case DROP_REFUSE:
		begin();
		out("_talloc_set_destructor(%s, NULL)\n", rlabel(c));
		CALL(_talloc_set_destructor, (c->ptr, NULL));
		make_bare(c);
		return -1;
	case CHILDREN_SELF:
		do_free_children(c);
		break;
	case REFER:
		if (other != NULL && third != NULL && profile->weight[G_REF] > 0)
			do_reference(third->ptr, other, r);
		break;
	case UNLINK:
		if (other != NULL && may_free_inside(other))
			do_unlink(below(r, 2) ? talloc_parent(other->ptr) : ptr_of(third), other);
		break;
	case REALLOC_OTHER:
		if (other != NULL && other->kind != AUTOFREE)
			do_realloc(NULL, other, r);
		break;
	case LOOK:
		begin();
		out("look: name %s, size %zu, refs %zu, total %zu in %zu", talloc_get_name(c->ptr),
		    CALL(talloc_get_size, (c->ptr)), CALL(talloc_reference_count, (c->ptr)),
		    CALL(talloc_total_size, (c->ptr)), CALL(talloc_total_blocks, (c->ptr)));
		if (other != NULL)
			out("; %s: parent %s, total %zu in %zu, refs %zu", rlabel(other),
			    label(CALL(talloc_parent, (other->ptr))),
			    CALL(talloc_total_size, (other->ptr)),
			    CALL(talloc_total_blocks, (other->ptr)),
			    CALL(talloc_reference_count, (other->ptr)));
		out("; all %zu in %zu\n", CALL(talloc_total_size, (NULL)),
		    CALL(talloc_total_blocks, (NULL)));
		break;
	case RENAME:
		begin();
		out("talloc_set_name(%s)\n", rlabel(c));
		result_text(CALL(talloc_set_name, (c->ptr, "dying %d", depth)));
		break;
	case ADOPT:
		if (other != NULL && !makes_loop(c->ptr, other->ptr))
			do_steal(c->ptr, other, r);
		break;
	default:
		break;
	}
	return 0;
}

static int destroy(void *ptr, int which)
{
	struct rec *c = find(ptr);
	struct rng r;
	int n;

	if (c == NULL || c->state != LIVE) {
		out("    ~%s %s\n", c != NULL ? rlabel(c) : "?", complaint("NOT ALIVE"));
		return 0;
	}
	r = rng_for(seed, c->id + 0x100000000, c->called++);
	out("    %*s~%s %c in %s%s%s\n", depth * 2, "", rlabel(c), 'A' + which,
	    label(talloc_parent(ptr)), which != c->which ? complaint(" WRONG ONE") : "",
	    c->running ? complaint(" AGAIN") : "");
	verify(c);
	c->running++;
	depth++;
	n = act(c, &r);
	depth--;
	c->running--;
	if (n != 0 || c->plan != PLAIN)
		out("    %*s~%s %s: %d\n", depth * 2, "", rlabel(c), plan_names[c->plan], n);
	if (n != -1)
		die(c);
	return n;
}

static int destructor_a(void *ptr)
{
	return destroy(ptr, 0);
}

static int destructor_b(void *ptr)
{
	return destroy(ptr, 1);
}

/* With nothing below; to free these more often keeps trees from being small. */
static bool leaf(const struct rec *c)
{
	return talloc_total_blocks(c->ptr) == (c->bare ? 2 : 1);
}

static void op_free_leaf(struct rng *r)
{
	struct rec *c = pick(r, leaf);

	if (c != NULL)
		do_free(c, r);
}

/* No more chunks than the profile wants: then one goes instead.  Mostly it is
 * chance that keeps their number down: what depends on the number hinders
 * shrinking. */
static bool full(struct rng *r)
{
	if (!chance(r, profile->evict) && room_for_more())
		return false;
	if (below(r, 4))
		op_free_leaf(r);
	else
		do_free(pick(r, any), r);
	return true;
}

/* ---- strings ------------------------------------------------------------ */

static char *call_vasprintf(void *ctx, const char *fmt, ...) PRINTF_ATTRIBUTE(2, 3);
static char *call_vasprintf(void *ctx, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = CALL(talloc_vasprintf, (ctx, fmt, ap));
	va_end(ap);
	return s;
}

static char *call_vasprintf_append(bool at_end, char *s, const char *fmt, ...)
	PRINTF_ATTRIBUTE(3, 4);
static char *call_vasprintf_append(bool at_end, char *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (at_end)
		s = CALL(talloc_vasprintf_append_buffer, (s, fmt, ap));
	else
		s = CALL(talloc_vasprintf_append, (s, fmt, ap));
	va_end(ap);
	return s;
}

static void op_string_new(struct rng *r)
{
	void *ctx = some_context(r);
	const char *word = PICK(r, words);
	size_t n = below(r, 24);
	char *s;

	if (full(r))
		return;
	begin();
	switch (below(r, 4)) {
	case 0:
		if (chance(r, 5))
			word = NULL;
		out("talloc_strdup(%s, \"%s\")\n", label(ctx), word != NULL ? word : "NULL");
		s = CALL(talloc_strdup, (ctx, word));
		break;
	case 1:
		if (chance(r, 5))
			word = NULL;
		out("talloc_strndup(%s, \"%s\", %zu)\n", label(ctx), word != NULL ? word : "NULL",
		    n);
		s = CALL(talloc_strndup, (ctx, word, n));
		break;
	case 2:
		out("talloc_asprintf(%s, \"%%zu-%%s\", %zu, \"%s\")\n", label(ctx), n, word);
		s = CALL(talloc_asprintf, (ctx, "%zu-%s", n, word));
		break;
	default:
		out("talloc_vasprintf(%s, \"%%s/%%zu\", \"%s\", %zu)\n", label(ctx), word, n);
		s = call_vasprintf(ctx, "%s/%zu", word, n);
	}
	if (result_new(ctx, s, STRING, 0, r) != NULL)
		result_text(talloc_get_name(s));
}

/* Writes the result of an append: the same chunk, perhaps elsewhere. */
static void appended(struct rec *c, char *s, struct rng *r)
{
	if (c == NULL) {
		result_new(NULL, s, STRING, 0, r);
		return;
	}
	if (s != NULL)
		c->ptr = s;
	out("    = %s ", s != NULL ? rlabel(c) : "NULL");
	if (s != NULL) {
		out_bytes(s, talloc_get_size(s));
		out(" name ");
		out_bytes(talloc_get_name(s), strlen(talloc_get_name(s)));
	}
	out("\n");
}

static bool may_grow(const struct rec *c)
{
	if (c == NULL)
		return true;
	if (talloc_get_size(c->ptr) > 400)
		return !avoid(AV_BIG_STRING);
	if (c->limited)
		return !avoid(AV_LIMIT_REALLOC);
	return true;
}

static void op_string_append(struct rng *r)
{
	struct rec *c = chance(r, 6) ? NULL : pick(r, is_string);
	const char *word = PICK(r, words);
	size_t n = below(r, 12);
	char *s = ptr_of(c);
	int form = (int)below(r, 8);

	if (c == NULL && full(r))
		return;
	if (!may_grow(c))
		return;
	begin();
	switch (form) {
	case 0:
	case 1:
		if (chance(r, 5))
			word = NULL;
		out("talloc_strdup_append%s(%s, \"%s\")\n", form ? "_buffer" : "", rlabel(c),
		    word != NULL ? word : "NULL");
		s = form ? CALL(talloc_strdup_append_buffer, (s, word))
			 : CALL(talloc_strdup_append, (s, word));
		break;
	case 2:
	case 3:
		if (chance(r, 5))
			word = NULL;
		out("talloc_strndup_append%s(%s, \"%s\", %zu)\n", form == 3 ? "_buffer" : "",
		    rlabel(c), word != NULL ? word : "NULL", n);
		s = form == 3 ? CALL(talloc_strndup_append_buffer, (s, word, n))
			      : CALL(talloc_strndup_append, (s, word, n));
		break;
	case 4:
	case 5:
		out("talloc_asprintf_append%s(%s, \"%%.*s\", %zu, \"%s\")\n",
		    form == 5 ? "_buffer" : "", rlabel(c), n, word);
		s = form == 5 ? CALL(talloc_asprintf_append_buffer, (s, "%.*s", (int)n, word))
			      : CALL(talloc_asprintf_append, (s, "%.*s", (int)n, word));
		break;
	default:
		out("talloc_vasprintf_append%s(%s, \"%%s%%zu\", \"%s\", %zu)\n",
		    form == 7 ? "_buffer" : "", rlabel(c), word, n);
		s = call_vasprintf_append(form == 7, s, "%s%zu", word, n);
	}
	appended(c, s, r);
}

static void op_string_add(struct rng *r)
{
	struct rec *c = chance(r, 5) ? NULL : pick(r, is_string);
	const char *word = PICK(r, words);
	char *s = ptr_of(c);
	unsigned n = below(r, 100);

	if (!may_grow(c))
		return;
	begin();
	if (below(r, 2)) {
		out("talloc_asprintf_addbuf(&%s, \"%%s%%u\", \"%s\", %u)\n", rlabel(c), word, n);
		CALL(talloc_asprintf_addbuf, (&s, "%s%u", word, n));
	} else {
		out("talloc_asprintf_addsep(&%s, \", \", \"%%s%%u\", \"%s\", %u)\n", rlabel(c),
		    word, n);
		count(F_talloc_asprintf_addsep);
		asprintf_addsep(&s, ", ", "%s%u", word, n);
	}
	if (c != NULL)
		appended(c, s, r);
	else
		out("    = %s\n", s == NULL ? "NULL" : "NOT NULL");
}

/* No call: a text ends before its chunk does. */
static void op_string_cut(struct rng *r)
{
	struct rec *c = pick(r, is_string);
	size_t at;

	if (c == NULL || talloc_get_size(c->ptr) == 0)
		return;
	at = below(r, (unsigned)talloc_get_size(c->ptr));
	begin();
	out("%s[%zu] = 0\n", rlabel(c), at);
	((char *)c->ptr)[at] = '\0';
}

/* ---- the other steps ---------------------------------------------------- */

static void op_alloc(struct rng *r)
{
	if (full(r))
		return;
	do_alloc(some_context(r), r);
}

static void op_pool(struct rng *r)
{
	void *ctx = some_context(r);
	size_t size = chance(r, 2) ? 0x10000000 : 200 + below(r, 4000);
	struct rec *c;

	if (full(r))
		return;
	begin();
	if (below(r, 3) > 0) {
		out("talloc_pool(%s, %zu)\n", label(ctx), size);
		c = result_new(ctx, CALL(talloc_pool, (ctx, size)), POOL, 0, r);
	} else {
		size_t own = some_size(r);
		unsigned n = below(r, 6);

		out("_talloc_pooled_object(%s, %zu, \"obj\", %u, %zu)\n", label(ctx), own, n, size);
		c = result_new(ctx, CALL(_talloc_pooled_object, (ctx, own, "obj", n, size)), OBJECT,
			       own, r);
	}
	/* so that it is found by its contents */
	if (c != NULL && room_for_more() && chance(r, 60))
		do_alloc(c->ptr, r);
}

static void op_free(struct rng *r)
{
	struct rec *c = chance(r, 2) ? NULL : pick(r, any);

	do_free(c, r);
}

static bool not_bare(const struct rec *c)
{
	return !c->bare;
}

static void op_free_children(struct rng *r)
{
	do_free_children(chance(r, 2) ? NULL : pick(r, not_bare));
}

static void op_unlink(struct rng *r)
{
	struct rec *c = chance(r, 2) ? NULL : pick(r, any);
	void *ctx = c != NULL && below(r, 2) ? talloc_parent(c->ptr) : some_context(r);

	do_unlink(ctx, c);
}

static void op_steal(struct rng *r)
{
	struct rec *c = chance(r, 2) ? NULL : pick(r, any);

	do_steal(some_context(r), c, r);
}

static void op_reparent(struct rng *r)
{
	struct rec *c = chance(r, 2) ? NULL : pick(r, any);
	void *old = c != NULL && below(r, 3) ? talloc_parent(c->ptr) : some_context(r);
	void *new = some_context(r);

	if (!may_move(new, ptr_of(c)))
		return;
	begin();
	out("talloc_reparent(%s, %s, %s)\n", label(old), label(new), rlabel(c));
	if (c != NULL && (new == NULL || find(new) == NULL))
		c->null_ref = true;
	result_ptr(CALL(talloc_reparent, (old, new, ptr_of(c))));
	if (c != NULL && is_limited(find(new)))
		charge(c);
}

static void op_reference(struct rng *r)
{
	struct rec *c = chance(r, 1) ? NULL : pick(r, any);
	void *ctx = some_context(r);

	if (!profile->loops && c != NULL && makes_loop(ctx, c->ptr) && chance(r, 80))
		return;
	do_reference(ctx, c, r);
}

static void op_realloc(struct rng *r)
{
	struct rec *c = chance(r, 8) ? NULL : pick(r, resizable);

	if (c == NULL && full(r))
		return;
	do_realloc(some_context(r), c, r);
}

static void op_set_name(struct rng *r)
{
	struct rec *c = pick(r, any);
	const char *name = PICK(r, names);
	unsigned n = below(r, 1000);

	if (c == NULL)
		return;
	begin();
	if (below(r, 2)) {
		out("talloc_set_name(%s, \"nm %%u\", %u)\n", rlabel(c), n);
		result_text(CALL(talloc_set_name, (c->ptr, "nm %u", n)));
		return;
	}
	if (chance(r, 5))
		name = NULL;
	out("talloc_set_name_const(%s, \"%s\")\n", rlabel(c), name != NULL ? name : "NULL");
	CALL(talloc_set_name_const, (c->ptr, name));
}

static void op_set_destructor(struct rng *r)
{
	struct rec *c = pick(r, has_destructor);

	if (c == NULL)
		return;
	set_plan(c, r);
	begin();
	out("_talloc_set_destructor(%s, %c) /* %s, %d */\n", rlabel(c), 'A' + c->which,
	    plan_names[c->plan], c->left);
	CALL(_talloc_set_destructor, (c->ptr, destructors[c->which]));
}

static void op_look(struct rng *r)
{
	struct rec *c = pick(r, any), *other = pick(r, any);
	struct rec *or_null = chance(r, 5) ? NULL : c;
	const char *name = PICK(r, names);

	if (c == NULL)
		return;
	if (chance(r, 40))
		name = talloc_get_name(other->ptr);
	begin();
	switch (below(r, 13)) {
	case 0:
		out("talloc_get_name(%s)\n", rlabel(c));
		result_text(CALL(talloc_get_name, (c->ptr)));
		break;
	case 1:
		out("talloc_check_name(%s, \"%s\")\n", rlabel(or_null), name);
		result_ptr(CALL(talloc_check_name, (ptr_of(or_null), name)));
		break;
	case 2:
		if (chance(r, 50))
			name = talloc_get_name(c->ptr);
		if ((or_null == NULL || strcmp(name, talloc_get_name(c->ptr)) != 0) &&
		    talloc_total_blocks(NULL) > 0) {
			out("skipped\n");
			avoid(AV_TYPE_MISMATCH);
			break;
		}
		out("_talloc_get_type_abort(%s, \"%s\")\n", rlabel(or_null), name);
		result_ptr(CALL(_talloc_get_type_abort,
				(ptr_of(or_null), name, PICK(r, locations))));
		break;
	case 3:
		out("talloc_parent(%s)\n", rlabel(or_null));
		result_ptr(CALL(talloc_parent, (ptr_of(or_null))));
		break;
	case 4:
		out("talloc_parent_name(%s)\n", rlabel(or_null));
		result_text(CALL(talloc_parent_name, (ptr_of(or_null))));
		break;
	case 5:
		out("talloc_total_size(%s)\n", rlabel(or_null));
		result_int((long long)CALL(talloc_total_size, (ptr_of(or_null))));
		break;
	case 6:
		out("talloc_total_blocks(%s)\n", rlabel(or_null));
		result_int((long long)CALL(talloc_total_blocks, (ptr_of(or_null))));
		break;
	case 7:
		out("talloc_get_size(%s)\n", rlabel(or_null));
		result_int((long long)CALL(talloc_get_size, (ptr_of(or_null))));
		break;
	case 8:
		out("talloc_reference_count(%s)\n", rlabel(c));
		result_int((long long)CALL(talloc_reference_count, (c->ptr)));
		break;
	case 9:
		if (or_null != NULL && looped(c->ptr)) {
			out("skipped\n");
			avoid(AV_HANGS_IN_LOOP);
			break;
		}
		out("talloc_find_parent_byname(%s, \"%s\")\n", rlabel(or_null), name);
		result_ptr(CALL(talloc_find_parent_byname, (ptr_of(or_null), name)));
		break;
	case 10:
		if (looped(c->ptr)) {
			out("skipped\n");
			avoid(AV_HANGS_IN_LOOP);
			break;
		}
		/* fallthrough */
	default:
		out("talloc_is_parent(%s, %s)\n", rlabel(or_null), rlabel(other));
		result_int(CALL(talloc_is_parent, (ptr_of(or_null), other->ptr)));
	}
}

static void on_node(const void *ptr, int level, int max, int is_ref, void *private)
{
	out("    | %d/%d%s %s%s", level, max, is_ref ? " ref" : "", label(ptr),
	    private != &depth ? complaint(" PRIVATE LOST") : "");
	/* what is above is being walked: its total would be 0 there */
	if (!is_ref && !in_loop)
		out(" %zu in %zu", talloc_total_size(ptr), talloc_total_blocks(ptr));
	out("\n");
}

static void op_report(struct rng *r)
{
	struct rec *c = chance(r, 15) ? NULL : pick(r, any);
	int from = (int)below(r, 4) - (int)chance(r, 10), max = (int)below(r, 6) - 1;
	void *ptr = ptr_of(c);

	begin();
	switch (below(r, 6)) {
	case 0:
		if (chance(r, 5)) {
			out("talloc_report(%s, NULL)\n", rlabel(c));
			CALL(talloc_report, (ptr, NULL));
			return;
		}
		out("talloc_report(%s)\n", rlabel(c));
		CALL(talloc_report, (ptr, text_begin()));
		break;
	case 1:
		out("talloc_report_full(%s)\n", rlabel(c));
		CALL(talloc_report_full, (ptr, text_begin()));
		break;
	case 2:
	case 3:
		out("talloc_report_depth_file(%s, %d, %d)\n", rlabel(c), from, max);
		CALL(talloc_report_depth_file, (ptr, from, max, text_begin()));
		break;
	case 4:
		out("talloc_report_depth_cb(%s, %d, %d)\n", rlabel(c), from, max);
		start_hash();
		CALL(talloc_report_depth_cb, (ptr, from, max, on_node, &depth));
		end_hash("text");
		return;
	default:
		if (c != NULL && looped(ptr)) {
			out("skipped\n");
			avoid(AV_HANGS_IN_LOOP);
			return;
		}
		out("talloc_show_parents(%s)\n", rlabel(c));
		CALL(talloc_show_parents, (ptr, text_begin()));
	}
	text_end();
}

/* Sizes of the "limits" profile are small, all together far less than half a
 * MiB, or whole MiBs: so the verdict does not depend on the headers. */
static void op_limit(struct rng *r)
{
	struct rec *c = pick(r, any);
	size_t max;

	if (c == NULL || looped(c->ptr))
		return;
	/* null tracking moves the autofree context */
	for (void *p = c->ptr; p != NULL; p = talloc_parent(p)) {
		if (find(p) != NULL && find(p)->kind == AUTOFREE) {
			avoid(AV_LIMIT_STEAL);
			return;
		}
	}
	switch (below(r, 8)) {
	case 0:
		max = 0;
		break;
	case 1:
		max = 1;
		break;
	default:
		max = ((size_t)below(r, 12) << 20) + (1 << 19);
	}
	begin();
	out("talloc_set_memlimit(%s, %zu)\n", rlabel(c), max);
	result_int(CALL(talloc_set_memlimit, (c->ptr, max)));
	c->limited = true;
	charge(c);
}

static void op_null(struct rng *r)
{
	begin();
	switch (below(r, 12)) {
	case 0:
		out("talloc_enable_leak_report()\n");
		CALL(talloc_enable_leak_report, ());
		break;
	case 1:
		out("talloc_enable_leak_report_full()\n");
		CALL(talloc_enable_leak_report_full, ());
		break;
	case 2:
	case 3:
	case 4:
		out("talloc_disable_null_tracking()\n");
		CALL(talloc_disable_null_tracking, ());
		break;
	case 5:
	case 6:
		out("talloc_enable_null_tracking_no_autofree()\n");
		CALL(talloc_enable_null_tracking_no_autofree, ());
		break;
	default:
		out("talloc_enable_null_tracking()\n");
		CALL(talloc_enable_null_tracking, ());
	}
}

static void op_autofree(struct rng *r)
{
	void *ptr;
	struct rec *c;

	if (!room_for_more())
		return;
	begin();
	out("talloc_autofree_context()\n");
	ptr = CALL(talloc_autofree_context, ());
	c = find(ptr);
	if (c == NULL)
		c = add(NULL, ptr, AUTOFREE, r);
	out("    = %s in %s\n", rlabel(c), label(talloc_parent(ptr)));
	if (below(r, 2))
		do_alloc(ptr, r);
}

static void op_misc(struct rng *r)
{
	static int magic;
	int n;

	begin();
	switch (below(r, 6)) {
	case 0:
		out("talloc_version_major()\n");
		result_int(CALL(talloc_version_major, ()));
		break;
	case 1:
		out("talloc_version_minor()\n");
		n = CALL(talloc_version_minor, ());
		out("    = %s\n", n == 4 || n == 5 ? "4 or 5" : complaint("UNKNOWN"));
		break;
	case 2:
		out("talloc_test_get_magic()\n");
		n = CALL(talloc_test_get_magic, ());
		out("    %s\n", magic != 0 && n != magic ? complaint("CHANGED") : "the same");
		magic = n;
		break;
	case 3:
		n = (int)below(r, 3);
		out("talloc_set_log_fn(%s)\n", n == 0 ? "NULL" : n == 1 ? "log_a" : "log_b");
		CALL(talloc_set_log_fn, (n == 0 ? NULL : n == 1 ? log_a : log_b));
		break;
	default:
		n = (int)below(r, 2);
		out("talloc_set_abort_fn(%s)\n", n ? "abort_b" : "abort_a");
		CALL(talloc_set_abort_fn, (n ? abort_b : abort_a));
	}
}

/* ---- what ends the process, or writes to stderr: in a child ------------- */

static void out_apart(char *text)
{
	for (char *line = text; *line != '\0';) {
		size_t n = strcspn(line, "\n");

		out("    ! ");
		out_line(line, n, NULL, false);
		out("\n");
		line += n + (line[n] == '\n');
	}
}

static void apart(void (*fn)(struct rng *), struct rng *r)
{
	size_t used = 0, room = 1 << 16;
	char *text = malloc(room);
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	flush();
	if (text == NULL || pipe(fds) != 0)
		exit(95);
	pid = fork();
	if (pid < 0)
		exit(95);
	if (pid == 0) {
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
		unbuffered = true;
		alarm(20);
		fn(r);
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], text + used, room - used - 1)) > 0) {
		used += (size_t)n;
		if (room - used < 4096) {
			room *= 2;
			text = realloc(text, room);
			if (text == NULL)
				exit(95);
		}
	}
	text[used] = '\0';
	close(fds[0]);
	waitpid(pid, &status, 0);
	out_apart(text);
	free(text);
	if (WIFSIGNALED(status))
		out("    ended by signal %d\n", WTERMSIG(status));
	else
		out("    ended with %d\n", WEXITSTATUS(status));
}

static void no_cb(const void *ptr, int level, int max, int is_ref, void *private)
{
	(void)ptr;
	(void)level;
	(void)max;
	(void)is_ref;
	(void)private;
}

#define USES 40

/* Something with a bad pointer. */
static void use_bad(void *bad, struct rng *r)
{
	void *good = ptr_of(pick(r, any));
	const char *location = PICK(r, locations);
	unsigned use = below(r, USES);

	/* the original logs these before it looks at the other argument */
	if (good != NULL && talloc_reference_count(good) > 0)
		good = NULL;
	out("use %u\n", use);
	switch (use) {
	case 0: talloc_get_name(bad); break;
	case 1: talloc_parent(bad); break;
	case 2: talloc_total_size(bad); break;
	case 3: talloc_get_size(bad); break;
	case 4: _talloc_steal_loc(good, bad, location); break;
	case 5: _talloc_steal_loc(bad, good, location); break;
	case 6: _talloc_reference_loc(good, bad, location); break;
	case 7: _talloc_reference_loc(bad, good, location); break;
	case 8: talloc_unlink(NULL, bad); break;
	case 9: talloc_set_name_const(bad, "x"); break;
	case 10: talloc_strdup(bad, "x"); break;
	case 11: _talloc_realloc(NULL, bad, 10, "x"); break;
	case 12: talloc_reference_count(bad); break;
	case 13: talloc_free_children(bad); break;
	case 14: talloc_report_full(bad, stdout); break;
	case 15: talloc_find_parent_byname(bad, "x"); break;
	case 16: _talloc_set_destructor(bad, destructor_a); break;
	case 17: talloc_check_name(bad, "x"); break;
	case 18: talloc_increase_ref_count(bad); break;
	case 19: talloc_is_parent(bad, good); break;
	case 20: talloc_total_blocks(bad); break;
	case 21: talloc_report_depth_cb(bad, 0, 2, no_cb, NULL); break;
	case 22: talloc_named_const(bad, 1, "x"); break;
	case 23: talloc_is_parent(good, bad); break;
	case 24: talloc_reparent(NULL, good, bad); break;
	case 25: talloc_reparent(good != NULL ? talloc_parent(good) : NULL, bad, good); break;
	case 26: talloc_unlink(bad, good); break;
	case 27: talloc_pool(bad, 100); break;
	case 28: talloc_set_memlimit(bad, 100); break;
	case 29: talloc_show_parents(bad, stdout); break;
	case 30: talloc_parent_name(bad); break;
	case 31: talloc_set_name(bad, "x%d", 1); break;
	case 32: _talloc_get_type_abort(bad, "x", location); break;
	case 33: _talloc_realloc(bad, NULL, 10, "x"); break;
	case 34: talloc_realloc_fn(NULL, bad, 0); break;
	case 35: talloc_strdup_append_buffer(bad, "x"); break;
	case 36: _talloc_pooled_object(bad, 10, "x", 1, 10); break;
	case 37: _talloc_move(bad, &good); break;
	default: _talloc_free(bad, location);
	}
}

static int log_kind;

static void child_fault(struct rng *r)
{
	static unsigned long foreign[64];
	const char *location = PICK(r, locations);
	void *pool, *member, *bad;

	abort_ends = true;
	if (chance(r, 30))
		CALL(talloc_set_abort_fn, (NULL));
	if (log_kind == 0)
		talloc_set_log_stderr();
	else
		CALL(talloc_set_log_fn, (log_kind == 1 ? log_a : log_b));
	switch (below(r, 5)) {
	case 0:
		out("foreign memory\n");
		use_bad(foreign + 32, r);
		break;
	case 1:
		out("wrong type\n");
		member = talloc_named_const(NULL, 10, PICK(r, names));
		_talloc_get_type_abort(chance(r, 20) ? NULL : member, "struct other", location);
		break;
	case 2:
		out("references\n");
		member = talloc_named_const(NULL, 10, "member");
		pool = talloc_named_const(NULL, 10, "owner");
		_talloc_reference_loc(pool, member, location);
		_talloc_reference_loc(pool, member, "walk:second");
		out("free %d\n", _talloc_free(member, "walk:free"));
		_talloc_steal_loc(pool, member, "walk:steal");
		break;
	default:
		/* memory of a pool stays as it was */
		out("freed member\n");
		pool = talloc_pool(NULL, 4000);
		talloc_named_const(pool, 10, "stays");
		member = talloc_named_const(pool, 100, "member");
		bad = chance(r, 50) ? member : talloc_named_const(member, 50, "below");
		switch (below(r, 4)) {
		case 0:
			_talloc_free(member, location);
			break;
		case 1:
			talloc_unlink(pool, member);
			break;
		case 2:
			talloc_free_children(pool);
			break;
		default:
			_talloc_realloc(pool, member, 0, "x");
		}
		use_bad(bad, r);
	}
	out("went on\n");
}

/* What would be written if the walk ended here? */
static void child_exit(struct rng *r)
{
	(void)r;
	exit(0);
}

static void child_leak_report(struct rng *r)
{
	if (below(r, 2)) {
		out("talloc_enable_leak_report()\n");
		CALL(talloc_enable_leak_report, ());
	} else {
		out("talloc_enable_leak_report_full()\n");
		CALL(talloc_enable_leak_report_full, ());
	}
	for (unsigned n = below(r, 3); n > 0 && made < ID_STEP; n--)
		do_alloc(some_context(r), r);
	exit(0);
}

static void op_apart(struct rng *r)
{
	begin();
	switch (below(r, 6)) {
	case 0:
		out("exit\n");
		apart(child_exit, r);
		break;
	case 1:
		out("leak report\n");
		apart(child_leak_report, r);
		break;
	default:
		out("fault\n");
		log_kind = (int)below(r, 3);
		if (log_kind == 0)
			count(F_talloc_set_log_stderr);
		apart(child_fault, r);
	}
}

/* ---- the whole state ---------------------------------------------------- */

static void on_child(const void *ptr, int level, int max, int is_ref, void *private)
{
	struct rec *c;

	(void)max;
	(void)private;
	if (level == 0)
		return;
	c = find(ptr);
	if (c != NULL)
		out(" %s%s", is_ref ? "->" : "", rlabel(c));
	else
		out(" %s%s:%zu", is_ref ? "->" : "", talloc_get_name(ptr), talloc_get_size(ptr));
}

static int by_id(const void *a, const void *b)
{
	const struct rec *const *x = a, *const *y = b;

	return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

/* What a limit has counted, without the headers. */
static void out_account(const struct rec *c)
{
	const char *at;

	talloc_report_depth_file(c->ptr, 0, 0, text_begin());
	fflush(stream);
	at = strstr(stream_text, "(max_size = ");
	out(" ");
	if (at != NULL)
		out_line(at, strcspn(at, "\n"), strchr(at, '\n'), true);
	text_drop();
}

static void digest(void)
{
	struct rec *sorted[RECS];
	size_t n = 0;

	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->state == LIVE)
			sorted[n++] = c;
	}
	qsort(sorted, n, sizeof(sorted[0]), by_id);
	start_hash();
	for (size_t i = 0; i < n; i++) {
		struct rec *c = sorted[i];

		out("    %s: '%s' %zu bytes in %s, total %zu in %zu, refs %zu, below", rlabel(c),
		    talloc_get_name(c->ptr), talloc_get_size(c->ptr),
		    label(talloc_parent(c->ptr)), talloc_total_size(c->ptr),
		    talloc_total_blocks(c->ptr), talloc_reference_count(c->ptr));
		talloc_report_depth_cb(c->ptr, 0, 1, on_child, NULL);
		if (c->kind == STRING) {
			out(" ");
			out_bytes(c->ptr, talloc_get_size(c->ptr));
		}
		if (c->limited)
			out_account(c);
		out("\n");
		verify(c);
	}
	out("    all: total %zu in %zu, below", talloc_total_size(NULL), talloc_total_blocks(NULL));
	talloc_report_depth_cb(NULL, 0, 1, on_child, NULL);
	out("\n");
	end_hash("state");
}

/* ---- the walk ----------------------------------------------------------- */

static const struct {
	void (*fn)(struct rng *);
	enum group group;
	unsigned share;          /* of the group */
} ops[] = {
	{ op_alloc, G_ALLOC, 1 },
	{ op_string_new, G_STRING, 3 },
	{ op_string_append, G_STRING, 4 },
	{ op_string_add, G_STRING, 2 },
	{ op_string_cut, G_STRING, 1 },
	{ op_pool, G_POOL, 1 },
	{ op_free, G_FREE, 5 },
	{ op_free_leaf, G_FREE, 3 },
	{ op_free_children, G_FREE, 2 },
	{ op_unlink, G_FREE, 2 },
	{ op_steal, G_MOVE, 3 },
	{ op_reparent, G_MOVE, 1 },
	{ op_reference, G_REF, 3 },
	{ op_unlink, G_REF, 1 },
	{ op_realloc, G_REALLOC, 1 },
	{ op_set_name, G_NAME, 1 },
	{ op_look, G_LOOK, 1 },
	{ op_report, G_REPORT, 1 },
	{ op_set_destructor, G_DTOR, 1 },
	{ op_limit, G_LIMIT, 1 },
	{ op_null, G_NULL, 2 },
	{ op_autofree, G_NULL, 1 },
	{ op_misc, G_MISC, 1 },
	{ op_apart, G_APART, 1 },
};

#define OPS (sizeof(ops) / sizeof(ops[0]))

static void begin_step(void)
{
	made = 0;
	deaths = 0;
	freed_inside = false;
	in_loop = any_loop();
	inner = any_inner();
}

static void take_step(void)
{
	struct rng r = rng_for(seed, step, 0);
	unsigned group_total = 0, share_total = 0, n;
	size_t g, i;

	for (g = 0; g < GROUP_COUNT; g++)
		group_total += profile->weight[g] * 4u;
	group_total += 1;
	n = below(&r, group_total);
	for (g = 0; g + 1 < GROUP_COUNT; g++) {
		/* what forks is slow: a quarter of a share is enough */
		unsigned weight = profile->weight[g] * 4u;

		if (n < weight)
			break;
		n -= weight;
	}
	if (g == GROUP_COUNT - 1 && !chance(&r, 30))
		g = G_LOOK;
	for (i = 0; i < OPS; i++)
		share_total += ops[i].group == g ? ops[i].share : 0;
	n = below(&r, share_total);
	for (i = 0; i < OPS; i++) {
		if (ops[i].group != g)
			continue;
		if (n < ops[i].share)
			break;
		n -= ops[i].share;
	}
	begin_step();
	ops[i].fn(&r);
}

/* Forgets those who died; says who. */
static void reap(void)
{
	bool some = false;

	live_count = 0;
	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->state == DEAD) {
			c->state = NONE;
			some = true;
		}
		if (c->state == LIVE)
			live_count++;
	}
	if (some)
		out("    alive %u\n", live_count);
}

/* How much does a limit count for a chunk of size 0? */
static void find_header(void)
{
	void *c = talloc_named_const(NULL, 0, "probe");
	const char *at;

	talloc_set_memlimit(c, 1 << 20);
	talloc_report_full(c, text_begin());
	fflush(stream);
	at = strstr(stream_text, "cur_size = ");
	if (at != NULL)
		header = strtoul(at + 11, NULL, 10);
	text_drop();
	talloc_free(c);
}

/* Frees all there is, in a random order, and ends. */
static void child_end(struct rng *r)
{
	struct rec *c;

	for (int stuck = 0; stuck < 10 && chance(r, 97);) {
		unsigned before = live_count;

		step++;
		begin_step();
		c = pick(r, any);
		if (c == NULL)
			break;
		do_free(c, r);
		reap();
		stuck = live_count < before ? 0 : stuck + 1;
	}
	out("left: %u\n", live_count);
	exit(0);
}

static bool listed(const char *list, unsigned n)
{
	while (list != NULL && *list != '\0') {
		char *end;
		unsigned long from = strtoul(list, &end, 10), to = from;

		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		if (n >= from && n <= to)
			return true;
		list = *end == ',' ? end + 1 : end;
		if (*end != ',' && *end != '\0')
			exit(94);
	}
	return false;
}

static void summary(void)
{
	out("@calls");
	for (int i = 0; i < FUNCTION_COUNT; i++)
		out(" %lu", calls[i]);
	out("\n@avoided");
	for (int i = 0; i < AVOIDED_COUNT; i++)
		out(" %lu", avoided[i]);
	out("\n@complaints %lu", complaints);
	out("\n@pairs ");
	for (int i = 0; i < FUNCTION_COUNT; i++) {
		for (int k = 0; k < FUNCTION_COUNT; k++)
			out("%c", '0' + pairs[i][k]);
	}
	out("\n");
}

static void about(void)
{
	Dl_info info;

	out("library %s %d.%d\n",
	    dladdr((void *)(uintptr_t)talloc_version_major, &info) ? info.dli_fname : "?",
	    talloc_version_major(), talloc_version_minor());
	if (dlsym(RTLD_DEFAULT, "talloc_pool_cache") != NULL)
		out("ours\n");
	for (int i = 0; i < FUNCTION_COUNT; i++)
		out("function %s\n", function_names[i]);
	for (size_t i = 0; i < PROFILES; i++)
		out("profile %s\n", profiles[i].name);
	for (int i = 0; i < AVOIDED_COUNT; i++)
		out("avoided %s\n", avoided_table[i].why);
	for (size_t i = 0; i < sizeof(not_printed) / sizeof(not_printed[0]); i++)
		out("silent %s\n", not_printed[i]);
	flush();
}

int main(int argc, char **argv)
{
	const char *only = NULL;
	unsigned number, every = 8;
	bool none_left_out = true;
	struct rng r;
	int opt;

	while ((opt = getopt(argc, argv, "vwVd:o:")) != -1) {
		switch (opt) {
		case 'w':
			wild = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'd':
			every = (unsigned)atoi(optarg);
			break;
		case 'o':
			only = optarg;
			none_left_out = false;
			break;
		case 'V':
			about();
			return 0;
		default:
			return 2;
		}
	}
	if (argc - optind != 2 || every == 0) {
		fprintf(stderr, "usage: walk [-v] [-w] [-d EVERY] [-o STEPS] SEED NUMBER\n");
		return 2;
	}
	seed = strtoull(argv[optind], NULL, 10);
	number = (unsigned)atoi(argv[optind + 1]);
	profile = &profiles[seed % PROFILES];

	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	signal(SIGSEGV, on_signal);
	signal(SIGBUS, on_signal);
	signal(SIGFPE, on_signal);
	signal(SIGILL, on_signal);
	signal(SIGABRT, on_signal);
	signal(SIGTERM, on_signal);
	atexit(flush);

	*(void **)&realloc_array_zero = dlsym(RTLD_DEFAULT, "_talloc_realloc_array_zero");
	*(void **)&asprintf_addsep = dlsym(RTLD_DEFAULT, "talloc_asprintf_addsep");
	if (realloc_array_zero == NULL)
		realloc_array_zero = own_realloc_array_zero;
	if (asprintf_addsep == NULL)
		asprintf_addsep = own_asprintf_addsep;
	talloc_set_log_fn(log_a);
	talloc_set_abort_fn(abort_a);

	r = rng_for(seed, 0x7fffffff, 1);
	out("seed %llu: %s\n", (unsigned long long)seed, profile->name);
	if (profile->limits)
		find_header();
	if (profile->null && below(&r, 2)) {
		out("talloc_enable_null_tracking()\n");
		CALL(talloc_enable_null_tracking, ());
	}
	for (step = 1; step <= number; step++) {
		if (!none_left_out && !listed(only, step))
			continue;
		take_step();
		reap();
		if (step % every == 0)
			digest();
	}
	out("#%u end\n", number + 1);
	digest();
	summary();
	step = number + 2;
	r = rng_for(seed, 0x7fffffff, 2);
	apart(chance(&r, 70) ? child_end : child_exit, &r);
	flush();
	_exit(0);
}
