/*
 * Runs a command and follows every process it makes, however it makes it. When
 * one ends, a line goes to LOG:
 *
 *	PROGRAM ours|other|both|- KB SIGNAL
 *
 * the name of its executable, which libtalloc was mapped (ours is the file
 * LIBRARY, whatever it is called there), its peak memory, and the signal it died
 * of or 0. Whatever is left
 * when the command has ended is named in a line "left PROGRAM" and killed; if
 * this program is killed, so is everything below it.
 *
 * usage: watch LOG LIBRARY COMMAND...
 *
 * Exits as the command does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE 100 /* times 50 ms, for what ends by itself a little later */

static FILE *log_file;
static struct stat library;

/* Every thread that is followed, from the stop with which each begins. */
static pid_t *alive;
static size_t n_alive;

static void add(pid_t pid)
{
	for (size_t i = 0; i < n_alive; i++)
		if (alive[i] == pid)
			return;
	alive = realloc(alive, (n_alive + 1) * sizeof(*alive));
	if (!alive)
		exit(125);
	alive[n_alive++] = pid;
}

static void removed(pid_t pid)
{
	for (size_t i = 0; i < n_alive; i++)
		if (alive[i] == pid)
			alive[i--] = alive[--n_alive];
}

static FILE *proc(pid_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return fopen(path, "re");
}

static const char *program(pid_t pid)
{
	static char target[PATH_MAX];
	char path[64];
	char *name;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return "?";
	target[n] = '\0';
	name = strrchr(target, '/');
	return name ? name + 1 : target;
}

static long status_field(pid_t pid, const char *field)
{
	char line[256];
	long value = -1;
	FILE *f = proc(pid, "status");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)) && line[strlen(field)] == ':')
			value = atol(line + strlen(field) + 1);
	fclose(f);
	return value;
}

static const char *talloc_of(pid_t pid)
{
	char line[PATH_MAX + 256];
	char path[PATH_MAX + 64];
	int ours = 0;
	int other = 0;
	FILE *f = proc(pid, "maps");

	if (!f)
		return "-";
	while (fgets(line, sizeof(line), f)) {
		struct stat st;
		char *file = strchr(line, '/');
		char *name = file ? strrchr(line, '/') : NULL;

		if (!name || strncmp(name, "/libtalloc.so", 13))
			continue;
		file[strcspn(file, "\n")] = '\0';
		/* As the process sees it: it may have mounts of its own. */
		snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, file);
		if (!stat(path, &st) && st.st_dev == library.st_dev && st.st_ino == library.st_ino)
			ours = 1;
		else
			other = 1;
	}
	fclose(f);
	if (ours && other)
		return "both";
	return ours ? "ours" : other ? "other" : "-";
}

static void report_end(pid_t pid)
{
	unsigned long status = 0;

	ptrace(PTRACE_GETEVENTMSG, pid, 0, &status);
	if (status_field(pid, "Tgid") != pid)
		return; /* a thread of it */
	fprintf(log_file, "%s %s", program(pid), talloc_of(pid));
	fprintf(log_file, " %ld %d\n", status_field(pid, "VmHWM"), (int)(status & 0x7f));
	fflush(log_file);
}

static void stopped(pid_t pid, int status)
{
	int sig = WSTOPSIG(status);
	int event = status >> 16;

	switch (event) {
	case 0: /* a signal on its way */
		ptrace(PTRACE_CONT, pid, 0, sig);
		return;
	case PTRACE_EVENT_EXIT:
		report_end(pid);
		break;
	case PTRACE_EVENT_STOP:
		add(pid);
		if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU) {
			ptrace(PTRACE_LISTEN, pid, 0, 0);
			return;
		}
		break;
	}
	ptrace(PTRACE_CONT, pid, 0, 0);
}

/* 0 when there is nobody left to wait for. */
static int step(int flags, pid_t first, int *result)
{
	int status;
	pid_t pid = waitpid(-1, &status, __WALL | flags);

	if (pid < 0)
		return errno == EINTR;
	if (pid == 0) {
		nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
	} else if (WIFSTOPPED(status)) {
		stopped(pid, status);
	} else {
		removed(pid);
		if (pid == first)
			*result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	return pid ? 1 : 2;
}

int main(int argc, char **argv)
{
	int go[2];
	int result = -1;
	int some = 1;
	char c = 0;
	pid_t pid;

	if (argc < 4 || stat(argv[2], &library)) {
		fprintf(stderr, "usage: %s LOG LIBRARY COMMAND...\n", argv[0]);
		return 125;
	}
	log_file = fopen(argv[1], "ae");
	if (!log_file || pipe2(go, O_CLOEXEC)) {
		perror(argv[1]);
		return 125;
	}
	pid = fork();
	if (pid == 0) {
		if (read(go[0], &c, 1) == 1)
			execvp(argv[3], argv + 3);
		perror(argv[3]);
		_exit(127);
	}
	if (pid < 0 || ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL)) {
		perror("ptrace");
		return 125;
	}
	add(pid);
	if (write(go[1], &c, 1) != 1)
		return 125;
	while (result < 0 && some)
		some = step(0, pid, &result);
	for (int i = 0; some && i < GRACE;) {
		some = step(WNOHANG, pid, &result);
		i += some == 2;
	}
	for (size_t i = 0; i < n_alive; i++) {
		if (status_field(alive[i], "Tgid") == alive[i])
			fprintf(log_file, "left %s\n", program(alive[i]));
		kill(alive[i], SIGKILL);
	}
	while (some)
		some = step(0, pid, &result);
	return fclose(log_file) ? 125 : result;
}
