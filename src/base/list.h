/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A doubly linked list whose links are inside its elements (container_of finds the element).
 * The head is a link of its own: an empty list's head refers to itself.
 */
#ifndef LIST_H
#define LIST_H

#include <stdbool.h>

struct list {
    struct list *next;
    struct list *previous;
};

/* Also makes the link of an element refer to itself, so that list_remove does nothing to it. */
static inline void list_init(struct list *list)
{
    list->next = list;
    list->previous = list;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_append(struct list *list, struct list *element)
{
    element->next = list;
    element->previous = list->previous;
    list->previous->next = element;
    list->previous = element;
}

static inline void list_remove(struct list *element)
{
    element->next->previous = element->previous;
    element->previous->next = element->next;
    list_init(element);
}

/* The first element, removed; NULL: the list is empty. */
static inline struct list *list_pop(struct list *list)
{
    struct list *first = list->next;

    if (first == list)
        return NULL;
    list_remove(first);
    return first;
}

/* Each element in turn. The current one must not be removed. */
#define LIST_FOR_EACH(element, head)                                                               \
    for (struct list *element = (head)->next; element != (head); element = element->next)

#endif
