/*
 * All functions that take a chunk, once for each chunk that they take; to be
 * included after test.h.
 */
#ifndef TALLOC_C_TESTS_CALLS_H
#define TALLOC_C_TESTS_CALLS_H

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* Chunks for the other arguments, to be set before a call. */
static void *good, *other;
static FILE *null_file;

/* How often the callback of a walk was called. */
static int walked;

static void count_walk(const void *ptr, int depth, int max_depth, int is_ref, void *private_data)
{
	(void)ptr;
	(void)depth;
	(void)max_depth;
	(void)is_ref;
	(void)private_data;
	walked++;
}

__attribute__((format(printf, 3, 4)))
static char *with_list(char *(*fn)(char *, const char *, va_list), char *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	s = fn(s, fmt, ap);
	va_end(ap);
	return s;
}

__attribute__((format(printf, 2, 3)))
static char *new_with_list(const void *ctx, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = talloc_vasprintf(ctx, fmt, ap);
	va_end(ap);
	return s;
}

static int accept_free(void *ptr)
{
	(void)ptr;
	return 0;
}

static char *addbuf(void *bad)
{
	char *s = bad;

	/* on failure it sets the string to NULL */
	talloc_asprintf_addbuf(&s, "%d", 1);
	return s;
}

static void *move_to(void *bad)
{
	void *ptr = good;

	return _talloc_move(bad, &ptr);
}

/*
 * X(refusal, name, call): bad is the pointer under test; if the call is refused, it answers
 * NULL (PTR), -1 (NEG), 0 (NUL) or nothing (NONE).  A file may have more of its own:
 * MORE_CALLS(X), defined before the inclusion.
 */
#ifndef MORE_CALLS
#define MORE_CALLS(X)
#endif

#define CALLS(X)                                                                    \
	X(NEG, free, talloc_free(bad))                                              \
	X(NONE, free_children, talloc_free_children(bad))                           \
	X(NEG, unlink, talloc_unlink(good, bad))                                    \
	X(NEG, unlink_null, talloc_unlink(NULL, bad))                               \
	X(PTR, steal, _talloc_steal_loc(good, bad, "here"))                         \
	X(PTR, steal_to, _talloc_steal_loc(bad, good, "here"))                      \
	X(PTR, steal_to_null, _talloc_steal_loc(NULL, bad, "here"))                 \
	X(PTR, move, _talloc_move(good, &bad))                                      \
	X(PTR, move_to, move_to(bad))                                               \
	X(PTR, reparent, talloc_reparent(good, other, bad))                         \
	X(PTR, reference, _talloc_reference_loc(good, bad, "here"))                 \
	X(PTR, reference_by, _talloc_reference_loc(bad, good, "here"))              \
	X(NUL, reference_count, talloc_reference_count(bad))                        \
	X(NEG, increase_ref_count, talloc_increase_ref_count(bad))                  \
	X(NONE, set_destructor, _talloc_set_destructor(bad, accept_free))           \
	X(PTR, set_name, talloc_set_name(bad, "%d", 1))                             \
	X(NONE, set_name_const, talloc_set_name_const(bad, "name"))                 \
	X(PTR, get_name, talloc_get_name(bad))                                      \
	X(PTR, check_name, talloc_check_name(bad, "name"))                          \
	X(PTR, get_type_abort, _talloc_get_type_abort(bad, "name", "here"))         \
	X(PTR, parent, talloc_parent(bad))                                          \
	X(PTR, parent_name, talloc_parent_name(bad))                                \
	X(PTR, find_parent_byname, talloc_find_parent_byname(bad, "name"))          \
	X(NUL, is_parent, talloc_is_parent(bad, good))                              \
	X(NONE, show_parents, talloc_show_parents(bad, null_file))                  \
	X(NUL, get_size, talloc_get_size(bad))                                      \
	X(NUL, total_size, talloc_total_size(bad))                                  \
	X(NUL, total_blocks, talloc_total_blocks(bad))                              \
	X(NONE, report, talloc_report(bad, null_file))                              \
	X(NONE, report_full, talloc_report_full(bad, null_file))                    \
	X(NONE, report_depth_file, talloc_report_depth_file(bad, 0, 1, null_file))  \
	X(NONE, report_depth_cb, talloc_report_depth_cb(bad, 0, 1, count_walk, NULL)) \
	X(NEG, set_memlimit, talloc_set_memlimit(bad, 1000))                        \
	X(PTR, named_const, talloc_named_const(bad, 1, "name"))                     \
	X(PTR, named, talloc_named(bad, 1, "%d", 1))                                \
	X(PTR, plain, _talloc(bad, 1))                                              \
	X(PTR, zero, _talloc_zero(bad, 1, "name"))                                  \
	X(PTR, array, _talloc_array(bad, 1, 1, "name"))                             \
	X(PTR, zero_array, _talloc_zero_array(bad, 1, 1, "name"))                   \
	X(PTR, memdup, _talloc_memdup(bad, "x", 1, "name"))                         \
	X(PTR, a_pool, talloc_pool(bad, 100))                                       \
	X(PTR, pooled_object, _talloc_pooled_object(bad, 1, "name", 1, 1))          \
	X(PTR, realloc, _talloc_realloc(good, bad, 20, "name"))                     \
	X(PTR, realloc_under, _talloc_realloc(bad, NULL, 20, "name"))               \
	X(PTR, realloc_to_nothing, _talloc_realloc(good, bad, 0, "name"))           \
	X(PTR, realloc_array, _talloc_realloc_array(good, bad, 1, 20, "name"))      \
	X(PTR, realloc_fn, talloc_realloc_fn(good, bad, 20))                        \
	X(PTR, strdup, talloc_strdup(bad, "x"))                                     \
	X(PTR, strndup, talloc_strndup(bad, "x", 1))                                \
	X(PTR, asprintf, talloc_asprintf(bad, "%d", 1))                             \
	X(PTR, vasprintf, new_with_list(bad, "%d", 1))                              \
	X(PTR, strdup_append, talloc_strdup_append(bad, "x"))                       \
	X(PTR, strdup_append_buffer, talloc_strdup_append_buffer(bad, "x"))         \
	X(PTR, strndup_append, talloc_strndup_append(bad, "x", 1))                  \
	X(PTR, strndup_append_buffer, talloc_strndup_append_buffer(bad, "x", 1))    \
	X(PTR, asprintf_append, talloc_asprintf_append(bad, "%d", 1))               \
	X(PTR, asprintf_append_buffer, talloc_asprintf_append_buffer(bad, "%d", 1)) \
	X(PTR, vasprintf_append, with_list(talloc_vasprintf_append, bad, "%d", 1))  \
	X(PTR, vasprintf_append_buffer, with_list(talloc_vasprintf_append_buffer, bad, "%d", 1)) \
	X(PTR, asprintf_addbuf, addbuf(bad))                                        \
	MORE_CALLS(X)

enum refusal { PTR, NEG, NUL, NONE };

#define MAKE_PTR(call) return (intptr_t)(call)
#define MAKE_NEG(call) return (intptr_t)(call)
#define MAKE_NUL(call) return (intptr_t)(call)
#define MAKE_NONE(call) call; return 0
#define MAKE_CALL(refusal, name, call) \
	static intptr_t call_##name(void *bad) { MAKE_##refusal(call); }
CALLS(MAKE_CALL)

#define LIST_CALL(refusal, name, call) { refusal, #name, call_##name },
static const struct {
	enum refusal refusal;
	const char *name;
	intptr_t (*call)(void *bad);
} all_calls[] = { CALLS(LIST_CALL) };

#define CALL_COUNT (sizeof(all_calls) / sizeof(all_calls[0]))

#endif
