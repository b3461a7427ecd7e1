/*
 * A size that is first used after many chunks of another size have gone costs no more
 * than one that is used from the beginning.
 */
#include "../test.h"

#include <time.h>

/* Of the time of a fresh one. */
#define BOUND 1.5
#define CHUNKS 200000

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What is measured, all of it some thousand times: nanoseconds for each. */
static double one_by_one(void *ctx, size_t size)
{
	double began = now();
	int i;

	for (i = 0; i < 20000; i++) {
		void *volatile ptr = talloc_size(ctx, size);

		talloc_free(ptr);
	}
	return (now() - began) / 20000;
}

static double in_rows(void *ctx, size_t size)
{
	void *row[50];
	double began = now();
	int i, k;

	for (i = 0; i < 400; i++) {
		for (k = 0; k < 50; k++)
			row[k] = talloc_size(ctx, size);
		for (k = 0; k < 50; k++)
			talloc_free(row[k]);
	}
	return (now() - began) / 20000;
}

static double in_trees(void *ctx, size_t size)
{
	double began = now();
	int i, k;

	for (i = 0; i < 400; i++) {
		void *tree = talloc_size(ctx, size);

		for (k = 1; k < 50; k++)
			talloc_size(tree, size);
		talloc_free(tree);
	}
	return (now() - began) / 20000;
}

static double (*measure)(void *, size_t);

/* The median of five, each of them the best of some. */
static double cost(void *ctx, size_t size)
{
	double times[5];
	int i, k;

	for (i = 0; i < 5; i++) {
		times[i] = 1e9;
		for (k = 0; k < 6; k++) {
			double t = measure(ctx, size);

			times[i] = t < times[i] ? t : times[i];
		}
	}
	qsort(times, 5, sizeof(times[0]), by_value);
	return times[2];
}

static size_t gone, used;

/* In processes of their own: where nothing has gone before, and where much has. */
static void fresh(void)
{
	void *ctx = talloc_new(NULL);

	printf("%.3f", cost(ctx, used));
}

static void late(void)
{
	void *ctx = talloc_new(NULL), *tree = talloc_new(NULL);
	int i;

	for (i = 0; i < CHUNKS; i++)
		if (talloc_size(tree, gone) == NULL)
			exit(98);
	talloc_free(tree);
	printf("%.3f", cost(ctx, used));
}

/* One by one, in the order in which they were made. */
static void late_one_by_one(void)
{
	void *ctx = talloc_new(NULL), **row = malloc(CHUNKS * sizeof(*row));
	int i;

	for (i = 0; i < CHUNKS; i++)
		row[i] = talloc_size(ctx, gone);
	for (i = 0; i < CHUNKS; i++)
		talloc_free(row[i]);
	free(row);
	printf("%.3f", cost(ctx, used));
}

static bool no_slower(void (*after)(void), const char *what)
{
	double first = 0, second = 0;
	int i;

	for (i = 0; i < 3; i++) {
		first = atof(run_apart(fresh, true)->out);
		second = atof(run_apart(after, true)->out);
		if (first > 0 && second > 0 && second <= BOUND * first)
			return true;
	}
	fprintf(stderr, "%s: %.1f ns, fresh %.1f ns\n", what, second, first);
	return false;
}

int main(void)
{
	static const struct {
		size_t gone, used;
	} sizes[] = { { 200, 400 }, { 48, 200 }, { 400, 40 } };
	static const struct {
		const char *name;
		double (*fn)(void *, size_t);
	} ways[] = { { "one by one", one_by_one }, { "in rows", in_rows }, { "in trees", in_trees } };
	size_t s, w;

#ifndef __GLIBC__
	TEST_SKIP("a malloc that is slower than what is measured");
#endif
	alarm(100);
	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		for (w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
			char text[200];
			bool good;

			gone = sizes[s].gone;
			used = sizes[s].used;
			measure = ways[w].fn;
			snprintf(text, sizeof(text), "%zu bytes %s, after many of %zu", used,
				 ways[w].name, gone);
			good = no_slower(late, text);
			if (w == 0)
				good &= no_slower(late_one_by_one, text);
			printf("%s - %s\n", good ? "ok" : "not ok", text);
			test_failures += !good;
		}
	TEST_END();
}
