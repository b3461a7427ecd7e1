/*
 * A header that somebody has written over is caught, and the log says which chunk
 * it is, which field is wrong, and in which call that was met.
 */
#include "../test.h"
#include "../attack/layout.h"

#include <signal.h>

/* --- what the lines are to say: all that a change of wording changes --- */

/* Words of which one is in the line, for each field. */
#define SAYS_MAGIC "magic"
#define SAYS_PARENT "parent"
#define SAYS_NEXT "next"
#define SAYS_PREV "prev"
#define SAYS_CHILD "child"
#define SAYS_DESTRUCTOR "destructor|reference"
#define SAYS_HOME "home|limit|arena|pool"

/* The same for the call: where it was, if the caller said so, or what it was. */
#define SAYS_FREE "the/free.c:1|talloc_free"
#define SAYS_STEAL "the/steal.c:2|talloc_steal"
#define SAYS_UNLINK "talloc_unlink"
#define SAYS_REALLOC "talloc_realloc"
#define SAYS_CHILDREN "talloc_free_children"
#define SAYS_NEW "talloc_named_const|new child"
#define SAYS_REPORT "talloc_report"

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
	const char *field, *call;
	void (*run)(void);
	/* whose it is, when it is not the victim's */
	void **whose;
} attacks[] = {
	/* what the call uses, it has to look at */
	{ "parent, free", AT(parent), SAYS_PARENT, SAYS_FREE, free_it, NULL },
	{ "next, free", AT(next), SAYS_NEXT, SAYS_FREE, free_it, NULL },
	{ "prev, free", AT(prev), SAYS_PREV, SAYS_FREE, free_it, NULL },
	{ "child, free", AT(child), SAYS_CHILD, SAYS_FREE, free_it, NULL },
	{ "destructor, free", AT(hook), SAYS_DESTRUCTOR, SAYS_FREE, free_it, NULL },
	{ "magic, free of the owner", AT(tag), SAYS_MAGIC, SAYS_FREE, free_the_owner, NULL },
	{ "next, free of the owner", AT(next), SAYS_NEXT, SAYS_FREE, free_the_owner, NULL },
	{ "prev, free of the owner", AT(prev), SAYS_PREV, SAYS_FREE, free_the_owner, NULL },
	{ "child, free of the owner", AT(child), SAYS_CHILD, SAYS_FREE, free_the_owner, NULL },
	{ "destructor, free of the owner", AT(hook), SAYS_DESTRUCTOR, SAYS_FREE,
	  free_the_owner, NULL },
	{ "child, free_children", AT(child), SAYS_CHILD, SAYS_CHILDREN, free_the_children, NULL },
	{ "parent, steal", AT(parent), SAYS_PARENT, SAYS_STEAL, steal_it, NULL },
	{ "next, steal", AT(next), SAYS_NEXT, SAYS_STEAL, steal_it, NULL },
	{ "prev, steal", AT(prev), SAYS_PREV, SAYS_STEAL, steal_it, NULL },
	{ "next, unlink", AT(next), SAYS_NEXT, SAYS_UNLINK, unlink_it, NULL },
	{ "prev, unlink", AT(prev), SAYS_PREV, SAYS_UNLINK, unlink_it, NULL },
	{ "next, realloc", AT(next), SAYS_NEXT, SAYS_REALLOC, resize_it, NULL },
	{ "prev, realloc", AT(prev), SAYS_PREV, SAYS_REALLOC, resize_it, NULL },
	{ "child, realloc", AT(child), SAYS_CHILD, SAYS_REALLOC, resize_it, NULL },
	{ "child, new child", AT(child), SAYS_CHILD, SAYS_NEW, new_child_of_it, NULL },
	{ "home, new child", AT(home), SAYS_HOME, SAYS_NEW, new_child_of_it, NULL },
	/* the way up from the last child of all */
	{ "parent of the oldest, report", AT(parent), SAYS_PARENT, SAYS_REPORT,
	  report_on_the_owner, &s.older },
};

enum { ATTACKS = sizeof(attacks) / sizeof(attacks[0]) };

/* --- */

static const struct attack *attack;
static enum place place;
static bool logging;
static unsigned char buffer[1024] __attribute__((aligned(16)));

static void log_out(const char *message)
{
	fputs(message, stderr);
}

static void make_attack(void)
{
	uintptr_t value = (uintptr_t)(buffer + 512);

	set_scene(place);
	/* what is no pointer gets one, too */
	memcpy((char *)header_of(attack->whose != NULL ? *attack->whose : s.victim) +
		       attack->offset, &value, sizeof(value));
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

/* Is there a line before the last that has all three? */
static bool tells(const char *log, const char *field, const char *call)
{
	const char *line, *end;

	for (line = log; (end = strchr(line, '\n')) != NULL && end[1] != '\0'; line = end + 1)
		if (has_one_of(line, end, SAYS_NAME) && has_one_of(line, end, field) &&
		    has_one_of(line, end, call))
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
	       strcmp(reason, "Bad talloc magic value - access after free") == 0 ||
	       strcmp(reason, "Pool object count zero!") == 0;
}

static void all_attacks(void)
{
	int i;

	for (i = 0; i < ATTACKS; i++) {
		struct outcome *o;
		char last[600];
		bool good;

		attack = &attacks[i];
		logging = true;
		o = run_apart(make_attack, true);
		good = expect(o->aborted && is_reason(o->reason), "caught");
		snprintf(last, sizeof(last), "%s\n", o->reason);
		good &= expect(o->aborted && strlen(o->out) >= strlen(last) &&
				       strcmp(o->out + strlen(o->out) - strlen(last), last) == 0,
			       "the reason is logged last");
		good &= expect(tells(o->out, attack->field, attack->call),
			       "the log tells chunk, field and call");
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
