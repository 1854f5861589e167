/* SPDX-License-Identifier: Apache-2.0 */
/* control.c - see control.h. Runs on the flusher: raw system calls only. */
#include "preload/control.h"

#include "preload/config.h"
#include "preload/gate.h"
#include "preload/segment.h"
#include "preload/stamp.h"
#include "preload/sys.h"

static struct control_block *block;
static struct window_plan plan;
static bool planned;	 /* the plan was read from the settings, or inherited */
static bool paused;	 /* by ctl */
static bool is_open;	 /* the gate, as we set it last */
static bool gated;	 /* it was moved, or will be: its openings are told of */
static bool new_plan;	 /* what is open is open by another plan */
static bool unsaved;	 /* `window` is not in the dump as it is */
static uint64_t next_ns; /* CLOCK_MONOTONIC: the gate may have to move */
static struct dump_window window;
static struct anchor first;

/* ---- the gate ---- */

static bool wants_open(void)
{
	uint64_t mono_ns = sys_clock_ns(CLOCK_MONOTONIC), now_ns = sys_clock_ns(CLOCK_REALTIME), until_ns;
	bool open = window_is_open(&plan, now_ns, &until_ns);

	next_ns = until_ns == UINT64_MAX ? UINT64_MAX : mono_ns + (until_ns - now_ns);
	return open && !paused && !new_plan;
}

static void show_state(void)
{
	block->state = paused ? CONTROL_PAUSED : is_open ? CONTROL_OPEN : CONTROL_BETWEEN;
	block->since_ns = sys_clock_ns(CLOCK_REALTIME);
	block->plan = plan;
}

static void control_open(const struct anchor *now)
{
	window = (struct dump_window){.number = window.number + 1, .opened = *now, .plan = plan, .why = ""};
	is_open = true;
	unsaved = gated;
}

static void control_shut(void)
{
	if (!gated) { /* open from the start */
		control_open(&first);
		window.plan = (struct window_plan){0};
		gated = true;
	}
	stamp_anchor(&window.closed);
	window.why = paused ? "pause" : "plan";
	gate_set(false);
	is_open = false;
	unsaved = true;
}

static void control_save(struct drain *d)
{
	if (!unsaved)
		return;
	dump_pack_window(encoder_start(d->encoder), &window);
	unsaved = drain_object(d) < 0;
}

static void control_move(struct drain *d)
{
	struct anchor now;
	bool open = wants_open();

	if (open == is_open || unsaved)
		return;
	if (open) {
		gate_set(true);
		stamp_anchor(&now);
		control_open(&now);
	} else {
		control_shut();
	}
	show_state();
	control_save(d);
}

/* ---- what ctl asks for ---- */

static bool same_plan(const struct window_plan *a, const struct window_plan *b)
{
	return a->period_ns == b->period_ns && a->window_ns == b->window_ns && a->margin_ns == b->margin_ns &&
	       a->seed == b->seed;
}

/* The block may hold anything: whoever may write to our region may write there. */
static void take_plan(void)
{
	struct window_plan wish = block->wish;

	if (wish.period_ns == 0)
		wish = (struct window_plan){0};
	else if (!window_is_sane(&wish))
		return;
	if (same_plan(&wish, &plan))
		return;
	plan = wish;
	new_plan = is_open;
}

static void control_obey(struct drain *d)
{
	/* acquire: the command was written before */
	uint32_t asked = __atomic_load_n(&block->asked, __ATOMIC_ACQUIRE);

	if (asked == block->answered)
		return;
	if (block->command == CONTROL_PAUSE)
		paused = true;
	else if (block->command == CONTROL_RESUME)
		paused = false;
	else if (block->command == CONTROL_WINDOW)
		take_plan();
	control_move(d); /* a new plan: what was open is shut first */
	new_plan = false;
	control_move(d);
	show_state();
	__atomic_store_n(&block->answered, asked, __ATOMIC_RELEASE); /* with what is shown above */
}

/* ---- for the flusher ---- */

void control_begin(struct control_block *to, struct dump_header *h)
{
	block = to;
	window = (struct dump_window){0};
	unsaved = new_plan = false;
	if (!planned)
		plan = config_get()->window;
	planned = true;
	first = h->anchor;
	gated = plan.period_ns != 0 || paused;
	is_open = true;
	if (!wants_open()) {
		gate_set(false);
		is_open = false;
	} else {
		if (gate_is_shut())
			gate_set(true);
		if (gated)
			control_open(&first);
	}
	h->plan = plan.period_ns != 0 ? &plan : NULL;
	h->paused = paused;
	block->flush_ms = config_get()->flush_ms;
	show_state();
}

void control_turn(struct drain *d)
{
	control_save(d);
	control_obey(d);
	control_move(d);
}

uint64_t control_due_ns(uint64_t due_ns)
{
	return next_ns < due_ns ? next_ns : due_ns;
}

void control_tell_again(struct drain *d)
{
	unsaved |= gated && is_open;
	control_save(d);
}

void control_tell(const struct drain *d, uint64_t dropped)
{
	block->records = d->records + segment_records();
	block->dropped = dropped;
	block->dump_bytes = d->file->bytes;
}

void control_end(struct drain *d)
{
	struct anchor now;

	control_save(d);
	if (!gated || unsaved)
		return;
	stamp_anchor(&now);
	if (!is_open) /* one that is over at once: it tells that the process was there until now */
		control_open(&now);
	window.closed = now;
	window.why = "end";
	unsaved = true;
	control_save(d);
}

bool control_was_shut(void)
{
	return gated;
}
