/*
 * Each call of the interface, where programs use it most: nanoseconds, the best of
 * many rounds. All of them in one process, one after the other; but those of a program
 * that has just begun, and has freed nothing yet, once in a process each.
 *
 * usage: calls        lines "NANOSECONDS NAME"
 */
#include <talloc.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

enum { ROUNDS = 40, CALLS = 2000 };

static void *root, *other, *chunk, *deep, *tree, *pool, *limited, *limited_pool;
static char *text, *referenced, same_name[] = "chunk";
static volatile size_t sink;
static long seen;
static FILE *nowhere;

static int agree(void *ptr)
{
	(void)ptr;
	return 0;
}

static void count(const void *ptr, int depth, int max_depth, int is_ref, void *counter)
{
	(void)ptr;
	(void)depth;
	(void)max_depth;
	(void)is_ref;
	++*(long *)counter;
}

/* As programs do that show their memory. */
static void look_up(const void *ptr, int depth, int max_depth, int is_ref, void *unused)
{
	(void)depth;
	(void)max_depth;
	(void)is_ref;
	(void)unused;
	sink = (size_t)talloc_get_name(ptr) + talloc_total_size(ptr) + talloc_total_blocks(ptr) +
	       talloc_reference_count(ptr);
}

static void with_destructor(void *ptr)
{
	_talloc_set_destructor(ptr, agree);
}

/* As large as that at first, and so much more each time. */
static void grow(void *parent, size_t size, size_t step, int times)
{
	char *p = talloc_size(parent, size);

	while (--times > 0)
		p = talloc_realloc_size(parent, p, size += step);
	talloc_free(p);
}

/* A list of texts, which are children of it. */
static char **list_of(int texts)
{
	char **p = NULL;
	int i;

	for (i = 0; i < texts; i++) {
		p = talloc_realloc(root, p, char *, i + 2);
		p[i] = talloc_strdup(p, text);
		p[i + 1] = NULL;
	}
	return p;
}

/* What Python has for an object of a library that uses talloc. */
static void python_object(void *of)
{
	void *p = talloc_new(NULL);

	talloc_reference(p, of);
	talloc_unlink(NULL, p);
}

#define LOOK(call) (sink = (size_t)(call))

#define ROWS(ROW)                                                                               \
	/* looking */                                                                           \
	ROW("get_name", LOOK(talloc_get_name(chunk)))                                           \
	ROW("get_size", LOOK(talloc_get_size(chunk)))                                           \
	ROW("parent", LOOK(talloc_parent(chunk)))                                               \
	ROW("parent_name", LOOK(talloc_parent_name(chunk)))                                     \
	ROW("check_name, the same pointer", LOOK(talloc_check_name(chunk, "chunk")))            \
	ROW("check_name, the same text", LOOK(talloc_check_name(chunk, same_name)))             \
	ROW("get_type_abort, the same text", LOOK(_talloc_get_type_abort(chunk, same_name, ""))) \
	ROW("find_parent_byname, two up", LOOK(talloc_find_parent_byname(deep, "root")))        \
	ROW("is_parent, yes", LOOK(talloc_is_parent(deep, root)))                               \
	ROW("is_parent, no", LOOK(talloc_is_parent(deep, other)))                               \
	ROW("reference_count, 0", LOOK(talloc_reference_count(chunk)))                          \
	ROW("reference_count, 1", LOOK(talloc_reference_count(referenced)))                     \
	ROW("total_size of a leaf", LOOK(talloc_total_size(deep)))                              \
	ROW("total_blocks of 17 chunks", LOOK(talloc_total_blocks(tree)))                       \
	ROW("report_depth_cb of 17 chunks", talloc_report_depth_cb(tree, 0, -1, count, &seen))  \
	ROW("the same, all of each chunk looked up",                                            \
	    talloc_report_depth_cb(tree, 0, -1, look_up, NULL))                                 \
	ROW("report_full of 17 chunks", talloc_report_full(tree, nowhere))                      \
	ROW("show_parents", talloc_show_parents(deep, nowhere))                                 \
	/* names and destructors */                                                             \
	ROW("set_name_const", talloc_set_name_const(chunk, "chunk"))                            \
	ROW("set_destructor to none", _talloc_set_destructor(chunk, NULL))                      \
	/* made and freed */                                                                    \
	ROW("new, free", talloc_free(talloc_new(root)))                                         \
	ROW("zero, free", talloc_free(talloc_zero(root, struct timespec)))                      \
	ROW("array, free", talloc_free(talloc_array(root, int, 20)))                            \
	ROW("zero_array, free", talloc_free(talloc_zero_array(root, int, 20)))                  \
	ROW("memdup, free", talloc_free(talloc_memdup(root, text, 6)))                          \
	ROW("strdup, free", talloc_free(talloc_strdup(root, text)))                             \
	ROW("strndup, free", talloc_free(talloc_strndup(root, text, 3)))                        \
	ROW("asprintf, free", talloc_free(talloc_asprintf(root, "%s %d", text, 5)))             \
	ROW("named, free", talloc_free(talloc_named(root, 10, "a %s", text)))                   \
	ROW("init, free", talloc_free(talloc_init("a %s", text)))                               \
	ROW("5,000 bytes, free", talloc_free(talloc_size(root, 5000)))                          \
	ROW("100,000 bytes, free", talloc_free(talloc_size(root, 100000)))                      \
	ROW("with a destructor, free",                                                          \
	    { void *p = talloc_new(root); with_destructor(p); talloc_free(p); })                \
	ROW("three levels, free",                                                               \
	    { void *p = talloc_new(root); talloc_new(talloc_new(p)); talloc_free(p); })         \
	ROW("three levels, a destructor amid, free", {                                          \
		void *p = talloc_new(root), *q = talloc_new(p);                                 \
		talloc_new(q);                                                                  \
		with_destructor(q);                                                             \
		talloc_free(p);                                                                 \
	})                                                                                      \
	ROW("two children, free_children",                                                      \
	    { talloc_new(other); talloc_new(other); talloc_free_children(other); })             \
	ROW("free_children of none", talloc_free_children(deep))                                \
	ROW("two members, free_children",                                                       \
	    { talloc_new(pool); talloc_new(pool); talloc_free_children(pool); })                \
	/* resized */                                                                           \
	ROW("realloc to the same size", chunk = talloc_realloc_size(root, chunk, 50))           \
	ROW("realloc to less, little",                                                          \
	    talloc_free(talloc_realloc_size(root, talloc_size(root, 200), 190)))                \
	ROW("realloc to less, by half",                                                         \
	    talloc_free(talloc_realloc_size(root, talloc_size(root, 80), 40)))                  \
	ROW("realloc to less, much",                                                            \
	    talloc_free(talloc_realloc_size(root, talloc_size(root, 2000), 190)))               \
	ROW("realloc from 100 to 300",                                                          \
	    talloc_free(talloc_realloc_size(root, talloc_size(root, 100), 300)))                \
	ROW("realloc from 5,000 to 9,000",                                                      \
	    talloc_free(talloc_realloc_size(root, talloc_size(root, 5000), 9000)))              \
	ROW("realloc, ten times 20 more", grow(root, 20, 20, 10))                               \
	ROW("realloc, forty times 20 more", grow(root, 20, 20, 40))                             \
	ROW("realloc, forty times 200 more from 1,200", grow(root, 1200, 200, 40))              \
	ROW("list of 20 texts below it", talloc_free(list_of(20)))                              \
	ROW("list of 200 texts below it", talloc_free(list_of(200)))                            \
	ROW("realloc from nothing, to nothing",                                                 \
	    talloc_realloc_size(root, talloc_realloc_size(root, NULL, 50), 0))                  \
	ROW("strdup_append", talloc_free(talloc_strdup_append(talloc_strdup(root, "a"), text))) \
	ROW("strndup_append",                                                                   \
	    talloc_free(talloc_strndup_append(talloc_strdup(root, "a"), text, 3)))              \
	ROW("asprintf_append",                                                                  \
	    talloc_free(talloc_asprintf_append(talloc_strdup(root, "a"), "%d", 5)))             \
	/* moved */                                                                             \
	ROW("steal, there and back",                                                            \
	    { talloc_steal(other, chunk); talloc_steal(root, chunk); })                         \
	ROW("move", { void *p = chunk; chunk = talloc_move(root, &p); })                        \
	ROW("reparent, there and back",                                                         \
	    { talloc_reparent(root, other, chunk); talloc_reparent(other, root, chunk); })      \
	ROW("new, unlink", talloc_unlink(root, talloc_new(root)))                               \
	/* references */                                                                        \
	ROW("reference, unlink", { talloc_reference(other, chunk); talloc_unlink(other, chunk); }) \
	ROW("a second reference, unlink",                                                       \
	    { talloc_reference(other, referenced); talloc_unlink(other, referenced); })         \
	ROW("increase_ref_count, unlink",                                                       \
	    { talloc_increase_ref_count(chunk); talloc_unlink(NULL, chunk); })                  \
	ROW("a reference outlives the parent", {                                                \
		void *p = talloc_new(root), *q = talloc_new(p);                                 \
		talloc_reference(other, q);                                                     \
		talloc_free(p);                                                                 \
		talloc_unlink(other, q);                                                        \
	})                                                                                      \
	ROW("a reference goes with its owner", {                                                \
		void *p = talloc_new(root), *q = talloc_new(other);                             \
		talloc_reference(p, q);                                                         \
		talloc_free(p);                                                                 \
		talloc_free(q);                                                                 \
	})                                                                                      \
	/* pools */                                                                             \
	ROW("pool, free", talloc_free(talloc_pool(root, 1000)))                                 \
	ROW("pooled_object, free",                                                              \
	    talloc_free(talloc_pooled_object(root, struct timespec, 2, 100)))                   \
	ROW("pool, a member, free", { void *p = talloc_pool(root, 500); talloc_new(p); talloc_free(p); }) \
	ROW("pool in a pool, a member, free",                                                   \
	    { void *p = talloc_pool(pool, 500); talloc_new(p); talloc_free(p); })               \
	ROW("pool that is full, a child, free",                                                 \
	    { void *p = talloc_pool(root, 100); talloc_size(p, 200); talloc_free(p); })         \
	ROW("pool that its member outlives", {                                                  \
		void *p = talloc_pool(root, 500), *q = talloc_new(p);                           \
		talloc_steal(root, q);                                                          \
		talloc_free(p);                                                                 \
		talloc_free(q);                                                                 \
	})                                                                                      \
	ROW("member, free", talloc_free(talloc_new(pool)))                                      \
	ROW("member with a destructor, free",                                                   \
	    { void *p = talloc_new(pool); with_destructor(p); talloc_free(p); })                \
	ROW("member with two children, free",                                                   \
	    { void *p = talloc_new(pool); talloc_new(p); talloc_new(p); talloc_free(p); })      \
	ROW("member, strdup, free", talloc_free(talloc_strdup(pool, text)))                     \
	ROW("member, realloc, ten times 20 more", grow(pool, 20, 20, 10))                       \
	ROW("member, realloc in the pool",                                                      \
	    talloc_free(talloc_realloc_size(pool, talloc_size(pool, 100), 300)))                \
	ROW("member, reference, unlink, free", {                                                \
		void *p = talloc_new(pool);                                                     \
		talloc_reference(pool, p);                                                      \
		talloc_unlink(pool, p);                                                         \
		talloc_free(p);                                                                 \
	})                                                                                      \
	/* without a parent */                                                                  \
	ROW("no parent: new, free", talloc_free(talloc_new(NULL)))                              \
	ROW("no parent: two children, free",                                                    \
	    { void *p = talloc_new(NULL); talloc_new(p); talloc_new(p); talloc_free(p); })      \
	ROW("no parent: realloc, ten times 20 more", grow(NULL, 20, 20, 10))                    \
	ROW("no parent: stolen below one",                                                      \
	    { void *p = talloc_new(NULL); talloc_steal(root, p); talloc_free(p); })             \
	ROW("no parent: new, unlink", talloc_unlink(NULL, talloc_new(NULL)))                    \
	ROW("no parent: new, reference, unlink", python_object(chunk))                          \
	ROW("a parent, then none", { void *p = talloc_new(root); talloc_steal(NULL, p); talloc_free(p); }) \
	ROW("autofree_context", LOOK(talloc_autofree_context()))

/* Where there is a limit. */
#define LIMIT_ROWS(ROW)                                                                         \
	ROW("below a limit: new, free", talloc_free(talloc_new(limited)))                       \
	ROW("below a limit: 5,000 bytes, free", talloc_free(talloc_size(limited, 5000)))        \
	ROW("below a limit: realloc, ten times 20 more", grow(limited, 20, 20, 10))             \
	ROW("below a limit: three levels, free",                                                \
	    { void *p = talloc_new(limited); talloc_new(talloc_new(p)); talloc_free(p); })      \
	ROW("below a limit: pool, free", talloc_free(talloc_pool(limited, 1000)))               \
	ROW("below a limit: member, free", talloc_free(talloc_new(limited_pool)))               \
	ROW("below a limit: stolen in and out", {                                               \
		void *p = talloc_new(root);                                                     \
		talloc_steal(limited, p);                                                       \
		talloc_steal(root, p);                                                          \
		talloc_free(p);                                                                 \
	})                                                                                      \
	ROW("set_memlimit, a child, free", {                                                    \
		void *p = talloc_new(root);                                                     \
		talloc_set_memlimit(p, 10000);                                                  \
		talloc_new(p);                                                                  \
		talloc_free(p);                                                                 \
	})

/* The same while null tracking is on. */
#define TRACKED_ROWS(ROW)                                                                       \
	ROW("tracked: new, free", talloc_free(talloc_new(NULL)))                                \
	ROW("tracked: two children, free",                                                      \
	    { void *p = talloc_new(NULL); talloc_new(p); talloc_new(p); talloc_free(p); })      \
	ROW("tracked: realloc, ten times 20 more", grow(NULL, 20, 20, 10))                      \
	ROW("tracked: stolen below one",                                                        \
	    { void *p = talloc_new(NULL); talloc_steal(root, p); talloc_free(p); })             \
	ROW("tracked: new, unlink", talloc_unlink(NULL, talloc_new(NULL)))                      \
	ROW("tracked: new, reference, unlink", python_object(chunk))                            \
	ROW("tracked: total_blocks of all", LOOK(talloc_total_blocks(NULL)))

/* Everything lives on. */
#define FIRST_ROWS(ROW)                                                                         \
	ROW("first: size", made[i] = talloc_size(root, 40))                                     \
	ROW("first: zero_size", made[i] = talloc_zero_size(root, 100))                          \
	ROW("first: size without a parent", made[i] = talloc_size(NULL, 40))                    \
	ROW("first: size below a limit", made[i] = talloc_size(limited, 40))                    \
	ROW("first: 3,000 bytes", made[i] = talloc_size(root, 3000))                            \
	ROW("first: memdup", made[i] = talloc_memdup(root, text, 7))                            \
	ROW("first: strdup", made[i] = talloc_strdup(root, text))                               \
	ROW("first: strdup without a parent", made[i] = talloc_strdup(NULL, text))              \
	ROW("first: asprintf", made[i] = talloc_asprintf(root, "some %s", text))                \
	ROW("first: new and a reference", talloc_reference(root, talloc_new(root)))             \
	ROW("first: pool of 1,000 bytes", made[i] = talloc_pool(root, 1000))                    \
	ROW("first: pooled_object", made[i] = talloc_pooled_object(root, long, 1, 200))         \
	ROW("first: size and realloc to twice that",                                            \
	    made[i] = talloc_realloc_size(root, talloc_size(root, 40), 80))                     \
	ROW("first: list of five texts below it", made[i] = list_of(5))

static void *made[CALLS];

static double used(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#define TIME(name, ...)                                                                         \
	do {                                                                                    \
		double least = 1e18, took;                                                      \
		int i, round;                                                                   \
                                                                                                \
		for (round = 0; round < ROUNDS; round++) {                                      \
			took = used();                                                          \
			for (i = 0; i < CALLS; i++)                                             \
				__VA_ARGS__;                                                    \
			took = used() - took;                                                   \
			least = took < least ? took : least;                                    \
		}                                                                               \
		printf("%.2f %s\n", least / CALLS, name);                                       \
	} while (0);

/* A child has what we had when it came. */
#define TIME_FIRST(name, ...)                                                                   \
	if (fork() == 0) {                                                                      \
		double took;                                                                    \
		int i;                                                                          \
                                                                                                \
		begin_first();                                                                  \
		took = used();                                                                  \
		for (i = 0; i < CALLS; i++)                                                     \
			__VA_ARGS__;                                                            \
		printf("%.2f %s\n", (used() - took) / CALLS, name);                             \
		fflush(stdout);                                                                 \
		_exit(0);                                                                       \
	}                                                                                       \
	wait(NULL);

static void begin_first(void)
{
	static char a_text[] = "a text";

	text = a_text;
	root = talloc_named_const(NULL, 0, "root");
	limited = talloc_new(root);
	talloc_set_memlimit(limited, 1 << 30);
}

static void begin(void)
{
	int i, k;

	nowhere = fopen("/dev/null", "w");
	root = talloc_named_const(NULL, 0, "root");
	other = talloc_new(root);
	tree = talloc_new(root);
	for (i = 0; i < 4; i++) {
		void *branch = talloc_new(tree);

		for (k = 0; k < 3; k++)
			talloc_new(branch);
	}
	text = talloc_strdup(root, "a text");
	referenced = talloc_strdup(root, "referenced");
	talloc_reference(tree, referenced);
	chunk = talloc_named_const(root, 50, "chunk");
	deep = talloc_new(chunk);
	pool = talloc_pool(root, 100000);
	talloc_new(pool);
}

static void begin_limits(void)
{
	limited = talloc_new(root);
	talloc_set_memlimit(limited, 1 << 30);
	limited_pool = talloc_pool(limited, 10000);
}

int main(void)
{
	FIRST_ROWS(TIME_FIRST)
	begin();
	if (nowhere == NULL || pool == NULL)
		return 1;
	ROWS(TIME)
	begin_limits();
	LIMIT_ROWS(TIME)
	talloc_free(limited);
	talloc_enable_null_tracking();
	TRACKED_ROWS(TIME)
	return 0;
}
