/*
 * Every macro and every function of talloc.h, used the way programs use them,
 * in what C89, C23 and all of C++ have in common.  It is only compiled.
 *
 * TALLOC_TEST_SINCE=24 leaves out what the 2.4 header does not have.
 */
#include <talloc.h>

/* complete by itself, and harmless when read twice */
#include <talloc.h>

#include <string.h>

#ifndef TALLOC_TEST_SINCE
#define TALLOC_TEST_SINCE 25
#endif

#if TALLOC_VERSION_MAJOR != 2
#error "TALLOC_VERSION_MAJOR"
#endif
#if TALLOC_TEST_SINCE >= 25 && TALLOC_VERSION_MINOR != 5
#error "TALLOC_VERSION_MINOR"
#endif
#if TALLOC_MAX_DEPTH != 10000
#error "TALLOC_MAX_DEPTH"
#endif

/*
 * talloc_steal() may be a statement expression; that is the one thing which
 * -Wpedantic is not to complain about.
 */
#define STEAL(ctx, ptr) (__extension__ talloc_steal(ctx, ptr))

struct node {
	int number;
	struct node *next;
	char *text;
};

int use_all(TALLOC_CTX *ctx, FILE *f, int count, ...);
int own_printf(const char *fmt, ...) PRINTF_ATTRIBUTE(1, 2);
#if TALLOC_TEST_SINCE >= 25
_PUBLIC_ int own_public(void);
#endif
int own_deprecated(void) _DEPRECATED_;

static int node_destructor(struct node *n)
{
	return n->number;
}

static int any_destructor(void *p)
{
	return p == NULL;
}

static void on_report(const void *ptr, int depth, int max_depth, int is_ref, void *data)
{
	*(int *)data += depth + max_depth + is_ref + (ptr != NULL);
}

static void on_message(const char *message)
{
	(void)message;
}

static void allocate(TALLOC_CTX *ctx)
{
	struct node *n = talloc(ctx, struct node);
	struct node *z = talloc_zero(n, struct node);
	struct node *p = talloc_ptrtype(ctx, p);
	struct node *o = talloc_pooled_object(ctx, struct node, 2, 100);
	struct node *a = talloc_array(ctx, struct node, 10);
	struct node *b = talloc_zero_array(ctx, struct node, 10);
	struct node *c = talloc_array_ptrtype(ctx, c, 10);
	struct node *d = (struct node *)talloc_memdup(ctx, n, sizeof(*n));
	struct node *e = (struct node *)talloc_size(ctx, sizeof(*e));
	struct node *g = (struct node *)talloc_zero_size(ctx, sizeof(*g));
	struct node *h = (struct node *)talloc_array_size(ctx, sizeof(*h), 3);
	unsigned char *bytes = talloc_array(ctx, unsigned char, 10);
	const char **strings = talloc_array(ctx, const char *, 10);
	void *pool = talloc_pool(ctx, 1000);
	void *context = talloc_new(pool);
	void *named = talloc_named(ctx, 10, "name %d of %s", 1, "two");
	void *constant = talloc_named_const(ctx, 10, "name");
	void *top = talloc_init("top %d", 1);
	size_t length = talloc_array_length(a) + talloc_array_length(strings);

	a = talloc_realloc(ctx, a, struct node, 20);
	bytes = talloc_realloc(ctx, bytes, unsigned char, 20);
	e = (struct node *)talloc_realloc_size(ctx, e, 2 * sizeof(*e));
	g = (struct node *)talloc_realloc_fn(ctx, g, 2 * sizeof(*g));
#if TALLOC_TEST_SINCE >= 25
	a = talloc_realloc_zero(ctx, a, struct node, 30);
#endif
	talloc_set_destructor(n, node_destructor);
	talloc_set_destructor(z, NULL);
	talloc_set_destructor(context, any_destructor);
	talloc_set_type(d, struct node);
	d = talloc_get_type(d, struct node);
	d = talloc_get_type_abort(d, struct node);
	n = talloc_find_parent_bytype(z, struct node);
	n = STEAL(ctx, n);
	n = talloc_move(ctx, &n);
	n = talloc_reference(ctx, n);
	(void)STEAL(NULL, b);
	talloc_free(o);
	if (talloc_free(h) == 0)
		h = NULL;
	TALLOC_FREE(p);
	TALLOC_FREE(context);
	if (length > 3)
		TALLOC_FREE(c);
	else
		TALLOC_FREE(d);
	talloc_free(b);
	talloc_free(named);
	talloc_free(constant);
	talloc_free(top);
	talloc_free_children(pool);
}

static void strings(TALLOC_CTX *ctx, va_list ap)
{
	char *s = talloc_strdup(ctx, "text");

	s = talloc_strdup_append(s, "more");
	s = talloc_strdup_append_buffer(s, "more");
	s = talloc_strndup_append(s, "more", 2);
	s = talloc_strndup_append_buffer(s, "more", 2);
	s = talloc_asprintf_append(s, "%d %s", 1, "x");
	s = talloc_asprintf_append_buffer(s, "%lu", 1UL);
	s = talloc_vasprintf_append(s, "%d", ap);
	s = talloc_vasprintf_append_buffer(s, "%d", ap);
	talloc_free(s);
	s = talloc_strndup(ctx, "text", 3);
	talloc_asprintf_addbuf(&s, "%c%5.2f", 'x', 1.0);
#if TALLOC_TEST_SINCE >= 25
	talloc_asprintf_addsep(&s, ", ", "%c%5.2f", 'x', 1.0);
#endif
	talloc_free(s);
	s = talloc_vasprintf(ctx, "%d", ap);
	talloc_free(s);
	s = talloc_asprintf(ctx, "%s:%d", __location__, __LINE__);
	talloc_free(s);
}

static size_t look(const void *ctx, FILE *f)
{
	const char *name = talloc_get_name(ctx);
	const char *parent_name = talloc_parent_name(ctx);
	void *checked = talloc_check_name(ctx, "name");
	void *found = talloc_find_parent_byname(ctx, "name");
	void *parent = talloc_parent(ctx);
	int seen = 0;

	talloc_report_depth_cb(ctx, 0, -1, on_report, &seen);
	talloc_report_depth_file(ctx, 0, 5, f);
	talloc_report(ctx, f);
	talloc_report_full(ctx, f);
	talloc_show_parents(ctx, f);
	if (name == parent_name || checked == found)
		return 0;
	return talloc_get_size(ctx) + talloc_total_size(ctx) + talloc_total_blocks(ctx) +
	       talloc_reference_count(ctx) + (size_t)talloc_is_parent(ctx, parent);
}

static void change(TALLOC_CTX *ctx)
{
	char *a = talloc_strdup(ctx, "a");
	const char *name = talloc_set_name(a, "%s %d", "x", 1);

	talloc_set_name_const(a, name);
	if (talloc_increase_ref_count(a) != 0 || talloc_unlink(NULL, a) != 0)
		return;
	if (talloc_reparent(ctx, NULL, a) == NULL)
		return;
	talloc_enable_null_tracking();
	talloc_enable_null_tracking_no_autofree();
	talloc_disable_null_tracking();
	talloc_enable_leak_report();
	talloc_enable_leak_report_full();
	talloc_set_abort_fn(on_message);
	talloc_set_abort_fn(NULL);
	talloc_set_log_fn(on_message);
	talloc_set_log_stderr();
}

#if TALLOC_TEST_SINCE >= 25
static void caches(TALLOC_CTX *ctx)
{
	void *cache = talloc_pool_cache(ctx, 10 * sizeof(struct node), sizeof(struct node));
	struct node *a = (struct node *)talloc_cache(cache);
	struct node *b = (struct node *)talloc_cache_zero(cache);

	talloc_free(a);
	talloc_free(b);
	talloc_free(cache);
}
#endif

#if TALLOC_DEPRECATED
static void old_names(TALLOC_CTX *ctx)
{
	int *a = talloc_p(ctx, int);
	int *b = talloc_zero_p(ctx, int);
	int *c = talloc_array_p(ctx, int, 5);
	char *s = talloc_strdup(ctx, "s");

	c = talloc_realloc_p(ctx, c, int, 10);
	s = talloc_append_string(ctx, s, "t");
	talloc_destroy(a);
	talloc_destroy(b);
	talloc_destroy(c);
	talloc_destroy(s);
}
#endif

int use_all(TALLOC_CTX *ctx, FILE *f, int count, ...)
{
	va_list ap;

	allocate(ctx);
	va_start(ap, count);
	strings(ctx, ap);
	va_end(ap);
	change(ctx);
#if TALLOC_TEST_SINCE >= 25
	caches(ctx);
#endif
#if TALLOC_DEPRECATED
	old_names(ctx);
#endif
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	if (talloc_set_memlimit(talloc_autofree_context(), 1000) != 0)
		return 1;
#pragma GCC diagnostic pop
	return (int)look(ctx, f) + talloc_version_major() + talloc_version_minor() +
	       talloc_test_get_magic();
}
