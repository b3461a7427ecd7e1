/* What the lines of wrong-uses.txt refer to. */
#include <talloc.h>

struct foo {
	int a;
};

struct bar {
	int b;
};

int own_printf(const char *fmt, ...) PRINTF_ATTRIBUTE(1, 2);
int own_deprecated(void) _DEPRECATED_;
int destroy_foo(struct foo *f);
int destroy_bar(struct bar *b);
int destroy_any(void *p);
void destroy_nothing(struct foo *f);
void on_message(const char *message);
void on_report(const void *ptr, int depth, int max_depth, int is_ref, void *data);

/* The variables they may use: all of them used, so that only what is wrong is reported. */
#define VARIABLES                                                              \
	void *any = NULL;                                                      \
	struct foo *foo = NULL;                                                \
	struct bar *bar = NULL;                                                \
	char *s = NULL;                                                        \
	const char *cs = NULL;                                                 \
	int number = 0;                                                        \
	va_list ap;                                                            \
	va_start(ap, ctx)

#define USED                                                                   \
	va_end(ap);                                                            \
	return any == NULL || foo == NULL || bar == NULL || s == NULL || cs == NULL || number
