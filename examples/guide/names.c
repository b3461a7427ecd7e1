/* Guide, chapter 3: names and types. */
#include <stdio.h>
#include <talloc.h>

struct timer {
	int seconds;
};

struct request {
	int number;
};

/* part: callback */
static void on_event(void *private_data)
{
	struct request *r = talloc_get_type_abort(private_data, struct request);

	if (r != NULL)
		printf("request %d\n", r->number);
}
/* end */

static void say(const char *reason)
{
	printf("abort function: %s\n", reason);
}

int main(void)
{
	struct timer *t = talloc_zero(NULL, struct timer);
	struct request *r = talloc_zero(NULL, struct request);

	/* part: names */
	printf("%s\n", talloc_get_name(r));
	printf("%s\n", talloc_get_name(talloc_strdup(r, "a text is named by itself")));
	printf("%s\n", talloc_get_name(talloc_size(r, 100)));
	/* end */
	/* part: types */
	talloc_set_abort_fn(say); /* without this: the reason on stderr, and abort() */
	on_event(r);
	on_event(t);
	/* end */
	talloc_set_abort_fn(NULL);

	/* part: rename */
	talloc_set_name(r, "request from %s", "192.0.2.7");
	printf("%s\n", talloc_get_name(r));
	printf("is it still a struct request? %s\n", talloc_get_type(r, struct request) ? "yes" : "no");
	/* end */
	talloc_free(r);
	talloc_free(t);
	return 0;
}
