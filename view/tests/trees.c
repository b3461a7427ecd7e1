/*
 * Random trees that are known exactly: this program keeps a book of its own about every
 * chunk that it makes, moves, names, refers to and frees, and never asks the library.
 *
 * Each line on stdin, "SEED TREES STEPS", frees what was there and makes so many trees.
 * The book is written to stdout, then "end". A file name behind that is for a report.
 *
 * With AS_ORIGINAL there are no caches, and no limits, whose accounts go wrong there: it
 * runs on the original, too.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* limits */

enum { MOST = 4000 };
enum kind { PLAIN, POOL, CACHE };

struct chunk {
	void *p;
	int parent; /* -1 for none */
	size_t size;
	char name[48];
	enum kind kind;
	int is_alive;
	int has_dtor;
	int has_name_child, name_size;
	size_t span; /* bytes of room that a pool or cache has behind its size */
	size_t objsize, objects; /* of a cache */
};

static struct chunk all[MOST];
static int count;

struct ref {
	int owner, target;
	void *handle;
};
static struct ref refs[MOST];
static int ref_count;
static uint64_t state;

static unsigned rnd(unsigned n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % n;
}

static int dtor(void *p)
{
	(void)p;
	return 0;
}

static int pick(void)
{
	int i, tries;

	for (tries = 0; tries < 50; tries++) {
		i = (int)rnd((unsigned)count + 1) - 1;
		if (i < 0)
			return -1;
		if (all[i].is_alive)
			return i;
	}
	return -1;
}

static int is_below(int i, int top)
{
	for (; i >= 0; i = all[i].parent)
		if (i == top)
			return 1;
	return 0;
}

static int add(void *p, int parent, size_t size, const char *name, enum kind kind)
{
	struct chunk *c = &all[count];

	if (p == NULL)
		abort();
	memset(c, 0, sizeof *c);
	c->p = p;
	c->parent = parent;
	c->size = size;
	c->kind = kind;
	c->is_alive = 1;
	snprintf(c->name, sizeof c->name, "%s", name);
	return count++;
}

static void make(int parent)
{
	void *above = parent < 0 ? NULL : all[parent].p;
	size_t size = rnd(10) == 0 ? rnd(20000) : rnd(200);
	char text[48];
#ifndef AS_ORIGINAL
	void *object;
#endif
	int i;

#ifndef AS_ORIGINAL
	if (parent >= 0 && all[parent].kind == CACHE) {
		object = talloc_cache(above);
		if (object != NULL)
			add(object, parent, all[parent].objsize, "UNNAMED", PLAIN);
		return;
	}
#endif
	switch (rnd(9)) {
	case 0:
		size = 200 + rnd(3000);
		i = add(talloc_pool(above, size), parent, 0, "UNNAMED", POOL);
		all[i].span = size;
		break;
#ifndef AS_ORIGINAL
	case 1:
		i = (int)(1 + rnd(64));
		size = (size_t)i * (1 + rnd(80));
		object = talloc_pool_cache(above, size, (size_t)i);
		add(object, parent, 0, "UNNAMED", CACHE);
		all[count - 1].objsize = (size_t)i;
		all[count - 1].objects = size / (size_t)i;
		all[count - 1].span = size / (size_t)i * ((64 + (size_t)i + 15) / 16 * 16);
		break;
#endif
	case 2:
		snprintf(text, sizeof text, "text number %u", rnd(1000));
		add(talloc_strdup(above, text), parent, strlen(text) + 1, text, PLAIN);
		break;
	case 3:
		snprintf(text, sizeof text, "named %u", rnd(1000));
		i = add(talloc_size(above, size), parent, size, text, PLAIN);
		if (talloc_set_name(all[i].p, "%s", text) == NULL)
			abort();
		all[i].has_name_child = 1;
		all[i].name_size = (int)strlen(text) + 1;
		break;
	case 4:
		i = add(talloc_named_const(above, size, "with a destructor"), parent, size,
			"with a destructor", PLAIN);
		talloc_set_destructor(all[i].p, dtor);
		all[i].has_dtor = 1;
		break;
	case 5:
		add(talloc_zero_array(above, int, size / 4), parent, size / 4 * 4, "int", PLAIN);
		break;
	default:
		add(talloc_named_const(above, size, "struct thing"), parent, size, "struct thing", PLAIN);
	}
}

static int has_refs_in(int top)
{
	int i;

	for (i = 0; i < ref_count; i++)
		if (is_below(refs[i].target, top) || is_below(refs[i].owner, top))
			return 1;
	return 0;
}

static int has_refs(int i)
{
	int k;

	for (k = 0; k < ref_count; k++)
		if (refs[k].target == i)
			return 1;
	return 0;
}

static void step(void)
{
	int i = pick(), k, to;

	switch (rnd(12)) {
	case 0: /* free a subtree that has nothing to do with references */
		if (i < 0 || has_refs_in(i))
			return;
		for (k = 0; k < count; k++)
			if (k != i && all[k].is_alive && is_below(k, i))
				all[k].is_alive = 0;
		all[i].is_alive = 0;
		if (talloc_free(all[i].p) != 0)
			abort();
		return;
	case 1: /* steal */
		to = pick();
		if (i < 0 || has_refs(i) || is_below(to, i) || (to >= 0 && all[to].kind == CACHE))
			return;
		if (talloc_steal(to < 0 ? NULL : all[to].p, all[i].p) != all[i].p)
			abort();
		all[i].parent = to;
		return;
	case 2: /* a reference */
		to = pick();
		if (i < 0 || to < 0 || is_below(i, to) || is_below(to, i) || all[i].kind == CACHE ||
		    ref_count == MOST)
			return;
		if (talloc_reference(all[i].p, all[to].p) == NULL)
			abort();
		refs[ref_count].owner = i;
		refs[ref_count++].target = to;
		return;
	case 3: /* another size */
		if (i < 0 || all[i].kind != PLAIN || has_refs(i) || all[i].has_name_child ||
		    strncmp(all[i].name, "text", 4) == 0)
			return;
		all[i].size = 1 + rnd(9000);
		all[i].p = _talloc_realloc(all[i].parent < 0 ? NULL : all[all[i].parent].p, all[i].p,
					   all[i].size, "resized");
		if (all[i].p == NULL)
			abort();
		talloc_set_name_const(all[i].p, "resized"); /* not each call sets the name */
		strcpy(all[i].name, "resized");
		return;
	case 4: /* a limit that is never met */
#ifndef AS_ORIGINAL
		if (i >= 0 && talloc_set_memlimit(all[i].p, 100000000) != 0)
			abort();
#endif
		return;
	default:
		make(i);
	}
}

int main(void)
{
	unsigned seed, trees, steps;
	char line[1000], file[900];
	int i, k;

	while (fgets(line, sizeof line, stdin) != NULL) {
		file[0] = '\0';
		if (sscanf(line, "%u %u %u %899s", &seed, &trees, &steps, file) < 3)
			return 2;
		/* Owners go first, so that each free is one. */
		for (i = ref_count - 1; i >= 0; i--)
			talloc_unlink(all[refs[i].owner].p, all[refs[i].target].p);
		for (i = 0; i < count; i++)
			if (all[i].is_alive && all[i].parent < 0)
				talloc_free(all[i].p);
		count = ref_count = 0;
		if (seed % 3 == 1)
			talloc_enable_null_tracking();
		else
			talloc_disable_null_tracking();
		state = seed * 2654435761u + 1;
		for (i = 0; i < (int)trees; i++) {
			add(talloc_named_const(NULL, i, "top"), -1, i, "top", PLAIN);
			for (k = 0; k < (int)steps && count < MOST - 2; k++)
				step();
		}
		if (file[0] != '\0') {
			FILE *f = fopen(file, "w");

			if (f == NULL)
				return 2;
			talloc_report_full(NULL, f);
			fclose(f);
		}
		printf("null %d\n", seed % 3 == 1);
		for (i = 0; i < count; i++) {
			struct chunk *c = &all[i];
			int n = 0;

			if (!c->is_alive)
				continue;
			for (k = 0; k < ref_count; k++)
				n += refs[k].target == i;
			printf("chunk %p %p %zu %d %d %d %zu %zu %zu %s\n", c->p,
			       c->parent < 0 ? NULL : all[c->parent].p, c->size, n, c->has_dtor, (int)c->kind,
			       c->span, c->objsize, c->objects, c->name);
			if (c->has_name_child)
				printf("namechild %p %d\n", c->p, c->name_size);
		}
		for (i = 0; i < ref_count; i++)
			printf("ref %p %p\n", all[refs[i].owner].p, all[refs[i].target].p);
		printf("end\n");
		fflush(stdout);
	}
	return 0;
}
