/*
 * A program linked to one library that loads a plugin linked to another: each is
 * handed the other's pointers.
 *
 * usage: host PLUGIN [namespace]
 *
 * With "namespace" the plugin, and all that it needs, are loaded with dlmopen().
 */
#define _GNU_SOURCE
#include "../test.h"

#include <dlfcn.h>
#include <signal.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define UNKNOWN "Bad talloc magic value - unknown value"

static void *plugin;
static void *(*plugin_make)(int children);
static int (*plugin_is_whole)(const void *ptr);
static int (*plugin_free)(void *ptr);

/*
 * All functions that take a chunk, once for each chunk that they take: name,
 * type, and a call through f that is true if it claims to have done something.
 * x is the stranger, own a chunk of the library that is called.
 *
 * Not here: the second argument of talloc_is_parent(), which is compared with
 * the parents of the first, and nothing else.
 */
typedef void shower(const void *, int, int, int, void *);

#define CALLS(CALL)                                                                        \
	CALL(_talloc, void *(*)(const void *, size_t), f(x, 10) != NULL)                   \
	CALL(_talloc_free, int (*)(void *, const char *), f(x, "here") != -1)              \
	CALL(talloc_free_children, void (*)(void *), (f(x), 0))                            \
	CALL(_talloc_set_destructor, void (*)(const void *, int (*)(void *)),              \
	     (f(x, destructor), 0))                                                        \
	CALL(_talloc_steal_loc, void *(*)(const void *, const void *, const char *),       \
	     f(own, x, "here") != NULL)                                                    \
	CALL(_talloc_steal_loc, void *(*)(const void *, const void *, const char *),       \
	     f(NULL, x, "here") != NULL)                                                   \
	CALL(_talloc_steal_loc, void *(*)(const void *, const void *, const char *),       \
	     f(x, own, "here") != NULL)                                                    \
	CALL(_talloc_move, void *(*)(const void *, const void *), f(own, &x) != NULL)      \
	CALL(_talloc_move, void *(*)(const void *, const void *), f(x, &own) != NULL)      \
	CALL(talloc_set_name, const char *(*)(const void *, const char *, ...),            \
	     f(x, "%d", 1) != NULL)                                                        \
	CALL(talloc_set_name_const, void (*)(const void *, const char *), (f(x, "n"), 0))  \
	CALL(talloc_named, void *(*)(const void *, size_t, const char *, ...),             \
	     f(x, 10, "%d", 1) != NULL)                                                    \
	CALL(talloc_named_const, void *(*)(const void *, size_t, const char *),            \
	     f(x, 10, "n") != NULL)                                                        \
	CALL(_talloc_zero, void *(*)(const void *, size_t, const char *),                  \
	     f(x, 10, "n") != NULL)                                                        \
	CALL(talloc_get_name, const char *(*)(const void *), f(x) != NULL)                 \
	CALL(talloc_check_name, void *(*)(const void *, const char *),                     \
	     f(x, "plugin's") != NULL)                                                     \
	CALL(_talloc_get_type_abort, void *(*)(const void *, const char *, const char *),  \
	     f(x, "plugin's", "here") != NULL)                                             \
	CALL(talloc_parent, void *(*)(const void *), f(x) != NULL)                         \
	CALL(talloc_parent_name, const char *(*)(const void *), f(x) != NULL)              \
	CALL(talloc_total_size, size_t (*)(const void *), f(x) != 0)                       \
	CALL(talloc_total_blocks, size_t (*)(const void *), f(x) != 0)                     \
	CALL(_talloc_memdup, void *(*)(const void *, const void *, size_t, const char *),  \
	     f(x, "text", 4, "n") != NULL)                                                 \
	CALL(talloc_find_parent_byname, void *(*)(const void *, const char *),             \
	     f(x, "plugin's top") != NULL)                                                 \
	CALL(talloc_pool, void *(*)(const void *, size_t), f(x, 100) != NULL)              \
	CALL(_talloc_pooled_object,                                                        \
	     void *(*)(const void *, size_t, const char *, unsigned int, size_t),          \
	     f(x, 10, "n", 1, 10) != NULL)                                                 \
	CALL(talloc_increase_ref_count, int (*)(const void *), f(x) != -1)                 \
	CALL(talloc_reference_count, size_t (*)(const void *), f(x) != 0)                  \
	CALL(_talloc_reference_loc, void *(*)(const void *, const void *, const char *),   \
	     f(own, x, "here") != NULL)                                                    \
	CALL(_talloc_reference_loc, void *(*)(const void *, const void *, const char *),   \
	     f(x, own, "here") != NULL)                                                    \
	CALL(talloc_unlink, int (*)(const void *, void *), f(own, x) != -1)                \
	CALL(talloc_unlink, int (*)(const void *, void *), f(NULL, x) != -1)               \
	CALL(talloc_unlink, int (*)(const void *, void *), f(x, own) != -1)                \
	CALL(talloc_get_size, size_t (*)(const void *), f(x) != 0)                         \
	CALL(talloc_show_parents, void (*)(const void *, FILE *), (f(x, null_file), 0))    \
	CALL(talloc_is_parent, int (*)(const void *, const void *), f(x, own) != 0)        \
	CALL(talloc_reparent, void *(*)(const void *, const void *, const void *),         \
	     f(x, NULL, own) != NULL)                                                      \
	CALL(talloc_reparent, void *(*)(const void *, const void *, const void *),         \
	     f(NULL, x, own) != NULL)                                                      \
	CALL(talloc_reparent, void *(*)(const void *, const void *, const void *),         \
	     f(NULL, own, x) != NULL)                                                      \
	CALL(_talloc_array, void *(*)(const void *, size_t, unsigned int, const char *),   \
	     f(x, 4, 4, "n") != NULL)                                                      \
	CALL(_talloc_zero_array, void *(*)(const void *, size_t, unsigned int, const char *), \
	     f(x, 4, 4, "n") != NULL)                                                      \
	CALL(_talloc_realloc_array,                                                        \
	     void *(*)(const void *, void *, size_t, unsigned int, const char *),          \
	     f(NULL, x, 4, 400, "n") != NULL)                                              \
	CALL(_talloc_realloc_array_zero,                                                   \
	     void *(*)(const void *, void *, size_t, unsigned int, const char *),          \
	     f(NULL, x, 4, 400, "n") != NULL)                                              \
	CALL(_talloc_realloc, void *(*)(const void *, void *, size_t, const char *),       \
	     f(NULL, x, 400, "n") != NULL)                                                 \
	CALL(_talloc_realloc, void *(*)(const void *, void *, size_t, const char *),       \
	     f(NULL, x, 0, "n") != NULL)                                                   \
	CALL(_talloc_realloc, void *(*)(const void *, void *, size_t, const char *),       \
	     f(x, NULL, 400, "n") != NULL)                                                 \
	CALL(talloc_realloc_fn, void *(*)(const void *, void *, size_t),                   \
	     f(NULL, x, 400) != NULL)                                                      \
	CALL(talloc_strdup, char *(*)(const void *, const char *), f(x, "text") != NULL)   \
	CALL(talloc_strdup_append, char *(*)(char *, const char *), f(x, "text") != NULL)  \
	CALL(talloc_strdup_append_buffer, char *(*)(char *, const char *),                 \
	     f(x, "text") != NULL)                                                         \
	CALL(talloc_strndup, char *(*)(const void *, const char *, size_t),                \
	     f(x, "text", 4) != NULL)                                                      \
	CALL(talloc_strndup_append, char *(*)(char *, const char *, size_t),               \
	     f(x, "text", 4) != NULL)                                                      \
	CALL(talloc_strndup_append_buffer, char *(*)(char *, const char *, size_t),        \
	     f(x, "text", 4) != NULL)                                                      \
	CALL(talloc_vasprintf, char *(*)(const void *, const char *, va_list),             \
	     with_list((list_fn *)(void *)f, x, "%d", 1) != NULL)                                  \
	CALL(talloc_vasprintf_append, char *(*)(char *, const char *, va_list),            \
	     with_list((list_fn *)(void *)f, x, "%d", 1) != NULL)                                  \
	CALL(talloc_vasprintf_append_buffer, char *(*)(char *, const char *, va_list),     \
	     with_list((list_fn *)(void *)f, x, "%d", 1) != NULL)                                  \
	CALL(talloc_asprintf, char *(*)(const void *, const char *, ...),                  \
	     f(x, "%d", 1) != NULL)                                                        \
	CALL(talloc_asprintf_append, char *(*)(char *, const char *, ...),                 \
	     f(x, "%d", 1) != NULL)                                                        \
	CALL(talloc_asprintf_append_buffer, char *(*)(char *, const char *, ...),          \
	     f(x, "%d", 1) != NULL)                                                        \
	CALL(talloc_report_depth_cb, void (*)(const void *, int, int, shower *, void *),   \
	     (f(x, 0, -1, show, NULL), shown))                                             \
	CALL(talloc_report_depth_file, void (*)(const void *, int, int, FILE *),           \
	     (f(x, 0, -1, null_file), 0))                                                  \
	CALL(talloc_report_full, void (*)(const void *, FILE *), (f(x, null_file), 0))     \
	CALL(talloc_report, void (*)(const void *, FILE *), (f(x, null_file), 0))          \
	CALL(talloc_set_memlimit, int (*)(const void *, size_t), f(x, 1000) == 0)          \
	CALL(talloc_asprintf_addbuf, void (*)(char **, const char *, ...),                 \
	     (f((char **)&x, "%d", 1), 0))                                                 \
	CALL(talloc_asprintf_addsep, void (*)(char **, const char *, const char *, ...),   \
	     (f((char **)&x, ",", "%d", 1), 0))                                            \
	CALL(talloc_pool_cache, void *(*)(const void *, size_t, size_t),                   \
	     f(x, 100, 10) != NULL)                                                        \
	CALL(talloc_cache, void *(*)(const void *), f(x) != NULL)                          \
	CALL(talloc_cache_zero, void *(*)(const void *), f(x) != NULL)

typedef char *list_fn(const void *, const char *, va_list);

static char *with_list(list_fn *f, const void *x, const char *format, ...)
{
	va_list list;
	char *result;

	va_start(list, format);
	result = f(x, format, list);
	va_end(list);
	return result;
}

static int destructor(void *ptr)
{
	(void)ptr;
	return 0;
}

static int shown;

static void show(const void *ptr, int depth, int max_depth, int is_ref, void *unused)
{
	(void)ptr;
	(void)depth;
	(void)max_depth;
	(void)is_ref;
	(void)unused;
	shown = 1;
}

static FILE *null_file;

/* A library, as its functions are found. */
static const void *in_ours(const char *name)
{
	return dlsym(RTLD_DEFAULT, name);
}

static const void *in_others(const char *name)
{
	return dlsym(plugin, name);
}

typedef const void *finder(const char *name);

struct call {
	const char *function, *text;
	bool missing; /* the library has no such function */
	int claim;    /* what the call said, if it returned */
};

/* Runs the call of this number, if really, and says what it is; false beyond the last. */
static bool call_number(int number, finder *find, void *x, void *own, bool really,
			struct call *c)
{
	int i = 0;

#define CALL(name, type, expression)                                   \
	if (i++ == number) {                                           \
		__typeof__(type) f = (__typeof__(type))find(#name);    \
                                                                       \
		c->function = #name;                                   \
		c->text = #expression;                                 \
		c->missing = f == NULL;                                \
		c->claim = 0;                                          \
		if (really && f != NULL)                               \
			c->claim = (expression);                       \
		return true;                                           \
	}
	CALLS(CALL)
#undef CALL
	return false;
}

/*
 * Calls that are none for this library: of functions that the original does not
 * have, of talloc_reparent() with parents that the original only compares, and,
 * where there is no chunk of its own, those that need one.
 */
static bool left_out(const struct call *c, finder *find, const void *own)
{
	if (find == in_others &&
	    (c->missing || (strcmp(c->function, "talloc_reparent") == 0 &&
			    strstr(c->text, "own, x") == NULL)))
		return true;
	return own == NULL && strstr(c->text, "own") != NULL;
}

/* What happens in a process of its own, since run_apart() takes no arguments. */
static struct {
	int number;
	finder *find;
	void *stranger, *own;
	void (*set_abort_fn)(void (*)(const char *));
	bool own_abort;
} apart;

static void one_call(void)
{
	struct call c;

	if (apart.own_abort)
		apart.set_abort_fn(test_abort_fn);
	call_number(apart.number, apart.find, apart.stranger, apart.own, true, &c);
}

static int expect(int good, const char *function, const char *text, const char *how)
{
	printf("%s - %s: %s, %s\n", good ? "ok" : "not ok", function, text, how);
	test_failures += !good;
	return good;
}

/* All calls of one library with a stranger: the abort function gets the reason. */
static void all_to_the_abort_function(finder *find, void *x, void *own)
{
	struct outcome *o;
	struct call c;

	apart.find = find;
	apart.stranger = x;
	apart.own = own;
	apart.own_abort = true;
	apart.set_abort_fn = (void (*)(void (*)(const char *)))find("talloc_set_abort_fn");
	for (apart.number = 0; call_number(apart.number, find, x, own, false, &c);
	     apart.number++) {
		if (left_out(&c, find, own))
			continue;
		o = run_apart(one_call, false);
		if (!expect(o->aborted && WIFEXITED(o->status) && WEXITSTATUS(o->status) == 42 &&
				    strcmp(o->reason, UNKNOWN) == 0 && o->out[0] == '\0',
			    c.function, c.text, "abort function"))
			fprintf(stderr, "status %#x, reason '%s', output: %s\n",
				(unsigned int)o->status, o->reason, o->out);
	}
}

/* The same without one: abort(), and what is on stderr. */
static void all_to_abort(finder *find, void *x, void *own, const char *output)
{
	struct outcome *o;
	struct call c;

	apart.find = find;
	apart.stranger = x;
	apart.own = own;
	apart.own_abort = false;
	for (apart.number = 0; call_number(apart.number, find, x, own, false, &c);
	     apart.number++) {
		if (left_out(&c, find, own))
			continue;
		o = run_apart(one_call, false);
		if (!expect(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT &&
				    strcmp(o->out, output) == 0,
			    c.function, c.text, "abort()"))
			fprintf(stderr, "status %#x, output: %s\n", (unsigned int)o->status,
				o->out);
	}
}

/* --- ours gets the other's --- */

static void before_any_allocation(void)
{
	all_to_the_abort_function(in_ours, plugin_make(1), NULL);
}

static void ours_and_the_abort_function(void)
{
	int children;

	for (children = 0; children < 3; children += 2) {
		void *x = plugin_make(children), *own = talloc_named_const(NULL, 10, "own");

		all_to_the_abort_function(in_ours, x, own);
		CHECK(plugin_is_whole(x));
		CHECK_INT(plugin_free(x), 0);
		CHECK_INT(talloc_free(own), 0);
	}
}

static void ours_and_abort(void)
{
	void *x = plugin_make(3), *own = talloc_named_const(NULL, 10, "own");

	all_to_abort(in_ours, x, own, UNKNOWN "\n");
	/* with a log function that goes there, no line is there twice */
	talloc_set_log_stderr();
	all_to_abort(in_ours, x, own, UNKNOWN "\n");
	talloc_set_log_fn(NULL);
	CHECK(plugin_is_whole(x));
	CHECK_INT(plugin_free(x), 0);
	CHECK_INT(talloc_free(own), 0);
}

static int aborts, other_reasons;

static void count_aborts(const char *reason)
{
	aborts++;
	other_reasons += strcmp(reason, UNKNOWN) != 0;
}

/* The abort function returns: nothing has been touched. */
static void ours_and_an_abort_function_that_returns(void)
{
	struct call c;
	int i;

	talloc_enable_null_tracking();
	talloc_set_abort_fn(count_aborts);
	for (i = 0; call_number(i, in_ours, NULL, NULL, false, &c); i++) {
		void *x = plugin_make(2), *own = talloc_named_const(NULL, 10, "own");

		aborts = other_reasons = 0;
		call_number(i, in_ours, x, own, true, &c);
		expect(aborts > 0 && other_reasons == 0 && c.claim == 0 && plugin_is_whole(x),
		       c.function, c.text, "abort function returns");
		expect(strcmp(tree_of(NULL), "null_context{own}") == 0 &&
			       talloc_get_size(own) == 10,
		       c.function, c.text, "nothing is changed");
		CHECK_INT(plugin_free(x), 0);
		CHECK_INT(talloc_free(own), 0);
	}
	talloc_set_abort_fn(NULL);
	talloc_disable_null_tracking();
}

/* --- the other gets ours --- */

static void others(void)
{
	void *top = talloc_named_const(NULL, 200, "top"), *own = plugin_make(2);
	void *x = talloc_named_const(top, 100, "ours");

	talloc_named_const(top, 100, "sibling");
	all_to_the_abort_function(in_others, x, own);
	/* it has never had a word to say before abort() */
	all_to_abort(in_others, x, own, "");
	talloc_named_const(x, 100, "child");
	all_to_the_abort_function(in_others, x, own);
	CHECK_STR(tree_of(top), "top{sibling ours{child}}");
	CHECK_INT(talloc_total_size(top), 500);
	CHECK(plugin_is_whole(own));
	CHECK_INT(plugin_free(own), 0);
	CHECK_INT(talloc_free(top), 0);
}

/* Each with its own, in turn, there is nothing between them. */
static void each_its_own(void)
{
	void *x[100], *own[100];
	int i;

	for (i = 0; i < 100; i++) {
		x[i] = plugin_make(i % 3);
		own[i] = talloc_strdup(NULL, "own");
	}
	for (i = 0; i < 100; i++) {
		own[i] = talloc_strdup_append(own[i], " and more");
		test_failures += !plugin_is_whole(x[i]) || plugin_free(x[i]) != 0 ||
				 strcmp(own[i], "own and more") != 0 || talloc_free(own[i]) != 0;
	}
	CHECK_INT(test_failures, 0);
}

int main(int argc, char **argv)
{
	int (*minor)(void);

	if (argc < 2)
		return 2;
	alarm(100);
	null_file = fopen("/dev/null", "w");
	if (argc > 2)
		plugin = dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW | RTLD_LOCAL);
	else
		plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	if (plugin == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		return 2;
	}
	plugin_make = (void *(*)(int))dlsym(plugin, "plugin_make");
	plugin_is_whole = (int (*)(const void *))dlsym(plugin, "plugin_is_whole");
	plugin_free = (int (*)(void *))dlsym(plugin, "plugin_free");
	/* both are there, and each calls its own */
	CHECK(in_ours("talloc_named_const") != in_others("talloc_named_const"));
	CHECK(in_ours("talloc_pool_cache") != NULL);
	CHECK(in_others("talloc_pool_cache") == NULL);
	minor = (int (*)(void))in_others("talloc_version_minor");
	CHECK_INT(talloc_version_minor(), 5);
	CHECK(minor != NULL && minor() != 5);
	RUN(before_any_allocation);
	RUN(each_its_own);
	RUN(ours_and_the_abort_function);
	RUN(ours_and_abort);
	RUN(ours_and_an_abort_function_that_returns);
	RUN(others);
	TEST_END();
}
