// SPDX-License-Identifier: Apache-2.0
/*
 * pipeline.c - the passes in their order, with what each reads and writes: the only file that knows it.
 * Analyzer, one thread.
 *
 * Invariant: a pass reads the results of passes above it and writes its own, once. But align moves the times
 * of what is above it onto one timeline: below it no times of two clocks are apart that can be brought
 * together.
 */
#include "analyzer/pass/pipeline.h"

#include "analyzer/model.h"

struct step {
	const char *name;
	const char *reads;
	const char *writes;
	int (*run)(struct model *m);
	void (*free)(struct model *m);
};

static int run_window(struct model *m)
{
	return window_run(&m->store, &m->windows);
}

static int run_place(struct model *m)
{
	return place_run(&m->store, &m->placing);
}

static int run_conn(struct model *m)
{
	return conn_run(&m->store, &m->conns);
}

static int run_pair(struct model *m)
{
	return pair_run(&m->store, &m->conns, &m->links);
}

static int run_dgram(struct model *m)
{
	return dgram_run(&m->store, &m->conns, &m->dgrams);
}

static int run_align(struct model *m)
{
	int err = align_run(&m->store, &m->conns, &m->links, &m->dgrams, m->options.raw_clock, &m->alignment);

	return err ? err : align_correct(&m->alignment, &m->store, &m->conns, &m->links, &m->dgrams);
}

static int run_message(struct model *m)
{
	return message_run(&m->store, &m->conns, &m->links, m->strings, &m->messages);
}

static int run_span(struct model *m)
{
	return span_run(&m->store, &m->conns, &m->links, &m->messages, &m->spans);
}

static int run_parent(struct model *m)
{
	return parent_run(&m->store, &m->conns, &m->links, &m->messages, &m->spans, &m->parents);
}

static int run_model(struct model *m)
{
	return model_grow(m);
}

static void free_window(struct model *m)
{
	window_free(&m->windows);
}

static void free_place(struct model *m)
{
	(void)m;
}

static void free_conn(struct model *m)
{
	conn_free(&m->conns);
}

static void free_pair(struct model *m)
{
	pair_free(&m->links);
}

static void free_dgram(struct model *m)
{
	dgram_free(&m->dgrams);
}

static void free_align(struct model *m)
{
	align_free(&m->alignment);
}

static void free_message(struct model *m)
{
	message_free(&m->messages);
}

static void free_span(struct model *m)
{
	span_free(&m->spans);
}

static void free_parent(struct model *m)
{
	parent_free(&m->parents);
}

static void free_model(struct model *m)
{
	model_fell(m);
}

static const struct step steps[] = {
    {"place", "store", "store placing", run_place, free_place},
    {"conn", "store", "conns", run_conn, free_conn},
    {"pair", "store conns", "links", run_pair, free_pair},
    {"dgram", "store conns", "dgrams", run_dgram, free_dgram},
    {"align", "store conns links dgrams", "alignment, and all times of store conns links", run_align,
     free_align},
    {"window", "store", "windows", run_window, free_window},
    {"message", "store conns links", "messages strings", run_message, free_message},
    {"span", "store conns links messages", "spans", run_span, free_span},
    {"parent", "store conns links messages spans", "parents", run_parent, free_parent},
    {"model", "store windows conns links messages spans parents", "nodes children roots strings", run_model,
     free_model},
};

#define STEP_COUNT (sizeof(steps) / sizeof(steps[0]))

int pipeline_run(struct model *model, pipeline_told *told, const char **failed)
{
	for (unsigned int i = 0; i < STEP_COUNT; i++) {
		int err = steps[i].run(model);

		if (told)
			told(steps[i].name);
		if (err) {
			*failed = steps[i].name;
			return err;
		}
	}
	return 0;
}

void pipeline_free(struct model *model)
{
	for (unsigned int i = STEP_COUNT; i-- > 0;)
		steps[i].free(model);
}
