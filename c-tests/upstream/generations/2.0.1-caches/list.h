/* A list in both directions, which its members have inside them. */
#ifndef LIST_H
#define LIST_H

#include <stddef.h>

struct list {
	struct list *before, *after;
};

#define LIST_MEMBER(link, type, field) ((type *)((char *)(link) - offsetof(type, field)))

static inline void list_start(struct list *head)
{
	head->before = head->after = head;
}

static inline void list_add(struct list *head, struct list *link)
{
	link->before = head->before;
	link->after = head;
	head->before->after = link;
	head->before = link;
}

static inline void list_take(struct list *link)
{
	link->before->after = link->after;
	link->after->before = link->before;
}

#endif
