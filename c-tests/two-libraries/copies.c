/*
 * Two copies of this library in one process, as when a plugin was linked to the
 * static one: each takes its own chunks only.
 *
 * usage: copies THE_OTHER_COPY
 */
#define _GNU_SOURCE
#include "../test.h"
#include "../calls.h"

#include <dlfcn.h>

#define UNKNOWN "Bad talloc magic value - unknown value"

static size_t which;
static void *stranger;

static void make_call(void)
{
	all_calls[which].call(stranger);
}

static void nobody_takes(void *ptr, const char *what)
{
	stranger = ptr;
	for (which = 0; which < CALL_COUNT; which++) {
		struct outcome *o = run_apart(make_call, true);
		bool refused = strcmp(o->reason, UNKNOWN) == 0;

		printf("%s - %s: %s\n", refused ? "ok" : "not ok", what, all_calls[which].name);
		test_failures += !refused;
	}
}

int main(int argc, char **argv)
{
	void *copy, *(*make)(const void *, size_t, const char *);
	void *(*make_pool)(const void *, size_t);
	int (*destroy)(void *, const char *);
	void *ptr, *pool;

	if (argc != 2 || (copy = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)) == NULL) {
		fprintf(stderr, "%s\n", argc != 2 ? "usage: copies LIBRARY" : dlerror());
		return 2;
	}
	make = (void *(*)(const void *, size_t, const char *))dlsym(copy, "talloc_named_const");
	make_pool = (void *(*)(const void *, size_t))dlsym(copy, "talloc_pool");
	destroy = (int (*)(void *, const char *))dlsym(copy, "_talloc_free");
	CHECK(make != NULL && make != talloc_named_const);
	good = talloc_named_const(NULL, 10, "good");
	other = talloc_named_const(NULL, 10, "other");
	null_file = fopen("/dev/null", "w");
	ptr = make(NULL, 100, "the copy's");
	pool = make_pool(NULL, 1000);
	nobody_takes(ptr, "chunk of another copy");
	nobody_takes(make(pool, 100, "member"), "pool member of another copy");
	CHECK_INT(destroy(ptr, "here"), 0);
	CHECK_INT(destroy(pool, "here"), 0);
	CHECK_INT(talloc_free(good), 0);
	TEST_END();
}
