/*
 * Lines of the library that no other test comes to: odd arguments, and user's
 * functions that do odd things.  The original crashes on most of these.
 */
#define _GNU_SOURCE
#include "../test.h"

#include <sys/mman.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void *node(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, 100, name);
}

static char abort_reason[200];

static void remember_reason(const char *reason)
{
	snprintf(abort_reason, sizeof(abort_reason), "%s", reason);
}

/* The abort function returns. */
static void survive_aborts(void)
{
	abort_reason[0] = '\0';
	talloc_set_abort_fn(remember_reason);
}

static void null_texts(void)
{
	void *top = node(NULL, "top"), *ptr = node(top, "ptr");

	CHECK(talloc_asprintf(top, NULL) == NULL);
	survive_aborts();
	CHECK(_talloc_get_type_abort(ptr, NULL, NULL) == NULL);
	CHECK_STR(abort_reason, "(null): Type mismatch: name[ptr] expected[(null)]");
	talloc_reference(node(top, "a"), ptr);
	log_start();
	CHECK_INT(_talloc_free(ptr, NULL), -1);
	CHECK(strncmp(log_text, "ERROR: talloc_free with references at (null)\n", 45) == 0);
	talloc_set_log_fn(NULL);
	talloc_free(top);
}

/* 256 MiB of text in 1 MiB of memory. */
static void too_long(void)
{
	const size_t part = 1 << 20, limit = 0x10000000;
	int fd = memfd_create("text", 0);
	char *text = mmap(NULL, limit + part, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *s = talloc_strdup(NULL, "short");
	size_t at;

	if (fd < 0 || text == MAP_FAILED || ftruncate(fd, (off_t)part) != 0)
		exit(99);
	for (at = 0; at < limit + part; at += part)
		if (mmap(text + at, part, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		    MAP_FAILED)
			exit(99);
	memset(text, 'a', part);
	CHECK(talloc_strndup(NULL, text, limit) == NULL);
	CHECK(talloc_strndup_append(s, text, limit) == NULL);
	CHECK_STR(s, "short");
	CHECK(talloc_pool_cache(NULL, limit - 1, 1) == NULL);
	/* the objects alone would not be too much */
	CHECK(talloc_pool_cache(NULL, limit / (OUR_HEADER + OUR_ALIGN), 1) == NULL);
	munmap(text, limit + part);
	close(fd);
	talloc_free(s);
}

static void own_text(void)
{
	char *s = talloc_strdup(NULL, "around");

	s = talloc_strdup_append(s, s + 2);
	CHECK_STR(s, "aroundound");
	talloc_free(s);
}

/* The library has a pointer of its own to it. */
static void autofree_is_resized(void)
{
	void *ptr = talloc_autofree_context();

	ptr = talloc_realloc_size(NULL, ptr, 5000);
	CHECK(ptr != NULL && talloc_autofree_context() == ptr);
}

static size_t wanted;
static void *got, *last_words_for;

static int resize_itself(void *ptr)
{
	got = talloc_realloc_size(NULL, ptr, wanted);
	_talloc_set_destructor(ptr, NULL);
	return -1;
}

static void resize_in(const void *ctx, size_t size, size_t new_size, bool works)
{
	void *ptr = talloc_size(ctx, size);

	memset(ptr, 'x', size);
	_talloc_set_destructor(ptr, resize_itself);
	wanted = new_size;
	CHECK_INT(talloc_free(ptr), -1);
	CHECK(got == (works ? ptr : NULL));
	CHECK_INT(talloc_get_size(ptr), works ? new_size : size);
	CHECK_INT(talloc_free(ptr), 0);
}

/* A chunk whose destructor runs does not move. */
static void resized_by_its_destructor(void)
{
	void *pool = talloc_pool(NULL, 500);

	resize_in(NULL, 5000, 10, true);
	resize_in(NULL, 10, 5000, false);
	resize_in(pool, 100, 5000, false);
	talloc_free(pool);
}

static int refer_to_parent(void *ptr)
{
	(void)ptr;
	got = talloc_reference(NULL, last_words_for);
	return 0;
}

static void reference_to_the_dying(void)
{
	void *top = node(NULL, "top"), *child = node(top, "child");

	_talloc_set_destructor(child, refer_to_parent);
	last_words_for = top;
	got = top;
	CHECK_INT(talloc_free(top), 0);
	CHECK(got == NULL);
}

static void *to_free;

static void log_and_free(const char *line)
{
	log_gather(line);
	if (strncmp(line, "\treference at ", 14) == 0)
		talloc_free(to_free);
}

/* The reference that a line is about goes while the line is written. */
static void log_function_frees_the_reference(void)
{
	void *top = node(NULL, "top"), *ptr = node(top, "ptr"), *owner = node(top, "owner");

	talloc_reference(node(top, "other"), ptr);
	_talloc_reference_loc(owner, ptr, "newest");
	log_start();
	talloc_set_log_fn(log_and_free);
	to_free = owner;
	CHECK_INT(_talloc_free(ptr, "here"), -1);
	CHECK_STR(log_text,
		  "ERROR: talloc_free with references at here\n\treference at newest\n");
	talloc_set_log_fn(NULL);
	CHECK_INT(talloc_reference_count(ptr), 1);
	talloc_free(top);
}

static int free_parent(void *ptr)
{
	(void)ptr;
	got = last_words_for;
	talloc_free(last_words_for);
	return 0;
}

/* talloc_free_children keeps the name; but not if its owner has gone meanwhile. */
static void name_of_the_freed(void)
{
	void *top = node(NULL, "top"), *ptr = node(top, "ptr");

	talloc_set_name(ptr, "%s", "a name of its own");
	_talloc_set_destructor(node(ptr, "child"), free_parent);
	last_words_for = ptr;
	talloc_free_children(ptr);
	CHECK_STR(tree_of(top), "top");
	talloc_free(top);
}

int main(void)
{
	RUN(null_texts);
	RUN(too_long);
	RUN(own_text);
	RUN(autofree_is_resized);
	RUN(resized_by_its_destructor);
	RUN(reference_to_the_dying);
	RUN(log_function_frees_the_reference);
	RUN(name_of_the_freed);
	TEST_END();
}
