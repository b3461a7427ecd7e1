/* Guide, chapter 6: destructors. */
#include <stdio.h>
#include <talloc.h>

/* part: file */
struct file {
	FILE *stream;
	const char *path;
};

static int file_close(struct file *f)
{
	printf("closing %s\n", f->path);
	return fclose(f->stream) == 0 ? 0 : -1;
}

static struct file *file_open(TALLOC_CTX *ctx, const char *path)
{
	struct file *f = talloc_zero(ctx, struct file);

	if (f == NULL)
		return NULL;
	f->path = talloc_strdup(f, path);
	f->stream = fopen(path, "r");
	if (f->path == NULL || f->stream == NULL) { /* nothing to close yet */
		talloc_free(f);
		return NULL;
	}
	talloc_set_destructor(f, file_close); /* checked: it takes a struct file * */
	return f;
}
/* end */

/* part: busy */
struct job {
	int running;
};

static int job_refuses(struct job *job)
{
	return job->running ? -1 : 0;
}
/* end */

int main(void)
{
	/* part: use */
	void *request = talloc_named_const(NULL, 0, "request");
	if (file_open(request, "/dev/null") == NULL || file_open(request, "/dev/zero") == NULL)
		return 1;
	talloc_free(request); /* the newest child goes first */
	/* end */
	/* part: refuse */
	struct job *job = talloc_zero(NULL, struct job);
	talloc_set_destructor(job, job_refuses);
	job->running = 1;
	printf("while it runs: %d\n", talloc_free(job));
	job->running = 0;
	printf("when it is done: %d\n", talloc_free(job));
	/* end */
	return 0;
}
