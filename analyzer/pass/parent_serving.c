// SPDX-License-Identifier: Apache-2.0
/* parent_serving.c - see parent_serving.h. Analyzer, one thread; every step is O(1). */
#include "analyzer/pass/parent_serving.h"

#include <errno.h>
#include <stdlib.h>

int parent_serving_begin(struct serving *s, uint32_t thread_count)
{
	s->open = 0;
	s->open_sum = s->open_till_ns = 0;
	s->idle = calloc(thread_count + 1ul, sizeof(*s->idle));
	return s->idle ? 0 : -ENOMEM;
}

void parent_serving_end(struct serving *s)
{
	free(s->idle);
	s->idle = NULL;
}

static bool is_idle(const struct serving *s, uint32_t request)
{
	const struct service *service = &s->services[request];
	const struct span *span = &s->spans->spans[request];

	return service->thread != STORE_NONE && !service->answering && !service->unanswered && !span->open &&
	       !span->one_way;
}

static bool is_request(const struct serving *s, uint32_t context)
{
	return context != STORE_NONE && s->spans->spans[context].side == SPAN_SERVER;
}

static void count_open(struct serving *s, uint32_t request, bool more)
{
	const struct span *span = &s->spans->spans[request];

	if (span->one_way)
		return;
	if (span->open) {
		if (span->end_ns > s->open_till_ns)
			s->open_till_ns = span->end_ns;
		return;
	}
	s->open += more ? 1 : -1u;
	s->open_sum += more ? (uint64_t)request : -(uint64_t)request;
}

void parent_serving_begun(struct serving *s, uint32_t request)
{
	if (!s->services[request].begun)
		count_open(s, request, true);
	s->services[request].begun = true;
}

void parent_serving_read(struct serving *s, uint32_t request, uint32_t thread, uint32_t record)
{
	struct service *service = &s->services[request];

	if (service->thread != STORE_NONE)
		return;
	service->thread = thread;
	service->record = record;
	s->idle[thread] += is_idle(s, request);
}

void parent_serving_answering(struct serving *s, uint32_t request)
{
	struct service *service = &s->services[request];

	if (service->thread != STORE_NONE)
		s->idle[service->thread] -= is_idle(s, request);
	service->answering = true;
}

void parent_serving_answered(struct serving *s, uint32_t request)
{
	struct service *service = &s->services[request];

	if (service->begun && !service->answered)
		count_open(s, request, false);
	service->answered = true;
}

void parent_serving_wait(struct serving *s, uint32_t context, int by)
{
	struct service *service = &s->services[context];
	bool was;

	if (!is_request(s, context) || (by < 0 && !service->unanswered))
		return;
	was = is_idle(s, context);
	service->unanswered += (uint32_t)by;
	if (service->thread != STORE_NONE)
		s->idle[service->thread] += (uint32_t)(is_idle(s, context) - was);
}

uint32_t parent_serving_sole(const struct serving *s, uint64_t at_ns)
{
	return s->open == 1 && at_ns > s->open_till_ns ? (uint32_t)s->open_sum : STORE_NONE;
}

bool parent_serving_none(const struct serving *s, uint64_t at_ns)
{
	return !s->open && at_ns > s->open_till_ns;
}

uint32_t parent_serving_others(const struct serving *s, uint32_t thread, uint32_t but)
{
	bool mine = is_request(s, but) && s->services[but].thread == thread && is_idle(s, but);

	return s->idle[thread] - mine;
}
