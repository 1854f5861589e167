/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vec.h - growable arrays. Analyzer, any thread; the only place where an array grows.
 *
 *	VEC(struct span) spans = {0};
 *	err = vec_push(&spans, (struct span){.cid = 1});
 *	for (size_t i = 0; i < spans.count; i++) use(&spans.items[i]);
 *	vec_free(&spans);
 *
 * Invariant: items[0, count) are valid; a call that fails (-ENOMEM) leaves everything as it was.
 */
#ifndef DPROF_VEC_H
#define DPROF_VEC_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define VEC(type)                                                                                            \
	struct {                                                                                             \
		type *items;                                                                                 \
		size_t count;                                                                                \
		size_t cap;                                                                                  \
	}

/* `old` with room for `need` items, and the room in *cap. NULL: not possible, `old` is still good. */
static inline void *vec_grown(void *old, size_t *cap, size_t need, size_t item_bytes)
{
	size_t want = *cap + *cap / 2 + 8, bytes;
	void *items;

	if (want < need)
		want = need;
	if (__builtin_mul_overflow(want, item_bytes, &bytes))
		return NULL;
	items = realloc(old, bytes);
	if (items)
		*cap = want;
	return items;
}

/* Makes room for `need` items in all. 0 or -ENOMEM. */
#define vec_reserve(v, need)                                                                                 \
	({                                                                                                   \
		size_t vec_need_ = (need);                                                                   \
		int vec_err_ = 0;                                                                            \
		if (vec_need_ > (v)->cap) {                                                                  \
			void *vec_new_ = vec_grown((v)->items, &(v)->cap, vec_need_, sizeof(*(v)->items));   \
			if (vec_new_)                                                                        \
				(v)->items = vec_new_;                                                       \
			else                                                                                 \
				vec_err_ = -ENOMEM;                                                          \
		}                                                                                            \
		vec_err_;                                                                                    \
	})

/* Adds one item; a compound literal may have commas. 0 or -ENOMEM. */
#define vec_push(v, ...)                                                                                     \
	({                                                                                                   \
		int vec_push_err_ = vec_reserve((v), (v)->count + 1);                                        \
		if (!vec_push_err_)                                                                          \
			(v)->items[(v)->count++] = (__VA_ARGS__);                                            \
		vec_push_err_;                                                                               \
	})

/* Adds n items from an array. 0 or -ENOMEM. */
#define vec_append(v, from, n)                                                                               \
	({                                                                                                   \
		size_t vec_n_ = (n);                                                                         \
		int vec_append_err_ = vec_reserve((v), (v)->count + vec_n_);                                 \
		if (!vec_append_err_ && vec_n_) {                                                            \
			memcpy((v)->items + (v)->count, (from), vec_n_ * sizeof(*(v)->items));               \
			(v)->count += vec_n_;                                                                \
		}                                                                                            \
		vec_append_err_;                                                                             \
	})

#define vec_last(v)  (&(v)->items[(v)->count - 1])
#define vec_clear(v) ((void)((v)->count = 0))

#define vec_sort(v, compare)                                                                                 \
	do {                                                                                                 \
		if ((v)->count > 1)                                                                          \
			qsort((v)->items, (v)->count, sizeof(*(v)->items), (compare));                       \
	} while (0)

#define vec_free(v)                                                                                          \
	do {                                                                                                 \
		free((v)->items);                                                                            \
		(v)->items = NULL;                                                                           \
		(v)->count = (v)->cap = 0;                                                                   \
	} while (0)

/* -1, 0 or 1, for the compare functions of sorts. */
#define vec_compare(a, b) (((a) > (b)) - ((a) < (b)))

#endif
