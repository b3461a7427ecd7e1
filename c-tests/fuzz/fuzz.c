/*
 * A target for libFuzzer: the bytes of the input are calls.
 *
 * The first byte of an operation says which, those that follow say on what: one
 * to four bytes a call.  An input that ends in the middle of a call is
 * continued with zeros; so every input means something, and a small change of
 * the bytes is a small change of the calls.
 *
 * No oracle is asked.  The program knows what each chunk must look like (its
 * size, its contents, its name, its limit), and after each operation it
 * looks at all chunks and walks all trees: see look_at_everything().  At the
 * end everything is freed, and no block may be left.
 *
 * The library's malloc is replaced by one that moves on every realloc, knows each
 * block, fails when told to, and fills what is freed and keeps it for a while,
 * so that the use of freed memory shows.
 *
 * A freed chunk is never used: each chunk says so when it dies, by its
 * destructor, or, where there is to be none ("bare"), by a small child with one,
 * which only dies with its parent.
 *
 * FUZZ_TRACE=1 in the environment prints the calls.  fuzz.sh builds and runs it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define _DEPRECATED_
#include <talloc.h>

static bool tracing;
static int depth;                /* of user's functions that the library runs */

#define FAIL(...) fail(__LINE__, __VA_ARGS__)
#define MUST(cond) ((cond) ? (void)0 : FAIL("%s", #cond))

PRINTF_ATTRIBUTE(2, 3) __attribute__((noreturn))
static void fail(int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fflush(stdout);
	fprintf(stderr, "fuzz.c:%d: ", line);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}

PRINTF_ATTRIBUTE(1, 2)
static void say(const char *fmt, ...)
{
	va_list ap;

	if (!tracing)
		return;
	va_start(ap, fmt);
	printf("%*s", depth * 4, "");
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout);
	va_end(ap);
}

/* ---- the library's memory ----------------------------------------------- */

#define BLOCKS 4096
#define ROUNDED 1096             /* larger blocks are rounded up by a sixteenth, these by 15 */
#define KEPT 32                  /* freed blocks that are not given back yet */
#define TAIL 16                  /* bytes behind each block that nobody may write */
#define LARGEST (1u << 20)

struct block {
	unsigned char *start;
	size_t size;
};

static struct block blocks[BLOCKS], kept[KEPT];
static unsigned block_count, kept_next;
static struct block newest;      /* what malloc gave last in this operation */
static unsigned fail_in;         /* which malloc from now on fails, 0 for none */
static bool failed;              /* one has failed in this operation */

static struct block *block_at(const void *start)
{
	for (unsigned i = 0; i < block_count; i++) {
		if (blocks[i].start == start)
			return &blocks[i];
	}
	return NULL;
}

static void let_go(struct block *b)
{
	if (b->start == NULL)
		return;
	for (size_t i = 0; i < b->size; i++) {
		if (b->start[i] != 0xDE)
			FAIL("a freed block of %zu bytes was written at %zu", b->size, i);
	}
	free(b->start);
	b->start = NULL;
}

/*
 * Rust's own objects, which come as they are without link-time optimization, name the
 * function that would unwind. Nothing does.
 */
void rust_eh_personality(void);
void rust_eh_personality(void)
{
	abort();
}

void *fuzz_malloc(size_t size);
void *fuzz_realloc(void *old, size_t size);
void fuzz_free(void *start);
size_t fuzz_usable_size(void *start);

void *fuzz_malloc(size_t size)
{
	struct block b = { NULL, size };

	if ((fail_in > 0 && --fail_in == 0) || size > LARGEST) {
		failed = true;
		errno = ENOMEM;
		return NULL;
	}
	b.start = malloc(size + TAIL);
	if (b.start == NULL || block_count == BLOCKS)
		FAIL("out of memory");
	memset(b.start, 0xA5, size);
	memset(b.start + size, 0xEE, TAIL);
	blocks[block_count++] = newest = b;
	return b.start;
}

void fuzz_free(void *start)
{
	struct block *b = block_at(start);

	if (start == NULL)
		return;
	if (b == NULL)
		FAIL("what is freed is no block");
	for (int i = 0; i < TAIL; i++) {
		if (b->start[b->size + i] != 0xEE)
			FAIL("written behind a block of %zu bytes", b->size);
	}
	memset(b->start, 0xDE, b->size);
	let_go(&kept[kept_next]);
	kept[kept_next] = *b;
	kept_next = (kept_next + 1) % KEPT;
	*b = blocks[--block_count];
}

void *fuzz_realloc(void *old, size_t size)
{
	struct block *b;
	size_t before;
	void *start;

	if (old == NULL)
		return fuzz_malloc(size);
	b = block_at(old);
	if (b == NULL)
		FAIL("what is resized is no block");
	before = b->size;
	start = fuzz_malloc(size);
	if (start == NULL)
		return NULL;
	memcpy(start, old, before < size ? before : size);
	fuzz_free(old);
	return start;
}

size_t fuzz_usable_size(void *start)
{
	struct block *b = block_at(start);

	if (b == NULL)
		FAIL("what is looked at is no block");
	return b->size;
}

/* ---- the input ---------------------------------------------------------- */

static const uint8_t *input, *input_end;

static unsigned byte(void)
{
	return input < input_end ? *input++ : 0;
}

static size_t some_size(void)
{
	static const size_t edges[] = {
		0, 1, 15, 16, 17, 32, 48, 1000, 1023, 1024, 1025, 2000, 2500, 3024, 4000, 5000,
		20000, 70000, 0x0fffffff, 0x10000000, SIZE_MAX - 7,
	};
	unsigned b = byte();

	return b < sizeof(edges) / sizeof(edges[0]) ? edges[b] : (b - 20) * 3;
}

static const char *const names[] = {
	"n0", "n1", "struct thing", "%s%n", "a name that is longer than thirty bytes",
	"null_context",
};

#define PICK(array, n) ((array)[(n) % (sizeof(array) / sizeof((array)[0]))])


/* ---- the chunks --------------------------------------------------------- */

enum kind { DATA, STRING, POOL, CACHE, AUTOFREE };

/* What a destructor (or the log function) does. */
enum plan {
	PLAIN, REFUSE, ODD_RESULT, FREE_SELF, FREE_OTHER, FREE_CHILDREN, FREE_CHILDREN_OF_OTHER,
	ALLOC_IN_SELF, ALLOC_IN_OTHER, STEAL_OTHER, STEAL_SELF, STEAL_SELF_REFUSE, ADOPT,
	SWAP, SWAP_REFUSE, REFER, UNLINK, RESIZE_OTHER, RENAME, LIMIT, LOOK, PLANS
};

static const char *const plan_names[] = {
	"plain", "refuses", "odd result", "frees itself", "frees another", "frees its children",
	"frees another's children", "allocates in itself", "allocates in another",
	"steals another", "steals itself", "steals itself and refuses", "adopts another",
	"changes the destructor", "changes the destructor and refuses", "makes a reference",
	"unlinks another", "resizes another", "renames itself", "limits another", "looks",
};

#define TEXT 1024
#define RECS 40
#define MOST 28                  /* live chunks after which none are made */

struct rec {
	void *ptr;
	enum kind kind;
	unsigned number;
	bool live, bare, running;
	enum plan plan;
	unsigned arg;            /* of the plan */
	int left;                /* refusals */
	bool other_one;          /* of the two destructors */
	size_t size;
	unsigned char pattern;
	char text[TEXT];         /* of a STRING: its bytes */
	const char *name;        /* NULL for unknown */
	char own_name[32];
	size_t block;            /* of a POOL or CACHE that has one of its own */
	size_t max;              /* limit */
	bool limited;
	/* while all are looked at */
	unsigned visits, refs;
};

static struct rec recs[RECS];
static unsigned live_count, made, acted;
static bool tracking, ending;
static bool loose_refs;          /* there may be handles that no walk finds */
static bool looped;              /* accounts are not exact after loops of parents */
static size_t header, handle_weight;

static struct rec *find(const void *ptr)
{
	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->live && c->ptr == ptr)
			return c;
	}
	return NULL;
}

static const char *label(const void *ptr)
{
	static char text[4][24];
	static unsigned next;
	struct rec *c;

	if (ptr == NULL)
		return "NULL";
	c = find(ptr);
	if (c == NULL)
		return "null_context";
	next++;
	snprintf(text[next % 4], sizeof(text[0]), "c%u", c->number);
	return text[next % 4];
}

/* While a destructor runs, a bare chunk may be dying unnoticed. */
static bool usable(const struct rec *c)
{
	return c->live && (depth == 0 || !c->bare);
}

static struct rec *pick(unsigned n)
{
	struct rec *allowed[RECS];
	unsigned count = 0;

	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (usable(c))
			allowed[count++] = c;
	}
	return count > 0 ? allowed[n % count] : NULL;
}

static void *null_context(void)
{
	for (struct rec *c = recs; c < recs + RECS; c++) {
		void *parent = c->live ? talloc_parent(c->ptr) : NULL;

		if (parent != NULL && find(parent) == NULL)
			return parent;
	}
	return NULL;
}

static void *context(unsigned n)
{
	struct rec *c;

	if (n % 16 == 0)
		return NULL;
	if (n % 16 == 1 && depth == 0)
		return null_context();
	c = pick(n);
	return c != NULL ? c->ptr : NULL;
}

static void died(struct rec *c);
static int destructor(void *ptr);
static int other_destructor(void *ptr);

static int sentinel(void *ptr)
{
	unsigned number;

	memcpy(&number, ptr, sizeof(number));
	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->live && c->number == number) {
			say("~c%u", number);
			died(c);
			return 0;
		}
	}
	FAIL("c%u dies again", number);
}

static void died(struct rec *c)
{
	c->live = false;
	live_count--;
}

static void fill(struct rec *c, size_t from)
{
	if (c->kind != STRING)
		memset((char *)c->ptr + from, c->pattern, c->size - from);
}

static struct rec *add(void *ptr, enum kind kind, size_t size)
{
	struct rec *c = recs;
	unsigned b = depth == 0 ? byte() : 0;

	while (c->live)
		c++;
	memset(c, 0, sizeof(*c));
	c->ptr = ptr;
	c->kind = kind;
	c->number = ++made;
	c->live = true;
	c->size = size;
	c->pattern = (unsigned char)(made * 37);
	live_count++;
	MUST((uintptr_t)ptr % 16 == 0);
	MUST(talloc_get_size(ptr) == size);
	if (kind == POOL || kind == CACHE) {
		unsigned char *start = newest.start;

		if (block_at(start) != NULL && (unsigned char *)ptr > start &&
		    (unsigned char *)ptr <= start + newest.size)
			c->block = newest.size;
	}
	fill(c, 0);
	say("= c%u%s%s", c->number, b % 4 == 3 ? ", bare" : "",
	    c->block != 0 ? ", a block" : "");
	if (b % 4 == 3) {
		unsigned *s = talloc_named_const(ptr, sizeof(*s), "~");

		if (s != NULL) {
			memcpy(s, &c->number, sizeof(*s));
			_talloc_set_destructor(s, sentinel);
			c->bare = true;
			return c;
		}
	}
	if (b % 4 == 2 && depth == 0) {
		c->plan = byte() % PLANS;
		c->arg = byte();
		c->left = 1 + (int)(b >> 2) % 3;
		say("  c%u: its destructor %s", c->number, plan_names[c->plan]);
	}
	_talloc_set_destructor(ptr, destructor);
	return c;
}

static bool limits(void)
{
	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->live && c->limited && c->max != 0)
			return true;
	}
	return false;
}

/* NULL although there is no reason? */
static struct rec *made_or_not(void *ctx, void *ptr, enum kind kind, size_t size)
{
	if (ptr == NULL) {
		say("= NULL");
		MUST(failed || size >= 0x10000000 || limits() || depth > 0);
		return NULL;
	}
	MUST(size < 0x10000000);
	if (depth == 0 && ctx != NULL)
		MUST(talloc_parent(ptr) == ctx);
	return add(ptr, kind, size);
}

/* ---- calls that user's functions make too ------------------------------- */

static bool full(void)
{
	return live_count >= MOST;
}

static void alloc(void *ctx, size_t size, unsigned form, const char *name)
{
	struct rec *c;
	void *ptr;

	if (full())
		return;
	switch (form % 8) {
	case 0:
		say("_talloc(%s, %zu)", label(ctx), size);
		ptr = _talloc(ctx, size);
		name = "UNNAMED";
		break;
	case 1:
		say("talloc_named(%s, %zu, \"%%s\", \"%s\")", label(ctx), size, name);
		ptr = talloc_named(ctx, size, "%s", name);
		break;
	case 2:
		say("talloc_init(\"%%s\", \"%s\")", name);
		ptr = talloc_init("%s", name);
		ctx = NULL;
		size = 0;
		break;
	case 3:
		say("_talloc_zero(%s, %zu, \"%s\")", label(ctx), size, name);
		ptr = _talloc_zero(ctx, size, name);
		for (size_t i = 0; ptr != NULL && i < size; i++)
			MUST(((char *)ptr)[i] == 0);
		break;
	case 4:
		say("_talloc_array(%s, 8, %zu, \"%s\")", label(ctx), size / 8, name);
		/* too many for an unsigned int become few */
		ptr = _talloc_array(ctx, 8, (unsigned)(size / 8), name);
		size = (size_t)(unsigned)(size / 8) * 8;
		break;
	case 5:
		if (size > sizeof(names))
			size = sizeof(names);
		say("_talloc_memdup(%s, names, %zu, \"%s\")", label(ctx), size, name);
		ptr = _talloc_memdup(ctx, names, size, name);
		MUST(ptr == NULL || memcmp(ptr, names, size) == 0);
		break;
	default:
		say("talloc_named_const(%s, %zu, \"%s\")", label(ctx), size, name);
		ptr = talloc_named_const(ctx, size, name);
	}
	c = made_or_not(ctx, ptr, DATA, size);
	if (c != NULL)
		c->name = name;
}

/* Limits are not looked at any more once there has been a loop of parents. */
static void notice_loop(const void *ctx, const void *ptr)
{
	for (int n = 0; ctx != NULL && !looped; n++) {
		looped = ctx == ptr || n > 4 * RECS;
		ctx = talloc_parent(ctx);
	}
}

static bool in_loop(const struct rec *c)
{
	const void *ptr = c->ptr;

	for (int n = 0; ptr != NULL; n++) {
		if (n > 4 * RECS)
			return true;
		ptr = talloc_parent(ptr);
	}
	return false;
}

/* The same for one that comes of who inherits what, and may be gone at the next look. */
static void notice_loops(void)
{
	for (struct rec *c = recs; c < recs + RECS && !looped; c++)
		looped = c->live && in_loop(c);
}

static void free_one(struct rec *c)
{
	size_t refs = talloc_reference_count(c->ptr);
	unsigned acts = acted, number = c->number;
	int n;

	say("talloc_free(c%u)", c->number);
	n = _talloc_free(c->ptr, "fuzz");
	say("= %d", n);
	MUST(n == 0 || n == -1);
	if (depth == 0 && acts == acted && refs == 0)
		MUST((n == 0) == !(c->live && c->number == number));
	if (depth == 0 && acts == acted && refs > 1)
		MUST(n == -1 && c->live);
}

static void steal(void *ctx, struct rec *c, bool move)
{
	void *ptr = c->ptr, *got;
	unsigned acts = acted;

	say("%s(%s, c%u)", move ? "talloc_move" : "talloc_steal", label(ctx), c->number);
	notice_loop(ctx, ptr);
	got = move ? _talloc_move(ctx, &ptr) : _talloc_steal_loc(ctx, ptr, "fuzz");
	MUST(!move || ptr == NULL);
	if (acts != acted || depth > 0)
		return;
	MUST(got == c->ptr);
	if (ctx != NULL && ctx != c->ptr)
		MUST(talloc_parent(c->ptr) == ctx);
}

static void refer(void *ctx, struct rec *c)
{
	size_t before = talloc_reference_count(c->ptr);
	void *got;

	say("talloc_reference(%s, c%u)", label(ctx), c->number);
	if (ctx == NULL && !tracking)
		loose_refs = true;
	got = _talloc_reference_loc(ctx, c->ptr, "fuzz");
	say("= %s", label(got));
	if (got == NULL) {
		MUST(failed || limits() || depth > 0);
		MUST(talloc_reference_count(c->ptr) == before);
		return;
	}
	MUST(got == c->ptr);
	MUST(talloc_reference_count(c->ptr) == before + 1);
}

static void drop(void *ctx, struct rec *c)
{
	int n;

	say("talloc_unlink(%s, c%u)", label(ctx), c->number);
	n = talloc_unlink(ctx, c->ptr);
	say("= %d", n);
	MUST(n == 0 || n == -1);
}

static void free_children(struct rec *c)
{
	/* or the sentinel says that its owner is dead */
	if (c->bare)
		return;
	say("talloc_free_children(c%u)", c->number);
	talloc_free_children(c->ptr);
}

static void resized(struct rec *c, void *ptr, size_t size, const char *name)
{
	size_t old = c->size;
	unsigned char *p = ptr;

	c->ptr = ptr;
	MUST(talloc_get_size(ptr) == size);
	for (size_t i = 0; c->kind != STRING && i < old && i < size; i++)
		MUST(p[i] == c->pattern);
	for (size_t i = 0; c->kind == STRING && i < old && i < size; i++)
		MUST((char)p[i] == c->text[i]);
	/* A name that was a text of its own is gone. */
	talloc_set_name_const(ptr, name);
	c->name = name;
	c->size = size;
	if (c->kind == STRING) {
		c->kind = DATA;
		old = 0;
	}
	fill(c, old < size ? old : size);
}

static void resize(void *ctx, struct rec *c, size_t size, unsigned form, const char *name)
{
	size_t refs = talloc_reference_count(c->ptr), old = c->size;
	bool zero = false;
	char *ptr;

	switch (form % 4) {
	case 0:
		say("talloc_realloc_fn(%s, c%u, %zu)", label(ctx), c->number, size);
		ptr = talloc_realloc_fn(ctx, c->ptr, size);
		break;
	case 1:
		size = (size_t)(unsigned)(size / 4) * 4;
		say("_talloc_realloc_array_zero(%s, c%u, 4, %zu)", label(ctx), c->number, size / 4);
		ptr = _talloc_realloc_array_zero(ctx, c->ptr, 4, (unsigned)(size / 4), name);
		zero = true;
		break;
	default:
		say("_talloc_realloc(%s, c%u, %zu)", label(ctx), c->number, size);
		ptr = _talloc_realloc(ctx, c->ptr, size, name);
	}
	if (ptr == NULL) {
		say("= NULL");
		MUST(size == 0 || size >= 0x10000000 || failed || refs > 0 || limits() ||
		     depth > 0 || c->kind == POOL || c->kind == CACHE);
		return;
	}
	say("= c%u%s", c->number, ptr == c->ptr ? "" : ", moved");
	MUST(size > 0 && size < 0x10000000 && refs == 0 && c->kind != POOL && c->kind != CACHE);
	for (size_t i = old; zero && i < size; i++)
		MUST(ptr[i] == 0);
	resized(c, ptr, size, name);
}

static void rename_to(struct rec *c, unsigned n)
{
	if (n % 2) {
		c->name = PICK(names, n / 2);
		say("talloc_set_name_const(c%u, \"%s\")", c->number, c->name);
		talloc_set_name_const(c->ptr, c->name);
		return;
	}
	snprintf(c->own_name, sizeof(c->own_name), "name %u", n);
	say("talloc_set_name(c%u, \"%s\")", c->number, c->own_name);
	c->name = c->own_name;
	if (talloc_set_name(c->ptr, "name %u", n) == NULL) {
		MUST(failed || limits() || depth > 0);
		c->name = NULL;
	}
}

static void set_limit(struct rec *c, unsigned n)
{
	static const size_t some[] = { 0, 300, 1000, 4000, 20000 };
	size_t max = PICK(some, n);

	say("talloc_set_memlimit(c%u, %zu)", c->number, max);
	if (talloc_set_memlimit(c->ptr, max) != 0) {
		MUST(failed || depth > 0);
		return;
	}
	c->max = max;
	c->limited = true;
}

/* ---- functions that the library calls ----------------------------------- */

static int act(struct rec *self, enum plan plan, unsigned arg)
{
	struct rec *other = pick(arg), *third = pick(arg / 5);

	acted++;
	switch (plan) {
	case REFUSE:
		return -1;
	case ODD_RESULT:
		return arg % 2 ? 1 : -2;
	case FREE_SELF:
		if (self != NULL)
			MUST(_talloc_free(self->ptr, "inside") == -1 || !self->live);
		break;
	case FREE_OTHER:
		if (other != NULL)
			free_one(other);
		break;
	case FREE_CHILDREN:
		if (self != NULL)
			free_children(self);
		break;
	case FREE_CHILDREN_OF_OTHER:
		if (other != NULL)
			free_children(other);
		break;
	case ALLOC_IN_SELF:
		if (self != NULL)
			alloc(self->ptr, arg, 7, names[0]);
		break;
	case ALLOC_IN_OTHER:
		alloc(other != NULL ? other->ptr : NULL, arg, 7, names[1]);
		break;
	case STEAL_OTHER:
		if (other != NULL)
			steal(third->ptr, other, false);
		break;
	case STEAL_SELF:
	case STEAL_SELF_REFUSE:
		if (self != NULL)
			steal(other != NULL ? other->ptr : NULL, self, false);
		return plan == STEAL_SELF ? 0 : -1;
	case ADOPT:
		if (self != NULL && other != NULL)
			steal(self->ptr, other, false);
		break;
	case SWAP:
	case SWAP_REFUSE:
		if (self == NULL)
			break;
		say("talloc_set_destructor(c%u)", self->number);
		self->other_one = !self->other_one;
		_talloc_set_destructor(self->ptr,
				       self->other_one ? other_destructor : destructor);
		return plan == SWAP ? 0 : -1;
	case REFER:
		if (other != NULL)
			refer(third->ptr, other);
		break;
	case UNLINK:
		if (other != NULL)
			drop(arg % 3 ? talloc_parent(other->ptr) : third->ptr, other);
		break;
	case RESIZE_OTHER:
		if (other != NULL)
			resize(NULL, other, 1 + arg * 5, arg, names[2]);
		break;
	case RENAME:
		if (self != NULL)
			rename_to(self, arg);
		break;
	case LIMIT:
		if (other != NULL)
			set_limit(other, arg);
		break;
	case LOOK:
		if (other != NULL) {
			MUST(talloc_total_blocks(other->ptr) > 0);
			MUST(talloc_total_size(other->ptr) >= other->size);
			talloc_is_parent(other->ptr, third->ptr);
			talloc_find_parent_byname(other->ptr, "no such name");
		}
		talloc_total_size(NULL);
		break;
	default:
		break;
	}
	return 0;
}

static int destroy(void *ptr, bool other_one)
{
	struct rec *c = find(ptr);
	unsigned number;
	enum plan plan;
	int n = 0;

	MUST(c != NULL);
	MUST(!c->running);
	MUST(c->other_one == other_one);
	number = c->number;
	plan = c->plan;
	say("~c%u: %s", number, ending ? "end" : plan_names[plan]);
	if ((plan == REFUSE || plan == STEAL_SELF_REFUSE || plan == SWAP_REFUSE) && c->left-- <= 0)
		plan = PLAIN;
	if (!ending && depth < 5) {
		c->running = true;
		depth++;
		n = act(c, plan, c->arg);
		notice_loops();
		depth--;
		MUST(c->live && c->number == number);
		c->running = false;
	}
	if (n == -1)
		say("~c%u stays", number);
	else
		died(c);
	return n;
}

static int destructor(void *ptr)
{
	return destroy(ptr, false);
}

static int other_destructor(void *ptr)
{
	return destroy(ptr, true);
}

static void on_abort(const char *reason)
{
	FAIL("abort: %s", reason);
}

static unsigned mismatches;

static void on_mismatch(const char *reason)
{
	MUST(strstr(reason, "Type mismatch") != NULL);
	mismatches++;
}

static enum plan log_plan;
static unsigned log_arg;

static void on_log(const char *line)
{
	enum plan plan = log_plan;

	say("log: %.*s", (int)strcspn(line, "\n"), line);
	log_plan = PLAIN;
	if (plan != PLAIN && depth < 5) {
		depth++;
		act(NULL, plan, log_arg);
		notice_loops();
		depth--;
	}
}

/* ---- is all as it should be? -------------------------------------------- */

struct walk {
	const void *path[256];
	int at;
	size_t bytes, blocks, refs, limited;
	size_t weight;           /* for a memory limit, without the handles */
	size_t rounding;         /* what may be less of that: blocks are rounded up */
	bool mark;
};

/* Who refers to whom, as found by the walks. */
static struct {
	void *owner;
	struct rec *to;
} owners[1024];
static unsigned owner_count;

static void on_node(const void *ptr, int level, int max, int is_ref, void *private)
{
	struct walk *w = private;
	struct rec *c = find(ptr);

	(void)max;
	MUST(level >= 0 && level <= w->at + 1 && level < 256);
	w->at = is_ref ? level - 1 : level;
	w->blocks++;
	if (is_ref) {
		MUST(c != NULL && level > 0);
		w->refs++;
		if (w->mark) {
			c->refs++;
			if (owner_count < 1024) {
				owners[owner_count].owner = (void *)w->path[level - 1];
				owners[owner_count++].to = c;
			}
		}
		return;
	}
	w->path[level] = ptr;
	if (level > 0)
		MUST(talloc_parent(ptr) == w->path[level - 1]);
	w->bytes += talloc_get_size(ptr);
	if (c == NULL) {
		/* a name, a sentinel, the null context */
		if (block_at((const char *)ptr - header) != NULL)
			w->weight += header + talloc_get_size(ptr);
		return;
	}
	w->limited += c->limited;
	if (w->mark)
		c->visits++;
	if (c->kind == POOL || c->kind == CACHE) {
		w->weight += c->block;
		w->rounding += c->block <= ROUNDED ? (c->block != 0 ? 15 : 0) : c->block / 16;
	} else if (block_at((char *)c->ptr - header) != NULL) {
		w->weight += header + c->size;
	}
}

static struct walk walk_from(const void *ptr, bool mark)
{
	struct walk w = { .at = -1, .mark = mark };

	talloc_report_depth_cb(ptr, 0, -1, on_node, &w);
	MUST(talloc_total_size(ptr) == w.bytes);
	MUST(talloc_total_blocks(ptr) == w.blocks);
	return w;
}

static char report_text[1 << 16];
static FILE *report_file;

static const char *report_of(const void *ptr, int max)
{
	rewind(report_file);
	talloc_report_depth_file(ptr, 0, max, report_file);
	report_text[ftell(report_file)] = '\0';
	return report_text;
}

/* What the limit of a chunk has counted. */
static size_t used_of(struct rec *c)
{
	const char *text = report_of(c->ptr, 0), *at = strstr(text, "(max_size = ");
	unsigned long max, used;

	MUST(at != NULL);
	MUST(sscanf(at, "(max_size = %lu bytes, cur_size = %lu bytes)", &max, &used) == 2);
	MUST(max == c->max);
	return used;
}

static void look_at(struct rec *c)
{
	const unsigned char *p = c->ptr;
	const char *name = talloc_get_name(p);

	MUST(talloc_get_size(p) == c->size);
	MUST(!c->running);
	if (c->kind == STRING) {
		MUST(memcmp(p, c->text, c->size) == 0);
	} else {
		for (size_t i = 0; i < c->size; i++)
			MUST(p[i] == c->pattern);
	}
	if (c->name != NULL)
		MUST(strcmp(name, c->name) == 0);
}

static void look_at_everything(void)
{
	struct walk w;

	for (struct rec *c = recs; c < recs + RECS; c++) {
		c->visits = c->refs = 0;
		if (c->live)
			look_at(c);
	}
	owner_count = 0;
	if (tracking)
		walk_from(NULL, true);
	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->live && talloc_parent(c->ptr) == NULL)
			walk_from(c->ptr, true);
	}
	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->live && c->visits == 0) {
			MUST(in_loop(c));
			loose_refs = looped = true;
		}
	}
	for (struct rec *c = recs; c < recs + RECS; c++) {
		size_t count, few;

		if (!c->live)
			continue;
		MUST(c->visits <= 1);
		count = talloc_reference_count(c->ptr);
		if (count != c->refs && !(loose_refs && count > c->refs))
			FAIL("c%u has %zu references, found %u", c->number, count, c->refs);
		if (!c->limited || looped)
			continue;
		w = walk_from(c->ptr, false);
		/* The rest is what some of the handles weigh. */
		count = used_of(c) + w.rounding - w.weight;
		few = count > w.rounding ? (count - w.rounding - 1) / handle_weight + 1 : 0;
		if (few * handle_weight > count || few > w.refs)
			FAIL("limit of c%u: counted %zu, found %zu and %zu references", c->number,
			     used_of(c), w.weight, w.refs);
	}
}

/* ---- operations --------------------------------------------------------- */

static void op_alloc(void)
{
	void *ctx = context(byte());
	unsigned form = byte();

	alloc(ctx, some_size(), form, PICK(names, form / 8));
}

static void op_pool(void)
{
	void *ctx = context(byte());
	unsigned form = byte();
	size_t size = some_size();
	struct rec *c;

	if (full())
		return;
	if (form % 2) {
		say("talloc_pool(%s, %zu)", label(ctx), size);
		c = made_or_not(ctx, talloc_pool(ctx, size), POOL, size < 0x0fff0000 ? 0 : SIZE_MAX);
	} else {
		size_t own = (form / 8) * 8;
		void *ptr;

		say("_talloc_pooled_object(%s, %zu, \"obj\", %u, %zu)", label(ctx), own,
		    form / 2 % 4, size);
		ptr = _talloc_pooled_object(ctx, own, "obj", form / 2 % 4, size);
		c = made_or_not(ctx, ptr, POOL, size < 0x0fff0000 ? own : SIZE_MAX);
		if (c != NULL)
			c->name = "obj";
	}
}

static void op_cache(void)
{
	void *ctx = context(byte());
	size_t size = some_size(), objsize = some_size();
	void *ptr;

	if (full())
		return;
	say("talloc_pool_cache(%s, %zu, %zu)", label(ctx), size, objsize);
	ptr = talloc_pool_cache(ctx, size, objsize);
	if (ptr == NULL && (size == 0 || objsize == 0 || objsize > size ||
			    (size + objsize - 1) / objsize > 0x10000000 / (64 + objsize)))
		return;
	made_or_not(ctx, ptr, CACHE, size < 0x0fff0000 ? 0 : SIZE_MAX);
}

static struct rec *some_cache(unsigned n)
{
	struct rec *found[RECS];
	unsigned count = 0;

	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->live && c->kind == CACHE)
			found[count++] = c;
	}
	return count > 0 ? found[n % count] : pick(n);
}

static void op_object(void)
{
	unsigned n = byte();
	struct rec *cache = some_cache(n / 2);
	char *ptr;

	if (full() || cache == NULL)
		return;
	say("talloc_cache%s(c%u)", n % 2 ? "_zero" : "", cache->number);
	ptr = n % 2 ? talloc_cache_zero(cache->ptr) : talloc_cache(cache->ptr);
	if (ptr == NULL)
		return;
	MUST(cache->kind == CACHE);
	MUST(talloc_parent(ptr) == cache->ptr);
	for (size_t i = 0; n % 2 && i < talloc_get_size(ptr); i++)
		MUST(ptr[i] == 0);
	add(ptr, DATA, talloc_get_size(ptr));
}

static void op_free(void)
{
	struct rec *c = pick(byte());

	if (c != NULL)
		free_one(c);
}

static void op_free_children(void)
{
	struct rec *c = pick(byte());

	if (c != NULL)
		free_children(c);
}

static void op_steal(void)
{
	struct rec *c = pick(byte());
	unsigned n = byte();

	if (c != NULL)
		steal(context(n), c, n >= 128);
}

/* The parent's pointer, so that the call is one that does something. */
static void *parent_or(struct rec *c, unsigned n)
{
	return n % 2 ? talloc_parent(c->ptr) : context(n / 2);
}

static void op_reparent(void)
{
	struct rec *c = pick(byte());
	unsigned n = byte();
	void *from, *to;

	if (c == NULL)
		return;
	from = parent_or(c, n);
	to = context(byte());
	say("talloc_reparent(%s, %s, c%u)", label(from), label(to), c->number);
	if (to == NULL && !tracking)
		loose_refs = true;
	notice_loop(to, c->ptr);
	if (talloc_reparent(from, to, c->ptr) == NULL)
		MUST(talloc_parent(c->ptr) != from);
}

static void op_reference(void)
{
	struct rec *c = pick(byte());
	void *ctx = context(byte());

	if (c != NULL)
		refer(ctx, c);
}

static void op_unlink(void)
{
	struct rec *c = pick(byte());
	unsigned n = byte();

	if (c == NULL)
		return;
	drop(parent_or(c, n), c);
}

static void op_resize(void)
{
	struct rec *c = pick(byte());
	unsigned form = byte();
	size_t size = some_size();

	if (c != NULL)
		resize(context(form / 4), c, size, form, PICK(names, form / 4));
}

static void op_name(void)
{
	struct rec *c = pick(byte());

	if (c != NULL)
		rename_to(c, byte());
}

static void op_destructor(void)
{
	struct rec *c = pick(byte());
	unsigned n = byte();

	if (c == NULL || c->bare)
		return;
	c->plan = n % PLANS;
	c->left = 1 + (int)(n / PLANS) % 3;
	c->arg = byte();
	say("c%u: its destructor %s", c->number, plan_names[c->plan]);
}

static void op_log(void)
{
	log_plan = byte() % PLANS;
	log_arg = byte();
	say("the next log line: %s", plan_names[log_plan]);
	talloc_set_log_fn(on_log);
}

static void op_limit(void)
{
	struct rec *c = pick(byte());

	if (c != NULL)
		set_limit(c, byte());
}

static void op_null(void)
{
	unsigned n = byte();

	if (n % 2 == 0) {
		say("talloc_disable_null_tracking()");
		talloc_disable_null_tracking();
		tracking = false;
		loose_refs = true;
		return;
	}
	if (n % 4 == 1) {
		say("talloc_enable_null_tracking()");
		talloc_enable_null_tracking();
	} else {
		say("talloc_enable_null_tracking_no_autofree()");
		talloc_enable_null_tracking_no_autofree();
	}
	if (!tracking)
		tracking = talloc_total_blocks(NULL) > 0;
	MUST(tracking || failed);
}

static void op_autofree(void)
{
	void *ptr;

	if (full())
		return;
	say("talloc_autofree_context()");
	ptr = talloc_autofree_context();
	MUST(ptr != NULL || failed);
	if (ptr == NULL)
		return;
	if (find(ptr) == NULL)
		add(ptr, AUTOFREE, 0);
	else
		MUST(talloc_autofree_context() == ptr);
}

static void op_fail(void)
{
	fail_in = 1 + byte() % 8;
	say("malloc fails at the %u. time from now", fail_in);
}

static struct rec *string(unsigned n)
{
	struct rec *found[RECS];
	unsigned count = 0;

	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->live && c->kind == STRING)
			found[count++] = c;
	}
	return count > 0 ? found[n % count] : NULL;
}

static char words[TEXT];

static void op_string(void)
{
	void *ctx = context(byte());
	unsigned form = byte();
	size_t n = form / 4;
	struct rec *c;
	char *s;

	if (full())
		return;
	switch (form % 3) {
	case 0:
		say("talloc_strndup(%s, words, %zu)", label(ctx), n);
		s = talloc_strndup(ctx, words, n);
		break;
	case 1:
		say("talloc_asprintf(%s, \"%%.*s\", %zu, words)", label(ctx), n);
		s = talloc_asprintf(ctx, "%.*s", (int)n, words);
		break;
	default:
		say("talloc_strdup(%s, words + %zu)", label(ctx), sizeof(words) - 1 - n);
		s = talloc_strdup(ctx, words + sizeof(words) - 1 - n);
	}
	if (s != NULL)
		MUST(strlen(s) == n);
	c = made_or_not(ctx, s, STRING, n + 1);
	if (c == NULL)
		return;
	memcpy(c->text, s, n + 1);
	if (form % 3 != 2)
		MUST(memcmp(s, words, n) == 0);
	c->name = c->text;
}

/* Appends a text, which may be the chunk's own, in one of five ways. */
static void op_append(void)
{
	struct rec *c = string(byte());
	unsigned form = byte(), number;
	bool at_end = form & 1, itself = form & 2, formatted = form & 4, added = form & 8;
	bool limited;
	size_t n = form / 16 * 2, at, refs;
	char expected[2 * TEXT];
	const char *from;
	char *s;

	if (c == NULL || c->size > TEXT / 2 - 2)
		return;
	from = itself ? (char *)c->ptr + (c->size > 1 ? 1 : 0) : words;
	if (c->size == 0)
		return;
	if (strnlen(from, n) < n)
		n = strlen(from);
	at = at_end || added ? c->size - 1 : strlen(c->text);
	memcpy(expected, c->text, c->size);
	memcpy(expected + at, from, n);
	expected[at + n] = '\0';
	number = c->number;
	refs = talloc_reference_count(c->ptr);
	limited = limits();      /* addbuf may free the chunk that has one */
	s = c->ptr;
	say("append%s%s to c%u: %zu bytes%s at %zu", formatted ? ", format" : "",
	    added ? ", addbuf" : "", c->number, n, itself ? " of its own" : "", at);
	if (added)
		talloc_asprintf_addbuf(&s, "%.*s", (int)n, from);
	else if (formatted && at_end)
		s = talloc_asprintf_append_buffer(s, "%.*s", (int)n, from);
	else if (formatted)
		s = talloc_asprintf_append(s, "%.*s", (int)n, from);
	else if (at_end)
		s = talloc_strndup_append_buffer(s, from, n);
	else
		s = talloc_strndup_append(s, from, n);
	if (s == NULL) {
		say("= NULL");
		MUST(failed || limited || refs > 0);
		return;
	}
	MUST(c->live && c->number == number);
	c->ptr = s;
	if (n == 0) {
		/* Some are renamed, some are not. */
		if (c->name != c->text)
			c->name = NULL;
		if (formatted || added)
			return;
	}
	c->size = at + n + 1;
	memcpy(c->text, expected, c->size);
	if (n > 0)
		c->name = c->text;
}

/* No call: a text ends before its chunk does. */
static void op_cut(void)
{
	struct rec *c = string(byte());
	unsigned n = byte();

	if (c == NULL || c->size == 0)
		return;
	say("c%u[%zu] = 0", c->number, n % c->size);
	((char *)c->ptr)[n % c->size] = '\0';
	c->text[n % c->size] = '\0';
}

static void op_look(void)
{
	struct rec *c = pick(byte()), *other = pick(byte());
	const void *chain[4 * RECS + 1], *found = NULL;
	unsigned n = byte();
	size_t count = 0;
	const char *name;

	if (c == NULL)
		return;
	for (const void *p = c->ptr; p != NULL && count < 4 * RECS; p = talloc_parent(p))
		chain[count++] = p;
	name = talloc_get_name(other->ptr);
	if (strcmp(name, "UNNAMED") == 0)
		name = "no such name"; /* it stands for none */
	switch (n % 6) {
	case 0:
		for (size_t i = 0; i < count; i++)
			found = found || chain[i] == other->ptr ? other->ptr : NULL;
		say("talloc_is_parent(c%u, c%u)", c->number, other->number);
		MUST(talloc_is_parent(c->ptr, other->ptr) == (found != NULL));
		break;
	case 1:
		for (size_t i = 0; i < count && found == NULL; i++)
			found = strcmp(talloc_get_name(chain[i]), name) == 0 ? chain[i] : NULL;
		say("talloc_find_parent_byname(c%u, \"%s\")", c->number, name);
		MUST(talloc_find_parent_byname(c->ptr, name) == found);
		break;
	case 2:
		say("talloc_parent_name(c%u)", c->number);
		name = talloc_parent_name(c->ptr);
		if (count > 1 && name != NULL)
			MUST(strcmp(name, talloc_get_name(chain[1])) == 0);
		break;
	case 3:
		say("talloc_get_type_abort(c%u, \"%s\")", c->number, name);
		talloc_set_abort_fn(on_mismatch);
		mismatches = 0;
		found = _talloc_get_type_abort(c->ptr, name, "fuzz");
		MUST(found == c->ptr ? mismatches == 0 : mismatches == 1);
		talloc_set_abort_fn(on_abort);
		break;
	case 4:
		say("talloc_show_parents(c%u)", c->number);
		rewind(report_file);
		talloc_show_parents(c->ptr, report_file);
		break;
	default: {
		size_t lines = 0;
		struct walk w;
		const char *p;

		say("talloc_report_full(c%u)", c->number);
		if (in_loop(c))
			break;
		w = walk_from(c->ptr, false);
		for (p = report_of(c->ptr, -1); *p != '\0'; p++)
			lines += *p == '\n';
		if (lines != w.blocks + w.limited)
			FAIL("%zu lines for %zu chunks", lines, w.blocks + w.limited);
	}
	}
}

/* What occurs more than once is done more often. */
static void (*const ops[])(void) = {
	op_alloc, op_alloc, op_alloc, op_pool, op_cache, op_object, op_free, op_free,
	op_free_children, op_steal, op_steal, op_reparent, op_reference, op_reference, op_unlink,
	op_resize, op_resize, op_name, op_destructor, op_destructor, op_log, op_limit, op_null,
	op_autofree, op_fail, op_string, op_append, op_append, op_cut, op_look,
};

/* ---- end and beginning -------------------------------------------------- */

static void free_everything(void)
{
	say("-- end");
	ending = true;
	fail_in = 0;
	talloc_set_log_fn(NULL);
	/* Loops and refusals left chunks anywhere: all of them to the top first. */
	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->live)
			talloc_steal(NULL, c->ptr);
	}
	look_at_everything();
	for (unsigned i = 0; i < owner_count; i++) {
		struct rec *c = owners[i].to;

		if (c->live && owners[i].owner != talloc_parent(c->ptr))
			MUST(talloc_unlink(owners[i].owner, c->ptr) == 0);
	}
	/* References without an owner are only found without a null context. */
	talloc_disable_null_tracking();
	tracking = false;
	for (struct rec *c = recs; c < recs + RECS; c++) {
		while (c->live && talloc_reference_count(c->ptr) > 0)
			MUST(talloc_unlink(NULL, c->ptr) == 0);
	}
	look_at_everything();
	for (struct rec *c = recs; c < recs + RECS; c++) {
		if (c->live && talloc_free(c->ptr) != 0)
			FAIL("c%u is not to be freed", c->number);
	}
	MUST(live_count == 0);
	MUST(talloc_total_blocks(NULL) == 0);
	for (unsigned i = 0; i < block_count; i++)
		fprintf(stderr, "left: a block of %zu bytes\n", blocks[i].size);
	MUST(block_count == 0);
	for (int i = 0; i < KEPT; i++)
		let_go(&kept[i]);
}

/* What a limit counts for a chunk, and for a reference. */
static void weigh(void)
{
	struct rec c = { .limited = true, .max = 1 << 20 };

	c.ptr = talloc_named_const(NULL, 0, "probe");
	MUST(talloc_set_memlimit(c.ptr, c.max) == 0);
	header = used_of(&c);
	talloc_reference(c.ptr, c.ptr);
	handle_weight = used_of(&c) - header;
	talloc_unlink(c.ptr, c.ptr);
	MUST(talloc_free(c.ptr) == 0);
	MUST(block_count == 0 && handle_weight > 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *trace = getenv("FUZZ_TRACE");

	(void)argc;
	(void)argv;
	report_file = fmemopen(report_text, sizeof(report_text), "w");
	if (report_file == NULL)
		return 1;
	for (size_t i = 0; i < sizeof(words) - 1; i++)
		words[i] = (char)('a' + i % 26);
	weigh();
	tracing = trace != NULL && *trace != '\0';
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	input_end = data + size;
	memset(recs, 0, sizeof(recs));
	live_count = made = 0;
	fail_in = 0;
	tracking = ending = loose_refs = looped = false;
	log_plan = PLAIN;
	talloc_set_abort_fn(on_abort);
	talloc_set_log_fn(NULL);
	while (input < input_end) {
		failed = false;
		acted = 0;
		newest.start = NULL;
		ops[byte() % (sizeof(ops) / sizeof(ops[0]))]();
		look_at_everything();
	}
	free_everything();
	return 0;
}
