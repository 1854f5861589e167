/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - gives back what load.c built. See store.h. */
#include "analyzer/store.h"

#include <stdlib.h>

static void free_texts(char **texts, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

void store_process_free(struct store_process *p)
{
	free(p->service);
	free(p->program);
	free(p->exe);
	free(p->version);
	free(p->stamp);
	for (uint32_t i = 0; i < p->window_count; i++)
		free(p->windows[i].why);
	free(p->windows);
	free(p->path);
	free(p->end_reason);
	free(p->records);
	free(p->stamps);
	for (uint32_t i = 0; i < p->thread_count; i++) {
		free(p->threads[i].name);
		free(p->threads[i].gaps);
	}
	free(p->threads);
	free_texts(p->calls, p->call_count);
	free_texts(p->settings, p->setting_count);
	*p = (struct store_process){0};
}

void store_free(struct store *s)
{
	for (uint32_t i = 0; i < s->process_count; i++)
		store_process_free(&s->processes[i]);
	free(s->processes);
	for (uint32_t i = 0; i < s->host_count; i++)
		free(s->hosts[i].name);
	free(s->hosts);
	for (uint32_t i = 0; i < s->clock_count; i++) {
		free(s->clocks[i].boot_id);
		free(s->clocks[i].steps);
	}
	free(s->clocks);
	for (uint32_t i = 0; i < s->note_count; i++) {
		free(s->notes[i].path);
		free(s->notes[i].text);
	}
	free(s->notes);
	for (size_t i = 0; i < s->memory_count; i++)
		free(s->memory[i]);
	free(s->memory);
	*s = (struct store){0};
}
