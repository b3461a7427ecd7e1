/*
 * A plugin that was linked to the other library, and makes things with it for
 * its host.
 */
#include <talloc.h>

void *plugin_make(int children);
int plugin_is_whole(const void *ptr);
int plugin_free(void *ptr);

/* With a parent, a name, and so many children, so that no field is empty. */
void *plugin_make(int children)
{
	void *top = talloc_named_const(NULL, 0, "plugin's top");
	char *ptr = talloc_named_const(top, 100, "plugin's");
	int i;

	talloc_named_const(top, 100, "sibling");
	for (i = 0; i < 100; i++)
		ptr[i] = (char)i;
	for (i = 0; i < children; i++)
		talloc_asprintf(ptr, "child %d", i);
	return ptr;
}

int plugin_is_whole(const void *ptr)
{
	const char *text = ptr, *name = talloc_get_name(ptr);
	int i;

	for (i = 0; i < 100; i++)
		if (text[i] != (char)i)
			return 0;
	return name[0] == 'p' && talloc_get_size(ptr) == 100 &&
	       talloc_reference_count(ptr) == 0 && talloc_total_blocks(ptr) <= 4 &&
	       talloc_total_blocks(talloc_parent(ptr)) == talloc_total_blocks(ptr) + 2;
}

int plugin_free(void *ptr)
{
	return talloc_free(talloc_parent(ptr));
}
