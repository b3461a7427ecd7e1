/* Guide, chapter 5: references. */
#include <stdio.h>
#include <talloc.h>

static void say(const char *message)
{
	printf("log: %s", message);
}

struct config {
	int timeout;
};

int main(void)
{
	talloc_set_log_fn(say);
	/* part: two */
	void *server = talloc_named_const(NULL, 0, "server");
	void *session = talloc_named_const(NULL, 0, "session");
	struct config *config = talloc_zero(server, struct config);
	talloc_reference(session, config); /* a second parent */

	printf("freed: %d\n", talloc_free(config)); /* whose is it? */
	talloc_unlink(server, config);              /* the server lets go */
	printf("now it is a child of \"%s\", with %zu references\n",
	       talloc_get_name(talloc_parent(config)), talloc_reference_count(config));
	talloc_free(session); /* the last parent, and the config with it */
	/* end */
	talloc_free(server);
	return 0;
}
