/*
 * A header that somebody has written over is caught, and the log says which chunk
 * it is, and which field is wrong.
 */
#include "../test.h"
#include "../attack/layout.h"

#include <signal.h>

/* --- what the lines are to say: all that a change of wording changes --- */

/* Words of which one is in the line, for each field. */
#define SAYS_MAGIC "magic"
#define SAYS_NEXT "next"
#define SAYS_LINKS "prev or next"
#define SAYS_CHILD "child"
#define SAYS_DESTRUCTOR "destructor|reference"
#define SAYS_HOME "home|limit|pool"

/* Names of chunks that are not words of the above. */
#define SAYS_NAME "VICTIM|OWNER|NEWER|OLDER|KID"

/* --- the scene --- */

static struct {
	void *other, *owner, *older, *victim, *kid, *newer;
} s;

static void *node(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, 48, name);
}

static int agrees(void *ptr)
{
	(void)ptr;
	return 0;
}

enum place { HEAP, POOL, PLACES };

static const char *const place_names[PLACES] = { "heap", "pool" };

static void set_scene(enum place place)
{
	void *top = place == POOL ? talloc_pool(NULL, 4096) : talloc_new(NULL);

	s.other = node(top, "OTHER");
	s.owner = node(top, "OWNER");
	s.older = node(s.owner, "OLDER");
	s.victim = node(s.owner, "VICTIM");
	s.kid = node(s.victim, "KID");
	s.newer = node(s.owner, "NEWER");
	talloc_set_destructor(s.victim, agrees);
}

/* --- calls --- */

static void free_it(void)
{
	_talloc_free(s.victim, "the/free.c:1");
}

static void free_the_owner(void)
{
	_talloc_free(s.owner, "the/free.c:1");
}

static void free_the_children(void)
{
	talloc_free_children(s.victim);
}

static void steal_it(void)
{
	_talloc_steal_loc(s.other, s.victim, "the/steal.c:2");
}

static void unlink_it(void)
{
	talloc_unlink(s.owner, s.victim);
}

static void resize_it(void)
{
	talloc_realloc_size(s.owner, s.victim, 5000);
}

static void new_child_of_it(void)
{
	talloc_named_const(s.victim, 10, "new");
}

static void report_on_the_owner(void)
{
	FILE *f = fopen("/dev/null", "w");

	talloc_report_full(s.owner, f);
}

/* --- fields --- */

#define AT(field) offsetof(struct header, field)

static const struct attack {
	const char *name;
	size_t offset;
	const char *field;
	void (*run)(void);
	/* only in a pool */
	bool in_pool;
} attacks[] = {
	/* what the call uses, it has to look at */
	{ "next, free", AT(next), SAYS_LINKS, free_it, false },
	{ "pprev, free", AT(pprev), SAYS_LINKS, free_it, false },
	{ "child, free", AT(child), SAYS_CHILD, free_it, false },
	{ "destructor, free", AT(extra), SAYS_DESTRUCTOR, free_it, false },
	{ "home, free", AT(home), SAYS_HOME, free_it, true },
	{ "head, free of the owner", AT(head), SAYS_MAGIC, free_the_owner, false },
	{ "next, free of the owner", AT(next), SAYS_NEXT, free_the_owner, false },
	{ "pprev, free of the owner", AT(pprev), SAYS_NEXT, free_the_owner, false },
	{ "child, free of the owner", AT(child), SAYS_CHILD, free_the_owner, false },
	{ "destructor, free of the owner", AT(extra), SAYS_DESTRUCTOR, free_the_owner, false },
	{ "child, free_children", AT(child), SAYS_CHILD, free_the_children, false },
	{ "next, steal", AT(next), SAYS_LINKS, steal_it, false },
	{ "pprev, steal", AT(pprev), SAYS_LINKS, steal_it, false },
	{ "next, unlink", AT(next), SAYS_LINKS, unlink_it, false },
	{ "pprev, unlink", AT(pprev), SAYS_LINKS, unlink_it, false },
	{ "next, realloc", AT(next), SAYS_LINKS, resize_it, false },
	{ "pprev, realloc", AT(pprev), SAYS_LINKS, resize_it, false },
	{ "child, realloc", AT(child), SAYS_CHILD, resize_it, false },
	{ "destructor, realloc", AT(extra), SAYS_DESTRUCTOR, resize_it, false },
	{ "child, new child", AT(child), SAYS_CHILD, new_child_of_it, false },
	{ "home, new child", AT(home), SAYS_HOME, new_child_of_it, true },
	{ "next, report", AT(next), SAYS_NEXT, report_on_the_owner, false },
	{ "child, report", AT(child), SAYS_CHILD, report_on_the_owner, false },
	{ "head, report", AT(head), SAYS_MAGIC, report_on_the_owner, false },
};

enum { ATTACKS = sizeof(attacks) / sizeof(attacks[0]) };

/* --- */

static const struct attack *attack;
static enum place place;
static bool logging;
static size_t before; /* bytes that are allocated before the scene, which moves it */
static unsigned char buffer[1024] __attribute__((aligned(16)));

static void log_out(const char *message)
{
	fputs(message, stderr);
}

static void make_attack(void)
{
	uintptr_t value = (uintptr_t)(buffer + 512);

	if (before > 0)
		talloc_size(NULL, before);
	set_scene(place);
	/* what is no pointer gets one, too; a home, one that leads to another pool */
	if (attack->in_pool)
		value = (uintptr_t)header_of(talloc_pool(NULL, 1000))->home;
	memcpy((char *)header_of(s.victim) + attack->offset, &value, sizeof(value));
	if (logging)
		talloc_set_log_fn(log_out);
	attack->run();
}

/* Is one of these words, with "|" between them, in the text up to its end? */
static bool has_one_of(const char *text, const char *end, const char *words)
{
	char word[64];
	size_t n;

	for (; *words != '\0'; words += n + (words[n] == '|')) {
		const char *found;

		n = strcspn(words, "|");
		snprintf(word, sizeof(word), "%.*s", (int)n, words);
		found = strstr(text, word);
		if (found != NULL && found < end)
			return true;
	}
	return false;
}

/* Is there a line before the last that has both? */
static bool tells(const char *log, const char *field)
{
	const char *line, *end;

	for (line = log; (end = strchr(line, '\n')) != NULL && end[1] != '\0'; line = end + 1)
		if (has_one_of(line, end, SAYS_NAME) && has_one_of(line, end, field))
			return true;
	return false;
}

static int expect(bool good, const char *how)
{
	printf("%s - %s: %s, %s\n", good ? "ok" : "not ok", place_names[place], attack->name, how);
	test_failures += !good;
	return good;
}

/* The words of the contract, and nothing else, are what the abort function gets;
 * and what the last line of the log is. */
static bool is_reason(const char *reason)
{
	return strcmp(reason, "Bad talloc magic value - unknown value") == 0 ||
	       strcmp(reason, "Bad talloc magic value - access after free") == 0;
}

/*
 * A sealed destructor has 16 check bits on x86-64, 32 where pointers have 32, and eight
 * elsewhere: there a word that is none passes at one place in 256, but not at the next ones.
 */
#if UINTPTR_MAX == UINT32_MAX || defined(__x86_64__)
enum { TRIES = 1 };
#else
enum { TRIES = 3 };
#endif

static void all_attacks(void)
{
	int i, tries;

	for (i = 0; i < ATTACKS; i++) {
		struct outcome *o;
		char last[600];
		bool good;

		attack = &attacks[i];
		if (attack->in_pool && place != POOL)
			continue;
		logging = true;
		before = 0;
		o = run_apart(make_attack, true);
		for (tries = 1; tries < TRIES && attack->offset == AT(extra) && !o->aborted; tries++) {
			before += 1000;
			o = run_apart(make_attack, true);
		}
		good = expect(o->aborted && is_reason(o->reason), "caught");
		snprintf(last, sizeof(last), "%s\n", o->reason);
		good &= expect(o->aborted && strlen(o->out) >= strlen(last) &&
				       strcmp(o->out + strlen(o->out) - strlen(last), last) == 0,
			       "the reason is logged last");
		good &= expect(tells(o->out, attack->field),
			       "the log tells chunk and field");
		if (!good)
			fprintf(stderr, "%s: status %#x, reason '%s', log: %s\n", attack->name,
				(unsigned int)o->status, o->reason, o->out);
		logging = false;
		o = run_apart(make_attack, false);
		expect(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT &&
			       strcmp(o->out, last) == 0,
		       "with nobody to tell, the reason is on stderr");
	}
}

static void in_heap(void)
{
	place = HEAP;
	all_attacks();
}

static void in_pool(void)
{
	place = POOL;
	all_attacks();
}

int main(void)
{
	check_layout();
	RUN(in_heap);
	RUN(in_pool);
	TEST_END();
}
