/*
 * Guide, chapter 7: when does a static pool cache win? Nanoseconds of an operation on
 * objects of 64 bytes, the best of some rounds, and memory of each object.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <time.h>

enum { SIZE = 64, ROUNDS = 9 };

enum kind { MALLOC, PLAIN, POOL, CACHE, KINDS };

static void **object;
static unsigned long state = 1;
static volatile long sum;

static unsigned long chance(void)
{
	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return state >> 33;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *parent(enum kind kind, size_t count)
{
	switch (kind) {
	case MALLOC:
		return NULL;
	case PLAIN:
		return talloc_new(NULL);
	case POOL: /* headers included */
		return talloc_pool(NULL, count * (SIZE + 64));
	default:
		return talloc_pool_cache(NULL, count * SIZE, SIZE);
	}
}

static void *take(enum kind kind, void *from)
{
	void *p;

	switch (kind) {
	case MALLOC:
		p = malloc(SIZE);
		break;
	case CACHE:
		p = talloc_cache(from);
		break;
	default:
		p = talloc_size(from, SIZE);
	}
	if (p == NULL)
		abort();
	return p;
}

static void give(enum kind kind, void *p)
{
	if (kind == MALLOC)
		free(p);
	else
		talloc_free(p);
}

static void end(enum kind kind, void *from, size_t count)
{
	if (kind == MALLOC)
		for (size_t i = 0; i < count; i++)
			free(object[i]);
	else
		talloc_free(from);
}

/* One made and freed at once. */
static double one(enum kind kind, size_t count)
{
	void *from = parent(kind, count);
	double start = now();

	for (size_t i = 0; i < count; i++)
		give(kind, take(kind, from));
	start = now() - start;
	end(kind, from, 0);
	return start / (double)count;
}

/* All made, then freed with their parent. */
static double all(enum kind kind, size_t count)
{
	double start = now();
	void *from = parent(kind, count);

	for (size_t i = 0; i < count; i++)
		object[i] = take(kind, from);
	end(kind, from, count);
	return (now() - start) / (double)count;
}

/* Any one freed and another made, while all others are alive. */
static double any(enum kind kind, size_t count)
{
	void *from = parent(kind, count);
	double start;

	for (size_t i = 0; i < count; i++)
		object[i] = take(kind, from);
	start = now();
	for (size_t i = 0; i < count; i++) {
		size_t k = chance() % count;

		give(kind, object[k]);
		object[k] = take(kind, from);
	}
	start = now() - start;
	end(kind, from, count);
	return start / (double)count;
}

/* Each looked at, in the order in which they were made. */
static double look(enum kind kind, size_t count)
{
	void *from = parent(kind, count);
	double start;

	for (size_t i = 0; i < count; i++)
		object[i] = memset(take(kind, from), 1, SIZE);
	start = now();
	for (size_t i = 0; i < count; i++)
		sum += *(long *)object[i];
	start = now() - start;
	end(kind, from, count);
	return start / (double)count;
}

/* The same in a heap from which every other block of that size was freed, anyhow. */
static double look_old(enum kind kind, size_t count)
{
	size_t size = kind == MALLOC ? SIZE : SIZE + 64, n = 2 * count;
	void **old = malloc(n * sizeof(*old));
	double result;

	for (size_t i = 0; i < n; i++)
		old[i] = malloc(size);
	for (size_t i = n - 1; i > 0; i--) {
		size_t k = chance() % (i + 1);
		void *swapped = old[i];

		old[i] = old[k];
		old[k] = swapped;
	}
	for (size_t i = 0; i < count; i++)
		free(old[i]);
	result = look(kind, count);
	for (size_t i = count; i < n; i++)
		free(old[i]);
	free(old);
	return result;
}

/* Bytes that malloc has given for each. */
static double bytes(enum kind kind, size_t count)
{
	struct mallinfo2 before = mallinfo2(), after;
	void *from = parent(kind, count);

	for (size_t i = 0; i < count; i++)
		object[i] = take(kind, from);
	after = mallinfo2();
	end(kind, from, count);
	return (double)(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / (double)count;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *what;
		double (*measure)(enum kind, size_t);
	} row[] = {
		{ "memory of each, bytes", bytes },
		{ "one made and freed, ns", one },
		{ "all made, all freed, ns", all },
		{ "any one of them replaced, ns", any },
		{ "each looked at, ns", look },
		{ "the same in an old heap, ns", look_old },
	};
	size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;

	object = calloc(count, sizeof(*object));
	if (object == NULL || count < 2)
		return 1;
	printf("%-40s %8s %8s %8s %8s\n", "objects of 64 bytes", "malloc", "talloc", "pool", "cache");
	for (size_t r = 0; r < sizeof(row) / sizeof(row[0]); r++) {
		printf("%-40s", row[r].what);
		for (int kind = 0; kind < KINDS; kind++) {
			double best = row[r].measure((enum kind)kind, count);

			/* Memory: the first round, before anything is kept. */
			for (int i = 1; i < ROUNDS && row[r].measure != bytes; i++) {
				double t = row[r].measure((enum kind)kind, count);

				if (t < best)
					best = t;
			}
			/* A pool does not take back what is not the newest. */
			if (kind == POOL && row[r].measure == any)
				printf(" %8s", "-");
			else
				printf(" %8.1f", best);
		}
		printf("\n");
	}
	return 0;
}
