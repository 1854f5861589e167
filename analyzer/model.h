/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h - what the passes leave behind; read-only. Views ask it and nothing else.
 */
#ifndef DPROF_MODEL_H
#define DPROF_MODEL_H

#include "analyzer/pass/parent.h"
#include "analyzer/strings.h"

/* A node of the forest, by span number. Children are ordered by start, then cid. */
struct node {
	uint32_t parent;      /* span, STORE_NONE for a root */
	uint32_t first_child; /* index into model.children */
	uint32_t child_count;
	uint32_t root;	    /* span at the top of its trace */
	uint32_t operation; /* string: of the request message; of a raw one: what can be said */
	uint32_t service;   /* string: of the process */
	uint64_t self_ns; /* duration less the union of its synchronous children, which are clipped into it */
	float probability; /* smallest of the edges from the root down to here */
};

struct model {
	struct store store;
	struct conns conns;
	struct links links;
	struct messages messages;
	struct spans spans;
	struct parents parents;
	struct strings *strings;
	struct node *nodes; /* by span */
	uint32_t *children;
	uint32_t *roots; /* spans, by start, then cid */
	uint32_t root_count;
};

/* Loads and runs every pass in order. 0 or -errno; progress and complaints on stderr. */
int model_build(struct model *m, char *const *paths, size_t n);
void model_free(struct model *m);

/* What a span is called where: host name, service, operation, target and status as text; the other end's
 * address if it is not traced. */
const char *model_host(const struct model *m, uint32_t span);
const char *model_service(const struct model *m, uint32_t span);
const char *model_operation(const struct model *m, uint32_t span);
const char *model_target(const struct model *m, uint32_t span);
const char *model_status(const struct model *m, uint32_t span);
const char *model_protocol(const struct model *m, uint32_t span);

#endif
