/*
 * An overrun has changed one word of a chunk's header: does the library do what
 * that word says?
 *
 * usage: any_layout [-r] [-v] [TITLE]
 *
 * Runs on any libtalloc, knowing nothing of its headers but their size.  Each
 * word of a victim's header is overwritten with the address of a function, of a
 * plain buffer, or of a forged chunk: a copy of a live header with the function
 * in one of its words, each in turn.  Then one operation follows.  Prints a
 * table, and with -v a line for each attack that the library did not withstand;
 * exits with 1 if there was one.  With -r the abort function returns.
 */
#include "attack.h"

#include <stddef.h>

/* ---- the header ---- */

enum { WORD = sizeof(void *), MOST_WORDS = 32 };

/* Two pool members, one behind the other, are a header and their size apart. */
static size_t header_size(void)
{
	void *pool = talloc_pool(NULL, 4096);
	char *first = talloc_size(pool, 48), *second = talloc_size(pool, 48);
	ptrdiff_t apart = second - first;

	if (apart <= 48 || apart % 8 != 0 || apart - 48 > MOST_WORDS * WORD) {
		fprintf(stderr, "two pool members are %td bytes apart\n", apart);
		exit(2);
	}
	talloc_free(pool);
	return (size_t)apart - 48;
}

static size_t header;

/* ---- scenes ---- */

enum extra { PLAIN, DESTRUCTOR, REFERENCE, NEWEST, ALONE, EXTRAS };

static const char *const extra_names[EXTRAS] = { "plain", "with a destructor",
						 "with a reference", "newest child",
						 "without siblings and children" };

static struct {
	void *top, *parent, *older, *victim, *newer, *child, *other;
} scene;

static int agrees(void *ptr)
{
	(void)ptr;
	return 0;
}

static void *named(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, 40, name);
}

static void set_scene(bool in_pool, enum extra extra)
{
	scene.top = in_pool ? talloc_pool(NULL, 4096) : named(NULL, "top");
	scene.other = named(scene.top, "other");
	scene.parent = named(scene.top, "parent");
	scene.older = extra == ALONE ? NULL : named(scene.parent, "older");
	scene.victim = named(scene.parent, "victim");
	scene.child = extra == ALONE ? NULL : named(scene.victim, "child");
	scene.newer = extra == ALONE || extra == NEWEST ? NULL : named(scene.parent, "newer");
	if (extra == DESTRUCTOR)
		talloc_set_destructor(scene.victim, agrees);
	if (extra == REFERENCE)
		talloc_reference(scene.other, scene.victim);
}

/* ---- operations ---- */

static void free_victim(void)
{
	talloc_free(scene.victim);
}

static void free_parent(void)
{
	talloc_free(scene.parent);
}

static void free_sibling(void)
{
	talloc_free(scene.newer != NULL ? scene.newer : scene.older);
}

static void free_its_children(void)
{
	talloc_free_children(scene.victim);
}

static void steal(void)
{
	talloc_steal(scene.other, scene.victim);
}

static void grow(void)
{
	scene.victim = talloc_realloc_size(scene.parent, scene.victim, 500);
}

static void new_child(void)
{
	named(scene.victim, "new");
}

static void refer(void)
{
	talloc_reference(scene.other, scene.victim);
}

static void cut_off(void)
{
	talloc_unlink(scene.parent, scene.victim);
}

static void report(void)
{
	talloc_report_full(scene.parent, null_file);
}

static const struct operation {
	const char *name;
	void (*run)(void);
} operations[] = {
	{ "free of the victim", free_victim },   { "free of its parent", free_parent },
	{ "free of a sibling", free_sibling },   { "free_children", free_its_children },
	{ "steal", steal },                      { "realloc", grow },
	{ "new child", new_child },              { "reference", refer },
	{ "unlink", cut_off },                   { "report_full", report },
};

enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

/* ---- attacks ---- */

/* What is written over a word; from FORGED on, a forged chunk with the function
 * in its first word, its second, and so on. */
enum { FUNCTION, BUFFER, FORGED };

struct attack {
	bool in_pool;
	enum extra extra;
	int word, value, operation;
	bool abort_returns;
};

/* A live chunk that stands alone has the most empty words. */
static void *forged_chunk(int word)
{
	unsigned char *place = BAIT_AT(BAIT / 2 + 1024);
	uintptr_t function = (uintptr_t)planted;

	memcpy(place, (char *)named(NULL, "model") - header, header);
	memcpy(place + word * WORD, &function, WORD);
	return place;
}

static int make_attack(const void *arguments)
{
	const struct attack *a = arguments;
	uintptr_t value;

	abort_returns = a->abort_returns;
	set_scene(a->in_pool, a->extra);
	if (a->value == FUNCTION)
		value = (uintptr_t)planted;
	else if (a->value == BUFFER)
		value = (uintptr_t)BAIT_AT(1024);
	else
		value = (uintptr_t)forged_chunk(a->value - FORGED);
	memcpy((char *)scene.victim - header + a->word * WORD, &value, WORD);
	bait_is_laid();
	operations[a->operation].run();
	return DONE;
}

static void tell(const struct attack *a, enum verdict verdict)
{
	char value[64];

	if (a->value == FUNCTION)
		strcpy(value, "function");
	else if (a->value == BUFFER)
		strcpy(value, "buffer");
	else
		snprintf(value, sizeof(value), "forged chunk, function at +%d",
			 (a->value - FORGED) * WORD);
	printf("  %s: %s %s, header +%d = %s, %s\n", verdict_names[verdict],
	       a->in_pool ? "pool" : "heap", extra_names[a->extra], a->word * WORD, value,
	       operations[a->operation].name);
}

/* All words, values and operations. */
static void attack_scene(struct attack a, bool verbose, struct row *row)
{
	const int words = (int)header / WORD;

	for (a.word = 0; a.word < words; a.word++) {
		for (a.value = 0; a.value < FORGED + words; a.value++) {
			for (a.operation = 0; a.operation < OPERATIONS; a.operation++) {
				enum verdict verdict;

				if (a.extra == ALONE && operations[a.operation].run == free_sibling)
					continue;
				verdict = verdict_of_any_secret(make_attack, &a, sizeof(a),
								offsetof(struct attack, operation));
				count_verdict(row, verdict);
				if (verbose && is_bad(verdict))
					tell(&a, verdict);
			}
		}
	}
}

int main(int argc, char **argv)
{
	const char *title = "this library";
	bool verbose = false;
	struct attack a;
	struct row rows[EXTRAS] = { { 0, { 0 } } };
	bool withstood = true;
	char head[64];
	int extra, i;

	memset(&a, 0, sizeof(a));
	open_bait();
	header = header_size();
	try_again_if_told(argc, argv, make_attack, &a, sizeof(a));
	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-r") == 0)
			a.abort_returns = true;
		else if (strcmp(argv[i], "-v") == 0)
			verbose = true;
		else
			title = argv[i];
	}
	for (extra = 0; extra < EXTRAS; extra++) {
		a.extra = (enum extra)extra;
		for (i = 0; i < 2; i++) {
			a.in_pool = i == 1;
			attack_scene(a, verbose, &rows[extra]);
		}
	}
	snprintf(head, sizeof(head), "%s, %zu-byte headers", title, header);
	print_head(head);
	for (extra = 0; extra < EXTRAS; extra++) {
		print_row(extra_names[extra], &rows[extra]);
		withstood &= is_withstood(&rows[extra]);
	}
	return withstood && guesses <= MOST_GUESSES ? 0 : 1;
}
