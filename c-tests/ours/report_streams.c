/*
 * A report to a stream whose write function uses the library: what comes or goes
 * meanwhile is shown as it was, or left out, but no line is wrong.
 */
#define _GNU_SOURCE
#include "../test.h"

#include <setjmp.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void *top, *kids[20], *later, *deep;
static size_t chunks;

/* Each chunk has 10 bytes, so that sizes can be told from blocks. */
static void *node(const void *ctx, const char *name)
{
	chunks++;
	return talloc_named_const(ctx, 10, name);
}

static void make_tree(void)
{
	void *ptr;
	int i, k;

	chunks = 0;
	top = node(NULL, "top");
	later = node(top, "later");
	for (i = 0; i < 30; i++)
		node(later, "was there");
	deep = ptr = node(top, "deep");
	for (i = 0; i < 30; i++)
		ptr = node(ptr, "deeper");
	for (i = 0; i < 20; i++) {
		kids[i] = node(top, "kid");
		for (k = 0; k < 5; k++)
			node(node(kids[i], "grandkid"), "its child");
	}
}

/* --- the stream --- */

enum { ROOM = 1 << 20 };

static char text[ROOM];
static size_t used, writes;
static void (*act)(void);
static bool busy;

static ssize_t put(void *cookie, const char *data, size_t size)
{
	(void)cookie;
	if (used + size < ROOM) {
		memcpy(text + used, data, size);
		used += size;
		text[used] = '\0';
	}
	writes++;
	if (!busy) {
		busy = true;
		act();
		busy = false;
	}
	return (ssize_t)size;
}

static FILE *open_stream(size_t buffer)
{
	cookie_io_functions_t io = { NULL, put, NULL, NULL };
	FILE *f = fopencookie(NULL, "w", io);
	static char space[70000];

	if (f == NULL)
		exit(99);
	setvbuf(f, buffer > 0 ? space : NULL, buffer > 0 ? _IOFBF : _IONBF, buffer);
	used = writes = 0;
	text[0] = '\0';
	return f;
}

/* What is still in its buffer comes without any doing. */
static void close_stream(FILE *f)
{
	busy = true;
	fclose(f);
	busy = false;
}

/* --- what is printed must add up --- */

struct level {
	unsigned long blocks, below;
	bool open;
};

static int wrong;

static void complain(const char *why, const char *line)
{
	if (wrong++ == 0)
		fprintf(stderr, "%s: %.*s\n", why, (int)strcspn(line, "\n"), line);
}

static void close_levels(struct level *levels, int from, int max_depth)
{
	int i;

	for (i = 49; i >= from; i--)
		if (levels[i].open) {
			if (levels[i].blocks != levels[i].below && i < max_depth)
				complain("does not add up", text);
			levels[i].open = false;
		}
}

/* Do the lines of a report down to max_depth agree with each other? */
static void adds_up(int max_depth)
{
	struct level levels[50] = { { 0, 0, false } };
	const char *line = text;

	wrong = 0;
	while (*line != '\0') {
		const char *numbers = strstr(line, " contains ");
		size_t indent = strspn(line, " "), end = strcspn(line, "\n");
		unsigned long size, blocks;
		int depth = (int)(indent / 4);

		if (indent == 0)
			numbers = strstr(line, "(total ");
		if (line[end] != '\n' || depth >= 50) {
			complain("not a line", line);
			break;
		}
		if (strncmp(line + indent, "reference to: ", 14) == 0) {
			if (depth > 0)
				levels[depth - 1].below++;
			line += end + 1;
			continue;
		}
		if (numbers == NULL || numbers > line + end ||
		    sscanf(numbers, indent == 0 ? "(total %lu bytes in %lu" : " contains %lu bytes in %lu",
			   &size, &blocks) != 2) {
			complain("no figures", line);
			break;
		}
		if (size > 10 * blocks || size % 10 != 0)
			complain("size", line);
		close_levels(levels, depth, max_depth);
		if (depth > 0)
			levels[depth - 1].below += blocks;
		levels[depth].blocks = blocks;
		levels[depth].below = 1;
		levels[depth].open = true;
		line += end + 1;
	}
	close_levels(levels, 0, max_depth);
	CHECK_INT(wrong, 0);
}

static void full(FILE *f)
{
	talloc_report_full(top, f);
}

static void brief(FILE *f)
{
	talloc_report(top, f);
}

static void two_levels(FILE *f)
{
	talloc_report_depth_file(top, 0, 2, f);
}

static void (*const reports[])(FILE *) = { full, brief, two_levels };
static const int depths[] = { 49, 1, 2 };
static const size_t buffers[] = { 0, 100, 4096, 65536 };

static void report_while(void (*doing)(void))
{
	size_t how, buffer;

	for (how = 0; how < 3; how++)
		for (buffer = 0; buffer < 4; buffer++) {
			FILE *f;

			make_tree();
			act = doing;
			f = open_stream(buffers[buffer]);
			reports[how](f);
			close_stream(f);
			adds_up(depths[how]);
			CHECK(strstr(text, "talloc report on 'top'") != NULL);
			if (top != NULL)
				CHECK_INT(talloc_free(top), 0);
		}
}

/* --- what it does meanwhile --- */

static void makes_some_later(void)
{
	int i;

	for (i = 0; i < 3; i++)
		node(later, "made meanwhile");
}

static void makes_some_above(void)
{
	node(top, "made meanwhile");
	node(node(kids[19], "made meanwhile"), "below that");
}

static void makes_a_chain(void)
{
	void *ptr = later;
	int i;

	for (i = 0; i < 10; i++)
		ptr = node(ptr, "made meanwhile");
}

static void makes_and_frees(void)
{
	void *a = node(top, "for a while"), *b = node(a, "for a while"), *c = node(later, "for a while");

	talloc_free(b);
	talloc_free(c);
	talloc_free(a);
}

static void makes_pools(void)
{
	node(talloc_pool(later, 500), "member");
	node(talloc_pool(NULL, 500), "member");
}

static void makes_references(void)
{
	talloc_reference(later, kids[3]);
	talloc_reference(kids[0], deep);
}

static void moves(void)
{
	static int at;

	talloc_steal(later, kids[at++ % 20]);
	talloc_steal(top, deep);
	talloc_steal(later, node(NULL, "made meanwhile"));
}

static void grows(void)
{
	static int at;
	int i = at++ % 20;

	kids[i] = talloc_realloc_size(top, kids[i], talloc_get_size(kids[i]) == 10 ? 20000 : 10);
}

static void names(void)
{
	static int at;

	talloc_set_name(later, "another name, the %dth", at++);
}

static void limits(void)
{
	talloc_set_memlimit(later, 1000000);
}

static void nests(void)
{
	static char nested[ROOM];
	FILE *f = fmemopen(nested, sizeof(nested), "w");

	talloc_report_full(top, f);
	fclose(f);
	node(later, "made meanwhile");
}

static void frees_what_comes(void)
{
	talloc_free_children(later);
	talloc_free_children(deep);
}

static void frees_all(void)
{
	talloc_free(top);
	top = NULL;
}

static void frees_one_by_one(void)
{
	static void *of;
	static int at;

	if (of != top) {
		of = top;
		at = 0;
	}
	if (at < 20)
		talloc_free(kids[at++]);
}

static void frees_and_makes(void)
{
	talloc_free_children(top);
	kids[0] = later = deep = node(top, "instead");
	node(later, "and below");
}

static void changes_all(void)
{
	makes_some_later();
	makes_some_above();
	grows();
	names();
	makes_references();
}

static void while_it_grows(void)
{
	report_while(makes_some_later);
	report_while(makes_some_above);
	report_while(makes_a_chain);
	report_while(makes_and_frees);
	report_while(makes_pools);
	report_while(makes_references);
	report_while(limits);
	report_while(nests);
}

static void while_it_changes(void)
{
	report_while(moves);
	report_while(grows);
	report_while(names);
	report_while(changes_all);
}

static void while_it_goes(void)
{
	report_while(frees_what_comes);
	report_while(frees_one_by_one);
	report_while(frees_and_makes);
	report_while(frees_all);
}

/* --- the stream gives up --- */

static jmp_buf out;

static void jumps(void)
{
	if (writes == 40)
		longjmp(out, 1);
}

static void by_a_jump(void)
{
	FILE *volatile f;
	volatile int i;

	for (i = 0; i < 3; i++) {
		make_tree();
		act = jumps;
		f = open_stream(0);
		if (setjmp(out) == 0)
			talloc_report_full(top, f);
		busy = false;
		CHECK(writes == 40);
		CHECK_INT(talloc_total_blocks(top), chunks);
		CHECK_INT(talloc_free(top), 0);
	}
}

static ssize_t fail(void *cookie, const char *data, size_t size)
{
	(void)cookie;
	(void)data;
	(void)size;
	errno = EIO;
	return -1;
}

static void by_an_error(void)
{
	cookie_io_functions_t io = { NULL, fail, NULL, NULL };
	FILE *f = fopencookie(NULL, "w", io);

	make_tree();
	talloc_report_full(top, f);
	CHECK(ferror(f));
	fclose(f);
	CHECK_INT(talloc_free(top), 0);
}

/* --- under the null context, which has no parent to be held by --- */

static void makes_top_level_ones(void)
{
	node(NULL, "made meanwhile");
	talloc_free(node(NULL, "for a while"));
}

static void of_everything(void)
{
	FILE *f;
	int i;

	talloc_enable_null_tracking();
	for (i = 0; i < 3; i++)
		make_tree();
	act = makes_top_level_ones;
	f = open_stream(0);
	talloc_report_full(NULL, f);
	close_stream(f);
	adds_up(49);
	CHECK(strstr(text, "made meanwhile") == NULL);
	talloc_free(talloc_parent(top));
}

/* --- and what was there is shown --- */

static void does_nothing(void)
{
}

static void the_same_text(void)
{
	static char quiet[ROOM];
	FILE *f;

	make_tree();
	talloc_set_memlimit(later, 100000);
	talloc_reference(deep, kids[5]);
	talloc_reference(top, later);
	act = does_nothing;
	f = open_stream(65536);
	talloc_report_full(top, f);
	fclose(f);
	strcpy(quiet, text);
	act = makes_some_later;
	f = open_stream(0);
	talloc_report_full(top, f);
	close_stream(f);
	CHECK(strcmp(quiet, text) == 0);
	CHECK(strstr(text, "later                          is a memlimit context (max_size = 100000 bytes, ") != NULL);
	talloc_free(top);
}

int main(void)
{
	RUN(while_it_grows);
	RUN(while_it_changes);
	RUN(while_it_goes);
	RUN(by_a_jump);
	RUN(by_an_error);
	RUN(the_same_text);
	RUN(of_everything);
	TEST_END();
}
