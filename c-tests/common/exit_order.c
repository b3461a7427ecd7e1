/*
 * What happens at exit: the autofree context goes and leaks are reported in one
 * handler, registered by whichever was asked for first.  Every order of what can be
 * asked for is tried in a process of its own, and its words are printed, so that two
 * libraries can be compared.
 */
#include "../test.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* --- words: straight to the file, in the order of what happens --- */

static void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		_exit(99);
}

/* --- what destructors of children of the autofree context do --- */

static int goes_plainly(char *text)
{
	say("  destructor of ");
	say(text);
	say("\n");
	return 0;
}

static int allocates(char *text)
{
	goes_plainly(text);
	talloc_named_const(NULL, 11, "made by a destructor");
	return 0;
}

static int asks_again(char *text)
{
	char *late;

	goes_plainly(text);
	late = talloc_strdup(talloc_autofree_context(), "late");
	say(late != NULL ? "  there is one again\n" : "  there is none\n");
	return 0;
}

static int asks_again_and_arms(char *text)
{
	char *late;

	goes_plainly(text);
	late = talloc_strdup(talloc_autofree_context(), "late");
	talloc_set_destructor(late, goes_plainly);
	return 0;
}

static int wants_reports(char *text)
{
	goes_plainly(text);
	talloc_enable_leak_report_full();
	return 0;
}

static int wants_no_tracking(char *text)
{
	goes_plainly(text);
	talloc_disable_null_tracking();
	return 0;
}

static int refuses_once(char *text)
{
	goes_plainly(text);
	talloc_set_destructor(text, NULL);
	return -1;
}

static int (*const destructors[])(char *) = {
	goes_plainly, allocates, asks_again, asks_again_and_arms, wants_reports,
	wants_no_tracking, refuses_once,
};

/* --- the program's own exit handlers --- */

static char *state;
static bool state_is_gone;

static int state_goes(char *text)
{
	(void)text;
	state_is_gone = true;
	say("  the state goes\n");
	return 0;
}

static void *kept[3];

static void handler(int i)
{
	char text[100];

	snprintf(text, sizeof(text), "  handler %d: the state is %s\n", i,
		 state == NULL ? "none" : state_is_gone ? "gone" : state);
	say(text);
	talloc_free(kept[i]);
	kept[i] = NULL;
}

static void handler0(void)
{
	handler(0);
}

static void handler1(void)
{
	handler(1);
}

static void handler2(void)
{
	handler(2);
}

/* It asks for the autofree context when it may be gone already. */
static void late_handler(void)
{
	char *late = talloc_strdup(talloc_autofree_context(), "late");

	talloc_set_destructor(late, goes_plainly);
	say(talloc_is_parent(late, talloc_autofree_context()) ? "  late handler: below it\n"
							      : "  late handler: not below it\n");
}

/* It looks at what is left. */
static void looking_handler(void)
{
	char text[100];

	snprintf(text, sizeof(text), "  looking handler: %lu bytes in %lu blocks\n",
		 (unsigned long)talloc_total_size(NULL), (unsigned long)talloc_total_blocks(NULL));
	say(text);
}

/* --- steps --- */

static int (*destructor)(char *);

static void step(char what)
{
	static int handlers;
	static void (*const own[])(void) = { handler0, handler1, handler2 };
	char *text;

	switch (what) {
	case 'a':
		text = talloc_strdup(talloc_autofree_context(), "child");
		talloc_set_destructor(text, destructor);
		if (state == NULL) {
			state = talloc_strdup(talloc_autofree_context(), "alive");
			talloc_set_destructor(state, state_goes);
		}
		break;
	case 'r':
		talloc_enable_leak_report();
		break;
	case 'f':
		talloc_enable_leak_report_full();
		break;
	case 'h':
		kept[handlers] = talloc_named_const(NULL, 20 + handlers, "the handler's");
		atexit(own[handlers++]);
		break;
	case 'l':
		atexit(late_handler);
		break;
	case 'o':
		atexit(looking_handler);
		break;
	case 't':
		talloc_enable_null_tracking();
		break;
	case 'n':
		talloc_enable_null_tracking_no_autofree();
		break;
	case 'd':
		talloc_disable_null_tracking();
		break;
	case 'm':
		talloc_named_const(talloc_named_const(NULL, 5, "leak"), 6, "its child");
		break;
	case 'g':
		talloc_free(talloc_autofree_context());
		state = NULL;
		break;
	case 'R':
		talloc_reference(talloc_named_const(NULL, 3, "owner"), talloc_autofree_context());
		break;
	case 'z':
		talloc_named_const(NULL, 0, "of size 0");
		break;
	}
}

static const char *steps;

static void take_steps(void)
{
	const char *s;

	for (s = steps; *s != '\0'; s++)
		step(*s);
}

/* One line that begins with "ok" for each case, then what was said. */
static void one_case(const char *these, int which)
{
	struct outcome *o;
	const char *line;

	steps = these;
	destructor = destructors[which];
	o = run_apart(take_steps, false);
	printf("%s - %s %d\n", WIFEXITED(o->status) && WEXITSTATUS(o->status) == 0 ? "ok" : "not ok",
	       these, which);
	if (!WIFEXITED(o->status) || WEXITSTATUS(o->status) != 0)
		test_failures++;
	for (line = without_addresses(o->out); *line != '\0';) {
		size_t n = strcspn(line, "\n");

		printf("#   %.*s\n", (int)n, line);
		line += n + (line[n] == '\n');
	}
}

/* All orders of the letters of `these`, each letter once, with one destructor. */
static void orders(const char *these, int which)
{
	size_t n = strlen(these), i;
	size_t count = 1, k;

	for (i = 2; i <= n; i++)
		count *= i;
	for (k = 0; k < count; k++) {
		char left[16], order[16];
		size_t rest = k, have = 0;

		memcpy(left, these, n + 1);
		for (i = n; i > 0; i--) {
			size_t at = rest % i;

			rest /= i;
			order[have++] = left[at];
			memmove(left + at, left + at + 1, i - at);
		}
		order[n] = '\0';
		one_case(order, which);
	}
}

static void who_asks_first(void)
{
	orders("ar", 0);
	orders("af", 0);
	orders("rf", 0);
	orders("arh", 0);
	orders("afh", 0);
	orders("rfh", 0);
	orders("arfm", 0);
	orders("arhm", 0);
}

static void handlers_between(void)
{
	one_case("hahrh", 0);
	one_case("hrhah", 0);
	one_case("hfhah", 0);
	one_case("hahfh", 0);
	one_case("ahrfh", 0);
	one_case("hrhfha", 0);
	one_case("harm", 0);
	one_case("arhm", 0);
	one_case("mrah", 0);
	orders("arlh", 0);
	orders("aloh", 0);
	orders("mrol", 0);
}

static void tracking(void)
{
	orders("atm", 0);
	orders("anm", 0);
	orders("ardm", 0);
	orders("fndm", 0);
	orders("tdrh", 0);
	orders("rdth", 0);
	one_case("m", 0);
	one_case("tm", 0);
	one_case("r", 0);
	one_case("rz", 0);
	one_case("frzm", 0);
	one_case("rdtm", 0);
	one_case("rdnm", 0);
	one_case("rdtmah", 0);
	one_case("am", 0);
}

static void odd_destructors(void)
{
	size_t i;

	for (i = 1; i < sizeof(destructors) / sizeof(destructors[0]); i++) {
		orders("ah", i);
		orders("arh", i);
		orders("afm", i);
		orders("tah", i);
		one_case("ahlo", i);
		one_case("laro", i);
		one_case("olarh", i);
		one_case("lahr", i);
	}
}

static void the_context_goes_early(void)
{
	orders("agrh", 0);
	one_case("aga", 0);
	one_case("agahr", 0);
	one_case("ahgar", 0);
	one_case("tagm", 0);
}

static void the_context_is_held(void)
{
	orders("aRm", 0);
	orders("taR", 0);
	orders("raRh", 0);
	one_case("aRhl", 0);
}

int main(void)
{
	RUN(who_asks_first);
	RUN(handlers_between);
	RUN(tracking);
	RUN(odd_destructors);
	RUN(the_context_goes_early);
	RUN(the_context_is_held);
	TEST_END();
}
