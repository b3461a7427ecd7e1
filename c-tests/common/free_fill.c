/*
 * TALLOC_FREE_FILL: what a chunk loses when it becomes smaller, and the place that it
 * leaves when it moves, is filled as freed memory is.  Looks behind the ends of chunks,
 * in blocks of malloc and in pools, where nothing else has been made meanwhile.
 */
#include "../test.h"

#define SECRET 's'

static int fill;

/* Read as they are in memory: nothing is known about them. */
static size_t count(const char *p, size_t n, int byte)
{
	const volatile char *at = p;
	size_t k, found = 0;

	for (k = 0; k < n; k++)
		found += (unsigned char)at[k] == byte;
	return found;
}

/* None of the n bytes at p is as it was, each is filled. */
static bool filled(const char *p, size_t n)
{
	return count(p, n, fill) == n;
}

static char *secret(const void *ctx, size_t n)
{
	char *p = talloc_size(ctx, n);

	if (p == NULL)
		exit(98);
	memset(p, SECRET, n);
	return p;
}

/* Where the chunks are.  (Below a limit the original does not fill, or aborts.) */
static void *places[3];
static const char *const place_names[] = { "malloc", "pool", "pool in a pool" };
#define PLACES 3

static void setup(void)
{
	places[0] = talloc_new(NULL);
	places[1] = talloc_pool(NULL, 100000);
	places[2] = talloc_pool(talloc_pool(NULL, 100000), 50000);
	/* the original looks for the variable when something is freed first */
	talloc_free(talloc_new(NULL));
}

static void say(bool good, const char *what, size_t place)
{
	printf("%s - %s, %s, filled with %d\n", good ? "ok" : "not ok", what, place_names[place], fill);
	test_failures += !good;
}

/* --- smaller --------------------------------------------------------------- */

static void once(void)
{
	static const size_t sizes[] = { 1, 2, 16, 17, 40, 100, 120, 500, 1000, 2000, 5000 };
	size_t w, s, by;

	for (w = 0; w < PLACES; w++) {
		bool good = true;

		for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
			for (by = 1; by < sizes[s] && by < 1024; by = by * 2 + s % 2) {
				char *p = secret(places[w], sizes[s]), *q;

				q = talloc_realloc_size(places[w], p, sizes[s] - by);
				good &= q == p && filled(q + sizes[s] - by, by);
				good &= count(q, sizes[s] - by, SECRET) == sizes[s] - by;
				good &= talloc_get_size(q) == sizes[s] - by;
				good &= talloc_free(q) == 0;
			}
		say(good, "smaller once", w);
	}
}

static void bit_by_bit(void)
{
	size_t w, size, step;

	for (w = 0; w < PLACES; w++) {
		bool good = true;

		for (step = 1; step < 400; step = step * 3 + 1) {
			char *p = secret(places[w], 1200), *q;

			for (size = 1200; size > step; size -= step) {
				q = talloc_realloc_size(places[w], p, size - step);
				good &= q == p && filled(p + size - step, step);
			}
			good &= count(p, size, SECRET) == size && filled(p + size, 1200 - size);
			good &= talloc_free(p) == 0;
		}
		say(good, "smaller bit by bit", w);
	}
}

/* Not the last one of a pool, so that nothing of it is given back. */
static void between_others(void)
{
	size_t w, by;

	for (w = 0; w < PLACES; w++) {
		bool good = true;

		for (by = 1; by < 300; by += 7) {
			char *before = secret(places[w], 64), *p = secret(places[w], 333);
			char *after = secret(places[w], 65);

			good &= talloc_realloc_size(places[w], p, 333 - by) == p;
			good &= filled(p + 333 - by, by);
			good &= count(before, 64, SECRET) == 64 && count(after, 65, SECRET) == 65;
			good &= count(p, 333 - by, SECRET) == 333 - by;
			talloc_free(before);
			talloc_free(after);
			talloc_free(p);
		}
		say(good, "smaller between others", w);
	}
}

struct wide {
	char bytes[24];
};

static void arrays(void)
{
	size_t w, n;

	for (w = 0; w < PLACES; w++) {
		bool good = true;

		for (n = 2; n < 40; n++) {
			struct wide *p = talloc_array(places[w], struct wide, n), *q;

			memset(p, SECRET, n * sizeof(*p));
			q = talloc_realloc(places[w], p, struct wide, n - 1);
			good &= q == p && filled(p[n - 1].bytes, sizeof(*p));
			q = talloc_realloc(places[w], p, struct wide, n / 2);
			good &= q == p && filled(p[n / 2].bytes, (n - n / 2) * sizeof(*p));
			good &= talloc_array_length(q) == n / 2;
			q = talloc_realloc_fn(places[w], p, 5);
			good &= q == p && filled((char *)p + 5, n * sizeof(*p) - 5);
			good &= talloc_free(p) == 0;
		}
		say(good, "arrays", w);
	}
}

static void texts(void)
{
	size_t w, n;

	for (w = 0; w < PLACES; w++) {
		bool good = true;

		for (n = 1; n < 300; n = n * 2 + 1) {
			char word[300], *p, *q;

			memset(word, SECRET, n);
			word[n] = '\0';
			p = talloc_asprintf(places[w], "%s%s", word, word);
			/* cut, as one does with what was too long */
			p[n] = '\0';
			q = talloc_realloc(places[w], p, char, n + 1);
			good &= q == p && strlen(p) == n && filled(p + n + 1, n);
			/* its new end is known */
			q = talloc_strdup_append_buffer(q, "+");
			good &= q != NULL && q[n] == '+' && strlen(q) == n + 1;
			good &= talloc_free(q) == 0;
		}
		say(good, "texts", w);
	}
}

/* Zeroed, with a name of its own, a destructor and children: as any other. */
static int agree(void *ptr)
{
	(void)ptr;
	return 0;
}

static void with_all(void)
{
	size_t w;

	for (w = 0; w < PLACES; w++) {
		char *p = talloc_zero_size(places[w], 200), *q;
		bool good = true;

		memset(p + 50, SECRET, 150);
		talloc_set_name(p, "%d", 7);
		_talloc_set_destructor(p, agree);
		secret(p, 30);
		q = talloc_realloc_size(places[w], p, 100);
		good &= q == p && filled(p + 100, 100) && count(p, 50, 0) == 50 &&
			count(p + 50, 50, SECRET) == 50;
		/* who has references stays as it is */
		talloc_reference(places[0], p);
		q = talloc_realloc_size(places[w], p, 60);
		good &= q == NULL && count(p + 60, 40, SECRET) == 40;
		good &= talloc_unlink(places[0], p) == 0 && talloc_free(p) == 0;
		say(good, "with name, child and destructor", w);
	}
}

/* --- what takes that room afterwards ---------------------------------------- */

static void in_the_next_one(void)
{
	size_t by;
	bool good = true;

	for (by = 200; by < 1000; by += 50) {
		void *pool = talloc_pool(NULL, 3000);
		char *p = secret(pool, 2000), *next;

		good &= talloc_realloc_size(pool, p, 2000 - by) == p;
		/* where the end of the other was */
		next = talloc_size(pool, by - 150);
		good &= next > p && next < p + 2000 && count(next, by - 150, SECRET) == 0;
		good &= talloc_free(pool) == 0;
	}
	say(good, "what comes behind it", 1);
}

static void larger_again(void)
{
	size_t w, by;

	for (w = 0; w < PLACES; w++) {
		bool good = true;

		for (by = 10; by < 900; by += 40) {
			char *p = secret(places[w], 1000);

			p = talloc_realloc_size(places[w], p, 1000 - by);
			p = talloc_realloc_size(places[w], p, 1000);
			good &= count(p, 1000 - by, SECRET) == 1000 - by;
			good &= count(p + 1000 - by, by, SECRET) == 0;
			good &= talloc_free(p) == 0;
		}
		say(good, "larger again", w);
	}
}

/* --- places left ------------------------------------------------------------ */

static void moved_out_of_a_pool(void)
{
	static const size_t sizes[] = { 1, 16, 33, 100, 999 };
	size_t w, s;

	for (w = 1; w < PLACES; w++) {
		bool good = true;

		for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			char *p = secret(places[w], sizes[s]), *behind = secret(places[w], 10), *q;

			q = talloc_realloc_size(places[w], p, 200000);
			good &= q != p && count(q, sizes[s], SECRET) == sizes[s];
			good &= filled(p, sizes[s]) && count(behind, 10, SECRET) == 10;
			good &= talloc_free(q) == 0 && talloc_free(behind) == 0;
		}
		say(good, "moved out of it", w);
	}
}

static void moved_within_a_pool(void)
{
	size_t w, n;

	for (w = 1; w < PLACES; w++) {
		bool good = true;

		for (n = 1; n < 200; n += 13) {
			char *p = secret(places[w], n), *behind = secret(places[w], 10), *q;

			q = talloc_realloc_size(places[w], p, n + 300);
			good &= q != p && count(q, n, SECRET) == n && filled(p, n);
			good &= talloc_free(q) == 0 && talloc_free(behind) == 0;
		}
		say(good, "moved within it", w);
	}
}

static void texts_that_move(void)
{
	size_t w, n;

	for (w = 1; w < PLACES; w++) {
		bool good = true;

		for (n = 1; n < 200; n += 17) {
			char word[200], *p, *behind, *q;

			memset(word, SECRET, n);
			word[n] = '\0';
			p = talloc_strdup(places[w], word);
			behind = talloc_strdup(places[w], "behind");
			q = talloc_asprintf_append_buffer(p, "%400d", 1);
			good &= q != p && strlen(q) == n + 400 && filled(p, n + 1);
			good &= strcmp(behind, "behind") == 0;
			p = q;
			good &= talloc_strdup(places[w], "behind") != NULL;
			q = talloc_strdup_append(p, word);
			good &= q != NULL && strlen(q) == 2 * n + 400;
			good &= q == p || filled(p, n + 401);
			good &= talloc_free(q) == 0 && talloc_free(behind) == 0;
		}
		say(good, "texts that move", w);
	}
}

static void freed_in_a_pool(void)
{
	size_t w;

	for (w = 1; w < PLACES; w++) {
		char *top = secret(places[w], 100), *child = secret(top, 200), *grown, *behind;
		bool good = true;

		behind = secret(places[w], 10);
		good &= talloc_realloc_size(top, child, 150) == child && filled(child + 150, 50);
		grown = talloc_realloc_size(places[w], top, 700);
		good &= grown != top && filled(top, 100);
		good &= talloc_free(grown) == 0;
		good &= filled(child, 200) && count(behind, 10, SECRET) == 10;
		good &= talloc_free(behind) == 0;
		say(good, "freed afterwards", w);
	}
}

static int with_fill(const char *text)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	setenv("TALLOC_FREE_FILL", text, 1);
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "free_fill", text, (char *)NULL);
		_exit(99);
	}
	waitpid(pid, &status, 0);
	return status;
}

int main(int argc, char **argv)
{
	alarm(60);
	if (argc < 2) {
		CHECK_INT(with_fill("0x11"), 0);
		CHECK_INT(with_fill("0"), 0);
		CHECK_INT(with_fill("255"), 0);
		TEST_END();
	}
	fill = (unsigned char)strtoul(argv[1], NULL, 0);
	setup();
	RUN(once);
	RUN(bit_by_bit);
	RUN(between_others);
	RUN(arrays);
	RUN(texts);
	RUN(with_all);
	RUN(in_the_next_one);
	RUN(larger_again);
	RUN(moved_out_of_a_pool);
	RUN(moved_within_a_pool);
	RUN(texts_that_move);
	RUN(freed_in_a_pool);
	TEST_END();
}
