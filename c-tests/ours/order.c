/*
 * What is made after as much was freed lies in memory as it did the first time, one behind
 * the other.  malloc alone hands small blocks out in another order than they lie in.
 */
#include "../test.h"

enum { CHUNKS = 100000, AGAIN = 8 };

static unsigned long chance_state;

static unsigned long chance(void)
{
	chance_state = chance_state * 1103515245 + 12345;
	return (chance_state >> 16) & 0x7fff;
}

/* Chunks of one size: in a thousand, how many lie far from the one before, or before it. */
static void check_order(size_t size)
{
	long far = 0, turned = 0;
	char *last, *p;
	void *top;
	int again, n;

	for (again = 0; again <= AGAIN; again++) {
		last = top = talloc_new(NULL);
		for (n = 0; n < CHUNKS; n++) {
			p = talloc_size(top, size);
			far += again > 0 && labs(p - last) > 2 * (long)(OUR_HEADER + size);
			turned += again > 0 && p < last;
			last = p;
		}
		talloc_free(top);
	}
	CHECK(far * 1000 / ((long)CHUNKS * AGAIN) < 50);
	CHECK(turned * 1000 / ((long)CHUNKS * AGAIN) < 50);
}

static void of_one_size(void)
{
	static const size_t sizes[] = { 8, 24, 48, 72, 200 };
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		check_order(sizes[i]);
}

/* Small trees, as a program builds them. */
static void of_any_size(void)
{
	char *last, *p;
	void *root, *top;
	long far = 0;
	int again, n;

	chance_state = 1;
	for (again = 0; again <= AGAIN; again++) {
		last = top = root = talloc_new(NULL);
		for (n = 0; n < CHUNKS; n++) {
			if (chance() % 5 == 0)
				p = top = talloc_size(root, chance() % 100);
			else
				p = talloc_size(top, chance() % 300);
			far += again > 0 && labs(p - last) > 4096;
			last = p;
		}
		talloc_free(root);
	}
	CHECK(far * 1000 / ((long)CHUNKS * AGAIN) < 50);
}

/* A program that has used all sizes before. */
static void of_one_after_all(void)
{
	size_t size;
	void *top;
	int i;

	for (size = 0; size < 2000; size += 8) {
		top = talloc_new(NULL);
		for (i = 0; i < 100; i++)
			talloc_size(top, size);
		talloc_free(top);
	}
	of_one_size();
}

int main(void)
{
	alarm(60);
#ifndef __GLIBC__
	TEST_SKIP("the order of this C library is its own");
#endif
	/* The first free of a thread is like no other. */
	talloc_free(talloc_new(NULL));
	RUN(of_any_size);
	RUN(of_one_size);
	RUN(of_one_after_all);
	TEST_END();
}
