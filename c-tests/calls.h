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

static void no_walk(const void *ptr, int depth, int max_depth, int is_ref, void *private_data)
{
	(void)ptr;
	(void)depth;
	(void)max_depth;
	(void)is_ref;
	(void)private_data;
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

/*
 * X(name, call): bad is the pointer under test.  A file may have more of its own:
 * MORE_CALLS(X), defined before the inclusion.
 */
#ifndef MORE_CALLS
#define MORE_CALLS(X)
#endif

#define CALLS(X)                                                                   \
	X(free, talloc_free(bad))                                                  \
	X(free_children, talloc_free_children(bad))                                \
	X(unlink, talloc_unlink(good, bad))                                        \
	X(unlink_null, talloc_unlink(NULL, bad))                                   \
	X(steal, _talloc_steal_loc(good, bad, "here"))                             \
	X(steal_to, _talloc_steal_loc(bad, good, "here"))                          \
	X(steal_to_null, _talloc_steal_loc(NULL, bad, "here"))                     \
	X(move, _talloc_move(good, &bad))                                          \
	X(move_to, _talloc_move(bad, &good))                                       \
	X(reparent, talloc_reparent(good, other, bad))                             \
	X(reference, _talloc_reference_loc(good, bad, "here"))                     \
	X(reference_by, _talloc_reference_loc(bad, good, "here"))                  \
	X(reference_count, talloc_reference_count(bad))                            \
	X(increase_ref_count, talloc_increase_ref_count(bad))                      \
	X(set_destructor, _talloc_set_destructor(bad, accept_free))                \
	X(set_name, talloc_set_name(bad, "%d", 1))                                 \
	X(set_name_const, talloc_set_name_const(bad, "name"))                      \
	X(get_name, talloc_get_name(bad))                                          \
	X(check_name, talloc_check_name(bad, "name"))                              \
	X(get_type_abort, _talloc_get_type_abort(bad, "name", "here"))             \
	X(parent, talloc_parent(bad))                                              \
	X(parent_name, talloc_parent_name(bad))                                    \
	X(find_parent_byname, talloc_find_parent_byname(bad, "name"))              \
	X(is_parent, talloc_is_parent(bad, good))                                  \
	X(show_parents, talloc_show_parents(bad, null_file))                       \
	X(get_size, talloc_get_size(bad))                                          \
	X(total_size, talloc_total_size(bad))                                      \
	X(total_blocks, talloc_total_blocks(bad))                                  \
	X(report, talloc_report(bad, null_file))                                   \
	X(report_full, talloc_report_full(bad, null_file))                         \
	X(report_depth_file, talloc_report_depth_file(bad, 0, 1, null_file))       \
	X(report_depth_cb, talloc_report_depth_cb(bad, 0, 1, no_walk, NULL))       \
	X(set_memlimit, talloc_set_memlimit(bad, 1000))                            \
	X(named_const, talloc_named_const(bad, 1, "name"))                         \
	X(named, talloc_named(bad, 1, "%d", 1))                                    \
	X(plain, _talloc(bad, 1))                                                  \
	X(zero, _talloc_zero(bad, 1, "name"))                                      \
	X(array, _talloc_array(bad, 1, 1, "name"))                                 \
	X(zero_array, _talloc_zero_array(bad, 1, 1, "name"))                       \
	X(memdup, _talloc_memdup(bad, "x", 1, "name"))                             \
	X(a_pool, talloc_pool(bad, 100))                                           \
	X(pooled_object, _talloc_pooled_object(bad, 1, "name", 1, 1))              \
	X(realloc, _talloc_realloc(good, bad, 20, "name"))                         \
	X(realloc_under, _talloc_realloc(bad, NULL, 20, "name"))                   \
	X(realloc_to_nothing, _talloc_realloc(good, bad, 0, "name"))               \
	X(realloc_array, _talloc_realloc_array(good, bad, 1, 20, "name"))          \
	X(realloc_fn, talloc_realloc_fn(good, bad, 20))                            \
	X(strdup, talloc_strdup(bad, "x"))                                         \
	X(strndup, talloc_strndup(bad, "x", 1))                                    \
	X(asprintf, talloc_asprintf(bad, "%d", 1))                                 \
	X(vasprintf, new_with_list(bad, "%d", 1))                                  \
	X(strdup_append, talloc_strdup_append(bad, "x"))                           \
	X(strdup_append_buffer, talloc_strdup_append_buffer(bad, "x"))             \
	X(strndup_append, talloc_strndup_append(bad, "x", 1))                      \
	X(strndup_append_buffer, talloc_strndup_append_buffer(bad, "x", 1))        \
	X(asprintf_append, talloc_asprintf_append(bad, "%d", 1))                   \
	X(asprintf_append_buffer, talloc_asprintf_append_buffer(bad, "%d", 1))     \
	X(vasprintf_append, with_list(talloc_vasprintf_append, bad, "%d", 1))      \
	X(vasprintf_append_buffer, with_list(talloc_vasprintf_append_buffer, bad, "%d", 1)) \
	X(asprintf_addbuf, talloc_asprintf_addbuf((char **)&bad, "%d", 1)) \
	MORE_CALLS(X)

#define MAKE_CALL(name, call) static void call_##name(void *bad) { (void)(call); }
CALLS(MAKE_CALL)

#define LIST_CALL(name, call) { #name, call_##name },
static const struct {
	const char *name;
	void (*call)(void *bad);
} all_calls[] = { CALLS(LIST_CALL) };

#define CALL_COUNT (sizeof(all_calls) / sizeof(all_calls[0]))

#endif
