// SPDX-License-Identifier: Apache-2.0
/*
 * layer.c - see layer.h. Analyzer, one thread; pure but for memory, O(captured bytes) in processes with TLS.
 *
 * Invariant: no view carries itself, not even by way of others: a carrier's number in its process is always
 * below that of what it carries.
 */
#include "analyzer/pass/layer.h"

#include <string.h>

#include "analyzer/pass/ranges.h"
#include "analyzer/vec.h"

#define HELLO_BYTES   38u /* of a ClientHello up to the end of the random: type, length, version, random */
#define HELLO_RANDOM  6u
#define BESIDE_LEAST  2u   /* calls each way */
#define BESIDE_REACH  256u /* records of the thread */
#define RECORD_HEADER 5u   /* of a TLS record, in front of it */

/* A session's random, to be found by it. */
struct key {
	const uint8_t *random;
	uint32_t view;
};

/* A ClientHello with the random of a session, in the stream of a view. */
struct hello {
	uint32_t session; /* views */
	uint32_t carrier;
	bool out;
	uint64_t off; /* where TLS begins */
	uint64_t at_ns;
};

struct layering {
	const struct store *store;
	struct conns *conns;
	const struct store_process *process;
	uint32_t first, end; /* views of the process */
	VEC(struct key) keys;
	VEC(struct hello) hellos;
};

static int key_compare(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int sign = memcmp(x->random, y->random, TLS_RANDOM_BYTES);

	return sign ? sign : vec_compare(x->view, y->view);
}

static int hello_compare(const void *a, const void *b)
{
	const struct hello *x = a, *y = b;

	if (x->session != y->session)
		return vec_compare(x->session, y->session);
	if (x->carrier != y->carrier)
		return vec_compare(x->carrier, y->carrier);
	if (x->out != y->out)
		return vec_compare(x->out, y->out);
	return vec_compare(x->off, y->off);
}

/* ---- by the random ---- */

/* The first key with that random, or keys.count. */
static size_t find_key(const struct layering *l, const uint8_t *random)
{
	size_t low = 0, high = l->keys.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(l->keys.items[middle].random, random, TLS_RANDOM_BYTES) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int note_hello(struct layering *l, uint32_t carrier, const struct store_record *r, size_t at)
{
	const uint8_t *random = r->data + at + HELLO_RANDOM;
	int err = 0;

	for (size_t i = find_key(l, random); i < l->keys.count && !err; i++) {
		uint32_t session = l->keys.items[i].view;
		uint64_t off = r->off + at;

		if (memcmp(l->keys.items[i].random, random, TLS_RANDOM_BYTES))
			break;
		if (session > carrier)
			err =
			    vec_push(&l->hellos, (struct hello){session, carrier, r->kind == RECORD_OUT,
								off > RECORD_HEADER ? off - RECORD_HEADER : 0,
								r->kind == RECORD_OUT ? r->t0_ns : r->t1_ns});
	}
	return err;
}

/* The library of the other end may have read the header of the TLS record by itself, so it is not asked for.
 */
static int search_head(struct layering *l, uint32_t carrier, const struct store_record *r)
{
	const uint8_t *data = r->data, *at = data;
	int err = 0;

	while (!err && r->data_len >= HELLO_BYTES) {
		size_t left = r->data_len - HELLO_BYTES + 1 - (size_t)(at - data);

		at = left ? memchr(at, 1, left) : NULL;
		if (!at)
			break;
		if (at[1] == 0 && at[4] == 3 && at[5] <= 4)
			err = note_hello(l, carrier, r, (size_t)(at - data));
		at++;
	}
	return err;
}

static int search_hellos(struct layering *l)
{
	int err = 0;

	for (uint32_t v = l->first; v < l->end && !err; v++) {
		const struct view *view = &l->conns->views[v];

		for (uint32_t i = 0; i < view->out_count && !err; i++)
			err = search_head(l, v, &l->process->records[view->out[i]]);
		for (uint32_t i = 0; i < view->in_count && !err; i++)
			err = search_head(l, v, &l->process->records[view->in[i]]);
	}
	vec_sort(&l->hellos, hello_compare);
	return err;
}

/* ---- by the calls inside ---- */

static uint32_t view_of(const struct layering *l, uint32_t conn)
{
	uint32_t low = l->first, high = l->end;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (l->conns->views[middle].conn < conn)
			low = middle + 1;
		else
			high = middle;
	}
	return low < l->end && l->conns->views[low].conn == conn ? low : STORE_NONE;
}

/* The last call on another connection that the call of this record made inside itself, the same way. */
static uint32_t inside_of(const struct layering *l, uint32_t record)
{
	const struct store_record *r = &l->process->records[record];
	uint32_t first = l->process->threads[r->thread].first;

	for (uint32_t i = record; i-- > first;) {
		const struct store_record *other = &l->process->records[i];

		if (other->t0_ns < r->t0_ns || other->t1_ns > r->t1_ns)
			break;
		if (other->kind == r->kind && other->conn != r->conn)
			return view_of(l, other->conn);
	}
	return STORE_NONE;
}

/* The one connection that all calls of the session used. */
static uint32_t carrier_by_calls(const struct layering *l, uint32_t session)
{
	const struct view *v = &l->conns->views[session];
	uint32_t found = STORE_NONE;

	for (uint32_t i = 0; i < v->out_count + v->in_count; i++) {
		uint32_t inside = inside_of(l, i < v->out_count ? v->out[i] : v->in[i - v->out_count]);

		if (inside == STORE_NONE)
			continue;
		if (inside >= session || (found != STORE_NONE && found != inside))
			return STORE_NONE;
		found = inside;
	}
	return found;
}

/* ---- by the calls beside ---- */

/* The socket's call next to this one in its thread, the same way: an event loop receives what it then
 * decrypts, and sends what it encrypted. */
static uint32_t beside_of(const struct layering *l, uint32_t record)
{
	const struct store_record *r = &l->process->records[record];
	const struct store_thread *t = &l->process->threads[r->thread];
	uint32_t step = r->kind == RECORD_IN ? UINT32_MAX : 1, looked = 0, i = record + step;

	for (; i >= t->first && i < t->first + t->count && looked++ < BESIDE_REACH; i += step) {
		const struct store_record *other = &l->process->records[i];
		uint32_t view;

		if (other->kind != r->kind || other->conn == r->conn || !other->len)
			continue;
		view = view_of(l, other->conn);
		if (view != STORE_NONE && l->conns->views[view].random)
			continue; /* of another session, whose socket's call is farther away */
		return view;
	}
	return STORE_NONE;
}

/* The one connection that was always beside the session, both ways and often enough. */
static uint32_t carrier_beside(const struct layering *l, uint32_t session)
{
	const struct view *v = &l->conns->views[session];
	uint32_t found = STORE_NONE;

	if (v->out_count < BESIDE_LEAST || v->in_count < BESIDE_LEAST)
		return STORE_NONE;
	for (uint32_t i = 0; i < v->out_count + v->in_count; i++) {
		uint32_t beside = beside_of(l, i < v->out_count ? v->out[i] : v->in[i - v->out_count]);

		if (beside == STORE_NONE || (found != STORE_NONE && found != beside))
			return STORE_NONE;
		found = beside;
	}
	return found < session && l->conns->views[found].covered_in == UINT64_MAX ? found : STORE_NONE;
}

/* ---- what follows ---- */

static enum view_role role_of(bool says_hello)
{
	return says_hello ? VIEW_CLIENT : VIEW_SERVER;
}

/* Of the hellos with the session's random the one on its carrier; NULL if none is, or several could be. */
static const struct hello *choose_hello(const struct layering *l, uint32_t session, const struct hello *items,
					size_t n)
{
	enum view_role role = l->conns->views[session].role;
	const struct hello *found = NULL;
	uint32_t by_calls;

	for (size_t i = 0; i < n; i++) {
		if (role != VIEW_UNKNOWN && role != role_of(items[i].out))
			continue;
		if (found && found->carrier == items[i].carrier && found->out == items[i].out)
			continue;
		if (found)
			goto several;
		found = &items[i];
	}
	return found;
several:
	by_calls = carrier_by_calls(l, session);
	for (size_t i = 0; i < n; i++)
		if (items[i].carrier == by_calls && (role == VIEW_UNKNOWN || role == role_of(items[i].out)))
			return &items[i];
	return NULL;
}

static void cover(uint64_t *covered, uint64_t from)
{
	if (from < *covered)
		*covered = from;
}

/* The carrier's bytes are ciphertext from the hello on; the other way, from what came after it. */
static void cover_from(const struct layering *l, struct view *carrier, const struct hello *hello)
{
	const uint32_t *list = hello->out ? carrier->in : carrier->out;
	uint32_t count = hello->out ? carrier->in_count : carrier->out_count;
	uint64_t *other = hello->out ? &carrier->covered_in : &carrier->covered_out;

	cover(hello->out ? &carrier->covered_out : &carrier->covered_in, hello->off);
	for (uint32_t i = 0; i < count; i++) {
		const struct store_record *r = &l->process->records[list[i]];

		if (r->len == 0)
			break;
		if ((hello->out ? r->t1_ns : r->t0_ns) < hello->at_ns)
			continue;
		cover(other, r->off);
		return;
	}
	if (hello->off == 0)
		cover(other, 0);
}

/* The session's view takes after its carrier in what a record of TLS does not say. */
static void inherit(struct view *v, const struct view *carrier)
{
	v->local = carrier->local;
	v->remote = carrier->remote;
	v->netns = carrier->netns;
	v->open_record = carrier->open_record;
	if (carrier->open_ns < v->open_ns)
		v->open_ns = carrier->open_ns;
	if (carrier->close_ns < v->close_ns)
		v->close_ns = carrier->close_ns;
	if (v->role == VIEW_UNKNOWN)
		v->role = carrier->role;
}

static void tie(struct layering *l, uint32_t session, const struct hello *hello)
{
	struct view *v = &l->conns->views[session], *carrier;

	v->carrier = hello ? hello->carrier : carrier_by_calls(l, session);
	if (v->carrier == STORE_NONE)
		v->carrier = carrier_beside(l, session);
	if (v->carrier == STORE_NONE)
		return;
	carrier = &l->conns->views[v->carrier];
	if (hello) {
		v->role = role_of(hello->out);
		cover_from(l, carrier, hello);
	} else {
		cover(&carrier->covered_in, 0);
		cover(&carrier->covered_out, 0);
	}
	inherit(v, carrier);
}

static int layer_process(struct layering *l)
{
	int err = 0;
	size_t at = 0;

	vec_clear(&l->keys);
	vec_clear(&l->hellos);
	for (uint32_t v = l->first; v < l->end && !err; v++)
		if (l->conns->views[v].random)
			err = vec_push(&l->keys, (struct key){l->conns->views[v].random, v});
	if (err || !l->keys.count)
		return err;
	vec_sort(&l->keys, key_compare);
	err = search_hellos(l);
	for (uint32_t v = l->first; v < l->end && !err; v++) {
		size_t begin = at;

		while (at < l->hellos.count && l->hellos.items[at].session == v)
			at++;
		if (l->conns->views[v].random)
			tie(l, v, choose_hello(l, v, l->hellos.items + begin, at - begin));
	}
	return err;
}

int layer_run(const struct store *store, struct conns *conns)
{
	struct layering l = {.store = store, .conns = conns};
	int err = 0;

	while (l.end < conns->view_count && !err) {
		uint32_t process = conns->views[l.end].process;

		l.first = l.end;
		l.process = &store->processes[process];
		while (l.end < conns->view_count && conns->views[l.end].process == process)
			l.end++;
		err = layer_process(&l);
	}
	vec_free(&l.keys);
	vec_free(&l.hellos);
	return err;
}
