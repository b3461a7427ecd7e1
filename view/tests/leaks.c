/*
 * A program with chunks that are in use in every way that there is, and 100 that are not any
 * more: their addresses were in use, too, and are overwritten. "SEED" on stdin; what leaks is
 * written, then "end".
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

enum { USED = 10000, LEAKS = 100 };

struct item {
	struct item *next;
	char *text;
	char room[40];
};

static struct item *list;	/* from data, one leads to the other */
static void **table;		/* in a block of malloc's */
static void *global[USED / 10]; /* in bss */
static uintptr_t leaked[LEAKS]; /* enciphered */
static uint64_t state;

static unsigned rnd(unsigned n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % n;
}

/* One that is lost as soon as this is left. */
static __attribute__((noinline)) uintptr_t lose(void *parent, int i)
{
	char *p = talloc_named_const(parent, 20 + rnd(300), i % 2 ? "lost struct" : "lost text");

	memset(p, 7, 20);
	if (i % 3 == 0) {
		/* And what is below it, with which it is in a ring. */
		void **below = (void **)talloc_named_const(p, 16, "below");

		below[0] = p;
		below[1] = NULL;
		memcpy(p, &below, sizeof below);
	}
	return ~(uintptr_t)p;
}

/* Covers what calls have left on the stack. */
static __attribute__((noinline)) void sweep(void)
{
	volatile char room[20000];

	memset((void *)room, 0, sizeof room);
}

int main(void)
{
	void *root = talloc_named_const(NULL, 8, "root"), *pool, *parent;
	void *volatile on_stack[50];
	char line[100];
	int i, lost = 0;

	while (fgets(line, sizeof line, stdin) != NULL) {
		state = strtoull(line, NULL, 10) * 2654435761u + 1;
		table = calloc(USED, sizeof *table);
		pool = talloc_pool(root, 100000);
		global[0] = pool;
		for (i = 0; i < 50; i++)
			on_stack[i] = talloc_named_const(root, rnd(100), "on the stack");
		for (i = 1; i < USED; i++) {
			parent = rnd(10) == 0 ? pool : root;
			if (i % 100 == 0 && lost < LEAKS) {
				leaked[lost] = lose(rnd(2) ? list : parent, lost);
				lost++;
			}
			switch (rnd(4)) {
			case 0: {
				struct item *item = talloc(parent, struct item);

				memset(item, 0, sizeof *item);
				item->next = list;
				item->text = talloc_asprintf(item, "text %d", i);
				list = item;
				break;
			}
			case 1: /* by a pointer to its inside */
				table[i] = (char *)talloc_named_const(parent, 100, "inside") + rnd(100);
				break;
			case 2:
				if (global[i / 10] == NULL)
					global[i / 10] = talloc_named_const(parent, rnd(100), "global");
				break;
			default:
				/* Nothing leads to it, but to what is below it. */
				table[i] = talloc_strdup(talloc_new(parent), "below");
			}
		}
		while (lost < LEAKS) {
			leaked[lost] = lose(rnd(2) ? root : pool, lost);
			lost++;
		}
		sweep();
		for (i = 0; i < LEAKS; i++)
			printf("%#llx\n", (unsigned long long)~leaked[i]);
		printf("end\n");
		fflush(stdout);
		sweep();
	}
	return on_stack[0] == NULL;
}
