/*
 * Reports of large and deep trees, with names of all lengths, and where there is no
 * memory to note lines in: the same text.
 */
#include "../test.h"

#include <sys/resource.h>
#include <time.h>

enum { ROOM = 64 << 20 };

/* What a report of ptr prints, at most ROOM bytes. */
static char *report_of(const void *ptr, void (*report)(const void *, FILE *), char *text, FILE *f)
{
	size_t n;

	rewind(f);
	report(ptr, f);
	n = (size_t)ftell(f);
	rewind(f);
	if (n >= ROOM || fread(text, 1, n, f) != n)
		exit(98);
	text[n] = '\0';
	return text;
}

static void *wide(size_t count)
{
	void *top = talloc_named_const(NULL, 1, "top"), *ptr = top;
	size_t i;

	for (i = 0; i < count; i++)
		ptr = talloc_named(i % 100 == 0 ? top : ptr, 10, "%zu of them", i);
	return top;
}

static void *deep(size_t count)
{
	void *top = talloc_named_const(NULL, 1, "top"), *ptr = top;
	size_t i;

	for (i = 0; i < count; i++)
		ptr = talloc_named_const(ptr, 10, "level");
	return top;
}

/* Names around the sizes of what lines are noted in. */
static void *long_names(size_t unused)
{
	static const size_t lengths[] = { 0, 1, 7, 8, 9, 3000, 4000, 4096, 65400, 65500, 65536,
					  70000, 131072, 200000, 5 << 20 };
	void *top = talloc_named_const(NULL, 1, "top");
	size_t i, k;

	(void)unused;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (k = 0; k < 9; k++) {
			char *text = talloc_size(top, lengths[i] + k + 1);

			memset(text, 'a' + (int)k, lengths[i] + k);
			text[lengths[i] + k] = '\0';
			talloc_set_name_const(text, text);
		}
	return top;
}

/* Nothing more can be had from the kernel. */
static void no_more(void)
{
	struct rlimit all = { 0, 0 };

	getrlimit(RLIMIT_AS, &all);
	all.rlim_cur = 4096;
	setrlimit(RLIMIT_AS, &all);
}

static void more_again(void)
{
	struct rlimit all;

	getrlimit(RLIMIT_AS, &all);
	all.rlim_cur = all.rlim_max;
	setrlimit(RLIMIT_AS, &all);
}

static void compare(void *(*make)(size_t), size_t count)
{
	char *with = malloc(ROOM), *without = malloc(ROOM);
	FILE *f = tmpfile();
	void *top = make(count);

	setvbuf(f, NULL, _IOFBF, 4096);
	memset(with, 1, ROOM);
	memset(without, 1, ROOM);
	report_of(top, talloc_report_full, with, f);
	no_more();
	report_of(top, talloc_report_full, without, f);
	more_again();
	CHECK(strcmp(with, without) == 0);
	CHECK(strncmp(with, "full talloc report on 'top'", 27) == 0);
	report_of(top, talloc_report, with, f);
	no_more();
	report_of(top, talloc_report, without, f);
	more_again();
	CHECK(strcmp(with, without) == 0);
	CHECK(strncmp(with, "talloc report on 'top'", 22) == 0);
	CHECK_INT(talloc_free(top), 0);
	fclose(f);
	free(with);
	free(without);
}

static void without_memory(void)
{
	compare(wide, 20);
	compare(wide, 20000);
	compare(deep, 1000);
	compare(long_names, 0);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Below the last level shown nothing is printed, but summed up: that takes a few times as
 * long as to sum up alone, however deep it is. */
static void the_same_per_chunk(void)
{
	void *top = deep(1600000);
	FILE *f = fopen("/dev/null", "w");
	double start = seconds(), sum, report;

	CHECK_INT(talloc_total_blocks(top), 1600001);
	sum = seconds() - start;
	start = seconds();
	talloc_report_depth_file(top, 0, 100, f);
	report = seconds() - start;
	fprintf(stderr, "%.6f s, %.6f s\n", sum, report);
	CHECK(report < 50 * sum + 1);
	fclose(f);
	CHECK_INT(talloc_free(top), 0);
}

int main(void)
{
	RUN(without_memory);
	RUN(the_same_per_chunk);
	TEST_END();
}
