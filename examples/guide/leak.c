/* Guide, chapter 9: a server that keeps something of each request. */
#include <stdio.h>
#include <stdlib.h>
#include <talloc.h>

struct page {
	char text[400];
};

struct server {
	unsigned long served;
	struct page **pages;
};

struct session {
	char *user;
};

struct request {
	struct session *session;
	char *path;
};

/* part: bug */
static void handle(struct server *server, struct session *session, int number)
{
	struct request *r = talloc_zero(session, struct request);

	if (r == NULL)
		exit(1);
	r->session = session;
	r->path = talloc_asprintf(r, "/page/%d", number);
	/* The bug: the line belongs to the session and not to the request. */
	char *line = talloc_asprintf(session, "%s asks for %s\n", session->user, r->path);
	if (r->path == NULL || line == NULL)
		exit(1);
	talloc_set_name_const(line, "log line");
	server->served++;
	talloc_free(r);
}
/* end */

int main(int argc, char **argv)
{
	int requests = argc > 1 ? atoi(argv[1]) : 1000;
	struct server *server = talloc_zero(NULL, struct server);
	struct session *session[3];
	static const char *const users[] = { "ann", "bob", "cleo" };

	if (server == NULL)
		return 1;
	server->pages = talloc_array(server, struct page *, 32);
	for (int i = 0; i < 32; i++)
		server->pages[i] = talloc_zero(server->pages, struct page);
	for (int s = 0; s < 3; s++) {
		session[s] = talloc_zero(server, struct session);
		session[s]->user = talloc_strdup(session[s], users[s]);
	}
	/* So many requests for each line on stdin. */
	do {
		for (int i = 0; i < requests; i++)
			handle(server, session[i % 3], 1000 + i);
		printf("%lu served\n", server->served);
		fflush(stdout);
	} while (getchar() == '\n');
	talloc_free(server);
	return 0;
}
