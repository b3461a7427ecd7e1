/*
 * Linked into the library for coverage.sh, which runs under valgrind: without
 * this the library would always see a tool, and never do what it does without.
 */
#include <stdlib.h>

int __real_talloc_impl_tool(void);
int __wrap_talloc_impl_tool(void);

int __wrap_talloc_impl_tool(void)
{
	return getenv("COVERAGE_TOOL") != NULL ? __real_talloc_impl_tool() : 0;
}
