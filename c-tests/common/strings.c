/* Strings: duplicates, appends, formats, and what they are named. */
#include "test.h"

#include <stdarg.h>
#include <wchar.h>

#define LIMIT 0x10000000

/* Not representable in the C locale: a format error for %ls. */
static const wchar_t bad_wide[] = { 0x100, 0 };

static void *ctx;

/* All there is to know of a string: size, bytes, own name, parent. */
#define CHECK_STRING(s, bytes, parent) \
	check_string((s), (bytes), sizeof(bytes), (parent), #s, __LINE__)

static void check_string(const char *s, const char *bytes, size_t size, const void *parent,
			 const char *text, int line)
{
	int good = s != NULL && talloc_get_size(s) == size && memcmp(s, bytes, size) == 0 &&
		   talloc_get_name(s) == s && talloc_parent(s) == parent;

	if (!good)
		fprintf(stderr, "got size %zu, text %s, named %s\n", talloc_get_size(s),
			s ? s : "NULL", s ? talloc_get_name(s) : "NULL");
	test_check(good, text, __FILE__, line);
}

/* "hello", ready to be appended to. */
static char *hello(void)
{
	return talloc_strdup(ctx, "hello");
}

/* The same with something behind its end, which only *_buffer() keeps. */
static char *hello_nul_world(void)
{
	char *s = talloc_strdup(ctx, "hello world");

	s[5] = '\0';
	return s;
}

/* "hello" under a name that is not its text. */
static char *labelled(void)
{
	char *s = hello();

	talloc_set_name_const(s, "label");
	return s;
}

__attribute__((format(printf, 2, 3))) static char *
call_vasprintf(const void *t, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = talloc_vasprintf(t, fmt, ap);
	va_end(ap);
	return s;
}

__attribute__((format(printf, 2, 3))) static char *call_vappend(char *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	s = talloc_vasprintf_append(s, fmt, ap);
	va_end(ap);
	return s;
}

__attribute__((format(printf, 2, 3))) static char *call_vappend_buffer(char *s,
								       const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	s = talloc_vasprintf_append_buffer(s, fmt, ap);
	va_end(ap);
	return s;
}

static void test_strdup(void)
{
	char text[] = "text";
	char *s = talloc_strdup(ctx, text);

	CHECK_STRING(s, "text", ctx);
	CHECK(s != text);
	text[0] = 'n';
	CHECK_STR(s, "text");
	CHECK_STRING(talloc_strdup(ctx, ""), "", ctx);
	CHECK_STRING(talloc_strdup(ctx, "a\0b"), "a", ctx);
	/* Under itself: the source is the context. */
	CHECK_STRING(talloc_strdup(s, s), "text", s);
	CHECK_INT(talloc_total_blocks(s), 2);
	CHECK_INT(talloc_total_size(s), 10);
	CHECK(talloc_strdup(ctx, NULL) == NULL);
	CHECK(talloc_strdup(NULL, NULL) == NULL);
	s = talloc_strdup(NULL, "loose");
	CHECK_STRING(s, "loose", NULL);
	CHECK_INT(talloc_free(s), 0);
	errno = 5;
	CHECK_STRING(talloc_strdup(ctx, "x"), "x", ctx);
	CHECK_INT(errno, 5);
}

static void test_strndup(void)
{
	static const char raw[3] = { 'a', 'b', 'c' };
	char *s;

	CHECK_STRING(talloc_strndup(ctx, "hello", 3), "hel", ctx);
	CHECK_STRING(talloc_strndup(ctx, "hello", 5), "hello", ctx);
	CHECK_STRING(talloc_strndup(ctx, "hello", 6), "hello", ctx);
	CHECK_STRING(talloc_strndup(ctx, "hello", 1000), "hello", ctx);
	CHECK_STRING(talloc_strndup(ctx, "hello", SIZE_MAX), "hello", ctx);
	CHECK_STRING(talloc_strndup(ctx, "hello", 0), "", ctx);
	CHECK_STRING(talloc_strndup(ctx, "", 10), "", ctx);
	CHECK_STRING(talloc_strndup(ctx, "he\0llo", 6), "he", ctx);
	/* The end of the source need not be there. */
	CHECK_STRING(talloc_strndup(ctx, raw, 3), "abc", ctx);
	CHECK(talloc_strndup(ctx, NULL, 0) == NULL);
	CHECK(talloc_strndup(ctx, NULL, 5) == NULL);
	CHECK(talloc_strndup(NULL, NULL, 5) == NULL);
	s = talloc_strndup(NULL, "loose", 4);
	CHECK_STRING(s, "loos", NULL);
	CHECK_INT(talloc_free(s), 0);
}

static void test_strdup_append(void)
{
	char *s, *t;

	CHECK_STRING(talloc_strdup_append(hello(), ", you"), "hello, you", ctx);
	/* At strlen(): what lies behind the first NUL is lost. */
	CHECK_STRING(talloc_strdup_append(hello_nul_world(), ", you"), "hello, you", ctx);
	CHECK_STRING(talloc_strdup_append(hello_nul_world(), ""), "hello", ctx);
	CHECK_STRING(talloc_strdup_append(talloc_strdup(ctx, ""), "a"), "a", ctx);
	CHECK_STRING(talloc_strdup_append(hello(), "a\0b"), "helloa", ctx);

	s = hello_nul_world();
	t = talloc_strdup_append(s, NULL);
	CHECK(t == s);
	CHECK_STRING(s, "hello\0world", ctx);

	s = talloc_strdup_append(NULL, "new");
	CHECK_STRING(s, "new", NULL);
	CHECK_INT(talloc_free(s), 0);
	CHECK(talloc_strdup_append(NULL, NULL) == NULL);

	/* A larger buffer is cut to the string. */
	s = talloc_zero_size(ctx, 10);
	strcpy(s, "ab");
	CHECK_STRING(talloc_strdup_append(s, "XY"), "abXY", ctx);
}

static void test_strdup_append_buffer(void)
{
	char *s, *t;

	CHECK_STRING(talloc_strdup_append_buffer(hello(), ", you"), "hello, you", ctx);
	CHECK_STRING(talloc_strdup_append_buffer(hello_nul_world(), ", you"),
		     "hello\0world, you", ctx);
	CHECK_STRING(talloc_strdup_append_buffer(hello_nul_world(), ""), "hello\0world", ctx);
	CHECK_STRING(talloc_strdup_append_buffer(talloc_strdup(ctx, ""), "a"), "a", ctx);

	s = hello_nul_world();
	t = talloc_strdup_append_buffer(s, NULL);
	CHECK(t == s);
	CHECK_STRING(s, "hello\0world", ctx);

	s = talloc_strdup_append_buffer(NULL, "new");
	CHECK_STRING(s, "new", NULL);
	CHECK_INT(talloc_free(s), 0);
	CHECK(talloc_strdup_append_buffer(NULL, NULL) == NULL);

	/* The size decides, even if the last byte is not a NUL: it is lost. */
	s = talloc_size(ctx, 4);
	memcpy(s, "abcd", 4);
	CHECK_STRING(talloc_strdup_append_buffer(s, "XY"), "abcXY", ctx);
	s = talloc_zero_size(ctx, 10);
	strcpy(s, "ab");
	CHECK_STRING(talloc_strdup_append_buffer(s, "XY"), "ab\0\0\0\0\0\0\0XY", ctx);
	/* A chunk of size 0 has no last byte. */
	s = talloc_size(ctx, 0);
	CHECK_STRING(talloc_strdup_append_buffer(s, "XY"), "XY", ctx);
}

static void test_strndup_append(void)
{
	char *s;

	CHECK_STRING(talloc_strndup_append(hello(), "XYZ", 2), "helloXY", ctx);
	CHECK_STRING(talloc_strndup_append(hello(), "XYZ", 9), "helloXYZ", ctx);
	CHECK_STRING(talloc_strndup_append(hello(), "XYZ", SIZE_MAX), "helloXYZ", ctx);
	CHECK_STRING(talloc_strndup_append(hello(), "X\0YZ", 4), "helloX", ctx);
	CHECK_STRING(talloc_strndup_append(hello_nul_world(), "XYZ", 2), "helloXY", ctx);
	CHECK_STRING(talloc_strndup_append(hello(), "XYZ", 0), "hello", ctx);
	s = hello();
	CHECK(talloc_strndup_append(s, NULL, 2) == s);
	CHECK_STRING(s, "hello", ctx);

	CHECK_STRING(talloc_strndup_append_buffer(hello(), "XYZ", 2), "helloXY", ctx);
	CHECK_STRING(talloc_strndup_append_buffer(hello(), "X\0YZ", 4), "helloX", ctx);
	CHECK_STRING(talloc_strndup_append_buffer(hello_nul_world(), "XYZ", 2),
		     "hello\0worldXY", ctx);
	CHECK_STRING(talloc_strndup_append_buffer(hello(), "XYZ", 0), "hello", ctx);
	CHECK_STRING(talloc_strndup_append_buffer(talloc_size(ctx, 0), "XYZ", 2), "XY", ctx);
	s = hello_nul_world();
	CHECK(talloc_strndup_append_buffer(s, NULL, 2) == s);
	CHECK_STRING(s, "hello\0world", ctx);

	s = talloc_strndup_append(NULL, "XYZ", 2);
	CHECK_STRING(s, "XY", NULL);
	talloc_free(s);
	s = talloc_strndup_append_buffer(NULL, "XYZ", 2);
	CHECK_STRING(s, "XY", NULL);
	talloc_free(s);
	CHECK(talloc_strndup_append(NULL, NULL, 2) == NULL);
	CHECK(talloc_strndup_append_buffer(NULL, NULL, 2) == NULL);
}

static void test_asprintf(void)
{
	char *s;

	CHECK_STRING(talloc_asprintf(ctx, "%d-%s", 5, "five"), "5-five", ctx);
	CHECK_STRING(talloc_asprintf(ctx, "plain"), "plain", ctx);
	CHECK_STRING(talloc_asprintf(ctx, "100%%"), "100%", ctx);
	CHECK_STRING(talloc_asprintf(ctx, "%s", ""), "", ctx);
	CHECK_STRING(talloc_asprintf(ctx, "%5.2f|%-4x|%c", 1.5, 255u, 'c'), " 1.50|ff  |c", ctx);
	CHECK_STRING(talloc_asprintf(ctx, "%lld %zu", -5000000000LL, (size_t)7),
		     "-5000000000 7", ctx);
	CHECK_STRING(talloc_asprintf(ctx, "%3$s %1$s %2$s", "a", "b", "c"), "c a b", ctx);
	/* The length is what was printed, not where the first NUL is. */
	CHECK_STRING(talloc_asprintf(ctx, "a%cb", 0), "a\0b", ctx);
	s = hello();
	CHECK_STRING(talloc_asprintf(s, "%s+%s", s, s), "hello+hello", s);
	s = talloc_asprintf(NULL, "loose %d", 1);
	CHECK_STRING(s, "loose 1", NULL);
	CHECK_INT(talloc_free(s), 0);

	CHECK_STRING(call_vasprintf(ctx, "%d.%s", 1, "b"), "1.b", ctx);
	CHECK_STRING(call_vasprintf(ctx, "%s", ""), "", ctx);
	CHECK_STRING(call_vasprintf(ctx, "%d %d %d %d %d %d %d %f", 1, 2, 3, 4, 5, 6, 7, 8.0),
		     "1 2 3 4 5 6 7 8.000000", ctx);
	s = call_vasprintf(NULL, "%c", 'x');
	CHECK_STRING(s, "x", NULL);
	CHECK_INT(talloc_free(s), 0);
}

static void test_asprintf_append(void)
{
	char *s;

	CHECK_STRING(talloc_asprintf_append(hello(), "%d", 7), "hello7", ctx);
	CHECK_STRING(talloc_asprintf_append(hello_nul_world(), "%d", 7), "hello7", ctx);
	CHECK_STRING(talloc_asprintf_append(hello(), "a%cb", 0), "helloa\0b", ctx);
	CHECK_STRING(talloc_asprintf_append_buffer(hello(), "%d", 7), "hello7", ctx);
	CHECK_STRING(talloc_asprintf_append_buffer(hello_nul_world(), "%d", 7),
		     "hello\0world7", ctx);
	CHECK_STRING(talloc_asprintf_append_buffer(talloc_size(ctx, 0), "%d", 7), "7", ctx);
	CHECK_STRING(call_vappend(hello(), "%d.%s", 1, "b"), "hello1.b", ctx);
	CHECK_STRING(call_vappend(hello_nul_world(), "%d.%s", 1, "b"), "hello1.b", ctx);
	CHECK_STRING(call_vappend_buffer(hello(), "%d.%s", 1, "b"), "hello1.b", ctx);
	CHECK_STRING(call_vappend_buffer(hello_nul_world(), "%d.%s", 1, "b"),
		     "hello\0world1.b", ctx);

	s = talloc_asprintf_append(NULL, "%d", 7);
	CHECK_STRING(s, "7", NULL);
	talloc_free(s);
	s = talloc_asprintf_append_buffer(NULL, "%d", 7);
	CHECK_STRING(s, "7", NULL);
	talloc_free(s);
	s = call_vappend(NULL, "%d", 7);
	CHECK_STRING(s, "7", NULL);
	talloc_free(s);
	s = call_vappend_buffer(NULL, "%d", 7);
	CHECK_STRING(s, "7", NULL);
	talloc_free(s);
	s = talloc_asprintf_append(NULL, "%s", "");
	CHECK_STRING(s, "", NULL);
	talloc_free(s);
}

/*
 * Text of the string's own as an argument.  (Not the string itself in an
 * append: the original may move it first, and then reads what it has freed.)
 */
static void test_own_text_as_argument(void)
{
	char *s = hello();
	int i;

	CHECK_STRING(talloc_asprintf(ctx, "%s[%s]", s, s), "hello[hello]", ctx);
	CHECK_STRING(talloc_strdup_append(talloc_strdup(s, s), s), "hellohello", s);
	/* A made name is a chunk that stays where it is. */
	talloc_set_name(s, "name");
	CHECK_STRING(talloc_asprintf_append(s, "%s", talloc_get_name(s)), "helloname", ctx);
	s = hello();
	talloc_set_name(s, "of %s", s);
	CHECK_STR(talloc_get_name(s), "of hello");
	CHECK_STRING(talloc_strdup_append_buffer(s, talloc_get_name(s)), "helloof hello", ctx);
	s = talloc_strdup(ctx, "x");
	for (i = 0; i < 10; i++)
		s = talloc_asprintf(ctx, "%s%s", s, s);
	CHECK_INT(strlen(s), 1024);
	CHECK_INT(strspn(s, "x"), 1024);
}

/* Nothing to add: s comes back as it is, and keeps a name it was given. */
static void test_nothing_to_add(void)
{
	char *s = hello_nul_world();

	CHECK(talloc_asprintf_append(s, "%s", "") == s);
	CHECK_STRING(s, "hello\0world", ctx);
	CHECK(talloc_asprintf_append_buffer(s, "%s", "") == s);
	CHECK(call_vappend(s, "%s", "") == s);
	CHECK(call_vappend_buffer(s, "%s", "") == s);
	talloc_asprintf_addbuf(&s, "%s", "");
	CHECK_STRING(s, "hello\0world", ctx);

	s = labelled();
	CHECK(talloc_asprintf_append(s, "%s", "") == s);
	CHECK(talloc_asprintf_append_buffer(s, "%s", "") == s);
	CHECK_STR(talloc_get_name(s), "label");
	CHECK(talloc_strdup_append(s, NULL) == s);
	CHECK(talloc_strdup_append_buffer(s, NULL) == s);
	CHECK(talloc_strndup_append(s, NULL, 1) == s);
	CHECK(talloc_strndup_append_buffer(s, NULL, 1) == s);
	CHECK_STR(talloc_get_name(s), "label");
	/* An empty text is text: the name is given anew. */
	CHECK_STRING(talloc_strdup_append(labelled(), ""), "hello", ctx);
	CHECK_STRING(talloc_strdup_append_buffer(labelled(), ""), "hello", ctx);
	CHECK_STRING(talloc_strndup_append(labelled(), "abc", 0), "hello", ctx);
	CHECK_STRING(talloc_strndup_append_buffer(labelled(), "abc", 0), "hello", ctx);

	s = talloc_size(ctx, 0);
	CHECK(talloc_asprintf_append_buffer(s, "%s", "") == s);
	CHECK_INT(talloc_get_size(s), 0);
}

static void test_renamed(void)
{
	char *s = labelled();

	CHECK_STRING(talloc_strdup_append(labelled(), "1"), "hello1", ctx);
	CHECK_STRING(talloc_strdup_append_buffer(labelled(), "1"), "hello1", ctx);
	CHECK_STRING(talloc_strndup_append(labelled(), "1", 1), "hello1", ctx);
	CHECK_STRING(talloc_strndup_append_buffer(labelled(), "1", 1), "hello1", ctx);
	CHECK_STRING(talloc_asprintf_append(labelled(), "1"), "hello1", ctx);
	CHECK_STRING(talloc_asprintf_append_buffer(labelled(), "1"), "hello1", ctx);
	CHECK_STRING(call_vappend(labelled(), "1"), "hello1", ctx);
	CHECK_STRING(call_vappend_buffer(labelled(), "1"), "hello1", ctx);
	talloc_asprintf_addbuf(&s, "1");
	CHECK_STRING(s, "hello1", ctx);
	/* The chunk of a made name stays, unused. */
	s = hello();
	talloc_set_name(s, "made");
	s = talloc_strdup_append(s, "1");
	CHECK_STRING(s, "hello1", ctx);
	CHECK_STR(children_of(s), ".name ");
}

static void test_format_errors(void)
{
	size_t blocks = talloc_total_blocks(ctx);
	char *s, *t;

	errno = 0;
	CHECK(talloc_asprintf(ctx, "%ls", bad_wide) == NULL);
	CHECK_INT(errno, EILSEQ);
	CHECK(talloc_asprintf(ctx, "before %ls after", bad_wide) == NULL);
	CHECK(talloc_asprintf(NULL, "%ls", bad_wide) == NULL);
	CHECK(call_vasprintf(ctx, "%ls", bad_wide) == NULL);
	CHECK(talloc_asprintf_append(NULL, "%ls", bad_wide) == NULL);
	CHECK(talloc_asprintf_append_buffer(NULL, "%ls", bad_wide) == NULL);
	CHECK(call_vappend(NULL, "%ls", bad_wide) == NULL);
	CHECK(call_vappend_buffer(NULL, "%ls", bad_wide) == NULL);
	CHECK_INT(talloc_total_blocks(ctx), blocks);

	/* An append gives s back, whole, with the name it had. */
	s = hello_nul_world();
	talloc_set_name_const(s, "label");
	CHECK(talloc_asprintf_append(s, "%ls", bad_wide) == s);
	CHECK(talloc_asprintf_append(s, "more %ls", bad_wide) == s);
	CHECK(talloc_asprintf_append_buffer(s, "more %ls", bad_wide) == s);
	CHECK(call_vappend(s, "more %ls", bad_wide) == s);
	CHECK(call_vappend_buffer(s, "more %ls", bad_wide) == s);
	t = s;
	talloc_asprintf_addbuf(&s, "more %ls", bad_wide);
	CHECK(s == t);
	CHECK_INT(talloc_get_size(s), 12);
	CHECK(memcmp(s, "hello\0world", 12) == 0);
	CHECK_STR(talloc_get_name(s), "label");
}

static void test_addbuf(void)
{
	char *s = NULL;
	int i;

	talloc_asprintf_addbuf(&s, "%s", "x");
	CHECK(s == NULL);
	s = talloc_strdup(ctx, "");
	for (i = 0; i < 5; i++)
		talloc_asprintf_addbuf(&s, "%d,", i);
	CHECK_STRING(s, "0,1,2,3,4,", ctx);
	/* It appends at the end of the buffer. */
	s = hello_nul_world();
	talloc_asprintf_addbuf(&s, "%d", 4);
	CHECK_STRING(s, "hello\0world4", ctx);
}

/* A chunk with references is not resized, hence not appended to. */
static void test_references(void)
{
	void *owner = talloc_new(ctx);
	char *s = hello();

	talloc_reference(owner, s);
	CHECK(talloc_strdup_append(s, "zz") == NULL);
	CHECK(talloc_strdup_append(s, "") == NULL);
	CHECK(talloc_strdup_append_buffer(s, "zz") == NULL);
	CHECK(talloc_strndup_append(s, "zz", 0) == NULL);
	CHECK(talloc_strndup_append_buffer(s, "zz", 1) == NULL);
	CHECK(talloc_asprintf_append(s, "zz") == NULL);
	CHECK(talloc_asprintf_append_buffer(s, "zz") == NULL);
	CHECK(call_vappend(s, "zz") == NULL);
	CHECK(call_vappend_buffer(s, "zz") == NULL);
	CHECK(talloc_strdup_append(s, NULL) == s);
	CHECK(talloc_asprintf_append(s, "%s", "") == s);
	CHECK_STRING(s, "hello", ctx);
	CHECK_INT(talloc_reference_count(s), 1);
	talloc_free(owner);
	CHECK_STRING(s, "hello", ctx);
}

/* addbuf of one with references: freed as far as that goes, and set to NULL. */
static void test_addbuf_references(void)
{
	void *owner = talloc_new(ctx);
	char *s = hello(), *kept = s;

	talloc_reference(owner, s);
	log_start();
	talloc_asprintf_addbuf(&s, "zz");
	CHECK(s == NULL);
	/* The free is refused; where it says it happened is the library's own. */
	CHECK(strncmp(log_text, "ERROR: talloc_free with references at ", 38) == 0);
	CHECK(strstr(log_text, "\n\treference at " __FILE__ ":") != NULL);
	talloc_set_log_fn(NULL);
	CHECK_STRING(kept, "hello", ctx);
	CHECK_INT(talloc_reference_count(kept), 1);
	talloc_free(owner);
	CHECK_INT(talloc_free(kept), 0);
}

static void test_no_memory(void)
{
	void *small = talloc_new(ctx);
	char *text = malloc(50001);
	char *s = talloc_strdup(small, "kept");
	size_t blocks;

	memset(text, 't', 50000);
	text[50000] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	CHECK_INT(talloc_set_memlimit(small, 10000), 0);
#pragma GCC diagnostic pop
	blocks = talloc_total_blocks(small);
	errno = 0;
	CHECK(talloc_strdup(small, text) == NULL);
	CHECK_INT(errno, ENOMEM);
	CHECK(talloc_strndup(small, text, 20000) == NULL);
	CHECK(talloc_asprintf(small, "%s", text) == NULL);
	CHECK(call_vasprintf(small, "%s", text) == NULL);
	CHECK(talloc_strdup_append(s, text) == NULL);
	CHECK(talloc_strdup_append_buffer(s, text) == NULL);
	CHECK(talloc_strndup_append(s, text, 20000) == NULL);
	CHECK(talloc_strndup_append_buffer(s, text, 20000) == NULL);
	CHECK(talloc_asprintf_append(s, "%s", text) == NULL);
	CHECK(talloc_asprintf_append_buffer(s, "%s", text) == NULL);
	CHECK(call_vappend(s, "%s", text) == NULL);
	CHECK(call_vappend_buffer(s, "%s", text) == NULL);
	/* s is as it was. */
	CHECK_STRING(s, "kept", small);
	CHECK_INT(talloc_total_blocks(small), blocks);
	CHECK_STRING(talloc_strndup(small, text, 3), "ttt", small);

	/* A chain of addbuf needs one check, at the end. */
	talloc_asprintf_addbuf(&s, "%d", 1);
	CHECK_STRING(s, "kept1", small);
	talloc_asprintf_addbuf(&s, "%s", text);
	CHECK(s == NULL);
	talloc_asprintf_addbuf(&s, "%d", 2);
	CHECK(s == NULL);
	CHECK_STR(children_of(small), "ttt ");
	free(text);
	talloc_free(small);
}

/* Lengths around the sizes of buffers an implementation may have on its stack. */
static void test_lengths(void)
{
	static const int around[] = { 8, 16, 64, 128, 256, 512, 1024, 2048, 4096, 65536 };
	size_t i, bad = 0;
	int len;

	for (i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
		for (len = around[i] - 3; len <= around[i] + 3; len++) {
			void *t = talloc_new(ctx);
			char *s = talloc_asprintf(t, "%*s", len, "x");
			char *a = talloc_asprintf_append(talloc_strdup(t, "a"), "%*s", len, "x");
			char *d = talloc_strdup(t, s);
			char *n = talloc_strndup(t, s, (size_t)len);
			char *v = call_vasprintf(t, "%s", s);
			char *p = talloc_strdup_append(talloc_strdup(t, "a"), s);

			if (strlen(s) != (size_t)len || s[len - 1] != 'x' ||
			    talloc_get_size(s) != (size_t)len + 1)
				bad++;
			if (strlen(a) != (size_t)len + 1 || a[len] != 'x' || strcmp(a + 1, s) != 0)
				bad++;
			if (strcmp(d, s) != 0 || strcmp(n, s) != 0 || strcmp(v, s) != 0 ||
			    strcmp(p, a) != 0)
				bad++;
			if (talloc_get_name(a) != a || talloc_get_name(p) != p)
				bad++;
			talloc_free(t);
		}
	}
	CHECK_INT(bad, 0);
}

static void test_long(void)
{
	char *s = talloc_asprintf(ctx, "%*s|", 70000, "x");
	char *t;

	CHECK_INT(strlen(s), 70001);
	CHECK_INT(talloc_get_size(s), 70002);
	CHECK_STR(s + 69999, "x|");
	s = talloc_asprintf_append(s, "%*d", 70000, 5);
	CHECK_INT(strlen(s), 140001);
	CHECK_STR(s + 140000, "5");
	CHECK(talloc_get_name(s) == s);
	t = talloc_strdup_append_buffer(talloc_strdup(ctx, s), s);
	CHECK_INT(strlen(t), 280002);
	CHECK(memcmp(t, s, 140001) == 0 && strcmp(t + 140001, s) == 0);
	t = talloc_strndup(ctx, s, 100000);
	CHECK_INT(talloc_get_size(t), 100001);
}

/* Grown step by step, the string takes its children and its parent along. */
static void test_growing(void)
{
	char *s = talloc_strdup(ctx, "");
	void *child = talloc_named_const(s, 0, "child");
	size_t want = 0;
	int i;

	for (i = 0; i < 3000; i++) {
		char number[20];

		want += (size_t)snprintf(number, sizeof(number), "%d,", i);
		switch (i % 4) {
		case 0:
			s = talloc_asprintf_append(s, "%d,", i);
			break;
		case 1:
			s = talloc_asprintf_append_buffer(s, "%d,", i);
			break;
		case 2:
			s = talloc_strdup_append(s, number);
			break;
		default:
			talloc_asprintf_addbuf(&s, "%d,", i);
		}
		/* Something in the way, so that it has to move now and then. */
		if (i % 50 == 0)
			talloc_size(ctx, 100);
	}
	CHECK_INT(strlen(s), want);
	CHECK_INT(talloc_get_size(s), want + 1);
	CHECK(strncmp(s, "0,1,2,3,4,5,6,7,8,9,10,", 23) == 0);
	CHECK_STR(s + want - 10, "2998,2999,");
	CHECK(talloc_get_name(s) == s);
	CHECK(talloc_parent(s) == ctx);
	CHECK(talloc_parent(child) == s);
	CHECK_STR(children_of(s), "child ");
}

/* The text and its NUL have to stay below the limit. */
static void test_limit(void)
{
	char *s = hello();

	CHECK(talloc_asprintf(ctx, "%*s", LIMIT - 1, "x") == NULL);
	CHECK(talloc_asprintf_append(s, "%*s", LIMIT - 6, "x") == NULL);
	CHECK_STRING(s, "hello", ctx);
}

/* In a pool the same, and beyond the end of it. */
static void test_in_pool(void)
{
	void *pool = talloc_pool(ctx, 2000);
	char *s = talloc_strdup(pool, "pooled");
	int i;

	CHECK_STRING(s, "pooled", pool);
	for (i = 0; i < 500; i++)
		s = talloc_asprintf_append_buffer(s, "%d;", i);
	CHECK(strncmp(s, "pooled0;1;2;3;4;", 16) == 0);
	CHECK_STR(s + strlen(s) - 8, "498;499;");
	CHECK_INT(talloc_get_size(s), strlen(s) + 1);
	CHECK(talloc_parent(s) == pool);
	CHECK(talloc_get_name(s) == s);
	talloc_free(pool);
}

#define RUN_FRESH(fn)                                     \
	do {                                              \
		ctx = talloc_named_const(NULL, 0, "ctx"); \
		RUN(fn);                                  \
		CHECK_INT(talloc_free(ctx), 0);           \
	} while (0)

int main(void)
{
	RUN_FRESH(test_strdup);
	RUN_FRESH(test_strndup);
	RUN_FRESH(test_strdup_append);
	RUN_FRESH(test_strdup_append_buffer);
	RUN_FRESH(test_strndup_append);
	RUN_FRESH(test_asprintf);
	RUN_FRESH(test_asprintf_append);
	RUN_FRESH(test_own_text_as_argument);
	RUN_FRESH(test_nothing_to_add);
	RUN_FRESH(test_renamed);
	RUN_FRESH(test_format_errors);
	RUN_FRESH(test_addbuf);
	RUN_FRESH(test_references);
	RUN_FRESH(test_addbuf_references);
	RUN_FRESH(test_no_memory);
	RUN_FRESH(test_lengths);
	RUN_FRESH(test_long);
	RUN_FRESH(test_growing);
	RUN_FRESH(test_limit);
	RUN_FRESH(test_in_pool);
	TEST_END();
}
